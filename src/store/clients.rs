//! Clients and their secrets.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::client::{Client, ClientKind, ClientMetadata, CodeProtection, Origin, Party};
use crate::domain::ids::ClientId;
use crate::domain::lifetimes::LifetimeOverrides;
use crate::domain::secrets::SecretHash;
use crate::store::row::{from_json, row, to_json};
use crate::store::status_lists::place_of;
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_one, fetch_optional};

macro_rules! columns {
    () => {
        "id, confidential, first_party, redirect_uris, grants, scopes, audiences, serves, access_ttl_ms, idle_ttl_ms, \
         absolute_ttl_ms, leeway_ms, name, post_logout_redirect_uris, web_origins, pkce_required, nonce_required, \
         metadata, self_registered, identity, created_at, status_list, status_index"
    };
}

row! {
    struct ClientRow {
        id: String,
        confidential: bool,
        first_party: bool,
        redirect_uris: String,
        grants: String,
        scopes: String,
        audiences: String,
        serves: String,
        access_ttl_ms: Option<i64>,
        idle_ttl_ms: Option<i64>,
        absolute_ttl_ms: Option<i64>,
        leeway_ms: Option<i64>,
        name: Option<String>,
        post_logout_redirect_uris: String,
        web_origins: String,
        pkce_required: bool,
        nonce_required: bool,
        metadata: String,
        self_registered: bool,
        identity: i64,
        created_at: DateTime<Utc>,
        status_list: Option<i64>,
        status_index: Option<i64>,
    }
}

impl ClientRow {
    fn with_secrets(self, secrets: Vec<SecretHash>) -> Result<Client, StoreError> {
        let id = self.id.clone();
        let corrupt = |what| StoreError::corrupt("clients", &id, what);
        let millis = |stored: Option<i64>| {
            stored
                .map(|millis| u64::try_from(millis).map(Duration::from_millis))
                .transpose()
                .map_err(|_| corrupt("lifetime"))
        };
        Ok(Client {
            id: self.id.parse().map_err(|_| corrupt("id"))?,
            kind: if self.confidential { ClientKind::Confidential(secrets) } else { ClientKind::Public },
            party: if self.first_party { Party::First } else { Party::Third },
            redirect_uris: from_json(&self.redirect_uris).ok_or_else(|| corrupt("redirect_uris"))?,
            grants: from_json::<BTreeSet<_>>(&self.grants).ok_or_else(|| corrupt("grants"))?,
            scopes: self.scopes.parse().map_err(|_| corrupt("scopes"))?,
            audiences: from_json(&self.audiences).ok_or_else(|| corrupt("audiences"))?,
            serves: from_json(&self.serves).ok_or_else(|| corrupt("serves"))?,
            lifetimes: LifetimeOverrides {
                access_ttl: millis(self.access_ttl_ms)?,
                idle_ttl: millis(self.idle_ttl_ms)?,
                absolute_ttl: millis(self.absolute_ttl_ms)?,
                leeway: millis(self.leeway_ms)?,
            },
            name: self.name,
            post_logout_redirect_uris: from_json(&self.post_logout_redirect_uris)
                .ok_or_else(|| corrupt("post_logout_redirect_uris"))?,
            web_origins: from_json(&self.web_origins).ok_or_else(|| corrupt("web_origins"))?,
            code_protection: match (self.pkce_required, self.nonce_required) {
                (true, _) => CodeProtection::Pkce,
                (false, true) => CodeProtection::PkceOrNonce,
                (false, false) => CodeProtection::Optional,
            },
            metadata: from_json(&self.metadata).ok_or_else(|| corrupt("metadata"))?,
            origin: if self.self_registered { Origin::Registered } else { Origin::Operator },
            identity: self.identity,
            status: place_of(self.status_list, self.status_index).map_err(corrupt)?,
            created_at: self.created_at,
        })
    }
}

