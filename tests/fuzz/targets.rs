//! What is fuzzed, and what must hold of whatever is taken.

use std::net::IpAddr;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use heirloom::crypto::client_jwt::read_jwt;
use heirloom::crypto::hash_forms::{GivenHash, HashRules};
use heirloom::crypto::master_key::{MasterKey, MasterKeys};
use heirloom::crypto::passwords::{Passwords, PoolSize};
use heirloom::domain::audience::Audience;
use heirloom::domain::claims_request::ClaimsRequest;
use heirloom::domain::client::{AuthMethod, Client, ClientKind, JwtAlgorithm, Origin, PublicJwks};
use heirloom::domain::device::UserCode;
use heirloom::domain::event::EventLine;
use heirloom::domain::ids::ClientId;
use heirloom::domain::new_password::PasswordRules;
use heirloom::domain::redirect_uri::is_registered;
use heirloom::domain::refresh_token::RefreshToken;
use heirloom::domain::registration::{Allowed, read_registration, registered_members};
use heirloom::domain::scim::filter::criteria;
use heirloom::domain::scim::patch::{operations, patched};
use heirloom::domain::scim::resource::UserResource;
use heirloom::domain::scope::ScopeSet;
use heirloom::domain::secrets::Password;
use heirloom::domain::standard_claims::StandardClaims;
use heirloom::domain::user::{User, Username, check_email, email_key};
use heirloom::domain::user_agent::describe;
use heirloom::domain::web_origin::WebOrigin;
use heirloom::domain::webhook::WebhookUrl;
use heirloom::http::outsiders;
use heirloom::service::admin::moving::line::ReadLine;
use heirloom::settings::{Issuer, LoadFrom, Settings};
use heirloom_verifier::Verifier;
use heirloom_verifier::dpop::{ProofRequest, verify_proof};
use serde_json::{Map, Value, json};
use url::Url;

pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Whether the input was taken, or what is wrong with what came of it.
    pub(crate) run: fn(&[u8]) -> Result<bool, String>,
}

macro_rules! targets {
    ($($name:ident)+) => {
        pub(crate) static TARGETS: &[Target] = &[$(Target { name: stringify!($name), run: $name }),+];
    };
}

targets! {
    access_token accept_language authorization certificate client_address client_jwt client_metadata claims_request
    cookies dpop_proof event_line form import_line json mail_address new_password origins password_hash redirect_uri
    refresh_token scim_filter scim_patch scim_user scopes settings user_agent user_code username
}

fn text(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}

/// What must hold.
fn holds(whether: bool, what: &str) -> Result<(), String> {
    if whether { Ok(()) } else { Err(what.to_owned()) }
}

/// An input of lines that begin with `{` is a token's header, payload and signature, to be encoded: so what is bent is
/// what they say. Any other is the token.
fn token_of(input: &[u8]) -> Option<String> {
    let text = text(input)?.trim_end();
    if !text.starts_with('{') {
        return Some(text.to_owned());
    }
    let mut lines = text.split('\n');
    let mut encoded = || URL_SAFE_NO_PAD.encode(lines.next().unwrap_or_default());
    let (header, payload) = (encoded(), encoded());
    Some(format!("{header}.{payload}.{}", lines.next().unwrap_or_default()))
}

/// The part of a token that is signed.
fn signed(token: &str) -> &str {
    token.rsplit_once('.').map_or(token, |(message, _)| message)
}

fn object(input: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(input).ok()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).unwrap_or_default()
}

/// When the verifier's samples were made.
const NOW: i64 = 1_900_000_000;
const TOKEN: &str = include_str!("../../verifier/tests/sample/access_token.jwt");
const PROOF: &str = include_str!("../../verifier/tests/sample/proof.jwt");
const JWKS: &str = include_str!("../../verifier/tests/sample/jwks.json");

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let builder = Verifier::builder("https://login.example.com").audience("https://api.example.com");
    let clock = || UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs());
    let building = builder.clock(clock).cache_capacity(0).jwks_json(JWKS).build();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime
        .ok()
        .and_then(|runtime| runtime.block_on(building).ok())
        .unwrap_or_else(|| unreachable!("the samples are good"))
});

/// Only what the issuer signed is taken.
fn access_token(input: &[u8]) -> Result<bool, String> {
    let Some(token) = token_of(input) else { return Ok(false) };
    let is_good = VERIFIER.verify_offline(&token).is_ok();
    holds(!is_good || signed(&token) == signed(TOKEN.trim()), "a token that nobody signed is good")?;
    Ok(is_good)
}

