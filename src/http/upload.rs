//! The one place that takes more than a handful of bytes: what is sent there is worked on as it comes in.

use std::time::Duration;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;

use crate::http::Web;

/// Where users who move in are sent.
pub(crate) const PLACE: &str = "/admin/v1/users/import";

/// How long sending may take in all.
pub(crate) const PATIENCE: Duration = Duration::from_hours(2);

/// Whether a request sends something there.
pub(crate) fn is_upload(web: &Web, request: &ServiceRequest) -> bool {
    request.method() == Method::POST && request.path().strip_prefix(&web.base) == Some(PLACE)
}
