//! `/admin/events`: what happened, the newest first.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::event::{EVENT_NAMES, EventChoice};
use crate::domain::ids::{ClientId, FamilyId, UserId};
use crate::http::body::Form;
use crate::http::console::logins::user_named;
use crate::http::console::paging::{LISTED, next_of};
use crate::http::console::seat::{ConsoleAnswer, Seat};
use crate::http::console::trouble::{Mistyped, Trouble};
use crate::http::console::values::shown;
use crate::service::admin::events::{self, EventFilter};
use crate::service::admin::views::EventView;

/// `GET /admin/events`
pub(super) async fn list(seat: &Seat) -> ConsoleAnswer {
    let query = seat.query()?;
    let typed = |name: &'static str| query.get(name).unwrap_or_default().trim();
    let sought = [("name", typed("name")), ("user", typed("user")), ("family", typed("family"))];
    let (filter, mistake) = match filter(seat, &query).await {
        Ok(filter) => (Some(filter), None),
        Err(Trouble::Unfit(mistake)) => (None, Some(mistake)),
        Err(trouble) => return Err(trouble),
    };
    let before: Option<Uuid> = query.get("after").and_then(|after| after.parse().ok());
    let mut listed = match &filter {
        Some(filter) => events::list(&seat.core, filter, before, LISTED + 1).await?,
        None => Vec::new(),
    };
    let next = next_of(&mut listed, |event| event.id);
    let part = |after: &str| {
        let pairs: Vec<(&str, &str)> = sought.into_iter().chain([("after", after)]).collect();
        seat.at("/events", &pairs)
    };
    Ok(seat.page(
        "console_events.html",
        json!({
            "section": "events",
            "here": seat.at("/events", &[]),
            "sought": sought.into_iter().collect::<BTreeMap<_, _>>(),
            "names": names(),
            "mistake": mistake.as_ref().map(Mistyped::to_json),
            "events": listed.iter().map(|event| event_json(seat, event)).collect::<Vec<_>>(),
            "first_part": before.map(|_| part("")),
            "next_part": next.as_deref().map(part),
        }),
    ))
}

async fn filter(seat: &Seat, query: &Form) -> Result<EventFilter, Trouble> {
    let typed = |name: &'static str| {
        Some(query.get(name).unwrap_or_default().trim()).filter(|typed| !typed.is_empty())
    };
    let family = typed("family").map(str::parse::<FamilyId>).transpose();
    let name = typed("name").map_or(Ok(EventChoice::all()), str::parse);
    Ok(EventFilter {
        user: user_named(seat, typed("user").unwrap_or_default()).await?,
        family: family.map_err(|_| Mistyped::new("family", "console_no_login"))?,
        name: name.map_err(|_| Mistyped::new("name", "console_no_event"))?,
        since: DateTime::UNIX_EPOCH,
    })
}

/// Groups of names, each before those that are in it.
fn names() -> Vec<String> {
    let mut all = Vec::new();
    let group_of = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    for name in EVENT_NAMES {
        let group = format!("{}.*", group_of(name));
        if !all.contains(&group) {
            all.push(group);
        }
        all.push(name.to_owned());
    }
    all
}

/// An event, with links to what it is about.
fn event_json(seat: &Seat, event: &EventView) -> Value {
    let fields: Vec<Value> = event
        .fields
        .iter()
        .map(|(name, value)| {
            let text = shown(value);
            json!({ "name": name, "value": text, "place": place_of(seat, name, &text) })
        })
        .collect();
    json!({ "at": event.at, "name": event.event, "times": event.times, "fields": fields })
}

fn place_of(seat: &Seat, field: &str, value: &str) -> Option<String> {
    match field {
        "user" => value.parse::<UserId>().ok().map(|id| seat.at(&format!("/users/{id}"), &[])),
        "by" => value.strip_prefix("user ").and_then(|id| place_of(seat, "user", id)),
        "family" => value.parse::<FamilyId>().ok().map(|id| seat.at(&format!("/logins/{id}"), &[])),
        "client" => value.parse::<ClientId>().ok().map(|id| seat.client_place(&id, "")),
        _ => None,
    }
}
