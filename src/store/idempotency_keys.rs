//! Keys of requests that make something once, with what they were answered.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::secrets::SecretHash;
use crate::store::{Db, StoreError, Tx, execute, fetch_optional};

/// A request that comes with a key.
#[derive(Debug)]
pub struct KeyedRequest {
    pub id: Uuid,
    /// Whoever works on it now.
    pub attempt: Uuid,
    pub key_hash: SecretHash,
    pub request_hash: SecretHash,
    /// Until when nobody else works on it.
    pub claimed_until: DateTime<Utc>,
    /// When the key is forgotten.
    pub expires_at: DateTime<Utc>,
}

/// What is known by a key.
#[derive(Debug)]
pub struct KnownRequest {
    pub id: Uuid,
    pub request_hash: SecretHash,
    /// What it was answered, if it was.
    pub sealed: Option<Vec<u8>>,
}

/// Claims a key: `false` when somebody has it. One whose holder has not answered in time is taken over, one that has
/// expired begins anew.
pub async fn claim(tx: &mut Tx, request: &KeyedRequest, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO idempotency_keys \
         (id, attempt, key_hash, request_hash, claimed_until, expires_at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (key_hash) DO UPDATE SET id = excluded.id, attempt = excluded.attempt, \
         request_hash = excluded.request_hash, claimed_until = excluded.claimed_until, \
         expires_at = excluded.expires_at, sealed = NULL \
         WHERE idempotency_keys.expires_at <= $7 OR (idempotency_keys.sealed IS NULL \
         AND idempotency_keys.claimed_until <= $7 AND idempotency_keys.request_hash = excluded.request_hash)";
    let claimed = execute!(within tx, SQL, request.id, request.attempt, request.key_hash.as_bytes(),
        request.request_hash.as_bytes(), request.claimed_until, request.expires_at, now)?;
    Ok(claimed > 0)
}

/// What is known by a key that somebody has.
pub async fn find(db: &Db, key_hash: &SecretHash) -> Result<Option<KnownRequest>, StoreError> {
    const SQL: &str = "SELECT id, request_hash, sealed FROM idempotency_keys WHERE key_hash = $1";
    let row: Option<(Uuid, Vec<u8>, Option<Vec<u8>>)> = fetch_optional!(on db, SQL, key_hash.as_bytes())?;
    let Some((id, request_hash, sealed)) = row else { return Ok(None) };
    let request_hash = SecretHash::from_stored(&request_hash);
    let request_hash =
        request_hash.ok_or_else(|| StoreError::corrupt("idempotency_keys", id, "request_hash"))?;
    Ok(Some(KnownRequest { id, request_hash, sealed }))
}

/// Stores what a request is answered, in the transaction that does what it asks for: `false` when somebody else has
/// taken it up meanwhile.
pub async fn answer(tx: &mut Tx, id: Uuid, attempt: Uuid, sealed: &[u8]) -> Result<bool, StoreError> {
    const SQL: &str =
        "UPDATE idempotency_keys SET sealed = $3 WHERE id = $1 AND attempt = $2 AND sealed IS NULL";
    Ok(execute!(within tx, SQL, id, attempt, sealed)? > 0)
}

/// Lets go of a key whose request was not carried out.
pub async fn release(db: &Db, id: Uuid, attempt: Uuid) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM idempotency_keys WHERE id = $1 AND attempt = $2 AND sealed IS NULL";
    execute!(on db, SQL, id, attempt)?;
    Ok(())
}
