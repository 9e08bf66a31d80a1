//! `heirloom audience …`

use clap::Subcommand;

use crate::cli::{Office, output};
use crate::domain::audience::Audience;
use crate::domain::signing_algorithm::SigningAlgorithm;
use crate::service::admin::audiences;

#[derive(Debug, Subcommand)]
pub(super) enum AudienceCommand {
    /// Sign the access tokens for an audience with an algorithm of its own
    Set {
        /// Which, as it stands in `aud`
        audience: Audience,
        /// ES256, `EdDSA` or RS256
        #[arg(long, value_name = "ALGORITHM")]
        algorithm: SigningAlgorithm,
    },
    /// List the audiences with an algorithm of their own
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Sign the access tokens for an audience as all others
    Remove {
        /// Which
        audience: Audience,
    },
}

pub(super) async fn run(command: AudienceCommand, office: &Office) -> anyhow::Result<()> {
    let (core, now) = (&office.core, office.clock.now());
    match command {
        AudienceCommand::Set { audience, algorithm } => {
            output::json(&audiences::set(core, audience, algorithm, now).await?);
        }
        AudienceCommand::List { json } => {
            let all = audiences::list(core, now).await?;
            if json {
                output::json(&all);
            } else {
                output::table(["audience", "algorithm", "signs from"], &all, |it| {
                    let from = output::or_dash(it.signs_from.clone());
                    [it.audience.to_string(), it.algorithm.to_string(), from]
                });
            }
        }
        AudienceCommand::Remove { audience } => {
            audiences::remove(core, &audience, now).await?;
            println!("access tokens for {audience} are signed as all others");
        }
    }
    Ok(())
}
