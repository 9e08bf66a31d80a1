//! What configuration in files needs to know, and marks, beside what everybody does.

use chrono::{DateTime, Utc};

use crate::domain::ids::ClientId;
use crate::domain::secrets::SecretHash;
use crate::store::{StoreError, Tx, execute, fetch_all, fetch_optional};

/// Of those that apply files at once, each waits here until those before it have committed.
pub async fn wait_for_turn(tx: &mut Tx, now: DateTime<Utc>) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE file_applications SET changed_at = $1 WHERE id = 1";
    execute!(within tx, SQL, now)?;
    Ok(())
}

/// Marks a client as brought in by files.
pub async fn mark_client(tx: &mut Tx, id: &ClientId, now: DateTime<Utc>) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE clients SET applied_at = $2 WHERE id = $1";
    execute!(within tx, SQL, id.as_str(), now)?;
    Ok(())
}

/// The clients that files brought in and nobody removed, in order.
pub async fn clients(tx: &mut Tx) -> Result<Vec<ClientId>, StoreError> {
    const SQL: &str =
        "SELECT id FROM clients WHERE applied_at IS NOT NULL AND removed_at IS NULL ORDER BY id";
    let rows: Vec<(String,)> = fetch_all!(within tx, SQL)?;
    rows.into_iter().map(|(id,)| id.parse().map_err(|_| StoreError::corrupt("clients", &id, "id"))).collect()
}

/// Whether there was a client of this id.
pub async fn is_removed_client(tx: &mut Tx, id: &ClientId) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT id FROM clients WHERE id = $1 AND removed_at IS NOT NULL";
    let row: Option<(String,)> = fetch_optional!(within tx, SQL, id.as_str())?;
    Ok(row.is_some())
}

/// A client's secrets that do not end by themselves.
pub async fn lasting_secrets(tx: &mut Tx, id: &ClientId) -> Result<Vec<SecretHash>, StoreError> {
    const SQL: &str = "SELECT secret_hash FROM client_secrets WHERE client_id = $1 AND expires_at IS NULL";
    let rows: Vec<(Vec<u8>,)> = fetch_all!(within tx, SQL, id.as_str())?;
    let corrupt = || StoreError::corrupt("client_secrets", id, "hash");
    rows.iter().map(|(hash,)| SecretHash::from_stored(hash).ok_or_else(corrupt)).collect()
}
