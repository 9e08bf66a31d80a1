//! `/sessions`: a user's own live families, for the user's own eyes.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::SecondsFormat;
use serde_json::{Value, json};

use crate::http::edge::Arrival;
use crate::http::error::Simple;
use crate::http::{Web, headers};
use crate::service::Failure;
use crate::service::users::sessions::{self, Caller, Session};

/// `GET /sessions`
pub(crate) async fn list(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
) -> Result<HttpResponse, Simple> {
    let caller = sessions::authenticate(&web.core, headers::bearer(&request)?, now).await?;
    let sessions = sessions::list(&web.core, caller.user, now).await?;
    let sessions: Vec<Value> = sessions.iter().map(|session| session_json(session, caller)).collect();
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({ "sessions": sessions })))
}

/// `DELETE /sessions/{id}`
pub(crate) async fn end(
    web: web::Data<Web>,
    request: HttpRequest,
    id: web::Path<String>,
    Arrival(now): Arrival,
) -> Result<HttpResponse, Simple> {
    let caller = sessions::authenticate(&web.core, headers::bearer(&request)?, now).await?;
    let id = id.parse().map_err(|_| Failure::NotFound)?;
    sessions::end(&web.core, caller, id, now).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE /sessions`
pub(crate) async fn end_others(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
) -> Result<HttpResponse, Simple> {
    let caller = sessions::authenticate(&web.core, headers::bearer(&request)?, now).await?;
    sessions::end_others(&web.core, caller, now).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn session_json(session: &Session, caller: Caller) -> Value {
    let Session { family, ends_at } = session;
    let time = |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    json!({
        "id": family.id,
        "client_id": family.client_id,
        "device": family.agent.name,
        "user_agent": family.agent.user_agent,
        "address": family.agent.address,
        "scope": family.scope,
        "created_at": time(family.created_at),
        "last_used_at": time(family.rotated_at),
        "expires_at": time(*ends_at),
        "current": family.id == caller.family,
    })
}
