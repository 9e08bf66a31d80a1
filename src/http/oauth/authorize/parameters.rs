//! What an authorization request says.

use std::time::Duration;

use crate::domain::authentication::ContextClass;
use crate::domain::authorization::{AskedClass, AuthorizationRequest, Prompt};
use crate::domain::claims_request::ClaimsRequest;
use crate::domain::client::{Client, CodeProtection, GrantType};
use crate::domain::json;
use crate::domain::key_thumbprint::KeyThumbprint;
use crate::domain::pkce::{self, CodeChallenge};
use crate::domain::redirect_uri;
use crate::http::body::{Form, NUL};
use crate::http::error::{Problem, Unmet};
use crate::http::stop::{Back, PageError, ResponseMode};
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::known_clients::KnownClient;
use crate::service::failure::BadKeyProof;
use crate::service::tokens::id_token;
use crate::service::{Core, Failure};

/// A `state` travels in addresses, there and back: some clients put a signed request of their own into it, and proxies
/// pass 8 KiB to 16 KiB. No harm comes from longer ones but to their senders.
const LONGEST_STATE: usize = 8192;

/// A `nonce` is kept with its code, and nobody needs longer ones.
const LONGEST_NONCE: usize = 2048;

/// What is read of a request, here and by the pages. Nothing else of one is kept.
const KNOWN: [&str; 18] = [
    "client_id",
    "response_type",
    "response_mode",
    "redirect_uri",
    "scope",
    "resource",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "prompt",
    "max_age",
    "acr_values",
    "claims",
    "id_token_hint",
    "login_hint",
    "ui_locales",
];

/// The longest request that is kept, as a query: as long as a `state` of the longest length, whose every byte takes
/// three, and something beside it.
const LONGEST_KEPT: usize = 4 * LONGEST_STATE;

/// What is kept of a request, as a query.
///
/// # Errors
/// [`Problem::TooLarge`] (RFC 9126 §2.3).
pub(crate) fn to_keep(form: &Form) -> Result<String, Problem> {
    let kept = form.rewritten(|name, value| KNOWN.contains(&name).then(|| value.to_owned()));
    if kept.len() > LONGEST_KEPT { Err(Problem::TooLarge) } else { Ok(kept) }
}

/// Checks a request before its browser comes with it.
///
/// # Errors
/// Whatever is wrong with it.
pub(crate) fn check(core: &Core, known: &KnownClient, form: &Form) -> Result<(), Problem> {
    // RFC 9126 §2.3: there is nobody to be redirected.
    redirect_uri(known, form).map_err(|_| {
        Problem::Malformed("The redirect_uri is missing, or it is not registered for this client.")
    })?;
    content(core, known, form).map(|_| ())
}

/// RFC 9449 §10.1: a key that is proved here is that of the code, as if `dpop_jkt` named it.
pub(crate) fn bound_to_key(client: &ClientRequest, form: Form) -> Result<Form, Failure> {
    let Some(key) = &client.key else { return Ok(form) };
    match form.get("dpop_jkt") {
        None => Ok(form.with("dpop_jkt", key.thumbprint.as_str())),
        Some(named) if named == key.thumbprint.as_str() => Ok(form),
        Some(_) => Err(BadKeyProof::OtherKey.into()),
    }
}

/// The redirect URI of a request that may do without one.
///
/// # Errors
/// [`Problem::Malformed`] when it is not the client's.
pub(crate) fn redirect_uri_of<'a>(known: &KnownClient, form: &'a Form) -> Result<Option<&'a str>, Problem> {
    if form.get("redirect_uri").is_none() {
        return Ok(None);
    }
    let uri = redirect_uri(known, form);
    uri.map(Some).map_err(|_| Problem::Malformed("The redirect_uri is not registered for this client."))
}

