//! `heirloom keys …` over the API.

use serde_json::{Value, json};

use crate::cli::keys::{self, KeysCommand};
use crate::cli::output;
use crate::cli::remote::{Remote, on_the_store_alone};
use crate::domain::lifetimes::duration_text;
use crate::domain::right::{Area, Right};

const READ: Right = Right::Read(Area::Keys);
const WRITE: Right = Right::Write(Area::Keys);

pub(in crate::cli) async fn run(command: KeysCommand, remote: &Remote) -> anyhow::Result<()> {
    match command {
        KeysCommand::List { json } => {
            let server = remote.open(&[READ]).await?;
            let mut listed = server.get(&["keys"]).await?;
            let mut taken = |name: &str| listed.get_mut(name).map(Value::take);
            let (signing, master) = (taken("items"), taken("master_keys"));
            keys::show(&json!({ "signing_keys": signing, "master_keys": master }), json);
            Ok(())
        }
        KeysCommand::Rotate { algorithm, compromised: true, .. } => {
            let body = json!({ "algorithm": algorithm });
            let new = remote.open(&[WRITE]).await?.post(&["keys", "withdraw"], &body).await?;
            keys::tell_replaced(&output::member(&new, "kid"), algorithm);
            Ok(())
        }
        KeysCommand::Rotate { after, algorithm, compromised: false } => {
            let body = json!({ "algorithm": algorithm, "after": after.map(duration_text) });
            let next = remote.open(&[WRITE]).await?.post(&["keys", "rotate"], &body).await?;
            keys::tell_published(&output::member(&next, "kid"), &output::member(&next, "signs_from"));
            Ok(())
        }
        KeysCommand::Export { .. } => on_the_store_alone("keys export"),
        KeysCommand::NewMaster => on_the_store_alone("keys new-master"),
        KeysCommand::DropMaster { .. } => on_the_store_alone("keys drop-master"),
    }
}
