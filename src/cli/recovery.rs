//! `heirloom recovery …`: after the database was restored from a backup.

mod apply;

use std::time::Duration;

use clap::Subcommand;

use crate::cli::{Office, duration_within};
use crate::service::admin::recovery::{self, RecoveryStatus};
use crate::service::admin::views::time;

const SECOND: Duration = Duration::from_secs(1);
/// While the window is open the word of a token is taken for how far its family was: not for longer than anybody stays
/// away.
const YEAR: Duration = Duration::from_hours(24 * 366);

#[derive(Debug, Subcommand)]
pub(super) enum Recovery {
    /// Let tokens that are ahead of the restored rows go on; run this before serving again
    Open {
        /// For how long; as long as your clients may stay away
        #[arg(long = "for", value_parser = duration_within(SECOND..=YEAR), default_value = "7d", value_name = "D")]
        length: Duration,
    },
    /// End the window now
    Close,
    /// Say that nothing was restored: tokens that are ahead of their rows are refused at once
    Decline {
        /// For how long; later ones wait for a word of yours again
        #[arg(long = "for", value_parser = duration_within(SECOND..=YEAR), default_value = "7d", value_name = "D")]
        length: Duration,
    },
    /// Do again what the restore undid, as far as it took rights away: reads lines of `heirloom event export`, the log
    /// as JSON, or webhooks' messages
    Apply(apply::ApplyEvents),
    /// Tell whether a window is open, and whether tokens wait for a word of yours
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
                "What the restore undid is done again from what was told since the backup was made: lines of"
            );
            println!("`heirloom event export`, the log as JSON, or what a webhook was told.");
            println!("  heirloom recovery apply --dry-run < events.jsonl");
            println!("  heirloom recovery apply < events.jsonl");
        }
        Recovery::Close => {
            recovery::close_window(&office.core, now).await?;
            println!("the recovery window is closed");
        }
        Recovery::Decline { length } => {
            let until = recovery::decline(&office.core, length, now).await?;
            println!("tokens that are ahead of their rows are refused until {}", time(until));
        }
        Recovery::Apply(command) => apply::run(command, office).await?,
        Recovery::Status => match recovery::status(&office.core, now).await? {
            RecoveryStatus::Open(until) => println!("the recovery window is open until {}", time(until)),
            RecoveryStatus::Closed => println!("the recovery window is closed"),
            RecoveryStatus::Declined(until) => println!(
                "the recovery window is closed, and tokens that are ahead of their rows are refused until {}",
                time(until)
            ),
            RecoveryStatus::Undecided { refused_from } => {
                println!(
                    "tokens came that are ahead of their rows: was the database restored, or did it fail over?"
                );
                println!("  yes  heirloom recovery open");
                println!("  no   heirloom recovery decline");
                println!("their clients are asked to come back, and refused from {} on", time(refused_from));
            }
        },
    }
    Ok(())
}