/// RFC 6749 §3.1.2.4: the browser is sent nowhere before the client is known and the redirect URI is one of its own.
pub(super) fn back(known: &KnownClient, form: &Form) -> Result<Back, PageError> {
    Ok(Back {
        client: known.client.id.clone(),
        redirect_uri: redirect_uri(known, form)?.to_owned(),
        // A response mode that is none of ours is refused below: in the default one.
        mode: ResponseMode::of(form.get("response_mode")).unwrap_or(ResponseMode::Query),
        state: form.get("state").filter(|state| state.len() <= LONGEST_STATE).map(ToOwned::to_owned),
        ui_locales: form.get("ui_locales").map(ToOwned::to_owned),
        origin: known.client.origin,
        is_silent: form.get("prompt") == Some("none"),
    })
}

fn redirect_uri<'a>(known: &KnownClient, form: &'a Form) -> Result<&'a str, PageError> {
    let uri = form.get("redirect_uri");
    let uri = uri.ok_or(PageError::Malformed("The parameter redirect_uri is missing."))?;
    if redirect_uri::is_registered(uri, &known.client.redirect_uris) {
        Ok(uri)
    } else {
        Err(PageError::RedirectUri("redirect_uri", uri.to_owned()))
    }
}

/// What a request asks for.
///
/// # Errors
/// Whatever is wrong with it.
pub(crate) fn content(
    core: &Core,
    known: &KnownClient,
    form: &Form,
) -> Result<AuthorizationRequest, Problem> {
    let client = &known.client;
    form.check_storable()?;
    known.may(GrantType::AuthorizationCode)?;
    // What stands elsewhere (RFC 9101 §5.2) and dynamic registration by the request itself are not served.
    for (name, unmet) in
        [("request_uri", Unmet::RequestUriNotSupported), ("registration", Unmet::RegistrationNotSupported)]
    {
        if form.get(name).is_some() {
            return Err(unmet.into());
        }
    }
    match form.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(Unmet::UnsupportedResponseType.into()),
        None => return Err(Problem::Malformed("The parameter response_type is missing.")),
    }
    ResponseMode::of(form.get("response_mode"))
        .ok_or(Problem::Malformed("The response_mode must be query, fragment or form_post."))?;
    if form.get("state").is_some_and(|state| state.len() > LONGEST_STATE) {
        return Err(Problem::Malformed("The state is too long."));
    }
    let nonce = form.get("nonce").map(ToOwned::to_owned);
    if nonce.as_ref().is_some_and(|nonce| nonce.len() > LONGEST_NONCE) {
        return Err(Problem::Malformed("The nonce is too long."));
    }
    let code_challenge = challenge(form)?;
    let protected = match client.code_protection() {
        CodeProtection::Pkce => code_challenge.is_some(),
        CodeProtection::PkceOrNonce => code_challenge.is_some() || nonce.is_some(),
        CodeProtection::Optional => true,
    };
    if !protected {
        // OAuth 2.1 §4.1.1: public clients must, all others should.
        return Err(Problem::Malformed("The parameter code_challenge is missing."));
    }
    let wanted = form.wanted()?.among(&client.scopes)?;
    let asked = claims(form)?;
    let prompt = form.get("prompt").unwrap_or_default().parse::<Prompt>();
    Ok(AuthorizationRequest {
        client_id: client.id.clone(),
        redirect_uri: form.get("redirect_uri").unwrap_or_default().to_owned(),
        scope: wanted.scope_within(&client.scopes)?,
        audiences: wanted.audiences_to_ask(client, &core.issuer)?,
        nonce,
        code_challenge,
        key_thumbprint: key_thumbprint(form)?,
        prompt: prompt.map_err(|_| {
            Problem::Malformed(
                "The prompt must be either none or a list of login, consent and select_account.",
            )
        })?,
        class: asked_class(form, &asked)?,
        max_age: max_age(form)?,
        expected_subject: expected_subject(core, client, form, &asked)?,
        claims: asked.within(&client.scopes),
        pushed: None,
    })
}

