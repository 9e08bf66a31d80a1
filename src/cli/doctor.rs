//! `heirloom doctor`: what is wrong with this deployment.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::app::{self, Finding, Health};
use crate::cli::{dev, output};
use crate::clock::Clock;
use crate::domain::error_causes::with_causes;
use crate::settings::Settings;

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: Doctor, settings: &Settings) -> anyhow::Result<()> {
    let of_developer = dev::settings_to_examine(settings);
    let settings = of_developer.as_ref().unwrap_or(settings);
    let mut found = app::examine(settings, &Clock::system()).await;
    found.push(issuer(settings).await);
    if of_developer.is_some() {
        let says = "this is the server of `heirloom dev` in ./.heirloom: for this machine alone, with a password that \
                    everybody knows";
        found.push(Finding::note("dev", says));
    }
    let wrong = found.iter().filter(|it| it.health == Health::Wrong).count();
    if command.json {
        output::json(&json!({ "wrong": wrong, "findings": found }));
    } else {
        for it in &found {
            let health = match it.health {
                Health::Ok => "ok",
                Health::Note => "note",
                Health::Wrong => "WRONG",
            };
            println!("{health:<6} {:<12} {}", it.about, it.says);
        }
    }
    match wrong {
        0 => Ok(()),
        1 => anyhow::bail!("one thing is wrong"),
        many => anyhow::bail!("{many} things are wrong"),
    }
}

/// Whether clients find the server where its tokens say that it is (RFC 8414 §3.3): by its name, through all that is in
/// front of it, with a certificate that they believe.
async fn issuer(settings: &Settings) -> Finding {
    const ABOUT: &str = "issuer";
    let bound = SocketAddr::from((Ipv4Addr::LOCALHOST, settings.listen.port()));
    let issuer = settings.issuer_at(bound);
    let url = format!("{issuer}/.well-known/openid-configuration");
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none());
    let asked = match client.build() {
        Ok(client) => client.get(&url).send().await,
        Err(error) => Err(error),
    };
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) => {
            let error = error.without_url();
            let says = format!("{url} does not answer: {}. Is the server running?", with_causes(&error));
            return Finding::wrong(ABOUT, says);
        }
    };
    let status = answer.status();
    let named = answer.json::<Value>().await.ok();
    match named.as_ref().and_then(|it| it["issuer"].as_str()) {
        Some(named) if named == issuer.as_str() => Finding::ok(ABOUT, format!("{url} answers, and names it")),
        Some(named) => {
            Finding::wrong(ABOUT, format!("{url} names {named}, not {issuer}: clients must refuse it"))
        }
        None => Finding::wrong(ABOUT, format!("{url} answers {status} and is no server's configuration")),
    }
}