fn millis(duration: Option<Duration>) -> Option<i64> {
    duration.map(|duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// Adds a client, without secrets.
///
/// # Errors
/// [`StoreError::Exists`] when there is or was a client of this id.
pub async fn insert(tx: &mut Tx, client: &Client) -> Result<(), StoreError> {
    if insert_if_new(tx, client).await? { Ok(()) } else { Err(StoreError::Exists) }
}

/// Adds a client unless there is or was one of its id; `false` then.
pub async fn insert_if_new(tx: &mut Tx, client: &Client) -> Result<bool, StoreError> {
    const SQL: &str = concat!(
        "INSERT INTO clients (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, NULL, NULL) ON CONFLICT (id) DO NOTHING"
    );
    let done = execute!(within tx, SQL,
        client.id.as_str(), matches!(client.kind, ClientKind::Confidential(_)), client.party == Party::First,
        to_json(&client.redirect_uris), to_json(&client.grants), client.scopes.to_string(),
        to_json(&client.audiences), to_json(&client.serves), millis(client.lifetimes.access_ttl),
        millis(client.lifetimes.idle_ttl), millis(client.lifetimes.absolute_ttl), millis(client.lifetimes.leeway),
        &client.name, to_json(&client.post_logout_redirect_uris), to_json(&client.web_origins),
        client.code_protection == CodeProtection::Pkce, client.code_protection != CodeProtection::Optional,
        to_json(&client.metadata),
        client.origin == Origin::Registered, client.identity, client.created_at)?;
    Ok(done > 0)
}

/// Stores what can be changed of a client: all but its id, its kind and its secrets. `false` when there is none.
pub async fn update(tx: &mut Tx, client: &Client) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE clients SET first_party = $2, redirect_uris = $3, grants = $4, scopes = $5, \
         audiences = $6, access_ttl_ms = $7, idle_ttl_ms = $8, absolute_ttl_ms = $9, leeway_ms = $10, \
         name = $11, post_logout_redirect_uris = $12, pkce_required = $13, nonce_required = $14, metadata = $15, \
         serves = $16, web_origins = $17 WHERE id = $1 AND removed_at IS NULL";
    let done = execute!(within tx, SQL,
        client.id.as_str(), client.party == Party::First, to_json(&client.redirect_uris),
        to_json(&client.grants), client.scopes.to_string(), to_json(&client.audiences),
        millis(client.lifetimes.access_ttl), millis(client.lifetimes.idle_ttl),
        millis(client.lifetimes.absolute_ttl), millis(client.lifetimes.leeway), &client.name,
        to_json(&client.post_logout_redirect_uris), client.code_protection == CodeProtection::Pkce,
        client.code_protection != CodeProtection::Optional, to_json(&client.metadata), to_json(&client.serves),
        to_json(&client.web_origins))?;
    Ok(done > 0)
}

/// Makes another client of one to whoever agreed to it: what was agreed to before counts no more.
pub async fn forget_consents(tx: &mut Tx, id: &ClientId) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE clients SET identity = identity + 1 WHERE id = $1";
    execute!(within tx, SQL, id.as_str())?;
    Ok(())
}

/// Stores a changed kind. A client that becomes public loses its secrets.
pub async fn set_kind(tx: &mut Tx, client: &Client, now: DateTime<Utc>) -> Result<(), StoreError> {
    const KIND: &str = "UPDATE clients SET confidential = $2, public_since = $3 WHERE id = $1";
    const FORGET: &str = "DELETE FROM client_secrets WHERE client_id = $1";
    let confidential = matches!(client.kind, ClientKind::Confidential(_));
    execute!(within tx, KIND, client.id.as_str(), confidential, (!confidential).then_some(now))?;
    if !confidential {
        execute!(within tx, FORGET, client.id.as_str())?;
    }
    Ok(())
}

