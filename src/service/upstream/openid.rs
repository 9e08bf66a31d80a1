//! A provider with discovery (OpenID Connect Discovery, Core §3.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use url::Url;

use crate::crypto::upstream_id_token::{ExpectedIdToken, SKEW, UnfitIdToken, read_id_token};
use crate::domain::client::Origin;
use crate::domain::client_assertion::time;
use crate::domain::upstream::{
    Provider, ProviderSecret, UpstreamFault, UpstreamIdentity, UpstreamProblem, UpstreamSubject, texts_of,
};
use crate::outbound::{Call, NoAnswer, WayOut};
use crate::service::Core;

/// Keys that are older than this are fetched once more for a signature that none of them made: providers change them
/// when they like (Core §10.1.1). What anybody sends makes us fetch no more often.
const OLDEST_KEYS: TimeDelta = TimeDelta::seconds(5);

/// What a provider says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Discovered {
    issuer: String,
    pub(super) authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    userinfo_endpoint: Option<Url>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// RFC 9207 §3.
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

/// What a code was worth.
#[derive(Deserialize)]
struct UpstreamTokens {
    id_token: Option<String>,
    access_token: Option<String>,
    error: Option<String>,
}

/// A code that came back, with what it must match.
pub(super) struct ReturnedCode<'a> {
    pub(super) code: &'a str,
    pub(super) verifier: &'a str,
    pub(super) nonce: &'a str,
    pub(super) redirect_uri: &'a str,
}

/// What the provider says of itself, perhaps a while ago.
pub(super) async fn discover(
    core: &Core,
    provider: &Provider,
    now: DateTime<Utc>,
) -> Result<Discovered, UpstreamProblem> {
    let place = format!("{}/.well-known/openid-configuration", provider.issuer.trim_end_matches('/'));
    let url = Url::parse(&place).map_err(|_| UpstreamProblem::Unreachable)?;
    let found: Discovered =
        way(core).get_late_json(&url, now).await.map_err(|why| no_answer(provider, &why))?;
    // Discovery §4.3: or somebody else could speak for it.
    if found.issuer == provider.issuer { Ok(found) } else { Err(unproven(UpstreamFault::Issuer)) }
}

/// Who came back.
pub(super) async fn identity(
    core: &Core,
    provider: &Provider,
    found: &Discovered,
    returned: &ReturnedCode<'_>,
    now: DateTime<Utc>,
) -> Result<UpstreamIdentity, UpstreamProblem> {
    let answer = exchange(core, provider, found, returned).await?;
    let token = answer.id_token.as_deref().ok_or(unproven(UpstreamFault::Malformed))?;
    let expected = ExpectedIdToken {
        issuer: &provider.issuer,
        client_id: &provider.client_id,
        nonce: returned.nonce,
        now,
    };
    let mut claims = read_token(core, provider, found, (token, expected), now).await?;
    if let (Some(url), Some(token)) = (&found.userinfo_endpoint, &answer.access_token) {
        let told = userinfo(core, provider, url, token).await?;
        // Core §5.3.2: it may be somebody else's.
        if told.get("sub") != claims.get("sub") {
            return Err(unproven(UpstreamFault::Subject));
        }
        for (name, value) in told {
            claims.entry(name).or_insert(value);
        }
    }
    read_claims(provider, &claims, now)
}

