//! `heirloom event …`

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::cli::output::{List, PART};
use crate::cli::{Office, duration};
use crate::domain::event::EventChoice;
use crate::domain::ids::{FamilyId, UserId};
use crate::domain::user::Username;
use crate::service::admin::events::{self, EventFilter};
use crate::service::admin::users;
use crate::service::admin::views::EventView;

#[derive(Debug, Subcommand)]
pub(super) enum EventCommand {
    /// List what happened, newest first
    List(ListEvents),
}

#[derive(Debug, Args)]
pub(super) struct ListEvents {
    /// Only this user's: by name, or by id if the user was removed
    #[arg(long, value_name = "NAME|ID")]
    user: Option<String>,
    /// Only this family's
    #[arg(long, value_name = "ID")]
    family: Option<FamilyId>,
    /// Only what happened since: a time such as 2026-01-31T12:00:00Z, or how long ago that is, such as 36h
    #[arg(long, value_name = "TIME|D")]
    since: Option<String>,
    /// Only events of this name, or of a group such as family.*
    #[arg(long, value_name = "NAME")]
    name: Option<EventChoice>,
    /// How many at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: EventCommand, office: &Office) -> anyhow::Result<()> {
    let EventCommand::List(wanted) = command;
    let since = wanted.since.as_deref().map(|text| since(text, office.clock.now())).transpose()?;
    let user = match &wanted.user {
        Some(named) => Some(user(office, named).await?),
        None => None,
    };
    let filter = EventFilter {
        user,
        family: wanted.family,
        name: wanted.name.unwrap_or(EventChoice::all()),
        since: since.unwrap_or(DateTime::UNIX_EPOCH),
    };
    let headings = ["time", "event", "times", "what is told of it"];
    let listed = List::new(wanted.json, headings, |event: &EventView| {
        let told = event.fields.iter().map(|(name, value)| format!("{name}={}", text_of(value)));
        [event.at.clone(), event.event.clone(), event.times.to_string(), told.collect::<Vec<_>>().join(" ")]
    });
    let mut left = wanted.limit;
    let read = async |before| {
        let part = events::list(&office.core, &filter, before, left.min(PART)).await?;
        left -= i64::try_from(part.len())?;
        anyhow::Ok(part)
    };
    listed.print_all(|event| event.id, read).await
}

async fn user(office: &Office, named: &str) -> anyhow::Result<UserId> {
    if let Ok(id) = named.parse() {
        return Ok(id);
    }
    let name: Username = named.parse()?;
    Ok(users::find(&office.core, &name).await?.id)
}

fn since(text: &str, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
    if let Ok(ago) = duration(text) {
        return Ok(now.checked_sub_signed(chrono::TimeDelta::from_std(ago)?).unwrap_or(DateTime::UNIX_EPOCH));
    }
    let time = DateTime::parse_from_rfc3339(text);
    Ok(time
        .map_err(|_| anyhow::anyhow!("--since: expected a time such as 2026-01-31T12:00:00Z, or 36h"))?
        .to_utc())
}

/// A value from outside (a User-Agent) must neither move the cursor nor look like another field.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) if text.chars().all(|letter| letter.is_ascii_graphic() && letter != '"') => {
            text.clone()
        }
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}
