//! What is read of a request before anybody knows whose it is, for fuzzing alone: nothing else of these is to be
//! reached from outside of this crate.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use actix_web::test::TestRequest;
use ipnet::IpNet;
use serde_json::Value;

use crate::domain::json;
use crate::http::address::{TrustedProxies, of_client};
use crate::http::body::Form;
use crate::http::{certificate, cookies, headers, pages};

/// A form's parameters, in its own order; `None` where it is refused.
#[must_use]
pub fn form(body: &[u8]) -> Option<Vec<(String, String)>> {
    let form = Form::parse(body).ok()?;
    form.check_storable().ok()?;
    Some(form_urlencoded::parse(form.to_query().as_bytes()).into_owned().collect())
}

/// A JSON body; `None` where it is refused.
#[must_use]
pub fn json(body: &[u8]) -> Option<Value> {
    json::read(body).ok()
}

/// The one cookie of a name.
#[must_use]
pub fn cookie(lines: &[&[u8]], name: &str) -> Option<String> {
    cookies::single(&request("cookie", lines)?, name).map(ToOwned::to_owned)
}

/// Whom a request comes from, by what its peer says in this header.
#[must_use]
pub fn client_address(peer: IpAddr, header: &str, lines: &[&[u8]], trusted: &[IpNet]) -> Option<IpAddr> {
    let mut request = TestRequest::default().peer_addr(SocketAddr::new(peer, 1));
    for line in lines {
        request = request.append_header((header, HeaderValue::from_bytes(line).ok()?));
    }
    of_client(&request.to_http_request(), &TrustedProxies::new(trusted.to_vec()))
}

/// The id and the secret of a client.
#[must_use]
pub fn basic(line: &[u8]) -> Option<(String, String)> {
    headers::basic(&request("authorization", &[line])?).ok().flatten()
}

/// The language of the pages.
#[must_use]
pub fn language(ui_locales: Option<&str>, accept_language: Option<&str>) -> &'static str {
    pages::language::choose(ui_locales, accept_language)
}

/// Whether a proxy's header holds a certificate (RFC 9440).
#[must_use]
pub fn holds_certificate(line: &str) -> bool {
    certificate::told(line).is_ok_and(|told| told.is_some())
}

fn request(header: &str, lines: &[&[u8]]) -> Option<HttpRequest> {
    let mut request = TestRequest::default();
    for line in lines {
        request = request.append_header((header, HeaderValue::from_bytes(line).ok()?));
    }
    Some(request.to_http_request())
}
