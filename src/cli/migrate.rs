//! `heirloom migrate`

use clap::Args;

use crate::app::{self, OldSchema};
use crate::settings::{DatabaseUrl, Settings};
use crate::telemetry;

#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Do without the database's advisory lock, where a pooler or the engine has none; run only one migration then
    #[arg(long)]
    no_lock: bool,
}

pub(super) async fn run(command: Migrate, settings: &Settings) -> anyhow::Result<()> {
    if matches!(settings.database_url, DatabaseUrl::SqliteMemory) {
        anyhow::bail!("a database in memory belongs to the process that serves it, which migrates it itself");
    }
    telemetry::init(&settings.log);
    let how = if command.no_lock { OldSchema::MigrateUnlocked } else { OldSchema::Migrate };
    let place = &settings.database_url;
    match app::migrate_store(settings, how).await? {
        None => println!("{place}: the schema is up to date"),
        Some(version) => println!("{place}: the schema is migrated to version {version}"),
    }
    Ok(())
}
