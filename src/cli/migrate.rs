//! `heirloom migrate`

use anyhow::Context as _;
use clap::Args;

use crate::app;
use crate::settings::Settings;
use crate::store::migrate::{MigrationLock, Schema, migrate, schema};
use crate::telemetry;

#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Do without the database's advisory lock, where a pooler or the engine has none; run only one migration then
    #[arg(long)]
    no_lock: bool,
}

pub(super) async fn run(command: Migrate, settings: &Settings) -> anyhow::Result<()> {
    telemetry::init(&settings.log);
    let db = app::connect(settings).await?;
    let place = &settings.database_url;
    match schema(&db).await.with_context(|| format!("cannot read {place}"))? {
        Schema::Current => println!("{place}: the schema is up to date"),
        Schema::TooOld { wanted, .. } => {
            let lock = if command.no_lock { MigrationLock::Omit } else { MigrationLock::Take };
            migrate(&db, lock).await.context("cannot migrate the database")?;
            println!("{place}: the schema is migrated to version {wanted}");
        }
        Schema::TooNew { .. } | Schema::Damaged { .. } => {
            app::open_store(settings, app::OldSchema::Refuse).await?;
        }
    }
    db.close().await;
    Ok(())
}
