//! x
use clap::Args;
#[derive(Debug, Args)]
pub(super) struct ResourceService {}
pub(super) async fn run(_command: ResourceService) -> anyhow::Result<()> {
    Ok(())
}
