//! `/admin/v1/events` and `/admin/v1/statistics`: what happened.

use actix_web::HttpResponse;
use actix_web::http::header::ACCEPT;
use actix_web::web::Bytes;
use chrono::DateTime;
use futures_util::stream;
use uuid::Uuid;

use crate::domain::event::EventChoice;
use crate::domain::right::{Area, Right};
use crate::http::admin::guard::{AdminRequest, Answered};
use crate::http::admin::listing::{Listed, Part};
use crate::http::admin::naming::{member, user_named};
use crate::http::admin::problem::{AdminProblem, Refusals};
use crate::http::admin::reading::query;
use crate::http::body::Form;
use crate::service::admin::events::{self, EventFilter};
use crate::service::admin::statistics;
use crate::service::admin::views::EventView;
use crate::service::{Core, Failure};

const READ: Right = Right::Read(Area::Events);

const LINES: &str = "application/x-ndjson";

/// What happened, the newest first. With `Accept: application/x-ndjson` all of it, a JSON object a line.
#[utoipa::path(get, path = "/admin/v1/events", tag = "events", operation_id = "listEvents",
    params(
        Part,
        ("name" = Option<String>, Query, description = "Of this name, or of a group such as family.*"),
        ("user" = Option<String>, Query, description = "About a user, by the id or the name"),
        ("family" = Option<Uuid>, Query, description = "About a family"),
        ("since" = Option<String>, Query, description = "From this time on (RFC 3339)"),
    ),
    responses(
        (status = 200, content(
            (inline(Listed<EventView>) = "application/json"),
            (EventView = "application/x-ndjson"),
        )),
        Refusals,
    ))]
pub(super) async fn list(asked: AdminRequest) -> Answered {
    asked
        .opens(READ, async |core, _| {
            let query = query(&asked.request, &["limit", "after", "name", "user", "family", "since"])?;
            let part = Part::asked(&query)?;
            let (filter, before) = (wanted(&core, &query).await?, part.after_parsed()?);
            let accept = asked.request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
            if accept.is_some_and(|accept| accept.eq_ignore_ascii_case(LINES)) {
                return Ok(all(core, filter, before));
            }
            let listed = events::list(&core, &filter, before, part.with_one_more()).await?;
            Ok(HttpResponse::Ok().json(part.of(listed, |event| event.id.to_string())))
        })
        .await
}

async fn wanted(core: &Core, query: &Form) -> Result<EventFilter, AdminProblem> {
    let user = match query.get("user").map(|user| (user, user.parse())) {
        // Who was removed is still told of.
        Some((_, Ok(id))) => Some(id),
        Some((name, Err(_))) => Some(user_named(core, name).await?),
        None => None,
    };
    let since = query.get("since").map(DateTime::parse_from_rfc3339).transpose();
    let since = since
        .map_err(|_| AdminProblem::Unfit("since: send a time such as 2026-01-31T12:00:00Z.".to_owned()))?;
    Ok(EventFilter {
        user,
        family: query.get("family").map(|id| member("family", id)).transpose()?,
        name: query.get("name").map_or(Ok(EventChoice::all()), |name| member("name", name))?,
        since: since.map_or(DateTime::UNIX_EPOCH, |since| since.to_utc()),
    })
}

/// How many are read at once.
const READ_AT_ONCE: i64 = 500;

/// All of it, read as it is sent. What cannot be read ends the answer before its end, which whoever reads it notices.
fn all(core: Core, filter: EventFilter, before: Option<Uuid>) -> HttpResponse {
    let lines = stream::try_unfold(Some(before), move |place| {
        let (core, filter) = (core.clone(), filter.clone());
        async move {
            let Some(before) = place else { return Ok::<_, Failure>(None) };
            let part = events::list(&core, &filter, before, READ_AT_ONCE).await?;
            let next = part.last().map(|last| Some(last.id));
            let mut text = Vec::new();
            for event in &part {
                // A value of ours is always JSON.
                let _ = serde_json::to_writer(&mut text, event);
                text.push(b'\n');
            }
            Ok(next.map(|next| (Bytes::from(text), Some(next))))
        }
    });
    HttpResponse::Ok().content_type(LINES).streaming(lines)
}

/// How much there is, and what happened in the last 24 hours.
#[utoipa::path(get, path = "/admin/v1/statistics", tag = "events", operation_id = "getStatistics",
    responses(
        (status = 200, body = statistics::Statistics),
        Refusals,
    ))]
pub(super) async fn show_statistics(asked: AdminRequest) -> Answered {
    asked
        .opens(READ, async |core, now| {
            query(&asked.request, &[])?;
            Ok(HttpResponse::Ok().json(statistics::read(&core, now).await?))
        })
        .await
}
