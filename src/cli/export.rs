//! `heirloom export`

use crate::cli::Office;
use crate::service::admin::files::export;

pub(super) async fn run(office: &Office) -> anyhow::Result<()> {
    print!("{}", export::export(&office.core).await?);
    Ok(())
}
