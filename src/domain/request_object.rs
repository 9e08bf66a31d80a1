//! A signed authorization request (RFC 9101, OpenID Connect Core §6): its claims are the request's parameters.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::domain::client_assertion::{LONGEST, LONGEST_ID, OnceOnly, SKEW, time};
use crate::domain::ids::ClientId;
use crate::domain::secrets::SecretHash;

/// Claims that speak of the token itself (RFC 7519 §4.1).
const OF_THE_TOKEN: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// Why a request object is refused: for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnacceptableRequest {
    /// `client_id` is missing, or somebody else's (RFC 9101 §5).
    #[error("client_id is not the client")]
    Client,
    /// `iss` is somebody else, or `sub` makes a client assertion of it (RFC 9101 §10.8).
    #[error("iss is not the client, or sub is")]
    Issuer,
    /// `aud` does not name this server (RFC 9101 §5).
    #[error("aud is not this server")]
    Audience,
    /// It has expired, or is from the future, or a time is none.
    #[error("it has expired, or is from the future")]
    Time,
    /// It holds another one (RFC 9101 §4).
    #[error("it holds request or request_uri")]
    Nested,
    /// Its client wants each to have `aud`, `exp`, `nbf` and `jti`, and one is missing or cannot be what it is.
    #[error("aud, exp, nbf or jti is missing or malformed")]
    NotForOnce,
    /// It is good for longer than an hour, or has been for so long.
    #[error("it is good for more than an hour")]
    TooLong,
    /// A claim can be no parameter.
    #[error("a claim cannot be a parameter")]
    Claim,
}

/// The parameters of a request object whose signature is good.
///
/// # Errors
/// [`UnacceptableRequest`].
pub fn parameters(
    claims: &Map<String, Value>,
    client: &ClientId,
    issuer: &str,
    now: DateTime<Utc>,
) -> Result<Vec<(String, String)>, UnacceptableRequest> {
    let is_client = |name: &str| claims.get(name).is_some_and(|value| value == client.as_str());
    if !is_client("client_id") {
        return Err(UnacceptableRequest::Client);
    }
    if (claims.contains_key("iss") && !is_client("iss")) || is_client("sub") {
        return Err(UnacceptableRequest::Issuer);
    }
    if claims.get("aud").is_some_and(|audience| !names(audience, issuer)) {
        return Err(UnacceptableRequest::Audience);
    }
    if !is_current(claims, now) {
        return Err(UnacceptableRequest::Time);
    }
    if claims.contains_key("request") || claims.contains_key("request_uri") {
        return Err(UnacceptableRequest::Nested);
    }
    let mut parameters = Vec::new();
    for (name, value) in claims.iter().filter(|(name, _)| !OF_THE_TOKEN.contains(&name.as_str())) {
        for value in texts(name, value).ok_or(UnacceptableRequest::Claim)? {
            parameters.push((name.clone(), value));
        }
    }
    Ok(parameters)
}

/// Judges a request object, of which [`parameters`] were read, by what a client may ask of its own: that each is for
/// this server, for an hour at most and for once (FAPI 2.0 Message Signing §5.3.1).
///
/// # Errors
/// [`UnacceptableRequest`].
pub fn once_only(claims: &Map<String, Value>, client: &ClientId) -> Result<OnceOnly, UnacceptableRequest> {
    let moment = |name: &str| claims.get(name).and_then(Value::as_f64).and_then(time);
    let id = claims.get("jti").and_then(Value::as_str);
    let id = id.filter(|id| !id.is_empty() && id.len() <= LONGEST_ID);
    let (Some(begin), Some(end), Some(id), true) =
        (moment("nbf"), moment("exp"), id, claims.contains_key("aud"))
    else {
        return Err(UnacceptableRequest::NotForOnce);
    };
    // Its end is still to come, so it has not begun longer ago either.
    if end > begin + LONGEST {
        return Err(UnacceptableRequest::TooLong);
    }
    let id = SecretHash::of(format!("request\0{client}\0{id}").as_bytes());
    Ok(OnceOnly { id, expires_at: end + SKEW })
}

fn names(audience: &Value, issuer: &str) -> bool {
    match audience {
        Value::Array(audiences) => audiences.iter().any(|audience| audience == issuer),
        audience => audience == issuer,
    }
}

fn is_current(claims: &Map<String, Value>, now: DateTime<Utc>) -> bool {
    let holds = |name: &str, test: &dyn Fn(DateTime<Utc>) -> bool| {
        claims.get(name).is_none_or(|value| value.as_f64().and_then(time).is_some_and(test))
    };
    let has_begun = |begin: DateTime<Utc>| begin <= now + SKEW;
    holds("exp", &|end| now < end + SKEW) && holds("nbf", &has_begun) && holds("iat", &has_begun)
}

/// A claim as it would stand in a query (RFC 9101 §4): a list only of `resource` (RFC 8707 §2), structures as JSON.
fn texts(name: &str, value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Number(_) | Value::Bool(_) | Value::Object(_) => Some(vec![value.to_string()]),
        Value::Array(values) if name == "resource" => {
            values.iter().map(|value| value.as_str().map(ToOwned::to_owned)).collect()
        }
        Value::Null | Value::Array(_) => None,
    }
}
