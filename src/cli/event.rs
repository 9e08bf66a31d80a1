//! `heirloom event …`

mod verify;

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::output::{self, List, PART};
use crate::cli::{Office, duration};
use crate::domain::event::EventChoice;
use crate::domain::ids::{FamilyId, UserId};
use crate::domain::user::Username;
use crate::service::admin::events::{self, EventFilter, EventSpan};
use crate::service::admin::users;
use crate::service::admin::views::EventView;

#[derive(Debug, Subcommand)]
pub(super) enum EventCommand {
    /// List what happened, newest first
    List(ListEvents),
    /// Print all that happened, oldest first: a line of JSON each, as docs/event.schema.json has it
    Export(ExportEvents),
    /// Look whether anything that happened was removed, changed or inserted by hand, as far as it is chained
    Verify(verify::VerifyEvents),
}

#[derive(Debug, Args)]
pub(super) struct ListEvents {
    /// Only this user's: by name, or by id if the user was removed
    #[arg(long, value_name = "NAME|ID")]
    pub(super) user: Option<String>,
    /// Only this family's
    #[arg(long, value_name = "ID")]
    pub(super) family: Option<FamilyId>,
    /// Only what happened since: a time such as 2026-01-31T12:00:00Z, or how long ago that is, such as 36h
    #[arg(long, value_name = "TIME|D")]
    pub(super) since: Option<String>,
    /// Only events of this name, or of a group such as family.*
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<EventChoice>,
    /// How many at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
    pub(super) limit: i64,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExportEvents {
    /// Only what happened since: a time such as 2026-01-31T12:00:00Z, or how long ago that is, such as 36h
    #[arg(long, value_name = "TIME|D")]
    since: Option<String>,
    /// Only what happened before: a time, or how long ago that is
    #[arg(long, value_name = "TIME|D")]
    until: Option<String>,
}

pub(super) async fn run(command: EventCommand, office: &Office) -> anyhow::Result<()> {
    match command {
        EventCommand::List(wanted) => list(wanted, office).await,
        EventCommand::Export(wanted) => export(&wanted, office).await,
        EventCommand::Verify(wanted) => verify::run(&wanted, office).await,
    }
}

async fn list(wanted: ListEvents, office: &Office) -> anyhow::Result<()> {
    let user = match &wanted.user {
        Some(named) => Some(user(office, named).await?),
        None => None,
    };
    let filter = EventFilter {
        user,
        family: wanted.family,
        name: wanted.name.unwrap_or(EventChoice::all()),
        since: time("--since", wanted.since.as_deref(), office.clock.now())?.unwrap_or(DateTime::UNIX_EPOCH),
    };
    let listed = List::new(wanted.json, HEADINGS, |event: &EventView| row(&json!(event)));
    let mut left = wanted.limit;
    let read = async |before| {
        let part = events::list(&office.core, &filter, before, left.min(PART)).await?;
        left -= i64::try_from(part.len())?;
        anyhow::Ok(part)
    };
    listed.print_all(|event| event.id, read).await
}

/// A part at a time: there may be more than memory holds.
async fn export(wanted: &ExportEvents, office: &Office) -> anyhow::Result<()> {
    let since = time("--since", wanted.since.as_deref(), office.clock.now())?.unwrap_or(DateTime::UNIX_EPOCH);
    let until = time("--until", wanted.until.as_deref(), office.clock.now())?;
    anyhow::ensure!(until.is_none_or(|until| since < until), "--until is not later than --since");
    let mut after = None;
    loop {
        let part = events::export(&office.core, EventSpan { since, until }, after, PART).await?;
        let Some(last) = part.last() else { return Ok(()) };
        after = Some(last.id);
        let mut lines = String::new();
        for event in &part {
            writeln!(lines, "{}", json!(event))?;
        }
        print!("{lines}");
    }
}

pub(super) const HEADINGS: [&str; 4] = ["time", "event", "times", "what is told of it"];

/// What the table shows of an event's JSON: what has no column of its own is told beside.
pub(super) fn row(event: &Value) -> [String; 4] {
    const COLUMNS: [&str; 3] = ["at", "event", "times"];
    let is_beside = |name: &str| !COLUMNS.contains(&name) && !matches!(name, "v" | "id");
    let fields = event.as_object().into_iter().flatten();
    let told = fields.filter(|(name, _)| is_beside(name));
    let told: Vec<_> = told.map(|(name, value)| format!("{name}={}", text_of(value))).collect();
    let [at, name, times] = COLUMNS.map(|member| output::cell(&event[member]));
    [at, name, times, told.join(" ")]
}

async fn user(office: &Office, named: &str) -> anyhow::Result<UserId> {
    if let Ok(id) = named.parse() {
        return Ok(id);
    }
    let name: Username = named.parse()?;
    Ok(users::find(&office.core, &name).await?.id)
}

/// What an option says: a time, or how long ago that is.
pub(super) fn time(
    option: &str,
    said: Option<&str>,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<DateTime<Utc>>> {
    let Some(said) = said else { return Ok(None) };
    if let Ok(ago) = duration(said) {
        let then = now.checked_sub_signed(TimeDelta::from_std(ago)?);
        return Ok(Some(then.unwrap_or(DateTime::UNIX_EPOCH)));
    }
    let time = DateTime::parse_from_rfc3339(said);
    let time =
        time.map_err(|_| anyhow::anyhow!("{option}: expected a time such as 2026-01-31T12:00:00Z, or 36h"))?;
    Ok(Some(time.to_utc()))
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
