//! `heirloom backup` and `heirloom restore`: the embedded store, copied while it is served, and put back.

use std::path::PathBuf;

use clap::Args;

use crate::app::{self, KeyCopy};
use crate::clock::Clock;
use crate::master_keys;
use crate::settings::{LogSettings, Settings};
use crate::telemetry;

#[derive(Debug, Args)]
pub(super) struct BackupFile {
    /// The file of the backup
    file: PathBuf,
    /// With the master key, in FILE.key beside it: whoever has both can forge access tokens
    #[arg(long)]
    with_key: bool,
}

impl BackupFile {
    fn key(&self) -> KeyCopy {
        if self.with_key { KeyCopy::Beside } else { KeyCopy::Apart }
    }
}

/// Without the lines of a server.
fn quietly(settings: &Settings) {
    telemetry::init(&LogSettings { filter: "warn".to_owned(), ..settings.log.clone() });
}

pub(super) async fn backup(command: BackupFile, settings: &Settings) -> anyhow::Result<()> {
    quietly(settings);
    app::backup(settings, &command.file, command.key()).await?;
    println!("{} is copied to {}", settings.database_url, command.file.display());
    match command.key() {
        KeyCopy::Beside => println!("its master key is in {}", app::key_file_of(&command.file).display()),
        KeyCopy::Apart if settings.master_key.is_none() && settings.master_key_file.is_none() => {
            let own = master_keys::own_file(settings);
            println!("the master key is not in it: keep a copy of {}, in another place", own.display());
        }
        KeyCopy::Apart => println!("the master key is not in it: keep a copy of that, in another place"),
    }
    Ok(())
}

pub(super) async fn restore(command: BackupFile, settings: &Settings) -> anyhow::Result<()> {
    quietly(settings);
    let kept = app::restore(settings, &command.file, command.key(), Clock::system().now()).await?;
    println!("{} is restored from {}", settings.database_url, command.file.display());
    for file in kept {
        println!("what was there is kept as {}", file.display());
    }
    println!(
        "Before you serve it, run `heirloom recovery open --for 7d`: apps are ahead of what was restored."
    );
    Ok(())
}
