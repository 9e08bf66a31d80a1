//! `heirloom user …`

use std::io::{IsTerminal as _, Read as _};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::{Office, json_object, merged, output};
use crate::domain;
use crate::domain::secrets::Password;
use crate::domain::standard_claims::StandardClaims;
use crate::domain::user::Username;
use crate::service::Failure;
use crate::service::admin;
use crate::service::admin::users::{Change, Details, NewUser};
use crate::store::{StoreError, users};

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add a user
    Add(AddUser),
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
    },
    /// Set a user's roles, all of them; without any, takes them all away
    SetRoles {
        /// Whose
        name: Username,
        /// The roles
        roles: Vec<String>,
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
}

#[derive(Debug, Args)]
pub(super) struct AddUser {
    /// The username, unique whatever its case
    name: Username,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    details: DetailArgs,
    /// A role; may be given more than once
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
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

impl DetailArgs {
    /// What is given replaces what was.
    fn applied_to(self, was: Details) -> anyhow::Result<Details> {
        let claims = match self.claims {
            Some(changes) => merged(&was.claims, changes).context("--claims")?,
            None => was.claims,
        };
        let (email, email_verified) = match self.email {
            Some(email) => (Some(email), self.email_verified),
            None => (was.email, was.email_verified),
        };
        Ok(Details { email, email_verified, claims })
    }
}

pub(super) async fn run(command: UserCommand, office: &Office) -> anyhow::Result<()> {
    match command {
        UserCommand::Add(add) => add_user(add, office).await,
        UserCommand::List { json } => list(office, json).await,
        UserCommand::SetPassword { name, password_stdin } => {
            let password = read_password(password_stdin)?;
            change(office, &name, Change::Password(password), "has a new password").await
        }
        UserCommand::Update { name, details } => update(office, &name, details).await,
        UserCommand::SetRoles { name, roles } => {
            change(office, &name, Change::Roles(roles), "has new roles").await
        }
        UserCommand::Disable { name } => change(office, &name, Change::Disable, "is disabled").await,
        UserCommand::Enable { name } => change(office, &name, Change::Enable, "is enabled").await,
        UserCommand::Remove { name } => change(office, &name, Change::Remove, "is removed").await,
    }
}

async fn add_user(add: AddUser, office: &Office) -> anyhow::Result<()> {
    let AddUser { name, password_stdin, details, roles, json } = add;
    let nothing = Details { email: None, email_verified: false, claims: StandardClaims::default() };
    let Details { email, email_verified, claims } = details.applied_to(nothing)?;
    let password = read_password(password_stdin)?;
    let new = NewUser { username: name.clone(), password, email, email_verified, claims, roles };
    let user = match admin::users::add(&office.core, new, office.clock.now()).await {
        Err(Failure::Store(StoreError::Exists)) => {
            anyhow::bail!("there already is a user with the name {name}")
        }
        result => result?,
    };
    if json {
        output::json(&user_json(&user));
    } else {
        println!("user {} ({}) is added", user.username, user.id);
    }
    Ok(())
}

async fn list(office: &Office, json: bool) -> anyhow::Result<()> {
    let users = users::list(&office.core.db).await?;
    if json {
        output::json(&users.iter().map(user_json).collect());
        return Ok(());
    }
    let rows: Vec<[String; 5]> = users
        .into_iter()
        .map(|user| {
            [
                user.username.to_string(),
                user.id.to_string(),
                output::or_dash(Some(user.roles.join(","))),
                output::or_dash(user.last_login_at.map(output::time)),
                if user.disabled_at.is_some() { "disabled" } else { "active" }.to_owned(),
            ]
        })
        .collect();
    output::table(["name", "id", "roles", "last login", "state"], &rows);
    Ok(())
}

async fn update(office: &Office, name: &Username, details: DetailArgs) -> anyhow::Result<()> {
    let user = find(office, name).await?;
    let was = Details { email: user.email, email_verified: user.email_verified, claims: user.claims };
    change(office, name, Change::Details(Box::new(details.applied_to(was)?)), "is updated").await
}

async fn change(office: &Office, name: &Username, change: Change, done: &str) -> anyhow::Result<()> {
    let user = find(office, name).await?;
    let ended = admin::users::change(&office.core, user.id, change, office.clock.now()).await?;
    match ended.len() {
        0 => println!("{name} {done}"),
        1 => println!("{name} {done}; 1 login has ended"),
        count => println!("{name} {done}; {count} logins have ended"),
    }
    Ok(())
}

pub(super) async fn find(office: &Office, name: &Username) -> anyhow::Result<domain::user::User> {
    users::find_by_name(&office.core.db, name)
        .await?
        .with_context(|| format!("there is no user with the name {name}"))
}

fn user_json(user: &domain::user::User) -> Value {
    json!({
        "id": user.id,
        "username": user.username.as_str(),
        "email": user.email,
        "email_verified": user.email_verified,
        "claims": user.claims,
        "roles": user.roles,
        "created_at": output::time(user.created_at),
        "last_login_at": user.last_login_at.map(output::time),
        "disabled_at": user.disabled_at.map(output::time),
    })
}

/// From standard input, less the line's end; or from the terminal, unseen and twice.
fn read_password(from_stdin: bool) -> anyhow::Result<Password> {
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
