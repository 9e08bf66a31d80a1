//! Finding the token in a request (RFC 6750 §2.1).

use crate::error::VerifyError;

/// The token in a request's `Authorization` headers, if there is none in the query as well. One that is only in the
/// query counts for nothing: there it ends up in logs (RFC 9700 §4.3.2).
#[cfg(any(feature = "actix", feature = "tower"))]
pub(crate) fn only_token<'h>(
    headers: impl IntoIterator<Item = &'h [u8]>,
    query: &str,
) -> Result<&'h str, VerifyError> {
    let token = bearer_token(headers)?;
    // RFC 6750 §2: clients must not use more than one method in a request.
    if query.split('&').any(|parameter| parameter.split('=').next() == Some("access_token")) {
        return Err(VerifyError::SeveralTokens);
    }
    Ok(token)
}

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
    let mut headers = headers.into_iter();
    let header = headers.next().ok_or(VerifyError::Missing)?;
    if headers.next().is_some() {
        return Err(VerifyError::MalformedRequest);
    }
    let text = std::str::from_utf8(header).map_err(|_| VerifyError::MalformedRequest)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(VerifyError::Missing);
    }
    let token = token.trim_matches(' ');
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(VerifyError::MalformedRequest);
    }
    Ok(token)
}
