//! `heirloom user export`

use crate::cli::Office;
use crate::cli::output::PART;
use crate::service::admin::moving::export;

pub(super) async fn run(office: &Office) -> anyhow::Result<()> {
    let mut after = None;
    while let Some((lines, last)) = export::lines(&office.core, after.as_ref(), PART).await? {
        print!("{}\n", lines.join("\n"));
        after = Some(last);
    }
    Ok(())
}
