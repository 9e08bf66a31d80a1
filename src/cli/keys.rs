//! `heirloom keys …`

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::cli::{Office, duration_within, output};
use crate::crypto::master_key;
use crate::domain::signing_algorithm::SigningAlgorithm;
use crate::service::admin::keys;
use crate::service::admin::views::time;

/// As long as the setting `keys.publish_ahead` may be.
const MONTH: Duration = Duration::from_hours(24 * 30);

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// List the signing keys and the master keys in force
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Publish the next signing key; it signs once verifiers have had the time to learn of it
    Rotate {
        /// When it begins to sign, instead of the setting `keys.publish_ahead`
        #[arg(long, value_parser = duration_within(Duration::ZERO..=MONTH), value_name = "D")]
        after: Option<Duration>,
        /// The keys of this algorithm alone, instead of those that sign where nobody asks for any
        #[arg(long, value_name = "ALGORITHM")]
        algorithm: Option<SigningAlgorithm>,
        /// A key leaked: sign with new ones at once and withdraw all others, or those of the algorithm named
        #[arg(long, conflicts_with = "after")]
        compromised: bool,
    },
    /// Print the shared public keys
    Export {
        /// All published keys as a JWK set, or the signing one as PEM
        #[arg(long, value_enum, default_value = "jwks")]
        format: Format,
        /// The signing one of this algorithm, as PEM
        #[arg(long, value_name = "ALGORITHM")]
        algorithm: Option<SigningAlgorithm>,
    },
    /// Print a new master key
    NewMaster,
    /// Refuse refresh tokens under a master key that leaked, and replace the signing keys
    DropMaster {
        /// Its id, as `keys list` shows it
        id: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Jwks,
    Pem,
}

pub(super) async fn run(command: KeysCommand, office: &Office) -> anyhow::Result<()> {
    let (core, now) = (&office.core, office.clock.now());
    match command {
        KeysCommand::List { json } => show(&json!(keys::list(core, now)), json),
        KeysCommand::Rotate { algorithm, compromised: true, .. } => {
            let kid = keys::replace(core, algorithm, now).await?;
            tell_replaced(&kid, algorithm);
        }
        KeysCommand::Rotate { after, algorithm, compromised: false } => {
            let (kid, signs_from) = keys::rotate(core, algorithm, after, now).await?;
            tell_published(&kid, &time(signs_from));
        }
        KeysCommand::Export { format: Format::Jwks, algorithm } => {
            anyhow::ensure!(
                algorithm.is_none(),
                "--algorithm goes with --format pem: a JWK set has all keys"
            );
            output::json(&keys::jwks(core, now));
        }
        KeysCommand::Export { format: Format::Pem, algorithm } => {
            print!("{}", keys::public_pem(core, algorithm, now)?);
        }
        KeysCommand::DropMaster { id } => {
            let id = id.to_lowercase();
            let kid = keys::drop_master(core, &id, now).await?;
            println!("refresh tokens under master key {id} are refused from now on; {kid} signs now");
            println!("take the key out of HEIRLOOM_MASTER_KEY when every replica has restarted");
        }
        KeysCommand::NewMaster => new_master(),
    }
    Ok(())
}

pub(super) fn new_master() {
    println!("{}", *master_key::generate());
}

pub(super) fn tell_replaced(kid: &str, algorithm: Option<SigningAlgorithm>) {
    let others = algorithm.map_or_else(|| "key".to_owned(), |it| format!("{it} key"));
    println!("{kid} signs now; every older {others} is withdrawn, and so are the access tokens they signed");
}

pub(super) fn tell_published(kid: &str, signs_from: &str) {
    println!("{kid} is published and signs from {signs_from}");
}

/// All keys, of their JSON.
pub(super) fn show(keys: &Value, json: bool) {
    if json {
        output::json(keys);
        return;
    }
    let headings = ["kid", "algorithm", "phase", "signs from", "published until"];
    output::table(headings, keys["signing_keys"].as_array().map_or(&[][..], Vec::as_slice), |key| {
        ["kid", "algorithm", "phase", "signs_from", "published_until"]
            .map(|member| output::cell(&key[member]))
    });
    let master_keys = keys["master_keys"].as_array().into_iter().flatten().map(output::cell);
    println!("\nmaster keys, the active one first: {}", master_keys.collect::<Vec<_>>().join(", "));
}
