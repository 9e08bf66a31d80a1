//! `heirloom keys …`

use std::time::Duration;

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::app;
use crate::cli::{Office, duration, output};
use crate::crypto::master_key;
use crate::crypto::signing_key::SigningAlgorithm;
use crate::service::keys::key_set::{Phase, ScheduledKey};
use crate::service::keys::ring::{Keys as KeyService, Succession};

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
        #[arg(long, value_parser = duration, value_name = "D")]
        after: Option<Duration>,
        /// What it signs with, instead of the setting `keys.algorithm`
        #[arg(long, value_name = "ALGORITHM")]
        algorithm: Option<SigningAlgorithm>,
        /// A key leaked: sign with the new one at once and withdraw all others
        #[arg(long, conflicts_with = "after")]
        compromised: bool,
    },
    /// Print the shared public keys
    Export {
        /// All published keys as a JWK set, or the signing one as PEM
        #[arg(long, value_enum, default_value = "jwks")]
        format: Format,
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
    let (keys, writer) = (&office.core.keys, &office.core.writer);
    let usual = app::succession(&office.settings);
    match command {
        KeysCommand::List { json } => list(office, keys, json),
        KeysCommand::Rotate { after, algorithm, compromised } => {
            let how = Succession {
                algorithm: algorithm.unwrap_or(usual.algorithm),
                publish_ahead: after.unwrap_or(usual.publish_ahead),
                ..usual
            };
            if compromised {
                let kid = keys.replace(writer, how, office.clock.now()).await?;
                println!(
                    "{kid} signs now; every other key is withdrawn, and so are the access tokens they signed"
                );
            } else {
                let (kid, signs_from) = keys.rotate(writer, how, office.clock.now()).await?;
                println!("{kid} is published and signs from {}", output::time(signs_from));
            }
        }
        KeysCommand::Export { format } => export(office, keys, format)?,
        KeysCommand::DropMaster { id } => {
            let kid = keys.drop_master(writer, &id, usual, office.clock.now()).await?;
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

fn list(office: &Office, keys: &KeyService, json: bool) {
    let now = office.clock.now();
    let master: Vec<String> = keys.master_key_ids().collect();
    keys.with_signing_keys(|signing| {
        if json {
            let signing: Vec<Value> = signing.phases(now).map(|(key, phase)| key_json(key, phase)).collect();
            output::json(&json!({ "signing_keys": signing, "master_keys": master }));
            return;
        }
        let rows: Vec<[String; 5]> = signing
            .phases(now)
            .map(|(key, phase)| {
                [
                    key.key.kid().to_owned(),
                    key.key.algorithm().to_string(),
                    word(phase).to_owned(),
                    output::time(key.stored.signs_from),
                    output::or_dash(key.retired_at.map(output::time)),
                ]
            })
            .collect();
        output::table(["kid", "algorithm", "phase", "signs from", "published until"], &rows);
        println!("\nmaster keys, the active one first: {}", master.join(", "));
    });
}

fn export(office: &Office, keys: &KeyService, format: Format) -> anyhow::Result<()> {
    let now = office.clock.now();
    keys.with_signing_keys(|signing| match format {
        Format::Jwks => {
            output::json(&json!(signing.jwks(now)));
            Ok(())
        }
        Format::Pem => {
            print!("{}", signing.signer(now).context("there is no signing key")?.public_pem()?);
            Ok(())
        }
    })
}

fn key_json(key: &ScheduledKey, phase: Phase) -> Value {
    json!({
        "kid": key.key.kid(),
        "algorithm": key.key.algorithm(),
        "phase": phase,
        "created_at": output::time(key.stored.created_at),
        "signs_from": output::time(key.stored.signs_from),
        "published_until": key.retired_at.map(output::time),
    })
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Next => "next",
        Phase::Signing => "signing",
        Phase::Retiring => "retiring",
        Phase::Retired => "retired",
        Phase::Withdrawn => "withdrawn",
    }
}
