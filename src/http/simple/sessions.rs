//! `/sessions`: a user's own live families, for the user's own eyes.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::SecondsFormat;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::family::Place;
use crate::domain::ids::FamilyId;
use crate::domain::secrets::Password;
use crate::http::body::{self, Body, Form};
use crate::http::edge::Arrival;
use crate::http::error::{Face, Problem, Protected};
use crate::http::{Web, address, headers, protected};
use crate::service::Failure;
use crate::service::users::sessions::{self, Caller, Session};

/// How many logins an answer lists.
const LISTED: usize = 50;
const LIMIT: Problem = Problem::Malformed("The limit is a number from 1 on; an answer lists 50 at most.");
const AFTER: Problem = Problem::Malformed("Send as after what the answer before gave as next.");

/// `GET /sessions`
pub(crate) async fn list(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
) -> Result<HttpResponse, Protected> {
    protected::opened((&web, &request, now), Face::Simple, None, async |shown| {
        let caller = sessions::authenticate(&web.core, shown, now).await?;
        let asked = Form::of_query(request.query_string())?;
        let limit = asked.get("limit").map_or(Ok(LISTED), str::parse).map_err(|_| LIMIT)?;
        let after = asked.get("after").map_or(Some(Place::NEWEST), Place::of_opaque).ok_or(AFTER)?;
        if limit == 0 {
            return Err(LIMIT);
        }
        let part = sessions::list(&web.core, caller.user(), after, limit.min(LISTED), now).await?;
        let sessions: Vec<Value> =
            part.sessions.iter().map(|session| session_json(session, &caller)).collect();
        let answer = json!({ "sessions": sessions, "next": part.next.map(Place::to_opaque) });
        Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(answer))
    })
    .await
}

/// `DELETE /sessions/{id}`
pub(crate) async fn end(
    web: web::Data<Web>,
    request: HttpRequest,
    id: web::Path<String>,
    Arrival(now): Arrival,
) -> Result<HttpResponse, Protected> {
    protected::opened((&web, &request, now), Face::Simple, None, async |shown| {
        let caller = sessions::authenticate(&web.core, shown, now).await?;
        let id = id.parse().map_err(|_| Failure::NotFound)?;
        sessions::end(&web.core, &caller, id, now).await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

/// `DELETE /sessions`
pub(crate) async fn end_others(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
) -> Result<HttpResponse, Protected> {
    protected::opened((&web, &request, now), Face::Simple, None, async |shown| {
        let caller = sessions::authenticate(&web.core, shown, now).await?;
        sessions::end_others(&web.core, &caller, now).await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

#[derive(Deserialize)]
struct RevokeBody {
    password: String,
    id: Option<String>,
}

/// `POST /sessions/revoke`: as the two above, for whoever knows the password, however long ago it was shown.
pub(crate) async fn revoke(
    web: web::Data<Web>,
    request: HttpRequest,
    Arrival(now): Arrival,
    body: Body,
) -> Result<HttpResponse, Protected> {
    const SHAPE: &str = "Send {\"password\": …}, and id to end one login instead of all others.";
    protected::opened((&web, &request, now), Face::Simple, None, async |shown| {
        let caller = sessions::authenticate(&web.core, shown, now).await?;
        let RevokeBody { password, id } = body::json(&request, body, SHAPE)?;
        let id: Option<FamilyId> = id.map(|id| id.parse().map_err(|_| Failure::NotFound)).transpose()?;
        let agent =
            headers::user_agent_info(&request, None, address::of_client(&request, &web.trusted_proxies));
        let caller = sessions::prove(&web.core, caller, Password::presented(password), &agent, now).await?;
        match id {
            Some(id) => sessions::end(&web.core, &caller, id, now).await?,
            None => sessions::end_others(&web.core, &caller, now).await?,
        }
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

fn session_json(session: &Session, caller: &Caller) -> Value {
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
        "bound": family.key_thumbprint.is_some(),
        "current": family.id == caller.family,
    })
}
