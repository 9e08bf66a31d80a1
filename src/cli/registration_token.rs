//! `heirloom registration-token …`: initial access tokens (RFC 7591 §1.2).

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::output::{self, List, PART};
use crate::cli::{LONGEST, Office, duration_within};
use crate::domain::registration::Mode;
use crate::service::admin::registration_tokens;
use crate::service::admin::views::RegistrationTokenView;

#[derive(Debug, Subcommand)]
pub(super) enum RegistrationTokenCommand {
    /// Make a token with which clients can register themselves
    New {
        /// How many clients
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=1_000_000), value_name = "N")]
        uses: i64,
        /// For how long it is good
        #[arg(long, value_parser = duration_within(Duration::from_secs(1)..=LONGEST), default_value = "7d", value_name = "D")]
        expires: Duration,
    },
    /// List the tokens that are still good, without their secrets
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a token
    Remove {
        /// Which one, by the id that `list` shows
        id: Uuid,
    },
}

pub(super) async fn run(command: RegistrationTokenCommand, office: &Office) -> anyhow::Result<()> {
    let now = office.clock.now();
    match command {
        RegistrationTokenCommand::New { uses, expires } => {
            let (token, secret) = registration_tokens::add(&office.core, uses, expires, now).await?;
            tell_made(secret.expose(), uses, &token.expires_at);
            if office.settings.registration.mode != Mode::InitialAccessToken {
                eprintln!(
                    "set registration.mode to initial_access_token: only then does the server ask for it"
                );
            }
        }
        RegistrationTokenCommand::List { json } => {
            let listed = List::new(json, HEADINGS, |token: &RegistrationTokenView| row(&json!(token)));
            let read = async |after| registration_tokens::list(&office.core, after, PART, now).await;
            listed.print_all(|token| token.id, read).await?;
        }
        RegistrationTokenCommand::Remove { id } => {
            registration_tokens::remove(&office.core, id, now).await?;
            println!("{id} is removed");
        }
    }
    Ok(())
}

/// The token alone is for scripts.
pub(super) fn tell_made(token: &str, uses: i64, expires_at: &str) {
    println!("{token}");
    eprintln!("it is good for {uses} clients until {expires_at}; it is not shown again");
}

pub(super) const HEADINGS: [&str; 4] = ["id", "uses left", "created", "expires"];

/// What the table shows of a token's JSON.
pub(super) fn row(token: &Value) -> [String; 4] {
    ["id", "uses_left", "created_at", "expires_at"].map(|member| output::cell(&token[member]))
}
