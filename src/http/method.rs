//! Methods that have a name.

use actix_web::http::Method;

/// A method of RFC 9110 §9 or RFC 5789. A client may send any other word: nothing that is kept may hold it.
pub(super) fn known(method: &Method) -> Option<&'static str> {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    KNOWN.into_iter().find(|known| *known == method.as_str())
}