/// A language that there is.
fn accept_language(input: &[u8]) -> Result<bool, String> {
    let Some(text) = text(input) else { return Ok(false) };
    let (locales, header) =
        text.split_once('\n').map_or((None, text), |(locales, rest)| (Some(locales), rest));
    let language = outsiders::language(locales, Some(header));
    holds(["en", "de"].contains(&language), "a language that there is not")?;
    Ok(language == "de")
}

/// What is read is what a client would write again.
fn authorization(input: &[u8]) -> Result<bool, String> {
    let Some((id, secret)) = outsiders::basic(input) else { return Ok(false) };
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let again = format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(&id), encode(&secret))));
    holds(outsiders::basic(again.as_bytes()) == Some((id, secret)), "it reads otherwise when written again")?;
    Ok(true)
}

#[expect(clippy::unnecessary_wraps, reason = "all targets have one form")]
fn certificate(input: &[u8]) -> Result<bool, String> {
    Ok(text(input).is_some_and(outsiders::holds_certificate))
}

/// Whatever a client writes: what the proxy adds behind it counts, and a stranger's word does not.
fn client_address(input: &[u8]) -> Result<bool, String> {
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let (proxy, stranger): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [198, 51, 100, 1].into());
    let added: IpAddr = [203, 0, 113, 9].into();
    let trusted = ["192.0.2.0/24".parse().map_err(|error| format!("{error}"))?];
    let of_stranger = outsiders::client_address(stranger, "x-forwarded-for", &lines, &trusted);
    holds(of_stranger.is_none_or(|it| it == stranger), "a stranger is believed")?;
    for (header, word) in [("x-forwarded-for", &b"203.0.113.9"[..]), ("forwarded", b"for=203.0.113.9")] {
        let with_word = [&lines[..], &[word]].concat();
        let of_proxy = outsiders::client_address(proxy, header, &with_word, &trusted);
        holds(of_proxy.is_none_or(|it| it == added), "the proxy's own word does not count")?;
        if let Some(last) = lines.last() {
            let one_line = [last, &b", "[..], word].concat();
            let of_proxy = outsiders::client_address(proxy, header, &[&one_line], &trusted);
            holds(
                of_proxy.is_none_or(|it| it == added),
                "the proxy's own word in the same line does not count",
            )?;
        }
    }
    let of_proxy = outsiders::client_address(proxy, "x-forwarded-for", &lines, &trusted);
    Ok(of_proxy.is_some_and(|it| it != proxy))
}

static CLIENT_KEYS: LazyLock<PublicJwks> = LazyLock::new(|| {
    let header = PROOF.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
    let header: Value = header.and_then(|header| serde_json::from_slice(&header).ok()).unwrap_or_default();
    PublicJwks::try_from(json!({ "keys": [header.get("jwk")] }))
        .unwrap_or_else(|_| unreachable!("the samples are good"))
});

/// Only what the client signed is taken.
fn client_jwt(input: &[u8]) -> Result<bool, String> {
    let Some(token) = token_of(input) else { return Ok(false) };
    let allowed = [JwtAlgorithm::Es256, JwtAlgorithm::EdDsa, JwtAlgorithm::Ps256, JwtAlgorithm::Rs256];
    let is_good = read_jwt::<Map<String, Value>>(&token, &CLIENT_KEYS, &allowed).is_some();
    holds(!is_good || signed(&token) == signed(PROOF.trim()), "a token that nobody signed is good")?;
    Ok(is_good)
}

/// A client that registers gets no place that runs a script or is no URL, and what it is told it could send again.
fn client_metadata(input: &[u8]) -> Result<bool, String> {
    let Some(members) = object(input) else { return Ok(false) };
    let allowed = Allowed {
        scopes: "openid profile offline_access".parse().map_err(|error| format!("{error}"))?,
        auth_methods: AuthMethod::ALL.to_vec(),
        redirect_schemes: Vec::new(),
        longest_rotation_period: Duration::ZERO,
    };
    let Ok(read) = read_registration(&members, AuthMethod::ClientSecretBasic, &allowed) else {
        return Ok(false);
    };
    for uri in &read.redirect_uris {
        let url = Url::parse(uri).map_err(|_| format!("{uri} is no URL"))?;
        let runs = ["javascript", "data", "vbscript", "file", "blob", "about"].contains(&url.scheme());
        holds(
            !runs && url.fragment().is_none() && url.username().is_empty(),
            "a place where no code may go",
        )?;
    }
    holds(read.scopes.is_subset(&allowed.scopes), "more scopes than there are")?;
    let id: ClientId = "fuzzed".parse().map_err(|_| "an id".to_owned())?;
    let mut client = Client::new(id, ClientKind::Public, Origin::Registered, now());
    let told = read.told.clone();
    if read.apply(&mut client).is_err() {
        return Ok(false);
    }
    let again = registered_members(&client, &told);
    holds(
        read_registration(&again, AuthMethod::ClientSecretBasic, &allowed).is_ok(),
        "what it is told is refused",
    )?;
    Ok(true)
}

