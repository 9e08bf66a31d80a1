//! `heirloom migrate`

use clap::Args;

use crate::app::{self, Migrated, OldSchema, Servers, Spread};
use crate::settings::{DatabaseUrl, Settings};
use crate::telemetry;

#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Do without the database's advisory lock, where a pooler or the engine has none; run only one migration then
    #[arg(long)]
    no_lock: bool,
    /// Spread the tables over the servers that Citus knows: families by id, all others whole on each
    #[arg(long)]
    citus: bool,
}

pub(super) async fn run(command: Migrate, settings: &Settings) -> anyhow::Result<()> {
    if matches!(settings.database_url, DatabaseUrl::SqliteMemory) {
        anyhow::bail!("a database in memory belongs to the process that serves it, which migrates it itself");
    }
    telemetry::init(&settings.log);
    let how = if command.no_lock { OldSchema::MigrateUnlocked } else { OldSchema::Migrate };
    let servers = if command.citus { Servers::OfCitus } else { Servers::AsBefore };
    let place = &settings.database_url;
    let Migrated { version, spread } = app::migrate_store(settings, how, servers).await?;
    match version {
        None => println!("{place}: the schema is up to date"),
        Some(version) => println!("{place}: the schema is migrated to version {version}"),
    }
    match spread {
        None => {}
        Some(Spread { tables: 0, servers }) => {
            println!("{place}: all tables were distributed before; servers: {servers}");
        }
        Some(Spread { tables, servers }) => {
            println!("{place}: tables distributed now: {tables}; servers: {servers}");
        }
    }
    Ok(())
}
