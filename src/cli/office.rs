//! Where an operator's commands work.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::app::{self, OldSchema};
use crate::clock::Clock;
use crate::service::Core;
use crate::settings::{DatabaseUrl, LogSettings, Settings};
use crate::telemetry;

/// Beside a server that may be running, on the same database.
pub(super) struct Office {
    pub(super) settings: Settings,
    pub(super) core: Core,
    pub(super) clock: Clock,
}

impl Office {
    pub(super) async fn open(mut settings: Settings) -> anyhow::Result<Self> {
        if matches!(settings.database_url, DatabaseUrl::SqliteMemory) {
            anyhow::bail!(
                "a database in memory belongs to the process that serves it: no other command can reach it"
            );
        }
        if let DatabaseUrl::Sqlite(path) = &settings.database_url {
            find_store(path).await?;
        }
        telemetry::init(&LogSettings { filter: "warn,audit=info".to_owned(), ..settings.log.clone() });
        // No command refreshes: the engine need not be asked whether it takes batches.
        settings.database.batch_rotations = false;
        let clock = Clock::system();
        let unbound = SocketAddr::from(([127, 0, 0, 1], settings.listen.port()));
        let issuer = || Ok(settings.issuer_at(unbound));
        let core = app::open_core(&settings, &clock, OldSchema::Refuse, issuer).await?;
        Ok(Self { settings, core, clock })
    }
}

/// The embedded store is made by its server or on purpose, and by no command that happens to be run elsewhere.
async fn find_store(path: &Path) -> anyhow::Result<()> {
    // A server that was started a moment ago may be about to make it.
    for _ in 0..20 {
        if path.exists() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!(
        "there is no store {}: run this in the server's folder or with its settings; `heirloom serve` and `heirloom \
         migrate` make a new one",
        std::path::absolute(path)?.display()
    )
}