fn claims_request(input: &[u8]) -> Result<bool, String> {
    let Some(request) = text(input).and_then(|text| text.parse::<ClaimsRequest>().ok()) else {
        return Ok(false);
    };
    let kept = serde_json::to_string(&request).map_err(|error| error.to_string())?;
    let again: ClaimsRequest = kept.parse().map_err(|_| "what was kept is refused".to_owned())?;
    // What no integer holds may be another neighbour of its number then.
    holds(again == request || kept.contains(['e', '.']), "it reads otherwise when it was kept")?;
    Ok(true)
}

/// A cookie that stands twice is none, and none has the end of another in it.
fn cookies(input: &[u8]) -> Result<bool, String> {
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let Some(value) = outsiders::cookie(&lines, "session") else { return Ok(false) };
    let whole = String::from_utf8_lossy(input);
    holds(whole.contains(&format!("session={value}")) && !value.contains(';'), "a value that was not sent")?;
    let with_another = [&lines[..], &[b"session=planted"]].concat();
    holds(outsiders::cookie(&with_another, "session").is_none(), "one of two is taken")?;
    Ok(true)
}

/// Only what the holder of the key signed is taken.
fn dpop_proof(input: &[u8]) -> Result<bool, String> {
    let Some(proof) = token_of(input) else { return Ok(false) };
    let token = include_str!("../../verifier/tests/sample/bound_token.jwt").trim();
    let request =
        ProofRequest { method: "GET", url: "https://api.example.com/orders", access_token: Some(token) };
    let is_good = verify_proof(&proof, &request, NOW).is_ok();
    holds(!is_good || signed(&proof) == signed(PROOF.trim()), "a proof that nobody signed is good")?;
    Ok(is_good)
}

#[expect(clippy::unnecessary_wraps, reason = "all targets have one form")]
fn event_line(input: &[u8]) -> Result<bool, String> {
    Ok(text(input).is_some_and(|text| text.parse::<EventLine>().is_ok()))
}

/// Nothing stands twice that must not, nothing holds NUL, and what is kept reads the same.
fn form(input: &[u8]) -> Result<bool, String> {
    let Some(pairs) = outsiders::form(input) else { return Ok(false) };
    let nul = pairs.iter().any(|(name, value)| name.contains('\0') || value.contains('\0'));
    holds(pairs.len() <= 64 && !nul, "more than a form may hold")?;
    let once = |name: &str| pairs.iter().filter(|(other, _)| other == name).count() == 1;
    let repeatable = |name: &str| ["resource", "audience"].contains(&name);
    holds(pairs.iter().all(|(name, _)| repeatable(name) || once(name)), "a parameter stands twice")?;
    let kept = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
    holds(outsiders::form(kept.as_bytes()) == Some(pairs), "it reads otherwise when it was kept")?;
    Ok(true)
}

static HASH_RULES: LazyLock<HashRules> = LazyLock::new(|| {
    let started = Passwords::start(argon2::Params::default(), PoolSize { threads: 1, queue: 1 });
    let rules = started.map(|passwords| passwords.hash_rules(None));
    rules.unwrap_or_else(|_| unreachable!("there are threads"))
});

/// A line is the same line however often it is read.
fn import_line(input: &[u8]) -> Result<bool, String> {
    let Ok(line) = ReadLine::read(input, &HASH_RULES) else { return Ok(false) };
    let again = ReadLine::read(input, &HASH_RULES).map_err(|error| error.to_string())?;
    holds(line.digest() == again.digest(), "a line is another one when it comes again")?;
    holds(line.email.as_deref().is_none_or(|email| check_email(email).is_ok()), "an address that is none")?;
    Ok(true)
}

