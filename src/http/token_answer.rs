//! Tokens as both faces answer with them.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use serde::Serialize;

use crate::domain::scope::ScopeSet;
use crate::service::tokens::grant::TokenSet;

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
    id_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    scope: &'a ScopeSet,
}

/// The answer, with an ID token if there is one.
pub(crate) fn tokens_beside(tokens: &TokenSet, id_token: Option<&str>) -> HttpResponse {
    answer(&TokenAnswer { id_token, ..describe(tokens) })
}

/// The answer without the refresh token, which goes another way.
pub(crate) fn without_refresh_token(tokens: &TokenSet) -> HttpResponse {
    answer(&TokenAnswer { refresh_token: None, ..describe(tokens) })
}

/// RFC 8693 §2.2.1.
pub(crate) fn exchanged_token(tokens: &TokenSet, kind: &'static str) -> HttpResponse {
    answer(&TokenAnswer { issued_token_type: Some(kind), ..describe(tokens) })
}

fn answer(tokens: &TokenAnswer<'_>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(tokens)
}

fn describe(tokens: &TokenSet) -> TokenAnswer<'_> {
    let refresh = tokens.refresh.as_ref();
    TokenAnswer {
        access_token: &tokens.access_token,
        token_type: "Bearer",
        expires_in: tokens.expires_in,
        refresh_token: refresh.map(|(token, _)| token.as_str()),
        refresh_expires_in: refresh.map(|(_, expires_in)| *expires_in),
        id_token: None,
        issued_token_type: None,
        scope: &tokens.scope,
    }
}
