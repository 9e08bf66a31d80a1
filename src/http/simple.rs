//! The simple face: JSON in, JSON out, for first-party apps, scripts and a tutorial's reader.

use actix_web::http::header::{CACHE_CONTROL, USER_AGENT};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use crate::domain::family::Device;
use crate::domain::ids::ClientId;
use crate::domain::scope::ScopeSet;
use crate::domain::secrets::Password;
use crate::http::body::{self, Body, OneOrMany};
use crate::http::edge::Arrival;
use crate::http::error::{Problem, Simple};
use crate::http::{Web, address};
use crate::service::credentials::Credentials;
use crate::service::grant::{TokenSet, Wanted};
use crate::service::login::Login;
use crate::service::presenter::Presenter;
use crate::service::refresh::Refresh;
use crate::service::{Failure, login as service_login, refresh as service_refresh, revoke};

const LONGEST_USER_AGENT: usize = 512;
const LONGEST_DEVICE: usize = 255;

#[derive(Deserialize)]
struct LoginBody {
    username: String,
    password: String,
    client_id: Option<String>,
    scope: Option<String>,
    #[serde(default)]
    resource: OneOrMany,
    device: Option<String>,
}

/// `POST /login`
pub(crate) async fn login(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    body: Body,
) -> Result<HttpResponse, Simple> {
    const SHAPE: &str =
        "Send {\"username\": …, \"password\": …}, and if you like client_id, scope, resource, device.";
    let body: LoginBody = body::json(&request, body, SHAPE)?;
    let login = Login {
        credentials: Credentials {
            username: body.username.parse().ok(),
            password: Password::new(body.password).ok(),
        },
        presenter: first_party(body.client_id.as_deref())?,
        wanted: body::wanted(body.scope.as_deref(), body.resource.iter())?,
        device: Device {
            name: body.device.map(device_name).transpose()?,
            user_agent: user_agent(&request),
            address: address::of_client(&request, &web.trusted_proxies).map(|address| address.to_string()),
        },
    };
    Ok(tokens(&service_login::login(&web.core, login, now).await?))
}

#[derive(Deserialize)]
struct TokenBody {
    refresh_token: String,
    client_id: Option<String>,
}

const TOKEN_SHAPE: &str =
    "Send {\"refresh_token\": …}, and client_id if it is another's than the built-in client's.";

/// `POST /refresh`
pub(crate) async fn refresh(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    body: Body,
) -> Result<HttpResponse, Simple> {
    let body: TokenBody = body::json(&request, body, TOKEN_SHAPE)?;
    let presenter = first_party(body.client_id.as_deref())?;
    let refresh = Refresh { token: &body.refresh_token, presenter: &presenter, wanted: Wanted::default() };
    Ok(tokens(&service_refresh::refresh(&web.core, refresh, now).await?))
}

/// `POST /logout`
pub(crate) async fn logout(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    body: Body,
) -> Result<HttpResponse, Simple> {
    let body: TokenBody = body::json(&request, body, TOKEN_SHAPE)?;
    let presenter = first_party(body.client_id.as_deref())?;
    revoke::logout(&web.core, &body.refresh_token, &presenter, now).await?;
    Ok(HttpResponse::NoContent().insert_header((CACHE_CONTROL, "no-store")).finish())
}

fn first_party(client_id: Option<&str>) -> Result<Presenter, Problem> {
    let id = match client_id {
        None => ClientId::built_in(),
        Some(id) => id.parse().map_err(|_| Failure::InvalidClient)?,
    };
    Ok(Presenter::FirstParty(id))
}

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
    scope: &'a ScopeSet,
}

fn tokens(tokens: &TokenSet) -> HttpResponse {
    tokens_beside(tokens, None)
}

pub(super) fn tokens_beside(tokens: &TokenSet, id_token: Option<&str>) -> HttpResponse {
    let refresh = tokens.refresh.as_ref();
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(TokenAnswer {
        access_token: &tokens.access_token,
        token_type: "Bearer",
        expires_in: tokens.expires_in,
        refresh_token: refresh.map(|(token, _)| token.as_str()),
        refresh_expires_in: refresh.map(|(_, expires_in)| *expires_in),
        id_token,
        scope: &tokens.scope,
    })
}

fn device_name(name: String) -> Result<String, Problem> {
    if name.len() <= LONGEST_DEVICE && !name.chars().any(char::is_control) {
        Ok(name)
    } else {
        Err(Problem::Malformed("A device name has at most 255 bytes and no control characters."))
    }
}

pub(super) fn user_agent(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get(USER_AGENT)?.to_str().ok()?;
    Some(value.chars().take(LONGEST_USER_AGENT).collect())
}
