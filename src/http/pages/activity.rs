//! `/account/activity`: what happened lately in an account, in its owner's words.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::ids::ClientId;
use crate::domain::user_agent;
use crate::http::pages::account::{after, page, part_after, to_sign_in};
use crate::http::pages::consent::span;
use crate::http::pages::own_place::OwnPlace;
use crate::http::pages::visit::Visit;
use crate::http::stop::Stop;
use crate::service::Failure;
use crate::service::admin::views::EventView;
use crate::service::users::activity;

/// How much a page lists: it stays small.
const LISTED: u16 = 50;

/// `GET /account/activity`
pub(crate) async fn show(visit: &Visit, request: &HttpRequest) -> Result<HttpResponse, Stop> {
    let Some(session) = visit.session().await? else { return Ok(to_sign_in(visit, OwnPlace::Activity)) };
    let after: Option<Uuid> = after(request)?;
    let part = activity::part(visit.core(), &session, after, LISTED).await?;
    let names = names_of_apps(visit, &part.events).await?;
    let content = json!({
        "events": part.events.iter().map(|event| event_json(event, &names)).collect::<Vec<_>>(),
        "first_part": after.map(|_| part_after::<Uuid>(visit, OwnPlace::Activity, None)),
        "next_part": part.next.map(|last| part_after(visit, OwnPlace::Activity, Some(last))),
        "keeps": Some(part.kept).filter(|kept| !kept.is_zero()).map(span),
    });
    page(visit, request, &session, "account_activity.html", content, StatusCode::OK).await
}

/// What people call the apps that events name, as far as they are known (any more).
async fn names_of_apps(visit: &Visit, events: &[EventView]) -> Result<HashMap<String, String>, Stop> {
    let mut names = HashMap::new();
    for id in events.iter().filter_map(|event| text(event, "client")) {
        if names.contains_key(id) {
            continue;
        }
        let known = match id.parse::<ClientId>() {
            Ok(client) => visit.core().client(&client, visit.now).await,
            Err(_) => Ok(None),
        };
        let name = match known {
            Ok(known) => known.map(|known| known.client.display_name().to_owned()),
            // Somebody else's document that cannot be had keeps nobody from the own page.
            Err(Failure::NotFetched) => None,
            Err(failure) => return Err(failure.into()),
        };
        names.insert(id.to_owned(), name.unwrap_or_else(|| id.to_owned()));
    }
    Ok(names)
}

fn event_json(event: &EventView, names: &HashMap<String, String>) -> Value {
    let name = event.event.replace('.', "_");
    // Why, or what, in the words of `docs/events.md`. A newer release may write others: then the name has to do.
    let more = match event.event.as_str() {
        "family.ended" => text(event, "reason"),
        "user.changed" => text(event, "change"),
        _ => None,
    };
    let device = user_agent::describe(text(event, "agent").unwrap_or_default());
    json!({
        "kind": more.map(|more| format!("{name}_{more}")),
        "name": name,
        "event": event.event,
        "app": text(event, "client").and_then(|id| names.get(id)).map_or("", String::as_str),
        "program": device.program,
        "system": device.system,
        "address": text(event, "address"),
        "at": event.at,
        "times": event.times,
    })
}

fn text<'a>(event: &'a EventView, field: &str) -> Option<&'a str> {
    event.fields.get(field).and_then(Value::as_str)
}