/// No text holds NUL, and it is JSON.
fn json(input: &[u8]) -> Result<bool, String> {
    let Some(value) = outsiders::json(input) else { return Ok(false) };
    let text = value.to_string();
    let again: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    holds(!holds_nul(&value), "a text holds NUL")?;
    holds(again == value || text.contains('e') || text.contains('.'), "it reads otherwise when it was kept")?;
    Ok(true)
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// An address is compared by what is compared by itself.
fn mail_address(input: &[u8]) -> Result<bool, String> {
    let Some(address) = text(input).filter(|text| check_email(text).is_ok()) else { return Ok(false) };
    holds(!address.contains(['\r', '\n', ' ', '\0']), "an address ends a header's line")?;
    let key = email_key(address);
    holds(email_key(&key) == key, "its key has another key")?;
    Ok(true)
}

fn new_password(input: &[u8]) -> Result<bool, String> {
    let rules = PasswordRules { min_length: 8, server_words: vec!["heirloom".to_owned()] };
    let user = User {
        id: "018f0000-0000-7000-8000-000000000000".parse().map_err(|_| "an id".to_owned())?,
        username: "anabel".parse().map_err(|_| "a name".to_owned())?,
        email: Some("anabel@example.com".to_owned()),
        email_verified: true,
        claims: StandardClaims::default(),
        roles: Vec::new(),
        created_at: now(),
        last_login_at: None,
        disabled_at: None,
    };
    let Some(password) = text(input).and_then(|text| Password::new(text.to_owned()).ok()) else {
        return Ok(false);
    };
    let is_taken = rules.accept(&password, &user).is_ok();
    holds(
        rules.accept(&password.canonical(), &user).is_ok() == is_taken,
        "its stored form is judged otherwise",
    )?;
    Ok(is_taken)
}

/// Origins, issuers, audiences, webhooks: what is taken is what browsers and libraries make of it.
fn origins(input: &[u8]) -> Result<bool, String> {
    let Some(text) = text(input) else { return Ok(false) };
    if let Ok(origin) = text.parse::<WebOrigin>() {
        let is_web = text.starts_with("http://") || text.starts_with("https://");
        let same = Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text);
        holds(origin.as_str() == text && (!is_web || same), "an origin that browsers write otherwise")?;
    }
    if let Ok(issuer) = text.parse::<Issuer>() {
        let url = Url::parse(issuer.as_str()).map_err(|_| "an issuer that is no URL".to_owned())?;
        holds(url.query().is_none() && url.fragment().is_none(), "an issuer with a query")?;
    }
    if let Ok(hook) = text.parse::<WebhookUrl>() {
        holds(hook.url().username().is_empty() && hook.url().password().is_none(), "a webhook with a user")?;
    }
    Ok(text.parse::<Audience>().is_ok_and(|audience| audience.as_str() == text)
        && text.parse::<WebOrigin>().is_ok())
}

/// What is taken along is taken along again.
fn password_hash(input: &[u8]) -> Result<bool, String> {
    let Some(text) = text(input) else { return Ok(false) };
    let Ok(stored) = HASH_RULES.accept(&GivenHash::Text(text.to_owned())) else { return Ok(false) };
    let again = HASH_RULES.accept(&GivenHash::Text(stored.as_str().to_owned()));
    holds(again.is_ok_and(|again| again.as_str() == stored.as_str()), "what was stored is refused")?;
    Ok(true)
}

/// A browser is sent where somebody registered; of a loopback address the port may be another.
fn redirect_uri(input: &[u8]) -> Result<bool, String> {
    let Some((presented, registered)) = text(input).and_then(|text| text.split_once('\n')) else {
        return Ok(false);
    };
    if !is_registered(presented, &[registered.to_owned()]) {
        return Ok(false);
    }
    if presented != registered {
        let (Ok(one), Ok(other)) = (Url::parse(presented), Url::parse(registered)) else {
            return Err("what is no URL is taken for another".to_owned());
        };
        let same = one.scheme() == "http"
            && one.host() == other.host()
            && one.path() == other.path()
            && one.query() == other.query()
            && one.username().is_empty();
        let loopback = ["127.0.0.1", "[::1]", "localhost"].contains(&one.host_str().unwrap_or_default());
        holds(same && loopback, "another place is taken for the registered one")?;
    }
    Ok(true)
}

static MAC_KEYS: LazyLock<MasterKeys> = LazyLock::new(|| {
    let keys = MasterKeys::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    keys.unwrap_or_else(|_| unreachable!("it is a key"))
});

/// A token that is taken was made by us, and is written in the one way that there is.
fn refresh_token(input: &[u8]) -> Result<bool, String> {
    let Some(presented) = text(input).map(str::trim_end) else { return Ok(false) };
    let client: ClientId = "web".parse().map_err(|_| "an id".to_owned())?;
    let Ok(token) = RefreshToken::open(presented, &client, MAC_KEYS.iter().map(MasterKey::mac)) else {
        return Ok(false);
    };
    let written = MAC_KEYS.iter().map(MasterKey::mac).any(|key| token.encode(&client, key) == presented);
    holds(written, "another way to write a token is taken")?;
    Ok(true)
}

