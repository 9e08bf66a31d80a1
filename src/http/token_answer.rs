//! Tokens as both faces answer with them.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use serde::Serialize;

use crate::domain::scope::ScopeSet;
use crate::service::tokens::issued::Issued;

/// A successful token answer (RFC 6749 §5.1).
#[derive(Serialize)]
struct TokenAnswer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token_timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_expires_in: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    scope: &'a ScopeSet,
}

/// How refresh tokens end (draft-ietf-oauth-refresh-token-expiration-03): when they lie unused, and with their login.
pub(crate) const EXPIRATION_TYPES: [&str; 2] = ["authorization", "token_timeout"];

/// The answer of the simple face.
pub(crate) fn simple(issued: &Issued) -> HttpResponse {
    answer(&describe(issued))
}

/// The answer of the standard face, with the standard's names for what is left.
pub(crate) fn standard(issued: &Issued) -> HttpResponse {
    let refresh = issued.refresh.as_ref();
    answer(&TokenAnswer {
        refresh_token_timeout: refresh.map(|refresh| refresh.expires_in),
        authorization_expires_in: refresh.map(|refresh| refresh.login_expires_in),
        ..describe(issued)
    })
}

/// The answer without the refresh token, which goes another way.
pub(crate) fn without_refresh_token(issued: &Issued) -> HttpResponse {
    answer(&TokenAnswer { refresh_token: None, ..describe(issued) })
}

/// RFC 8693 §2.2.1.
pub(crate) fn exchanged_token(issued: &Issued, kind: &'static str) -> HttpResponse {
    answer(&TokenAnswer { issued_token_type: Some(kind), ..describe(issued) })
}

fn answer(tokens: &TokenAnswer<'_>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(tokens)
}

fn describe(issued: &Issued) -> TokenAnswer<'_> {
    let refresh = issued.refresh.as_ref();
    TokenAnswer {
        access_token: &issued.access_token,
        token_type: issued.token_type.as_str(),
        expires_in: issued.expires_in,
        refresh_token: refresh.map(|refresh| refresh.token.as_str()),
        refresh_expires_in: refresh.map(|refresh| refresh.expires_in),
        refresh_token_timeout: None,
        authorization_expires_in: None,
        id_token: issued.id_token.as_deref(),
        issued_token_type: None,
        scope: &issued.scope,
    }
}
