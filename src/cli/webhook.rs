//! `heirloom webhook …`: events that are told to other servers.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use crate::cli::output::{List, PART, or_dash};
use crate::cli::{LONGEST, Office, duration_within, output};
use crate::domain::event::EventChoice;
use crate::domain::ids::WebhookId;
use crate::domain::webhook::{WebhookChanges, WebhookSecret, WebhookUrl};
use crate::service::admin::views::{DeliveryView, WebhookView};
use crate::service::admin::webhooks::{self, WhichDeliveries};

#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// Add a webhook: events are told to this URL
    Add {
        /// Where: an https URL, or an http one within `outbound.allowed_networks`
        url: WebhookUrl,
        /// Of which events: a name, a group such as family.*, or * for all; may be given more than once, all without
        #[arg(long = "event", value_name = "NAME")]
        events: Vec<EventChoice>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List webhooks, without their secrets
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say something of a webhook anew: what is not named stays as it is
    Update {
        /// Which one, by the id that `list` shows
        id: WebhookId,
        #[command(flatten)]
        changes: WebhookOptions,
    },
    /// Remove a webhook, with all that it is still to be told
    Remove {
        /// Which one
        id: WebhookId,
    },
    /// Tell a webhook of nothing until it is enabled: what it was still to be told is dead, too
    Disable {
        /// Which one
        id: WebhookId,
    },
    /// Let a webhook be told again that was disabled, by a command or as it answered 410 (Gone)
    Enable {
        /// Which one
        id: WebhookId,
    },
    /// Give a webhook a new secret
    RotateSecret {
        /// Which one
        id: WebhookId,
        /// How long messages are signed with the present ones, too
        #[arg(long, value_parser = duration_within(Duration::ZERO..=LONGEST), default_value = "24h", value_name = "D")]
        overlap: Duration,
    },
    /// Send a webhook a message that tells of nothing, from here, also a disabled one; fails if that does not take it
    Test {
        /// Which one
        id: WebhookId,
    },
    /// List what webhooks are told, newest first
    Deliveries {
        /// Only what was given up: after the last attempt, or as its webhook was disabled
        #[arg(long)]
        dead: bool,
        /// Only to this webhook
        #[arg(long, value_name = "ID")]
        webhook: Option<WebhookId>,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send a delivery again that was taken or given up
    Resend {
        /// Which one, by the id that `deliveries` shows
        id: Uuid,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct WebhookOptions {
    /// Where it is told, also of what it was to be told before
    #[arg(long)]
    url: Option<WebhookUrl>,
    /// Of which events from now on; may be given more than once
    #[arg(long = "event", value_name = "NAME")]
    events: Option<Vec<EventChoice>>,
}

pub(super) async fn run(command: WebhookCommand, office: &Office) -> anyhow::Result<()> {
    let (core, now) = (&office.core, office.clock.now());
    match command {
        WebhookCommand::Add { url, events, json } => add(office, url, events, json).await?,
        WebhookCommand::List { json } => {
            let listed = webhooks::list(core).await?;
            if json {
                output::json(&listed);
                return Ok(());
            }
            output::table(["id", "url", "events", "state"], &listed, |it: &WebhookView| {
                let state = it
                    .disabled_at
                    .as_ref()
                    .map_or("on".to_owned(), |since| format!("disabled since {since}"));
                [it.id.to_string(), it.url.clone(), it.events.join(" "), state]
            });
        }
        WebhookCommand::Update { id, changes: WebhookOptions { url, events } } => {
            webhooks::update(core, id, &WebhookChanges { url, events }, now).await?;
            println!("{id} is updated");
        }
        WebhookCommand::Remove { id } => {
            webhooks::remove(core, id, now).await?;
            println!("{id} is removed");
        }
        WebhookCommand::Disable { id } => {
            webhooks::disable(core, id, now).await?;
            println!("{id} is disabled");
        }
        WebhookCommand::Enable { id } => {
            webhooks::enable(core, id, now).await?;
            println!("{id} is enabled");
        }
        WebhookCommand::RotateSecret { id, overlap } => {
            let secret = webhooks::rotate_secret(core, id, overlap, now).await?;
            show(&secret);
            eprintln!(
                "messages are signed with those before it, too, for {}",
                humantime::format_duration(overlap)
            );
        }
        WebhookCommand::Test { id } => {
            webhooks::test(core, id, now).await?;
            println!("{id} has taken it");
        }
        WebhookCommand::Deliveries { dead, webhook, limit, json } => {
            let which = if dead { WhichDeliveries::Dead } else { WhichDeliveries::All };
            deliveries(office, (webhook, which), limit, json).await?;
        }
        WebhookCommand::Resend { id } => {
            webhooks::resend(core, id, now).await?;
            println!("{id} is sent again");
        }
    }
    Ok(())
}

/// A webhook with its secret, which is shown once.
#[derive(Debug, Serialize)]
struct NewWebhook {
    #[serde(flatten)]
    webhook: WebhookView,
    secret: String,
}

fn show(secret: &WebhookSecret) {
    println!("{}", secret.expose());
    eprintln!("it is not shown again");
}

async fn add(office: &Office, url: WebhookUrl, events: Vec<EventChoice>, json: bool) -> anyhow::Result<()> {
    let events = if events.is_empty() { vec![EventChoice::all()] } else { events };
    let (webhook, secret) = webhooks::add(&office.core, url, events, office.clock.now()).await?;
    if json {
        output::json(&NewWebhook { webhook, secret: secret.expose() });
        return Ok(());
    }
    show(&secret);
    eprintln!("webhook {} is told within a few seconds of what happens from now on", webhook.id);
    Ok(())
}

async fn deliveries(
    office: &Office,
    which: (Option<WebhookId>, WhichDeliveries),
    limit: i64,
    json: bool,
) -> anyhow::Result<()> {
    let headings = ["id", "webhook", "event", "state", "attempts", "next attempt", "failure"];
    let listed = List::new(json, headings, |it: &DeliveryView| {
        [
            it.id.to_string(),
            it.webhook_id.to_string(),
            it.event.clone(),
            it.state.clone(),
            it.attempts.to_string(),
            or_dash(it.next_attempt_at.clone()),
            or_dash(it.failure.clone()),
        ]
    });
    let mut left = limit;
    let read = async |before| {
        let part = webhooks::deliveries(&office.core, which, before, left.min(PART)).await?;
        left -= i64::try_from(part.len())?;
        anyhow::Ok(part)
    };
    listed.print_all(|delivery| delivery.id, read).await
}
