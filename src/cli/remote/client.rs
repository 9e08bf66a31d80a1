//! `heirloom client …` over the API.

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::cli::client::{self, AddClient, ClientCommand};
use crate::cli::output::{self, List};
use crate::cli::remote::Remote;
use crate::cli::remote::admin_server::NotDone;
use crate::domain::client::{Party, SecurityProfile};
use crate::domain::ids::ClientId;
use crate::domain::lifetimes::duration_text;
use crate::domain::right::{Area, Right};
use crate::service::admin::client_changes::ClientChanges;

const READ: Right = Right::Read(Area::Clients);
const WRITE: Right = Right::Write(Area::Clients);

pub(in crate::cli) async fn run(command: ClientCommand, remote: &Remote) -> anyhow::Result<()> {
    match command {
        ClientCommand::Add(AddClient { id, public, profile, registration, .. }) => {
            let said = ClientChanges { profile, ..ClientChanges::from(registration) };
            let lifetimes = said.lifetimes;
            let mut body = members(said);
            body.insert("client_id".to_owned(), json!(id));
            body.insert("kind".to_owned(), json!(if public { "public" } else { "confidential" }));
            output::json(&remote.open(&[WRITE]).await?.post(&["clients"], &body.into()).await?);
            client::warn(&lifetimes);
        }
        ClientCommand::Show { id } => {
            output::json(&remote.open(&[READ]).await?.get(&["clients", id.as_str()]).await?);
        }
        ClientCommand::List { json } => {
            let listed = List::new(json, client::HEADINGS, client::row);
            remote.open(&[READ]).await?.print_list(&["clients"], &[], i64::MAX, listed).await?;
        }
        ClientCommand::Update { id, registration, third_party, yes } => {
            let changes = client::wanted(registration, third_party)?;
            let lifetimes = changes.lifetimes;
            update(remote, &id, members(changes), yes).await?;
            client::warn(&lifetimes);
        }
        ClientCommand::RotateSecret { id, overlap } => {
            let body = json!({ "overlap": duration_text(overlap) });
            let server = remote.open(&[WRITE]).await?;
            output::json(&server.post(&["clients", id.as_str(), "rotate-secret"], &body).await?);
        }
        ClientCommand::Remove { id } => {
            let server = remote.open(&[WRITE]).await?;
            let ended = server.change(Method::DELETE, &["clients", id.as_str()], None).await?;
            println!("{id} is removed; {}", output::logins_ended(ended));
        }
    }
    Ok(())
}

/// Asks before a change that may end logins.
async fn update(
    remote: &Remote,
    id: &ClientId,
    mut changes: Map<String, Value>,
    yes: bool,
) -> anyhow::Result<()> {
    let server = remote.open(&[WRITE]).await?;
    let place = ["clients", id.as_str()];
    changes.insert("confirmed".to_owned(), json!(yes));
    let client = match server.patch(&place, &changes.clone().into()).await {
        // Of a client that is there, nothing else is in the way.
        Err(NotDone::Refused { status: StatusCode::CONFLICT, detail }) => {
            client::confirm(detail.trim_end_matches('.'))?;
            changes.insert("confirmed".to_owned(), json!(true));
            server.patch(&place, &changes.into()).await?
        }
        done => done?,
    };
    output::json(&client);
    Ok(())
}

/// What is said of a client, as the API takes it.
fn members(said: ClientChanges) -> Map<String, Value> {
    let texts = |duration: Option<std::time::Duration>| duration.map(duration_text);
    let said_of_metadata = metadata(&said);
    let Value::Object(mut members) = json!({
        "profile": said.profile,
        "first_party": said.party.map(|party| party == Party::First),
        "name": said.name,
        "redirect_uris": said.redirect_uris,
        "post_logout_redirect_uris": said.post_logout_redirect_uris,
        "origins": said.web_origins,
        "code_protection": said.code_protection.map(|it| it.to_string()),
        "metadata": said_of_metadata,
        "grants": said.grants,
        "scope": said.scopes.map(|it| it.to_string()),
        "audiences": said.audiences,
        "serves": said.serves,
        "access_ttl": texts(said.lifetimes.access_ttl),
        "idle_ttl": texts(said.lifetimes.idle_ttl),
        "absolute_ttl": texts(said.lifetimes.absolute_ttl),
        "leeway": texts(said.lifetimes.leeway),
    }) else {
        return Map::new();
    };
    members.retain(|_, value| !value.is_null());
    members
}

/// What has an option of its own stands over what the metadata say.
fn metadata(said: &ClientChanges) -> Option<Map<String, Value>> {
    let mut metadata = said.metadata.clone().unwrap_or_default();
    let (to_key, to_certificate) =
        (said.dpop_bound_access_tokens, said.tls_client_certificate_bound_access_tokens);
    // Who chooses a certificate does not get the key that the profile binds to otherwise.
    if said.profile == Some(SecurityProfile::Fapi2) && to_key.is_none() && to_certificate == Some(true) {
        metadata.entry("dpop_bound_access_tokens").or_insert(json!(false));
    }
    let own = [
        ("refresh_token_rotation", said.rotation.map(|policy| json!(policy.to_string()))),
        ("dpop_bound_access_tokens", to_key.map(Value::from)),
        ("tls_client_certificate_bound_access_tokens", to_certificate.map(Value::from)),
    ];
    for (name, value) in own {
        if let Some(value) = value {
            metadata.insert(name.to_owned(), value);
        }
    }
    (!metadata.is_empty()).then_some(metadata)
}
