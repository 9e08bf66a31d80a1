//! `heirloom resource-service`: the demo's second process. It is given nothing but the place of the public keys.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::{App, HttpServer};
use anyhow::Context as _;
use clap::Args;
use heirloom_verifier::Verifier;

use crate::cli::duration;

#[path = "../../verifier/examples/resource_service/routes.rs"]
mod routes;

#[derive(Debug, Args)]
pub(super) struct ResourceService {
    /// Where the public keys are
    #[arg(long)]
    jwks_url: String,
    /// Whose tokens to accept
    #[arg(long)]
    issuer: String,
    /// Where to listen; of several addresses, the first that is free
    #[arg(long, required = true)]
    listen: Vec<SocketAddr>,
    /// How far clocks may be apart
    #[arg(long, value_parser = duration, default_value = "5s")]
    leeway: Duration,
}

pub(super) async fn run(command: ResourceService) -> anyhow::Result<()> {
    let listener = TcpListener::bind(command.listen.as_slice())
        .with_context(|| format!("cannot listen on {:?}", command.listen))?;
    let verifier = Verifier::builder(&command.issuer)
        .audience(&command.issuer)
        .public_url(format!("http://{}", listener.local_addr()?))
        .jwks_url(&command.jwks_url)
        .leeway(command.leeway)
        .build()
        .await?;
    let server = HttpServer::new(move || App::new().configure(|config| routes::routes(config, &verifier)))
        .workers(1)
        .disable_signals()
        .listen(listener)?;
    for address in server.addrs() {
        println!("resource service listening on http://{address}");
    }
    let server = server.run();
    let handle = server.handle();
    // The demo holds the other end of standard input: when it goes, however it goes, this process goes too.
    let orphaned = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        ended = server => ended?,
        _ = orphaned => handle.stop(false).await,
    }
    Ok(())
}
