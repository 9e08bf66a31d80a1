//! `heirloom user …`

mod export;
pub(super) mod import;

use std::fmt::Display;
use std::io::{IsTerminal as _, Read as _};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::output::{self, List, PART};
use crate::cli::{Office, json_object};
use crate::domain::mailed_token::InvitationPlace;
use crate::domain::secrets::Password;
use crate::domain::user::{Username, check_role};
use crate::service::admin::users::{self, Change, DetailChanges, Details, NewUser, WantedUsers};
use crate::service::admin::views::UserView;
use crate::service::mailed::invitations::{self, InvitationView};
use crate::service::mailed::sign_up;

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add a user
    Add(AddUser),
    /// Mail somebody an invitation to sign up
    Invite {
        /// Whom, by the mail address
        address: String,
        /// The language of the mail
        #[arg(long, default_value = "en")]
        language: String,
    },
    /// List invitations that are still good
    Invitations {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take an invitation back: its link opens nothing any more
    Uninvite {
        /// Whose, by the mail address
        address: String,
    },
    /// List users
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set a user's password; ends all of the user's logins
    SetPassword {
        /// Whose
        name: Username,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Change what apps may be told of a user
    Update {
        /// Whose
        name: Username,
        #[command(flatten)]
        details: DetailArgs,
        /// There is no address any more
        #[arg(long, conflicts_with = "email")]
        no_email: bool,
    },
    /// Set a user's roles, all of them; without any, takes them all away
    SetRoles {
        /// Whose
        name: Username,
        /// The roles
        roles: Vec<String>,
    },
    /// Remove a user's second factors, who has lost them: the password alone lets in until there are new ones
    ResetMfa {
        /// Whose
        name: Username,
    },
    /// Disable a user; ends all of the user's logins
    Disable {
        /// Whom
        name: Username,
    },
    /// Let a disabled user log in again
    Enable {
        /// Whom
        name: Username,
    },
    /// Remove a user; ends all of the user's logins
    Remove {
        /// Whom
        name: Username,
    },
    /// Take users in from another system, with their passwords' hashes
    Import(import::ImportUsers),
    /// Print all users as lines of JSON, in the form that `import` reads
    Export,
}

#[derive(Debug, Args)]
pub(super) struct AddUser {
    /// The username, unique whatever its case
    pub(super) name: Username,
    /// Read the password from standard input
    #[arg(long)]
    pub(super) password_stdin: bool,
    /// There is no password: nobody signs in with one until it is set
    #[arg(long, conflicts_with = "password_stdin")]
    pub(super) no_password: bool,
    #[command(flatten)]
    pub(super) details: DetailArgs,
    /// A role; may be given more than once
    #[arg(long = "role", value_name = "ROLE")]
    pub(super) roles: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DetailArgs {
    /// Where to reach the user
    #[arg(long)]
    email: Option<String>,
    /// The address is known to be the user's: apps are told so
    #[arg(long, requires = "email")]
    email_verified: bool,
    /// What else apps may be told, as a JSON object with the names of `OpenID` Connect (name, `given_name`,
    /// `family_name`, `middle_name`, nickname, profile, picture, website, gender, birthdate, locale, zoneinfo,
    /// `phone_number`, `phone_number_verified`, address); null takes a member away
    #[arg(long, value_parser = json_object, value_name = "JSON|@FILE")]
    claims: Option<Map<String, Value>>,
}

impl From<DetailArgs> for DetailChanges {
    fn from(said: DetailArgs) -> Self {
        Self { email: said.email.map(|email| (Some(email), said.email_verified)), claims: said.claims }
    }
}

pub(super) async fn run(command: UserCommand, office: &Office) -> anyhow::Result<()> {
    match command {
        UserCommand::Add(add) => add_user(add, office).await,
        UserCommand::Invite { address, language } => {
            sign_up::invite(&office.core, &address, &language, office.clock.now()).await?;
            println!("{address} is invited; the link is good for 7 days");
            Ok(())
        }
        UserCommand::Invitations { json } => list_invitations(office, json).await,
        UserCommand::Uninvite { address } => {
            invitations::withdraw(&office.core, &address, office.clock.now()).await?;
            println!("{address} is invited no more");
            Ok(())
        }
        UserCommand::List { json } => list(office, json).await,
        UserCommand::SetPassword { name, password_stdin } => {
            let password = read_password(password_stdin)?;
            change(office, &name, Change::Password(password), "has a new password").await
        }
        UserCommand::Update { name, details, no_email } => {
            let changes = detail_changes(details, no_email)?;
            users::change_details(&office.core, &name, changes, office.clock.now()).await?;
            println!("{name} is updated");
            Ok(())
        }
        UserCommand::SetRoles { name, roles } => {
            roles.iter().try_for_each(|role| check_role(role))?;
            change(office, &name, Change::Roles(roles), "has new roles").await
        }
        UserCommand::ResetMfa { name } => {
            change(office, &name, Change::ResetFactors, "has no second factor and no passkey any more").await
        }
        UserCommand::Disable { name } => change(office, &name, Change::Disable, "is disabled").await,
        UserCommand::Enable { name } => change(office, &name, Change::Enable, "is enabled").await,
        UserCommand::Remove { name } => change(office, &name, Change::Remove, "is removed").await,
        UserCommand::Import(import) => import::run(import, office).await,
        UserCommand::Export => export::run(office).await,
    }
}

async fn add_user(add: AddUser, office: &Office) -> anyhow::Result<()> {
    let AddUser { name: username, password_stdin, no_password, details, roles, json } = add;
    let Details { email, email_verified, claims } = Details::default().changed_by(details.into())?;
    let password = if no_password { None } else { Some(read_password(password_stdin)?) };
    let new = NewUser { username, password, email, email_verified, claims, roles };
    let user = users::add(&office.core, new, office.clock.now()).await?;
    if json {
        output::json(&user);
    } else {
        println!("user {} ({}) is added", user.username, user.id);
    }
    Ok(())
}

async fn list(office: &Office, json: bool) -> anyhow::Result<()> {
    let listed = List::new(json, HEADINGS, |user: &UserView| row(&json!(user)));
    let read = async |after: Option<String>| {
        users::list(&office.core, &WantedUsers { after, beginning: None }, PART).await
    };
    Ok(listed.print_all(|user| user.username.key(), read).await?)
}

pub(super) const HEADINGS: [&str; 5] = ["name", "id", "roles", "last login", "state"];

/// What the table shows of a user's JSON.
pub(super) fn row(user: &Value) -> [String; 5] {
    let state = if user["disabled_at"].is_null() { "active" } else { "disabled" };
    let [name, id, roles, last_login] =
        ["username", "id", "roles", "last_login_at"].map(|member| output::cell(&user[member]));
    [name, id, roles, last_login, state.to_owned()]
}

async fn list_invitations(office: &Office, json: bool) -> anyhow::Result<()> {
    let now = office.clock.now();
    let listed = List::new(json, ["address", "invited", "expires"], |it: &InvitationView| {
        [it.address.clone(), it.invited_at.clone(), it.expires_at.clone()]
    });
    let read = async |after: Option<InvitationPlace>| {
        invitations::list(&office.core, after.as_ref(), PART, now).await
    };
    Ok(listed.print_all(|invitation| invitation.place.clone(), read).await?)
}

async fn change(office: &Office, name: &Username, change: Change, done: &str) -> anyhow::Result<()> {
    let user = users::find(&office.core, name).await?;
    let ended = users::change(&office.core, user.id, change, office.clock.now()).await?;
    tell_changed(name, done, ended);
    Ok(())
}

/// Says what was done, and how many logins have ended by it.
pub(super) fn tell_changed(name: &Username, done: &str, ended: impl Display) {
    match ended.to_string().as_str() {
        "0" => println!("{name} {done}"),
        count => println!("{name} {done}; {}", output::logins_ended(count)),
    }
}

/// What is to be otherwise of what apps may be told.
pub(super) fn detail_changes(details: DetailArgs, no_email: bool) -> anyhow::Result<DetailChanges> {
    let mut changes = DetailChanges::from(details);
    changes.email = changes.email.or(no_email.then_some((None, false)));
    anyhow::ensure!(
        changes != DetailChanges::default(),
        "say what is to change: --email, --no-email or --claims"
    );
    Ok(changes)
}

/// From standard input, less the line's end; or from the terminal, unseen and twice.
pub(super) fn read_password(from_stdin: bool) -> anyhow::Result<Password> {
    if from_stdin {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("the password must be UTF-8")?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        return Ok(Password::new(line.strip_suffix('\r').unwrap_or(line).to_owned())?);
    }
    if !std::io::stdin().is_terminal() {
        anyhow::bail!("give the password on standard input with --password-stdin, or run this in a terminal");
    }
    let password = rpassword::prompt_password("Password: ")?;
    if password != rpassword::prompt_password("Once more: ")? {
        anyhow::bail!("the two passwords differ");
    }
    Ok(Password::new(password)?)
}
