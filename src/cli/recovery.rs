//! `heirloom recovery …`: after the database was restored from a backup.

use std::time::Duration;

use clap::Subcommand;

use crate::cli::{Office, duration};
use crate::service::admin::recovery;
use crate::service::admin::views::time;

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
            let until = recovery::open_window(&office.core, length, now).await?;
            println!("the recovery window is open until {}", time(until));
            println!();
            println!(
                "What the restore undid is yours to do again. Look through the log for events of the target `audit`"
            );
            println!("since the backup was made, and apply them in order:");
            println!("  family.ended                    heirloom family revoke FAMILY");
            println!("  user.changed (password)         heirloom user set-password NAME, to a new one");
            println!("  user.changed (disabled)         heirloom user disable NAME");
            println!("  user.changed (removed)          heirloom user remove NAME");
            println!("  client.changed (removed)        heirloom client remove CLIENT");
            println!("  client.changed (secret_rotated) heirloom client rotate-secret CLIENT --overlap 0s");
            println!("  key.rotated                     heirloom keys rotate");
            println!("  key.replaced                    heirloom keys rotate --compromised");
            println!("  key.master_dropped              heirloom keys drop-master ID");
        }
        Recovery::Close => {
            recovery::close_window(&office.core, now).await?;
            println!("the recovery window is closed");
        }
        Recovery::Status => match recovery::closes_at(&office.core, now).await? {
            Some(closes_at) => println!("the recovery window is open until {}", time(closes_at)),
            None => println!("the recovery window is closed"),
        },
    }
    Ok(())
}
