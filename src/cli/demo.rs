//! x
use clap::Args;
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Exit after the story, non-zero if any step went wrong
    #[arg(long)]
    once: bool,
}
pub(super) async fn run(command: Demo) -> anyhow::Result<()> {
    let _ = command.once;
    Ok(())
}