/// RFC 7636 §4.3. A missing method would mean `plain`.
fn challenge(form: &Form) -> Result<Option<CodeChallenge>, Problem> {
    let Some(challenge) = form.get("code_challenge") else {
        return match form.get("code_challenge_method") {
            Some(_) => Err(Problem::Malformed("The parameter code_challenge is missing.")),
            None => Ok(None),
        };
    };
    if !form.get("code_challenge_method").is_some_and(|method| pkce::METHODS.contains(&method)) {
        return Err(Problem::Malformed("The code_challenge_method must be S256."));
    }
    let malformed = Problem::Malformed("The code_challenge is not the base64url of a SHA-256 hash.");
    challenge.parse().map(Some).map_err(|_| malformed)
}

/// RFC 9449 §10.
fn key_thumbprint(form: &Form) -> Result<Option<KeyThumbprint>, Problem> {
    let malformed = Problem::Malformed("The dpop_jkt is not the base64url of a SHA-256 thumbprint.");
    form.get("dpop_jkt").map(str::parse).transpose().map_err(|_| malformed)
}

fn max_age(form: &Form) -> Result<Option<Duration>, Problem> {
    let Some(text) = form.get("max_age") else { return Ok(None) };
    let seconds = text.parse::<u32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let seconds = seconds.ok_or(Problem::Malformed("The max_age is not a number of seconds."))?;
    Ok(Some(Duration::from_secs(seconds.into())))
}

/// OpenID Connect Core §5.5.
fn claims(form: &Form) -> Result<ClaimsRequest, Problem> {
    let Some(text) = form.get("claims") else { return Ok(ClaimsRequest::default()) };
    if json::holds_nul(text.as_bytes()) {
        return Err(NUL);
    }
    let malformed = "The claims are not a JSON object with userinfo and id_token.";
    text.parse().map_err(|_| Problem::Malformed(malformed))
}

/// OpenID Connect Core §3.1.2.1, §5.5.1.1: of an essential `acr` one of its values is enough, and one that no sign-in
/// here can reach is refused at once; all else is a wish, the first of our classes that is named.
fn asked_class(form: &Form, claims: &ClaimsRequest) -> Result<AskedClass, Problem> {
    let named = |names: &[String]| -> Vec<ContextClass> {
        names.iter().filter_map(|name| ContextClass::named(name)).collect()
    };
    if let Some(values) = claims.essential_acr() {
        let least = named(&values).into_iter().min();
        return least.map(AskedClass::Essential).ok_or(Unmet::AuthenticationRequirements.into());
    }
    let words = form.get("acr_values").unwrap_or_default().split(' ').map(ToOwned::to_owned);
    let wishes: Vec<String> = words.chain(claims.wanted_acr()).collect();
    Ok(named(&wishes).first().copied().map_or(AskedClass::Any, AskedClass::Wanted))
}

/// The user whom the client names by an ID token or by `sub` itself (OpenID Connect Core §5.5.1). By another client's
/// token it could find out whether whoever is there is a user of that one.
fn expected_subject(
    core: &Core,
    client: &Client,
    form: &Form,
    claims: &ClaimsRequest,
) -> Result<Option<String>, Problem> {
    let named = claims.subject();
    let named = named.map_err(|_| Problem::Malformed("The claims must name one user with sub."))?;
    let Some(text) = form.get("id_token_hint") else { return Ok(named) };
    let hint = id_token::read_hint(core, text);
    let hint = hint.ok_or(Problem::Malformed("The id_token_hint is not an ID token of this server."))?;
    if hint.aud != client.id.as_str() {
        return Err(Problem::Malformed("The id_token_hint belongs to another client."));
    }
    if named.is_some_and(|named| named != hint.sub) {
        return Err(Problem::Malformed("The id_token_hint and the claims name different users."));
    }
    Ok(Some(hint.sub))
}
