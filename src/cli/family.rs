//! `heirloom family …`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Office;
use crate::cli::output::{self, List, PART};
use crate::domain::ids::{ClientId, FamilyId};
use crate::domain::user::Username;
use crate::service::admin::families::{self, WantedFamilies};
use crate::service::admin::users;
use crate::service::admin::views::FamilyView;

#[derive(Debug, Subcommand)]
pub(super) enum FamilyCommand {
    /// List families, newest first
    List {
        /// Only this user's
        #[arg(long, value_name = "NAME")]
        user: Option<Username>,
        /// How many at most, unless a user is named
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End one family, or many
    Revoke(Revoke),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Revoke {
    /// Which family; the sign-in that it came from ends, too
    pub(super) id: Option<FamilyId>,
    /// All families and sign-ins of this user
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<Username>,
    /// All families of this client; its users stay signed in at the pages
    #[arg(long, value_name = "CLIENT")]
    pub(super) client: Option<ClientId>,
    /// All families and sign-ins of everybody
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(command: FamilyCommand, office: &Office) -> anyhow::Result<()> {
    match command {
        FamilyCommand::List { user, limit, json } => list(office, user.as_ref(), limit, json).await,
        FamilyCommand::Revoke(which) => revoke(office, which).await,
    }
}

async fn revoke(office: &Office, which: Revoke) -> anyhow::Result<()> {
    let (core, now) = (&office.core, office.clock.now());
    let batch = i64::from(office.settings.janitor.batch);
    match which {
        Revoke { id: Some(id), .. } => {
            families::end(core, id, now).await?;
            println!("{id} has ended");
        }
        Revoke { user: Some(name), .. } => {
            let ended = families::end_of_user(core, users::find(core, &name).await?.id, now).await?;
            println!("{name}: {}", output::logins_ended(ended));
        }
        Revoke { client: Some(client), .. } => {
            let ended = families::end_of_client(core, &client, batch, now).await?;
            println!("{client}: {}", output::logins_ended(ended));
        }
        Revoke { .. } => {
            let ended = families::end_all(core, batch, now).await?;
            println!("{}", output::logins_ended(ended));
        }
    }
    Ok(())
}

pub(super) const HEADINGS: [&str; 6] = ["id", "user", "client", "device", "last used", "state"];

/// What the table shows of a family's JSON.
pub(super) fn row(family: &Value) -> [String; 6] {
    let user = if family["username"].is_null() { "user_id" } else { "username" };
    ["id", user, "client_id", "device", "last_used_at", "state"].map(|member| output::cell(&family[member]))
}

async fn list(office: &Office, user: Option<&Username>, limit: i64, json: bool) -> anyhow::Result<()> {
    let (core, now) = (&office.core, office.clock.now());
    let (user, mut left) = match user {
        Some(name) => (Some(users::find(core, name).await?.id), i64::MAX),
        None => (None, limit),
    };
    let listed = List::new(json, HEADINGS, |family: &FamilyView| row(&json!(family)));
    let read = async |after| {
        let wanted = WantedFamilies { user, client: None, after };
        let part = families::list(core, &wanted, left.min(PART), now).await?;
        left -= i64::try_from(part.len())?;
        anyhow::Ok(part)
    };
    listed.print_all(|family| family.id, read).await
}
