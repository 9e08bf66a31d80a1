//! `heirloom event verify`

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use serde_json::json;

use crate::cli::{Office, output};
use crate::service::events::verify::{NotedLink, VerifiedChain, verify};

#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyEvents {
    /// A last link that an earlier run told, and that was kept elsewhere: the chain must still lead through it
    #[arg(long, value_name = "LINK", value_parser = noted)]
    holds: Option<NotedLink>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(wanted: &VerifyEvents, office: &Office) -> anyhow::Result<()> {
    let verified = verify(&office.core, wanted.holds.as_ref(), office.clock.now()).await?;
    let VerifiedChain { events, aged, begun_at, span, last, waiting } =
        verified.context("the chain is broken")?;
    let last = format!("{}:{}", last.seq, URL_SAFE_NO_PAD.encode(&last.link));
    if wanted.json {
        let (from, to) = span.unzip();
        output::json(&json!({
            "events": events, "aged": aged, "begun_at": time(begun_at), "from": from.map(time), "to": to.map(time),
            "last_link": last, "waiting": waiting,
        }));
        return Ok(());
    }
    match span {
        Some((from, to)) => println!("{events} events, unbroken from {} to {}", time(from), time(to)),
        None => println!("no event is chained yet"),
    }
    println!("the chain was begun at {}; its last link is {last}", time(begun_at));
    if aged > 0 {
        println!("deleted for their age: {aged}");
    }
    if waiting > 0 {
        println!("too young for the chain: {waiting}");
    }
    Ok(())
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn noted(text: &str) -> Result<NotedLink, String> {
    let unfit = || "expected a link as heirloom event verify tells it, such as 17:W8lB…".to_owned();
    let (seq, link) = text.split_once(':').ok_or_else(unfit)?;
    let link = URL_SAFE_NO_PAD.decode(link).map_err(|_| unfit())?;
    let seq = seq.parse().map_err(|_| unfit())?;
    if link.len() == 32 && seq >= 0 { Ok(NotedLink { seq, link }) } else { Err(unfit()) }
}
