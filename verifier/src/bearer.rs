//! Finding the token in a request (RFC 6750 §2.1).

use crate::challenge::Scheme;
use crate::error::VerifyError;

/// The token in a request's `Authorization` headers; give all of them.
///
/// ```
/// use heirloom_verifier::{VerifyError, bearer_token};
///
/// assert_eq!(bearer_token([b"Bearer abc".as_slice()]), Ok("abc"));
/// assert_eq!(bearer_token([]), Err(VerifyError::Missing));
/// assert_eq!(bearer_token([b"Basic YTpi".as_slice()]), Err(VerifyError::Missing));
/// ```
///
/// # Errors
/// [`VerifyError::Missing`] without a header, or with one of another scheme; [`VerifyError::MalformedRequest`] with
/// several, or one that cannot be read.
pub fn bearer_token<'h>(headers: impl IntoIterator<Item = &'h [u8]>) -> Result<&'h str, VerifyError> {
    match token_and_scheme(headers)? {
        (Scheme::Bearer, token) => Ok(token),
        (Scheme::DPoP, _) => Err(VerifyError::Missing),
    }
}

/// The token in a request's `Authorization` headers, and how it is meant to be sent.
pub(crate) fn token_and_scheme<'h>(
    headers: impl IntoIterator<Item = &'h [u8]>,
) -> Result<(Scheme, &'h str), VerifyError> {
    let mut headers = headers.into_iter();
    let header = headers.next().ok_or(VerifyError::Missing)?;
    if headers.next().is_some() {
        return Err(VerifyError::MalformedRequest);
    }
    let text = std::str::from_utf8(header).map_err(|_| VerifyError::MalformedRequest)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    let scheme = match scheme {
        bearer if bearer.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        dpop if dpop.eq_ignore_ascii_case("dpop") => Scheme::DPoP,
        _ => return Err(VerifyError::Missing),
    };
    let token = token.trim_matches(' ');
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(VerifyError::MalformedRequest);
    }
    Ok((scheme, token))
}
