//! `heirloom event …` over the API.

use chrono::SecondsFormat;

use crate::cli::event::{self, EventCommand, ListEvents};
use crate::cli::output::List;
use crate::cli::remote::{Remote, on_the_store_alone};
use crate::clock::Clock;
use crate::domain::right::{Area, Right};

pub(in crate::cli) async fn run(command: EventCommand, remote: &Remote) -> anyhow::Result<()> {
    match command {
        EventCommand::List(wanted) => list(wanted, remote).await,
        EventCommand::Export(_) => on_the_store_alone("event export"),
        EventCommand::Verify(_) => on_the_store_alone("event verify"),
    }
}

async fn list(wanted: ListEvents, remote: &Remote) -> anyhow::Result<()> {
    let since = event::time("--since", wanted.since.as_deref(), Clock::system().now())?;
    let given = [
        ("user", wanted.user),
        ("family", wanted.family.map(|id| id.to_string())),
        ("name", wanted.name.map(|name| name.to_string())),
        ("since", since.map(|since| since.to_rfc3339_opts(SecondsFormat::Micros, true))),
    ];
    let query: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let listed = List::new(wanted.json, event::HEADINGS, event::row);
    let server = remote.open(&[Right::Read(Area::Events)]).await?;
    server.print_list(&["events"], &query, wanted.limit, listed).await
}