/// Finds a client that was not removed, with those of its secrets that are valid at `now`.
pub async fn find(db: &Db, id: &ClientId, now: DateTime<Utc>) -> Result<Option<Client>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM clients WHERE id = $1 AND removed_at IS NULL");
    const SECRETS: &str = "SELECT secret_hash FROM client_secrets \
         WHERE client_id = $1 AND (expires_at IS NULL OR expires_at > $2) ORDER BY id";
    let row: Option<ClientRow> = fetch_optional!(on db, SQL, id.as_str())?;
    let Some(row) = row else { return Ok(None) };
    let secrets: Vec<(Vec<u8>,)> =
        if row.confidential { fetch_all!(on db, SECRETS, id.as_str(), now)? } else { Vec::new() };
    let secrets = secrets
        .iter()
        .map(|(hash,)| {
            SecretHash::from_stored(hash).ok_or_else(|| StoreError::corrupt("client_secrets", id, "hash"))
        })
        .collect::<Result<_, _>>()?;
    row.with_secrets(secrets).map(Some)
}

/// Finds a client that was not removed, without its secrets, as a transaction sees it.
pub async fn find_within(tx: &mut Tx, id: &ClientId) -> Result<Option<Client>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM clients WHERE id = $1 AND removed_at IS NULL");
    let row: Option<ClientRow> = fetch_optional!(within tx, SQL, id.as_str())?;
    row.map(|row| row.with_secrets(Vec::new())).transpose()
}

/// Takes the row's lock, and gives the client without its secrets: `None` when there is none (any more).
pub async fn lock(tx: &mut Tx, id: &ClientId) -> Result<Option<Client>, StoreError> {
    const SQL: &str = concat!(
        "UPDATE clients SET identity = identity WHERE id = $1 AND removed_at IS NULL RETURNING ",
        columns!()
    );
    let row: Option<ClientRow> = fetch_optional!(within tx, SQL, id.as_str())?;
    row.map(|row| row.with_secrets(Vec::new())).transpose()
}

/// What a client that was not removed said of itself, and who vouches for it.
pub async fn metadata(tx: &mut Tx, id: &ClientId) -> Result<Option<(ClientMetadata, Origin)>, StoreError> {
    const SQL: &str = "SELECT metadata, self_registered FROM clients WHERE id = $1 AND removed_at IS NULL";
    let row: Option<(String, bool)> = fetch_optional!(within tx, SQL, id.as_str())?;
    let Some((metadata, self_registered)) = row else { return Ok(None) };
    let origin = if self_registered { Origin::Registered } else { Origin::Operator };
    let metadata = from_json(&metadata).ok_or_else(|| StoreError::corrupt("clients", id, "metadata"))?;
    Ok(Some((metadata, origin)))
}

/// Up to `limit` clients that were not removed, by id, without secrets: those after another one, or the first.
pub async fn list_some(db: &Db, after: Option<&ClientId>, limit: i64) -> Result<Vec<Client>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM clients WHERE removed_at IS NULL AND id > $1 ORDER BY id LIMIT $2"
    );
    let after = after.map(ClientId::as_str).unwrap_or_default();
    let rows: Vec<ClientRow> = fetch_all!(on db, SQL, after, limit)?;
    rows.into_iter().map(|row| row.with_secrets(Vec::new())).collect()
}

/// The same of those whose ids begin so, by their bytes.
pub async fn list_beginning(
    db: &Db,
    beginning: &str,
    after: Option<&ClientId>,
    limit: i64,
) -> Result<Vec<Client>, StoreError> {
    const AMONG_BYTES: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM clients WHERE removed_at IS NULL AND id COLLATE \"C\" >= $1 AND id COLLATE \"C\" < $2 \
         AND id COLLATE \"C\" > $3 ORDER BY id COLLATE \"C\" LIMIT $4"
    );
    const AMONG_TEXTS: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM clients WHERE removed_at IS NULL AND id >= $1 AND id < $2 AND id > $3 ORDER BY id LIMIT $4"
    );
    let sql = match db {
        Db::Postgres(_) => AMONG_BYTES,
        Db::Sqlite(_) => AMONG_TEXTS,
    };
    let (after, end) = (after.map(ClientId::as_str).unwrap_or_default(), format!("{beginning}\u{10FFFF}"));
    let rows: Vec<ClientRow> = fetch_all!(on db, sql, beginning, end, after, limit)?;
    rows.into_iter().map(|row| row.with_secrets(Vec::new())).collect()
}

