//! `heirloom family …`

use anyhow::Context as _;
use clap::Subcommand;

use crate::cli::Office;
use crate::cli::output::{self, List, PART};
use crate::domain::ids::FamilyId;
use crate::domain::user::Username;
use crate::service::admin::views::FamilyView;
use crate::service::admin::{families, users};

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
    let (core, now) = (&office.core, office.clock.now());
    match command {
        FamilyCommand::List { user, limit, json } => list(office, user.as_ref(), limit, json).await?,
        FamilyCommand::Revoke { user: Some(name), .. } => {
            let ended = families::end_of_user(core, users::find(core, &name).await?.id, now).await?;
            println!("{ended} logins of {name} have ended");
        }
        FamilyCommand::Revoke { id, user: None } => {
            let id = id.context("name a family or a user")?;
            families::end(core, id, now).await?;
            println!("{id} has ended");
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
            family.user_id.to_string(),
            family.client_id.to_string(),
            output::or_dash(family.device.clone()),
            family.last_used_at.clone(),
            family.state.clone(),
        ]
    });
    let read = async |after| {
        let part = families::list(core, user, after, left.min(PART), now).await?;
        left -= i64::try_from(part.len())?;
        anyhow::Ok(part)
    };
    listed.print_all(|family| family.id, read).await
}
