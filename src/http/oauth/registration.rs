//! `/oauth/register` (RFC 7591) and `/oauth/register/{id}` (RFC 7592).

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::domain::client::ClientKind;
use crate::domain::registration::{Mode, registered_members};
use crate::domain::secrets::ClientSecret;
use crate::domain::signing_algorithm::SigningWish;
use crate::http::body::{self, Body};
use crate::http::edge::Arrival;
use crate::http::error::Standard;
use crate::http::{Web, address, headers};
use crate::service::clients::registration::{self as service, Registered, Registrant};

/// Where clients register.
pub(crate) const PATH: &str = "/oauth/register";

pub(crate) async fn register(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    body: Body,
) -> Result<HttpResponse, Standard> {
    let token = match web.core.registrar.rules.mode {
        Mode::InitialAccessToken => Some(headers::bearer(&request)?),
        Mode::Open | Mode::Off => None,
    };
    let caller = Registrant { token, address: address::of_client(&request, &web.trusted_proxies) };
    let registered = service::register(&web.core, &members(&request, body)?, caller, now).await?;
    Ok(answer(&web, StatusCode::CREATED, &registered, now))
}

pub(crate) async fn look(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    id: web::Path<String>,
) -> Result<HttpResponse, Standard> {
    let registered = service::look(&web.core, &id, headers::bearer(&request)?, now).await?;
    Ok(answer(&web, StatusCode::OK, &registered, now))
}

pub(crate) async fn replace(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    id: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, Standard> {
    let caller = (headers::bearer(&request)?, address::of_client(&request, &web.trusted_proxies));
    let registered = service::replace(&web.core, &id, caller, &members(&request, body)?, now).await?;
    Ok(answer(&web, StatusCode::OK, &registered, now))
}

pub(crate) async fn remove(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    id: web::Path<String>,
) -> Result<HttpResponse, Standard> {
    service::remove(&web.core, &id, headers::bearer(&request)?, now).await?;
    Ok(HttpResponse::NoContent().insert_header((CACHE_CONTROL, "no-store")).finish())
}

/// RFC 7591 §3.1: a JSON object.
fn members(request: &HttpRequest, body: Body) -> Result<Map<String, Value>, Standard> {
    Ok(body::json(request, body, "Send the client's metadata as one JSON object.")?)
}

/// RFC 7591 §3.2.1, RFC 7592 §3.
fn answer(web: &Web, status: StatusCode, registered: &Registered, now: DateTime<Utc>) -> HttpResponse {
    let Registered { client, secret, token, told } = registered;
    let mut members = registered_members(client, told);
    let place = format!("{}{PATH}/{}", web.core.issuer, client.id);
    // OpenID Connect Dynamic Client Registration §2: a client that is told nothing expects RS256.
    let named = |wish: SigningWish| json!(web.core.keys.name_for(wish, now));
    for (name, value) in [
        ("client_id", json!(client.id)),
        ("client_id_issued_at", json!(client.created_at.timestamp())),
        ("registration_access_token", json!(token.expose())),
        ("registration_client_uri", json!(place)),
        ("id_token_signed_response_alg", named(client.id_token_signing())),
    ] {
        members.insert(name.to_owned(), value);
    }
    if let Some(wish) = client.userinfo_signing() {
        members.insert("userinfo_signed_response_alg".to_owned(), named(wish));
    }
    if client.metadata.introspection_signed_response_alg.is_some() {
        let name = named(client.introspection_signing());
        members.insert("introspection_signed_response_alg".to_owned(), name);
    }
    if let Some(secret) = secret {
        members.insert("client_secret".to_owned(), json!(ClientSecret::expose(secret)));
    }
    if matches!(client.kind, ClientKind::Confidential(_)) {
        // It does not expire.
        members.insert("client_secret_expires_at".to_owned(), json!(0));
    }
    HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(members)
}
