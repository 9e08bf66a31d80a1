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
    let _ = io::stdout().write_all(greeting(&app).as_bytes());
    app.serve(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
    .await
}

/// Where the server listens, a line each.
fn greeting(app: &App) -> String {
    let (version, url, issuer) = (env!("CARGO_PKG_VERSION"), app.url(), &app.core().issuer);
    let main = format!("heirloom {version} listening on {url} (issuer {issuer})\n");
    let of_clients = app.mutual_tls().map(|(address, url)| {
        format!("listening on https://{address} for clients with certificates (mtls.url {url})\n")
    });
    let of_operators =
        app.admin_url().map(|url| format!("listening on {url} for the administration (admin.listen)\n"));
    let of_monitoring =
        app.metrics_url().map(|url| format!("listening on {url} for metrics (metrics.listen)\n"));
    let others = [of_clients, of_operators, of_monitoring];
    main + &others.into_iter().flatten().collect::<String>()
}
