//! `heirloom user …` over the API.

use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::output::{self, List};
use crate::cli::remote::admin_server::AdminServer;
use crate::cli::remote::user_import;
use crate::cli::remote::{Remote, on_the_store_alone};
use crate::cli::user::{self, AddUser, UserCommand};
use crate::domain::right::{Area, Right};
use crate::domain::secrets::Password;
use crate::domain::user::{Username, check_role};
use crate::service::admin::error::AdminError;
use crate::service::admin::users::{DetailChanges, Details};

const READ: Right = Right::Read(Area::Users);
const WRITE: Right = Right::Write(Area::Users);

pub(in crate::cli) async fn run(command: UserCommand, remote: &Remote) -> anyhow::Result<()> {
    match command {
        UserCommand::Add(add) => add_user(add, remote).await,
        UserCommand::List { json } => {
            let listed = List::new(json, user::HEADINGS, user::row);
            remote.open(&[READ]).await?.print_list(&["users"], &[], i64::MAX, listed).await
        }
        UserCommand::SetPassword { name, password_stdin } => {
            let password = user::read_password(password_stdin)?;
            let (server, id) = found(remote, &name).await?;
            let body = json!({ "password": password.text() });
            let ended = server.change(Method::PUT, &["users", &id, "password"], Some(&body)).await?;
            user::tell_changed(&name, "has a new password", ended);
            Ok(())
        }
        UserCommand::Update { name, details, no_email } => {
            let DetailChanges { email, claims } = user::detail_changes(details, no_email)?;
            let body = match email {
                Some((email, verified)) => {
                    json!({ "claims": claims, "email": email, "email_verified": verified })
                }
                None => json!({ "claims": claims }),
            };
            change(remote, &name, &body, "is updated").await
        }
        UserCommand::SetRoles { name, roles } => {
            roles.iter().try_for_each(|role| check_role(role))?;
            change(remote, &name, &json!({ "roles": roles }), "has new roles").await
        }
        UserCommand::ResetMfa { name } => {
            let (server, id) = found(remote, &name).await?;
            server.post(&["users", &id, "reset-factors"], &json!({})).await?;
            println!("{name} has no second factor and no passkey any more");
            Ok(())
        }
        UserCommand::Disable { name } => {
            change(remote, &name, &json!({ "disabled": true }), "is disabled").await
        }
        UserCommand::Enable { name } => {
            change(remote, &name, &json!({ "disabled": false }), "is enabled").await
        }
        UserCommand::Remove { name } => {
            let (server, id) = found(remote, &name).await?;
            let ended = server.change(Method::DELETE, &["users", &id], None).await?;
            user::tell_changed(&name, "is removed", ended);
            Ok(())
        }
        UserCommand::Invite { .. } => on_the_store_alone("user invite"),
        UserCommand::Invitations { .. } => on_the_store_alone("user invitations"),
        UserCommand::Uninvite { .. } => on_the_store_alone("user uninvite"),
        UserCommand::Import(import) => user_import::run(import, remote).await,
        UserCommand::Export => on_the_store_alone("user export"),
    }
}

async fn add_user(add: AddUser, remote: &Remote) -> anyhow::Result<()> {
    let AddUser { name: username, password_stdin, no_password, details, roles, json } = add;
    let Details { email, email_verified, claims } = Details::default().changed_by(details.into())?;
    let password = if no_password { None } else { Some(user::read_password(password_stdin)?) };
    let body = json!({
        "username": username.as_str(),
        "password": password.as_ref().map(Password::text),
        "email": email,
        "email_verified": email_verified,
        "claims": claims,
        "roles": roles,
    });
    let added = remote.open(&[WRITE]).await?.post(&["users"], &body).await?;
    if json {
        output::json(&added);
    } else {
        println!("user {} ({}) is added", output::member(&added, "username"), output::member(&added, "id"));
    }
    Ok(())
}

async fn change(remote: &Remote, name: &Username, body: &Value, done: &str) -> anyhow::Result<()> {
    let (server, id) = found(remote, name).await?;
    let ended = server.change(Method::PATCH, &["users", &id], Some(body)).await?;
    user::tell_changed(name, done, ended);
    Ok(())
}

/// The server, and the id of the user with this name: of exactly this one, or else of what it means.
async fn found(remote: &Remote, name: &Username) -> anyhow::Result<(AdminServer, String)> {
    let server = remote.open(&[READ, WRITE]).await?;
    for key in [name.key(), name.meant_key()].into_iter().filter(|key| !key.is_empty()) {
        // Of those whose names begin so it is the first. Another one may have it as the address, and stand before.
        let (users, _) = server.page(&["users"], &[("q", key.clone())], 2, None).await?;
        let is_it = |user: &Value| {
            let known = user["username"].as_str().and_then(|name| name.parse().ok());
            known.is_some_and(|known: Username| known.key() == key)
        };
        if let Some(id) = users.iter().find(|user| is_it(user)).and_then(|user| user["id"].as_str()) {
            return Ok((server, id.to_owned()));
        }
    }
    Err(AdminError::NoUser(name.clone()).into())
}