/// A filter asks for something.
fn scim_filter(input: &[u8]) -> Result<bool, String> {
    let Some(Ok(all)) = text(input).map(criteria) else { return Ok(false) };
    holds(!all.is_empty(), "a filter that asks for nothing")?;
    Ok(true)
}

/// A user stays one, whatever is done to it.
fn scim_patch(input: &[u8]) -> Result<bool, String> {
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ana", "active": true,
        "emails": [{ "value": "ana@example.com", "type": "work", "primary": true }], "roles": [{ "value": "editor" }],
        "name": { "givenName": "Ana", "familyName": "Sol" },
    });
    let Value::Object(user) = user else { return Ok(false) };
    let user = UserResource::sent(user).map_err(|fault| fault.detail)?;
    let Some(Ok(changes)) = object(input).map(operations) else { return Ok(false) };
    let Ok(after) = patched(&user, &changes) else { return Ok(false) };
    is_settled(after)
}

fn scim_user(input: &[u8]) -> Result<bool, String> {
    let Some(Ok(user)) = object(input).map(UserResource::sent) else { return Ok(false) };
    is_settled(user)
}

/// What is kept of a user could be sent again, and would be the same.
fn is_settled(user: UserResource) -> Result<bool, String> {
    let mut kept = user.into_object();
    let before = Value::Object(kept.clone());
    kept.insert("schemas".to_owned(), json!(["urn:ietf:params:scim:schemas:core:2.0:User"]));
    let again =
        UserResource::sent(kept).map_err(|fault| format!("what was kept is refused: {}", fault.detail))?;
    holds(Value::Object(again.into_object()) == before, "what was kept is another user")?;
    Ok(true)
}

/// Scopes are written in one way.
fn scopes(input: &[u8]) -> Result<bool, String> {
    let Some(Ok(scopes)) = text(input).map(str::parse::<ScopeSet>) else { return Ok(false) };
    let written = scopes.to_string();
    holds(written.parse() == Ok(scopes.clone()), "it reads otherwise when written again")?;
    holds(!written.contains("  ") && scopes.iter().all(|scope| !scope.is_empty()), "an empty scope")?;
    Ok(!scopes.is_empty())
}

/// A variable a line. Whatever they say, somebody is told what is wrong, and no secret is.
fn settings(input: &[u8]) -> Result<bool, String> {
    let Some(text) = text(input).filter(|text| !text.contains('\0')) else { return Ok(false) };
    let environment = text.lines().filter_map(|line| line.split_once('='));
    let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let mut environment: Vec<_> = environment.map(|(name, value)| (name.into(), value.into())).collect();
    environment.push(("HEIRLOOM_MASTER_KEY".into(), secret.into()));
    let working_dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let from = LoadFrom { working_dir, environment, ..LoadFrom::default() };
    match Settings::load(&from) {
        Ok(settings) => {
            holds(!format!("{settings:?}").contains(secret), "a secret is shown")?;
            Ok(true)
        }
        Err(error) => {
            let told = format!("{error} {error:?}");
            holds(!error.to_string().is_empty() && !told.contains(secret), "a secret is told, or nothing")?;
            Ok(false)
        }
    }
}

/// A name is short, and a part of the header.
fn user_agent(input: &[u8]) -> Result<bool, String> {
    let Some(header) = text(input) else { return Ok(false) };
    let described = describe(header);
    let fits = described.program.is_none_or(|program| (1..=32).contains(&program.len()));
    holds(fits, "a program whose name is long, or none")?;
    Ok(described.program.is_some() && described.system.is_some())
}

/// A code is the same in whatever case it is typed.
fn user_code(input: &[u8]) -> Result<bool, String> {
    let Some(text) = text(input) else { return Ok(false) };
    let Some(code) = UserCode::typed(text) else { return Ok(false) };
    let again = UserCode::typed(&text.to_ascii_lowercase()).ok_or("another case is no code")?;
    holds(again.hash().as_bytes() == code.hash().as_bytes(), "another case is another code")?;
    Ok(true)
}

/// A name is compared by what is compared by itself.
fn username(input: &[u8]) -> Result<bool, String> {
    let Some(Ok(name)) = text(input).map(Username::typed) else { return Ok(false) };
    if let Ok(by_key) = name.key().parse::<Username>() {
        holds(by_key.key() == name.key(), "its key has another key")?;
    }
    Ok(name.check_new().is_ok())
}