/// Leaves a tombstone in the client's place. `false` when there is no such client.
pub async fn remove(tx: &mut Tx, id: &ClientId, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE clients SET removed_at = $2 WHERE id = $1 AND removed_at IS NULL";
    Ok(execute!(within tx, SQL, id.as_str(), now)? > 0)
}

/// Whether an operator removed a client of this id.
pub async fn is_removed(db: &Db, id: &ClientId) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT id FROM clients WHERE id = $1 AND removed_at IS NOT NULL";
    let row: Option<(String,)> = fetch_optional!(on db, SQL, id.as_str())?;
    Ok(row.is_some())
}

/// Up to `limit` clients removed after `since`, whose families may still be live: those after another one, or the
/// first.
pub async fn removed_since(
    db: &Db,
    since: DateTime<Utc>,
    after: Option<&ClientId>,
    limit: i64,
) -> Result<Vec<ClientId>, StoreError> {
    const SQL: &str = "SELECT id FROM clients WHERE removed_at > $1 AND id > $2 ORDER BY id LIMIT $3";
    let after = after.map(ClientId::as_str).unwrap_or_default();
    let rows: Vec<(String,)> = fetch_all!(on db, SQL, since, after, limit)?;
    rows.into_iter().map(|(id,)| id.parse().map_err(|_| StoreError::corrupt("clients", &id, "id"))).collect()
}

/// Up to `limit` clients that gave up their proof after `since`, and when, those after another one, or the first: their
/// families from before may still be live. One that nobody has signed in with has none.
pub async fn public_since(
    db: &Db,
    since: DateTime<Utc>,
    after: Option<&ClientId>,
    limit: i64,
) -> Result<Vec<(ClientId, DateTime<Utc>)>, StoreError> {
    const SQL: &str = "SELECT id, public_since FROM clients WHERE public_since > $1 AND removed_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM client_registrations \
         WHERE client_id = clients.id AND unused_until IS NOT NULL) AND id > $2 ORDER BY id LIMIT $3";
    let after = after.map(ClientId::as_str).unwrap_or_default();
    let rows: Vec<(String, DateTime<Utc>)> = fetch_all!(on db, SQL, since, after, limit)?;
    let read = |(id, at): (String, DateTime<Utc>)| {
        Ok((id.parse().map_err(|_| StoreError::corrupt("clients", &id, "id"))?, at))
    };
    rows.into_iter().map(read).collect()
}

/// Adds a secret.
pub async fn add_secret(
    tx: &mut Tx,
    id: Uuid,
    client: &ClientId,
    hash: &SecretHash,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO client_secrets (id, client_id, secret_hash, created_at) VALUES ($1, $2, $3, $4)";
    execute!(within tx, SQL, id, client.as_str(), hash.as_bytes(), now)?;
    Ok(())
}

/// Lets a client's present secrets end at `at`, unless they end before; forgets those that ended before `now`.
pub async fn expire_secrets(
    tx: &mut Tx,
    client: &ClientId,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    const FORGET: &str = "DELETE FROM client_secrets WHERE client_id = $1 AND expires_at <= $2";
    const EXPIRE: &str = "UPDATE client_secrets SET expires_at = $2 \
         WHERE client_id = $1 AND (expires_at IS NULL OR expires_at > $2)";
    execute!(within tx, FORGET, client.as_str(), now)?;
    execute!(within tx, EXPIRE, client.as_str(), at)?;
    Ok(())
}

/// The shortest leeway that a client sets, or that half its own access-token lifetime leaves it; strict mode has none.
pub async fn shortest_leeway(db: &Db) -> Result<Option<Duration>, StoreError> {
    const SQL: &str = "SELECT MIN(CASE WHEN leeway_ms IS NULL THEN access_ttl_ms / 2 ELSE leeway_ms END) \
         FROM clients WHERE (leeway_ms > 0 OR (leeway_ms IS NULL AND access_ttl_ms > 0)) AND removed_at IS NULL";
    let (shortest,): (Option<i64>,) = fetch_one!(on db, SQL)?;
    Ok(shortest.map(|millis| Duration::from_millis(millis.unsigned_abs())))
}
