//! The load test: real processes, a database of their own, and PostgreSQL's own `pgbench` as the yardstick.

mod chains;
mod client;
mod drive;
mod processes;
mod store;

use std::time::{Duration, Instant};

use chains::Chains;
use clap::Parser;
use drive::{Load, Pace, Reuse, drive};
use heirloom_verifier::Verifier;
use processes::{Folder, PASSWORD, Place, Postgres, Server};
use store::Store;

#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long, hide = true)]
    bench: bool,
    #[arg(long, default_value_t = 1_000_000)]
    families: usize,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    #[arg(long, default_value_t = 2)]
    rounds: u64,
    #[arg(long)]
    sqlite: bool,
    #[arg(long)]
    set: Vec<String>,
    #[arg(long)]
    variant: Vec<String>,
}

pub fn now() -> Instant {
    Instant::now()
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(&arguments))
}

async fn verifier(server: &Server) -> anyhow::Result<Verifier> {
    let issuer = format!("http://{}", server.address);
    let jwks = format!("{issuer}/.well-known/jwks.json");
    Ok(Verifier::builder(issuer.clone()).audience(issuer).jwks_url(jwks).build().await?)
}

async fn login(server: &Server) -> anyhow::Result<String> {
    let body = serde_json::json!({ "username": "ana", "password": PASSWORD, "device": "a phone" });
    let url = format!("http://{}/login", server.address);
    let answer = reqwest::Client::new()
        .post(url)
        .json(&body)
        .header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        .send()
        .await?;
    let json: serde_json::Value = answer.error_for_status()?.json().await?;
    Ok(json["refresh_token"].as_str().unwrap_or_default().to_owned())
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let postgres = Postgres::start(folder.path())?;
    let url = if arguments.sqlite {
        format!("sqlite:{}/heirloom.db", folder.path().display())
    } else {
        postgres.url.clone()
    };
    let mut place = Place::new(folder.path(), &url);
    for set in &arguments.set {
        let (name, value) = set.split_once('=').unwrap();
        place = place.with(Box::leak(name.to_owned().into_boxed_str()), value);
    }
    let server = place.serve()?;
    eprintln!("started in {:?}", server.started_in);
    place.run(&["user", "add", "ana", "--password-stdin", "--role", "editor"], PASSWORD)?;
    let token = login(&server).await?;
    let began = now();
    if !arguments.sqlite {
        postgres.prepare_pgbench()?;
    }
    let store = Store::open(&url).await?;
    drop(server);
    store.seed(arguments.families).await?;
    if arguments.sqlite {
        store.close().await;
        eprintln!("closed");
    }
    let chains = Chains::new(processes::MASTER_KEY, &token, arguments.families)?;
    eprintln!("seeded in {:?}", began.elapsed());
    let lasting = Duration::from_secs(arguments.seconds);
    for round in 0..arguments.rounds {
        let (tps, latency) = if arguments.sqlite { (1.0, 1.0) } else { postgres.pgbench(32, lasting)? };
        eprintln!("pgbench {tps:.0}/s {latency:.3} ms");
        for lanes in &arguments.variant {
            let mut place = place.clone();
            for set in lanes.split(',').filter(|s| !s.is_empty()) {
                let (name, value) = set.split_once('=').unwrap();
                place = place.with(Box::leak(format!("HEIRLOOM_{name}").into_boxed_str()), value);
            }
            let server = place.serve()?;
            let verifier = verifier(&server).await?;
            let store = if arguments.sqlite { None } else { Some(Store::open(&url).await?) };
            let before = match &store {
                Some(s) => s.counters().await?,
                None => Default::default(),
            };
            let (cpu, db, me) = (server.cpu()?, postgres.cpu()?, processes::own_cpu()?);
            let load = Load {
                address: &server.address,
                chains: &chains,
                verifier: &verifier,
                connections: arguments.connections,
                reuse: Reuse::KeepAlive,
                pace: Pace::Closed,
                lasting,
            };
            let driven = drive(&load).await;
            let (cpu, db, me) = (server.cpu()? - cpu, postgres.cpu()? - db, processes::own_cpu()? - me);
            let after = match &store {
                Some(s) => s.counters().await?,
                None => Default::default(),
            };
            let n = driven.answers as f64;
            eprintln!(
                "round {round} lanes {lanes}: {:.0}/s  {:.2} x pgbench; p50 {:.2} p99 {:.2} p99.9 {:.2} ms; server {:.1} + db {:.1} + load {:.1} us; wal {:.0} B, hot {:.1} %, flushes {:.3}; failed {} {:?} verified {}; rss {:?}",
                driven.per_second(),
                driven.per_second() / tps,
                driven.quantile(0.5),
                driven.quantile(0.99),
                driven.quantile(0.999),
                cpu.as_secs_f64() * 1e6 / n,
                db.as_secs_f64() * 1e6 / n,
                me.as_secs_f64() * 1e6 / n,
                (after.wal_bytes - before.wal_bytes) as f64 / n,
                (after.hot_updates - before.hot_updates) as f64 * 100.0
                    / (after.updates - before.updates).max(1) as f64,
                (after.flushes - before.flushes) as f64 / n,
                driven.failed,
                driven.first_failure,
                driven.verified,
                server.memory()?,
            );
        }
    }
    eprintln!("confirmed {} distinct {}", chains.confirmed(), chains.distinct());
    Ok(())
}
