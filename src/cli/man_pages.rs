//! `heirloom man-pages`

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct ManPages {
    /// The folder, which is made if it is not there
    dir: PathBuf,
}

pub(super) fn run(asked: &ManPages, program: clap::Command) -> anyhow::Result<()> {
    let written = fs::create_dir_all(&asked.dir).and_then(|()| clap_mangen::generate_to(program, &asked.dir));
    written.with_context(|| format!("the manual pages cannot be written into {}", asked.dir.display()))
}
