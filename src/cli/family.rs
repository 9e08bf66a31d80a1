//! `heirloom family …`

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::app;
use crate::cli::{Office, output, user};
use crate::domain::family::{Family as Row, State};
use crate::domain::ids::FamilyId;
use crate::domain::registration::document;
use crate::domain::user::Username;
use crate::service::Failure;
use crate::service::admin;
use crate::service::clients::known_clients::Clients;
use crate::store::{Db, families};

#[derive(Debug, Subcommand)]
pub(super) enum FamilyCommand {
    /// List families, newest first
    List {
        /// Only this user's
        #[arg(long, value_name = "NAME")]
        user: Option<Username>,
        /// How many at most, unless a user is named
        #[arg(long, default_value_t = 100)]
        limit: i64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End one family, or all of a user's
    Revoke {
        /// Which family
        #[arg(required_unless_present = "user")]
        id: Option<FamilyId>,
        /// All families of this user
        #[arg(long, value_name = "NAME", conflicts_with = "id")]
        user: Option<Username>,
    },
}

pub(super) async fn run(command: FamilyCommand, office: &Office) -> anyhow::Result<()> {
    match command {
        FamilyCommand::List { user, limit, json } => list(office, user.as_ref(), limit, json).await,
        FamilyCommand::Revoke { user: Some(name), .. } => {
            let user = user::find(office, &name).await?;
            let ended = admin::families::end_of_user(&office.core, user.id, office.clock.now()).await?;
            println!("{} logins of {name} have ended", ended.len());
            Ok(())
        }
        FamilyCommand::Revoke { id, user: None } => {
            let id = id.context("name a family or a user")?;
            match admin::families::end(&office.core, id, office.clock.now()).await {
                Err(Failure::NotFound) => anyhow::bail!("there is no live family {id}"),
                ended => ended?,
            }
            println!("{id} has ended");
            Ok(())
        }
    }
}

async fn list(office: &Office, user: Option<&Username>, limit: i64, json: bool) -> anyhow::Result<()> {
    let families = match user {
        Some(name) => families::of_user(&office.core.db, user::find(office, name).await?.id).await?,
        None => families::newest(&office.core.db, limit).await?,
    };
    let now = office.clock.now();
    let clients = Clients::new(app::lifetimes(&office.settings)?);
    let mut described = Vec::with_capacity(families.len());
    for family in &families {
        described.push((family, state(&office.core.db, family, &clients, now).await?));
    }
    if json {
        output::json(&described.into_iter().map(|(family, state)| family_json(family, &state)).collect());
        return Ok(());
    }
    let rows: Vec<[String; 6]> = described
        .into_iter()
        .map(|(family, state)| {
            [
                family.id.to_string(),
                family.user().to_string(),
                family.client_id.to_string(),
                output::or_dash(family.agent.name.clone()),
                output::time(family.rotated_at),
                state,
            ]
        })
        .collect();
    output::table(["id", "user", "client", "device", "last used", "state"], &rows);
    Ok(())
}

async fn state(db: &Db, family: &Row, clients: &Clients, now: DateTime<Utc>) -> anyhow::Result<String> {
    if let State::Ended { reason, .. } = family.state {
        return Ok(format!("ended: {}", reason.as_str()));
    }
    Ok(match clients.find(db, &family.client_id, now).await? {
        Some(known) if family.is_live(now, &known.lifetimes) => "live".to_owned(),
        Some(_) => "expired".to_owned(),
        // What its document says is the server's to fetch.
        None if document::url_of(&family.client_id).is_some() => {
            if family.is_live(now, clients.defaults()) { "live" } else { "expired" }.to_owned()
        }
        None => "ended: client_removed".to_owned(),
    })
}

fn family_json(family: &Row, state: &str) -> Value {
    json!({
        "id": family.id,
        "user_id": family.user(),
        "client_id": family.client_id,
        "scope": family.scope,
        "generation": family.generation.number(),
        "device": family.agent.name,
        "user_agent": family.agent.user_agent,
        "address": family.agent.address,
        "created_at": output::time(family.created_at),
        "last_used_at": output::time(family.rotated_at),
        "expires_at": output::time(family.expires_at),
        "state": state,
    })
}
