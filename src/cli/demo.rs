//! `heirloom demo`: the whole story in a terminal, on a real store, over real HTTP, with a real second process.

mod curl;
mod held;
mod scenes;
mod stage;
mod teller;

use clap::Args;

use crate::settings::{LogFormat, LogSettings};
use crate::telemetry;
use stage::Stage;
use teller::Teller;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Exit after the story, non-zero if any step went wrong
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(command: Demo) -> anyhow::Result<()> {
    // The theft would be a warning; here it is the story.
    telemetry::init(&LogSettings { format: LogFormat::Pretty, filter: "error".to_owned() });
    let stage = Stage::build().await?;
    let mut teller = Teller::new();
    scenes::tell(&stage, &mut teller).await?;
    let told = teller.verdict();
    if command.once || told.is_err() {
        stage.strike().await?;
        return told;
    }
    scenes::invite(&stage, &teller);
    tokio::signal::ctrl_c().await?;
    stage.strike().await?;
    println!("\nBoth processes have ended.");
    Ok(())
}
