//! What is there, as a file would say it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::client::{Client, Origin};
use crate::domain::resource_server::ResourceServer;
use crate::service::Core;
use crate::service::admin::error::AdminError;
use crate::service::admin::files::client_entry::ClientEntry;
use crate::service::admin::files::server_entry::ServerEntry;
use crate::store::{audiences, clients, resource_servers};

/// How many clients are read at once.
const PART: i64 = 1000;

const HEADER: &str = "\
# What this store holds of clients and resource servers, for `heirloom apply`.
# Of secrets only hashes are kept: none is here.
";

#[derive(Serialize)]
struct OneServer<'a> {
    resource_servers: BTreeMap<&'a str, ServerEntry>,
}

#[derive(Serialize)]
struct OneClient<'a> {
    clients: BTreeMap<&'a str, ClientEntry>,
}

/// A file that says all that an apply can bring in. Clients that registered themselves are not in it: what they are is
/// theirs to say.
///
/// # Errors
/// [`AdminError::Service`].
pub async fn export(core: &Core) -> Result<String, AdminError> {
    let mut text = HEADER.to_owned();
    let mut servers = resource_servers::list(&core.db).await?;
    let algorithms = audiences::list(&core.db).await?;
    for audience in algorithms.keys() {
        servers.entry(audience.clone()).or_insert_with(|| ResourceServer::new(audience.clone()));
    }
    for (audience, server) in &servers {
        let form = ServerEntry::of(server, algorithms.get(audience).copied());
        text.push('\n');
        text.push_str(&written(&OneServer { resource_servers: [(audience.as_str(), form)].into() }));
    }
    let mut after = None;
    loop {
        let part = clients::list_some(&core.db, after.as_ref(), PART).await?;
        let Some(last) = part.last() else { return Ok(text) };
        after = Some(last.id.clone());
        for client in part.iter().filter(|client| client.origin == Origin::Operator) {
            text.push('\n');
            text.push_str(&client_text(client));
        }
    }
}

fn client_text(client: &Client) -> String {
    let id = client.id.as_str();
    let hint = if client.has_secrets() {
        "# It has a secret: secret = { env = \"VARIABLE\" } or { file = \"PATH\" } says where that is.\n"
    } else {
        ""
    };
    format!("{hint}{}", written(&OneClient { clients: [(id, ClientEntry::of(client))].into() }))
}

fn written(entry: &impl Serialize) -> String {
    toml::to_string(entry).unwrap_or_else(|error| unreachable!("texts, lists and tables are TOML: {error}"))
}
