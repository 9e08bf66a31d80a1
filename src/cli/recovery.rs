//! `heirloom recovery …`: after the database was restored from a backup.

use std::time::Duration;

use clap::Subcommand;

use crate::cli::{Office, duration, output};
use crate::crypto::random;
use crate::domain::ids::uuid_v7;
use crate::store::recovery;

#[derive(Debug, Subcommand)]
pub(super) enum Recovery {
    /// Let tokens that are ahead of the restored rows go on; run this before serving again
    Open {
        /// For how long; as long as your clients may stay away
        #[arg(long = "for", value_parser = duration, default_value = "7d", value_name = "D")]
        length: Duration,
    },
    /// End the window now
    Close,
    /// Tell whether a window is open
    Status,
}

pub(super) async fn run(command: Recovery, office: &Office) -> anyhow::Result<()> {
    let now = office.clock.now();
    match command {
        Recovery::Open { length } => {
            recovery::open(&office.db, uuid_v7(now, random::bytes()), now, now + length).await?;
            println!("the recovery window is open until {}", output::time(now + length));
            println!();
            println!(
                "What the restore undid is yours to do again. Look through the log for events of the target `audit`"
            );
            println!("since the backup was made, and apply them in order:");
            println!("  family_ended              heirloom family revoke FAMILY");
            println!("  user_changed (password)   heirloom user set-password NAME, to a new one");
            println!("  user_changed (disabled)   heirloom user disable NAME");
            println!("  user_changed (removed)    heirloom user remove NAME");
            println!("  client_changed (removed)  heirloom client remove CLIENT");
            println!("  client_changed (secret)   heirloom client rotate-secret CLIENT --overlap 0s");
            println!("  keys_changed              heirloom keys rotate, with --compromised if it was that");
        }
        Recovery::Close => {
            recovery::close(&office.db, now).await?;
            println!("the recovery window is closed");
        }
        Recovery::Status => match recovery::closes_at(&office.db, now).await? {
            Some(closes_at) => println!("the recovery window is open until {}", output::time(closes_at)),
            None => println!("the recovery window is closed"),
        },
    }
    Ok(())
}
