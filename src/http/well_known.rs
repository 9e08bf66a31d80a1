//! What the server tells about itself.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::domain::client::GrantType;
use crate::http::edge::Arrival;
use crate::http::{Web, client_auth, token};

/// RFC 8414 §3.
pub(crate) const METADATA: &str = "/.well-known/oauth-authorization-server";
/// RFC 7517 §5.
pub(crate) const JWKS: &str = "/.well-known/jwks.json";

/// `GET /.well-known/oauth-authorization-server`
pub(crate) async fn metadata(web: web::Data<Web>) -> HttpResponse {
    let issuer = web.core.issuer.as_str();
    let secret_methods = client_auth::METHODS.iter().filter(|method| **method != "none").collect::<Vec<_>>();
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth/token"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "introspection_endpoint": format!("{issuer}/oauth/introspect"),
        "jwks_uri": format!("{issuer}{JWKS}"),
        // Required by RFC 8414 §2; there is no authorization endpoint yet, so no response type either.
        "response_types_supported": [],
        "grant_types_supported": token::GRANTS.map(GrantType::as_str),
        "token_endpoint_auth_methods_supported": client_auth::METHODS,
        "revocation_endpoint_auth_methods_supported": client_auth::METHODS,
        "introspection_endpoint_auth_methods_supported": secret_methods,
    }))
}

/// `GET /.well-known/jwks.json`
pub(crate) async fn jwks(web: web::Data<Web>, request: HttpRequest, Arrival(now): Arrival) -> HttpResponse {
    let jwks = web.core.keys.with_signing_keys(|keys| keys.jwks(now));
    let body = json!(jwks).to_string();
    let hash = digest::digest(&digest::SHA256, body.as_bytes());
    let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash));
    let max_age = format!("public, max-age={}", web.jwks_max_age.as_secs());
    if is_known(&request, &etag) {
        return HttpResponse::NotModified()
            .insert_header((CACHE_CONTROL, max_age))
            .insert_header((ETAG, etag))
            .finish();
    }
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, max_age))
        .insert_header((ETAG, etag))
        .insert_header((CONTENT_TYPE, "application/jwk-set+json"))
        .body(body)
}

/// RFC 9110 §13.1.2: `If-None-Match` compares weakly.
fn is_known(request: &HttpRequest, etag: &str) -> bool {
    let values = request.headers().get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|given| {
        let given = given.trim();
        given == "*" || given.strip_prefix("W/").unwrap_or(given) == etag
    })
}
