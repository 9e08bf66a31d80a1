//! `heirloom registration-token …` over the API.

use serde_json::json;

use crate::cli::output::{self, List};
use crate::cli::registration_token::{self, RegistrationTokenCommand};
use crate::cli::remote::Remote;
use crate::domain::lifetimes::duration_text;
use crate::domain::right::{Area, Right};

/// They are a part of the clients.
const READ: Right = Right::Read(Area::Clients);
const WRITE: Right = Right::Write(Area::Clients);

pub(in crate::cli) async fn run(command: RegistrationTokenCommand, remote: &Remote) -> anyhow::Result<()> {
    match command {
        RegistrationTokenCommand::New { uses, expires } => {
            let body = json!({ "uses": uses, "expires": duration_text(expires) });
            let made = remote.open(&[WRITE]).await?.post(&["registration-tokens"], &body).await?;
            let (token, end) = (output::member(&made, "token"), output::member(&made, "expires_at"));
            registration_token::tell_made(&token, uses, &end);
            Ok(())
        }
        RegistrationTokenCommand::List { json } => {
            let listed = List::new(json, registration_token::HEADINGS, registration_token::row);
            let server = remote.open(&[READ]).await?;
            server.print_list(&["registration-tokens"], &[], i64::MAX, listed).await
        }
        RegistrationTokenCommand::Remove { id } => {
            let server = remote.open(&[WRITE]).await?;
            server.delete(&["registration-tokens", &id.to_string()]).await?;
            println!("{id} is removed");
            Ok(())
        }
    }
}
