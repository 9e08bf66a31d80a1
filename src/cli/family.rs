//! `heirloom family …`

use clap::{Args, Subcommand};

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
    id: Option<FamilyId>,
    /// All families and sign-ins of this user
    #[arg(long, value_name = "NAME")]
    user: Option<Username>,
    /// All families of this client; its users stay signed in at the pages
    #[arg(long, value_name = "CLIENT")]
    client: Option<ClientId>,
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

async fn list(office: &Office, user: Option<&Username>, limit: i64, json: bool) -> anyhow::Result<()> {
    let (core, now) = (&office.core, office.clock.now());
    let (user, mut left) = match user {
        Some(name) => (Some(users::find(core, name).await?.id), i64::MAX),
        None => (None, limit),
    };
    let headings = ["id", "user", "client", "device", "last used", "state"];
    let listed = List::new(json, headings, |family: &FamilyView| {
        [
            family.id.to_string(),
            family.username.clone().unwrap_or_else(|| family.user_id.to_string()),
            family.client_id.to_string(),
            output::or_dash(family.device.clone()),
            family.last_used_at.clone(),
            family.state.clone(),
        ]
    });
    let read = async |after| {
        let wanted = WantedFamilies { user, client: None, after };
        let part = families::list(core, &wanted, left.min(PART), now).await?;
        left -= i64::try_from(part.len())?;
        anyhow::Ok(part)
    };
    listed.print_all(|family| family.id, read).await
}
