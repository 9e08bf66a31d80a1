//! Clients that registered themselves, as far as they differ from others.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::domain::ids::ClientId;
use crate::domain::secrets::SecretHash;
use crate::store::row::{from_json, row, to_json};
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional};

/// What is kept of a registration beside the client itself.
#[derive(Debug)]
pub struct StoredRegistration {
    /// The hash of the token that manages it.
    pub token_hash: SecretHash,
    /// That of the token that was given with the last change, until it is used.
    pub next_token_hash: Option<SecretHash>,
    /// What the client was told that it registered.
    pub told: Map<String, Value>,
    /// Whether somebody signed in with the client.
    pub is_used: bool,
}

row! {
    struct StoredRegistrationRow {
        token_hash: Vec<u8>,
        next_token_hash: Option<Vec<u8>>,
        told: String,
        unused_until: Option<DateTime<Utc>>,
    }
}

/// Keeps a registration.
pub async fn insert(
    tx: &mut Tx,
    client: &ClientId,
    (token, told): (&SecretHash, &Map<String, Value>),
    unused_until: DateTime<Utc>,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO client_registrations (client_id, token_hash, told, unused_until) \
         VALUES ($1, $2, $3, $4)";
    execute!(within tx, SQL, client.as_str(), token.as_bytes(), to_json(told), unused_until)?;
    Ok(())
}

/// What is kept of a client's registration.
pub async fn find(db: &Db, client: &ClientId) -> Result<Option<StoredRegistration>, StoreError> {
    const SQL: &str = "SELECT token_hash, next_token_hash, told, unused_until FROM client_registrations \
         WHERE client_id = $1";
    let row: Option<StoredRegistrationRow> = fetch_optional!(on db, SQL, client.as_str())?;
    let Some(row) = row else { return Ok(None) };
    let corrupt = |what| StoreError::corrupt("client_registrations", client, what);
    let hash = |stored: &[u8]| SecretHash::from_stored(stored).ok_or_else(|| corrupt("hash"));
    Ok(Some(StoredRegistration {
        token_hash: hash(&row.token_hash)?,
        next_token_hash: row.next_token_hash.as_deref().map(hash).transpose()?,
        told: from_json(&row.told).ok_or_else(|| corrupt("told"))?,
        is_used: row.unused_until.is_none(),
    }))
}

/// The token that was given with the last change is used: the one before manages nothing from now on.
pub async fn use_next(db: &Db, client: &ClientId, next: &SecretHash) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE client_registrations SET token_hash = next_token_hash, next_token_hash = NULL \
         WHERE client_id = $1 AND next_token_hash = $2";
    execute!(on db, SQL, client.as_str(), next.as_bytes())?;
    Ok(())
}

/// Keeps what the client was told at a change, and the token that was given with it. `false` when the registration is
/// not what it was in `before` any more: it is gone, or another change came first.
pub async fn update(
    tx: &mut Tx,
    client: &ClientId,
    before: &StoredRegistration,
    (next, told): (&SecretHash, &Map<String, Value>),
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE client_registrations SET told = $2, next_token_hash = $3 \
         WHERE client_id = $1 AND token_hash = $4 AND next_token_hash IS NOT DISTINCT FROM $5";
    let was_next = before.next_token_hash.as_ref().map(|hash| hash.as_bytes().to_vec());
    let done = execute!(within tx, SQL,
        client.as_str(), to_json(told), next.as_bytes(), before.token_hash.as_bytes(), was_next)?;
    Ok(done > 0)
}

/// Somebody signed in with the client: it stays.
pub async fn mark_used(tx: &mut Tx, client: &ClientId) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE client_registrations SET unused_until = NULL \
         WHERE client_id = $1 AND unused_until IS NOT NULL";
    execute!(within tx, SQL, client.as_str())?;
    Ok(())
}

/// Forgets a registration: its token manages nothing from then on. `false` when it was gone.
pub async fn remove(tx: &mut Tx, client: &ClientId) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM client_registrations WHERE client_id = $1";
    Ok(execute!(within tx, SQL, client.as_str())? > 0)
}

/// Deletes up to `limit` clients that nobody signed in with in time: no token names them, so nothing of them stays.
pub async fn delete_some_unused(tx: &mut Tx, now: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    const FORGET: &str = "DELETE FROM client_registrations WHERE unused_until <= $1 AND client_id IN \
         (SELECT client_id FROM client_registrations WHERE unused_until <= $1 ORDER BY unused_until LIMIT $2) \
         RETURNING client_id";
    const SECRETS: &str = "DELETE FROM client_secrets WHERE client_id = $1";
    const CLIENT: &str = "DELETE FROM clients WHERE id = $1 AND self_registered";
    let gone: Vec<(String,)> = fetch_all!(within tx, FORGET, now, limit)?;
    for (client,) in &gone {
        for sql in [SECRETS, CLIENT] {
            execute!(within tx, sql, client)?;
        }
    }
    Ok(u64::try_from(gone.len()).unwrap_or(u64::MAX))
}
