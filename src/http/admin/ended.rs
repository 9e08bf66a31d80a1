//! How many logins a change has ended: its answer says so beside what it gives.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};

/// The header that says it.
const ENDED: HeaderName = HeaderName::from_static("heirloom-ended-logins");

/// An answer that says it.
pub(super) fn telling(mut response: HttpResponse, ended: u64) -> HttpResponse {
    response.headers_mut().insert(ENDED, HeaderValue::from(ended));
    response
}

/// The same where there is nothing else to be said.
pub(super) fn done_telling(ended: u64) -> HttpResponse {
    telling(HttpResponse::NoContent().finish(), ended)
}

/// A number of logins as it is told.
pub(super) fn count(ended: usize) -> u64 {
    u64::try_from(ended).unwrap_or(u64::MAX)
}
