//! What requests of every face say in their headers.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, USER_AGENT};

use crate::domain::family::UserAgentInfo;
use crate::http::error::Problem;

const LONGEST_USER_AGENT: usize = 512;

/// RFC 6750 §2.1.
pub(crate) fn bearer(request: &HttpRequest) -> Result<&str, Problem> {
    let header = request.headers().get(AUTHORIZATION).ok_or(Problem::NoToken)?;
    let (scheme, token) =
        header.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(Problem::NoToken)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Problem::NoToken) }
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
