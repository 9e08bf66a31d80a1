//! The cookies of the pages: who is signed in here or about to be, and which browser a form was sent to.

use std::time::Duration;

use actix_web::http::header::{COOKIE, HeaderValue, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::opaque::OpaqueSecret;
use crate::http::Web;

/// A cookie of ours.
#[derive(Clone, Copy)]
pub(crate) enum Name {
    /// The secret of the sign-in session.
    Session,
    /// The browser, before anybody is signed in: forms are bound to it.
    Browser,
    /// The secret of a sign-in that has begun and wants more.
    Attempt,
}

impl Name {
    fn text(self, web: &Web) -> String {
        match self {
            Self::Session => own_name(web, Prefix::Host, "session", ""),
            Self::Browser => own_name(web, Prefix::Host, "browser", ""),
            Self::Attempt => own_name(web, Prefix::Host, "attempt", ""),
        }
    }
}

/// What a cookie's name begins with where the issuer is at https: browsers keep no such one otherwise.
#[derive(Clone, Copy)]
pub(crate) enum Prefix {
    /// No neighbour can have planted it (RFC 6265bis §4.1.3.2).
    Host,
    /// Nor can a script, where the browser knows this one; where it does not, it is as the other.
    HostHttp,
}

/// A cookie's name, which is of this issuer alone, and of `whose` it is there. Several issuers may share a host, and a
/// browser sends them all the same cookies: those know no ports, and a `__Host-` cookie no path.
pub(crate) fn own_name(web: &Web, prefix: Prefix, what: &str, whose: &str) -> String {
    let hash = digest::digest(&digest::SHA256, format!("{}\0{whose}", web.core.issuer.as_str()).as_bytes());
    let (start, _) = hash.as_ref().split_at(12);
    let prefix = match prefix {
        _ if !web.is_https() => "",
        Prefix::Host => "__Host-",
        Prefix::HostHttp => "__Host-Http-",
    };
    format!("{prefix}heirloom-{what}-{}", URL_SAFE_NO_PAD.encode(start))
}

/// The secret in a cookie; `None` when it is missing, of another form, or there twice.
pub(crate) fn read_cookie(web: &Web, request: &HttpRequest, name: Name) -> Option<OpaqueSecret> {
    single(request, &name.text(web)).and_then(OpaqueSecret::presented)
}

/// A cookie's value; `None` when it is missing, or there twice: then somebody else set one.
pub(crate) fn single<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let headers = request.headers().get_all(COOKIE).filter_map(|value| value.to_str().ok());
    let pairs = headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(found, _)| *found == name).map(|(_, value)| value);
    let value = values.next()?;
    if values.next().is_some() { None } else { Some(value) }
}

/// Adds the header of a cookie to an answer.
pub(crate) fn add(response: &mut HttpResponse, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// The header that sets a cookie: until the browser ends, or for `lasting`.
pub(crate) fn set(web: &Web, name: Name, secret: &OpaqueSecret, lasting: Option<Duration>) -> String {
    let max_age = lasting.map(|lasting| format!("; Max-Age={}", lasting.as_secs())).unwrap_or_default();
    format!("{}={}{max_age}{}", name.text(web), secret.expose(), attributes(web))
}

/// What the next page tells of, as the one before left it: a word, and no secret.
pub(crate) fn told<'a>(web: &Web, request: &'a HttpRequest) -> Option<&'a str> {
    single(request, &own_name(web, Prefix::Host, TOLD, "")).filter(|word| !word.is_empty())
}

/// The header that leaves a word for the next page, or takes it away: `None`.
pub(crate) fn tell(web: &Web, word: Option<&str>) -> String {
    let max_age = if word.is_some() { 60 } else { 0 };
    let name = own_name(web, Prefix::Host, TOLD, "");
    format!("{name}={}; Max-Age={max_age}{}", word.unwrap_or_default(), attributes(web))
}

const TOLD: &str = "told";

/// The header that takes a cookie away.
pub(crate) fn clear(web: &Web, name: Name) -> String {
    format!("{}=; Max-Age=0{}", name.text(web), attributes(web))
}

/// `Lax`, not `Strict`: a browser that comes from an app's site must be recognised.
fn attributes(web: &Web) -> &'static str {
    if web.is_https() {
        "; Path=/; HttpOnly; SameSite=Lax; Secure"
    } else {
        "; Path=/; HttpOnly; SameSite=Lax"
    }
}
