//! `heirloom keys …` over the API.

use serde_json::json;

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
            let (signing, master) = (listed["items"].take(), listed["master_keys"].take());
            keys::show(&json!({ "signing_keys": signing, "master_keys": master }), json);
            Ok(())
        }
        KeysCommand::Rotate { algorithm, compromised: true, .. } => {
            let body = json!({ "algorithm": algorithm });
            let new = remote.open(&[WRITE]).await?.post(&["keys", "withdraw"], &body).await?;
            keys::tell_replaced(&output::cell(&new["kid"]), algorithm);
            Ok(())
        }
        KeysCommand::Rotate { after, algorithm, compromised: false } => {
            let body = json!({ "algorithm": algorithm, "after": after.map(duration_text) });
            let next = remote.open(&[WRITE]).await?.post(&["keys", "rotate"], &body).await?;
            keys::tell_published(&output::cell(&next["kid"]), &output::cell(&next["signs_from"]));
            Ok(())
        }
        KeysCommand::Export { .. } => on_the_store_alone("keys export"),
        KeysCommand::NewMaster => on_the_store_alone("keys new-master"),
        KeysCommand::DropMaster { .. } => on_the_store_alone("keys drop-master"),
    }
}
