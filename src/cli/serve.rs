//! `heirloom serve`

use std::io::{self, Write as _};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{App, OldSchema};
use crate::clock::Clock;
use crate::settings::Settings;
use crate::telemetry;

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Bring the schema up to date first
    #[arg(long)]
    migrate: bool,
}

pub(super) async fn run(command: Serve, settings: Settings) -> anyhow::Result<()> {
    telemetry::init(&settings.log);
    let old_schema = if command.migrate { OldSchema::Migrate } else { OldSchema::Refuse };
    // From here on a signal is an order to drain, never a sudden death.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let app = App::build(settings, Clock::system(), old_schema).await?;
    // A server goes on, whether anybody reads this or not.
    let _ = writeln!(
        io::stdout(),
        "heirloom {} listening on {} (issuer {})",
        env!("CARGO_PKG_VERSION"),
        app.url(),
        app.core().issuer
    );
    app.serve(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
    .await
}
