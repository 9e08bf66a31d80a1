//! What requests of every face say in their headers.

use std::borrow::Cow;
use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::family::UserAgentInfo;
use crate::http::error::Problem;
use crate::service::Failure;

const LONGEST_USER_AGENT: usize = 512;

/// What the `Authorization` header says, if there is one.
///
/// # Errors
/// There are two: of those, a proxy may have looked at the other (RFC 9110 §5.3).
pub(crate) fn authorization(request: &HttpRequest) -> Result<Option<&HeaderValue>, Problem> {
    let mut all = request.headers().get_all(AUTHORIZATION);
    let first = all.next();
    if all.next().is_some() {
        return Err(Problem::Malformed("The header Authorization is sent twice."));
    }
    Ok(first)
}

/// RFC 6750 §2.1.
pub(crate) fn bearer(request: &HttpRequest) -> Result<&str, Problem> {
    let header = authorization(request)?.ok_or(Problem::NoToken)?;
    let (scheme, token) =
        header.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(Problem::NoToken)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Problem::NoToken) }
}

/// RFC 6749 §2.3.1: id and secret are each form-encoded before they are joined. A header of another scheme says nothing
/// of the client: an interceptor adds `Bearer` to every request, a proxy `Negotiate`.
pub(crate) fn basic(request: &HttpRequest) -> Result<Option<(String, String)>, Problem> {
    let Some(header) = authorization(request)? else { return Ok(None) };
    let value = header.to_str().map_err(|_| Failure::InvalidClient)?;
    let (scheme, encoded) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let decoded = STANDARD.decode(encoded.trim()).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(Failure::InvalidClient)?;
    let (id, secret) = text.split_once(':').ok_or(Failure::InvalidClient)?;
    Ok(Some((form_decode(id), form_decode(secret))))
}

fn form_decode(text: &str) -> String {
    // A bare `&` or `=` would end a form's value; here it is a client that did not encode.
    let whole: Cow<'_, str> = text.replace('&', "%26").replace('=', "%3D").into();
    let bytes = [b"=", whole.as_bytes()].concat();
    form_urlencoded::parse(&bytes).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// What a login remembers of where it was made.
pub(crate) fn user_agent_info(
    request: &HttpRequest,
    name: Option<String>,
    address: Option<IpAddr>,
) -> UserAgentInfo {
    // Visible ASCII, so a byte is a character.
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    UserAgentInfo {
        name,
        user_agent: user_agent.map(|text| text.get(..LONGEST_USER_AGENT).unwrap_or(text).to_owned()),
        address: address.map(|address| address.to_string()),
    }
}
