//! `heirloom healthcheck`: for container health checks, which have no curl.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::settings::Settings;

#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    /// The server's URL, instead of the address that the settings listen on
    url: Option<String>,
}

pub(super) async fn run(command: Healthcheck, settings: &Settings) -> anyhow::Result<()> {
    let own = command.url.is_none();
    let url = command.url.unwrap_or_else(|| {
        let bound = SocketAddr::from((Ipv4Addr::LOCALHOST, settings.listen.port()));
        Settings { issuer: None, ..settings.clone() }.issuer_at(bound).to_string()
    });
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5));
    // This machine's own server is not behind its proxy, and its certificate is not for 127.0.0.1: whether it is ready
    // is no secret, and it is asked for nothing else.
    let client =
        if own { client.no_proxy().tls_danger_accept_invalid_certs(true) } else { client }.build()?;
    let url = format!("{}/readyz", url.trim_end_matches('/'));
    let answer = client.get(&url).send().await.with_context(|| format!("{url} does not answer"))?;
    let status = answer.status();
    let body = answer.text().await.unwrap_or_default();
    if !status.is_success() {
        anyhow::bail!("{url}: {status} {body}");
    }
    println!("{body}");
    Ok(())
}
