//! `heirloom family …` over the API.

use serde_json::{Value, json};

use crate::cli::family::{self, FamilyCommand, Revoke};
use crate::cli::output::{self, List};
use crate::cli::remote::Remote;
use crate::domain::right::{Area, Right};

const READ: Right = Right::Read(Area::Families);
const WRITE: Right = Right::Write(Area::Families);

pub(in crate::cli) async fn run(command: FamilyCommand, remote: &Remote) -> anyhow::Result<()> {
    match command {
        FamilyCommand::List { user, limit, json } => {
            let listed = List::new(json, family::HEADINGS, family::row);
            let (query, limit) = match user {
                Some(name) => (vec![("user", name.to_string())], i64::MAX),
                None => (Vec::new(), limit),
            };
            remote.open(&[READ]).await?.print_list(&["families"], &query, limit, listed).await
        }
        FamilyCommand::Revoke(which) => revoke(which, remote).await,
    }
}

async fn revoke(which: Revoke, remote: &Remote) -> anyhow::Result<()> {
    let (whose, body) = match which {
        Revoke { id: Some(id), .. } => {
            remote.open(&[WRITE]).await?.delete(&["families", &id.to_string()]).await?;
            println!("{id} has ended");
            return Ok(());
        }
        Revoke { user: Some(name), .. } => (format!("{name}: "), json!({ "user": name.as_str() })),
        Revoke { client: Some(client), .. } => (format!("{client}: "), json!({ "client": client })),
        Revoke { .. } => (String::new(), json!({ "all": true })),
    };
    let answer = remote.open(&[WRITE]).await?.post(&["families", "end"], &body).await?;
    if let Some(Value::Number(ended)) = answer.get("ended") {
        println!("{whose}{}", output::logins_ended(ended));
    } else {
        // It takes longer than an answer may.
        println!("{whose}the server is ending the logins");
    }
    Ok(())
}
