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
    /// What the client was told that it registered.
    pub told: Map<String, Value>,
}

row! {
    struct StoredRegistrationRow {
        token_hash: Vec<u8>,
        told: String,
    }
}

/// Keeps a registration.
pub async fn insert(
    tx: &mut Tx,
    client: &ClientId,
    kept: &StoredRegistration,
    unused_until: DateTime<Utc>,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO client_registrations (client_id, token_hash, told, unused_until) \
         VALUES ($1, $2, $3, $4)";
    execute!(within tx, SQL, client.as_str(), kept.token_hash.as_bytes(), to_json(&kept.told), unused_until)?;
    Ok(())
}

/// What is kept of a client's registration.
pub async fn find(db: &Db, client: &ClientId) -> Result<Option<StoredRegistration>, StoreError> {
    const SQL: &str = "SELECT token_hash, told FROM client_registrations WHERE client_id = $1";
    let row: Option<StoredRegistrationRow> = fetch_optional!(on db, SQL, client.as_str())?;
    let Some(row) = row else { return Ok(None) };
    let corrupt = |what| StoreError::corrupt("client_registrations", client, what);
    Ok(Some(StoredRegistration {
        token_hash: SecretHash::from_stored(&row.token_hash).ok_or_else(|| corrupt("hash"))?,
        told: from_json(&row.told).ok_or_else(|| corrupt("told"))?,
    }))
}

/// Keeps what the client was told at a change. `false` when its registration is gone.
pub async fn update(tx: &mut Tx, client: &ClientId, told: &Map<String, Value>) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE client_registrations SET told = $2 WHERE client_id = $1";
    Ok(execute!(within tx, SQL, client.as_str(), to_json(told))? > 0)
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