async fn read_token(
    core: &Core,
    provider: &Provider,
    found: &Discovered,
    (token, expected): (&str, ExpectedIdToken<'_>),
    now: DateTime<Utc>,
) -> Result<Map<String, Value>, UpstreamProblem> {
    let keys: Value = keys(core, provider, found, now).await?;
    match read_id_token(token, &keys, expected) {
        Err(UnfitIdToken::NotOfTheseKeys) => {}
        read => return read.map_err(problem),
    }
    let newer = way(core).renew_json(&found.jwks_uri, OLDEST_KEYS, now).await;
    let newer: Value = newer.map_err(|why| no_answer(provider, &why))?;
    read_id_token(token, &newer, expected).map_err(problem)
}

/// The provider's keys, in whatever type they are to be read.
pub(super) async fn keys<T: DeserializeOwned>(
    core: &Core,
    provider: &Provider,
    found: &Discovered,
    now: DateTime<Utc>,
) -> Result<T, UpstreamProblem> {
    way(core).get_late_json(&found.jwks_uri, now).await.map_err(|why| no_answer(provider, &why))
}

/// The same, as they are now.
pub(super) async fn newer_keys<T: DeserializeOwned>(
    core: &Core,
    provider: &Provider,
    found: &Discovered,
    now: DateTime<Utc>,
) -> Result<T, UpstreamProblem> {
    let newer = way(core).renew_json(&found.jwks_uri, OLDEST_KEYS, now).await;
    newer.map_err(|why| no_answer(provider, &why))
}

async fn exchange(
    core: &Core,
    provider: &Provider,
    found: &Discovered,
    returned: &ReturnedCode<'_>,
) -> Result<UpstreamTokens, UpstreamProblem> {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", returned.code),
        ("redirect_uri", returned.redirect_uri),
        ("code_verifier", returned.verifier),
    ];
    let mut authorization = None;
    match &provider.client_secret {
        Some(secret) if wants_post(found) => {
            form.push(("client_id", &provider.client_id));
            form.push(("client_secret", secret.expose()));
        }
        Some(secret) => authorization = Some(basic(&provider.client_id, secret)),
        None => form.push(("client_id", &provider.client_id)),
    }
    let call =
        Call { url: &found.token_endpoint, authorization: authorization.as_deref(), form: Some(&form) };
    let (status, answer) =
        way(core).call_json::<UpstreamTokens>(call).await.map_err(|why| no_answer(provider, &why))?;
    if status == 200 && answer.error.is_none() {
        return Ok(answer);
    }
    let error = answer.error.as_deref().unwrap_or_default();
    tracing::warn!(provider = provider.id, status, error = %printable(error), "a provider gave no tokens for a code");
    Err(if status >= 500 { UpstreamProblem::ServerError } else { UpstreamProblem::Refused })
}

/// Core §9: with a header, unless the provider knows bodies alone.
fn wants_post(found: &Discovered) -> bool {
    let methods = found.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
    let knows = |method: &str| methods.iter().any(|known| known == method);
    knows("client_secret_post") && !knows("client_secret_basic")
}

/// RFC 6749 §2.3.1.
fn basic(client_id: &str, secret: &ProviderSecret) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(client_id), encoded(secret.expose()));
    format!("Basic {}", STANDARD.encode(pair))
}

async fn userinfo(
    core: &Core,
    provider: &Provider,
    url: &Url,
    token: &str,
) -> Result<Map<String, Value>, UpstreamProblem> {
    let bearer = format!("Bearer {token}");
    let call = Call { url, authorization: Some(&bearer), form: None };
    let (status, claims) = way(core).call_json(call).await.map_err(|why| no_answer(provider, &why))?;
    if status == 200 { Ok(claims) } else { Err(no_answer(provider, &NoAnswer::Status(status))) }
}

fn read_claims(
    provider: &Provider,
    claims: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<UpstreamIdentity, UpstreamProblem> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let owned = |name: &str| text(name).map(ToOwned::to_owned);
    // Core §2: at most 255 letters.
    let subject = text("sub").filter(|sub| sub.len() <= 255).ok_or(unproven(UpstreamFault::Malformed))?;
    let auth_time = claims.get("auth_time").and_then(Value::as_f64).and_then(time);
    if auth_time.is_some_and(|at| at > now + SKEW) {
        return Err(unproven(UpstreamFault::Time));
    }
    Ok(UpstreamIdentity {
        who: UpstreamSubject { issuer: provider.issuer.clone(), subject: subject.to_owned() },
        email: owned("email"),
        // Some write it as a text.
        email_verified: matches!(claims.get("email_verified"), Some(Value::Bool(true)))
            || text("email_verified") == Some("true"),
        username: owned("preferred_username"),
        name: owned("name"),
        auth_time: auth_time.map(|at| at.min(now)),
        sid: owned("sid"),
        amr: texts_of(claims, "amr").into_iter().map(ToOwned::to_owned).collect(),
        roles: provider.roles.as_ref().map(|mapping| mapping.of(claims)),
    })
}

/// The way to what operators named.
pub(super) fn way(core: &Core) -> &WayOut {
    core.outbound.for_clients(Origin::Operator)
}

pub(super) fn no_answer(provider: &Provider, why: &NoAnswer) -> UpstreamProblem {
    tracing::warn!(provider = provider.id, cause = %why, "a provider does not answer");
    UpstreamProblem::Unreachable
}

fn problem(unfit: UnfitIdToken) -> UpstreamProblem {
    unproven(match unfit {
        UnfitIdToken::Fault(fault) => fault,
        UnfitIdToken::NotOfTheseKeys => UpstreamFault::Signature,
    })
}

fn unproven(fault: UpstreamFault) -> UpstreamProblem {
    UpstreamProblem::Unproven(fault)
}

/// What somebody else wrote, for a line of the log.
fn printable(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(64).collect()
}
