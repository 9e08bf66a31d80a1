//! Signing keys, their private halves sealed; and the master keys that were dropped.

use chrono::{DateTime, Utc};

use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_one};

row! {
    struct KeyRow {
        kid: String,
        position: i64,
        algorithm: String,
        private_sealed: Vec<u8>,
        created_at: DateTime<Utc>,
        signs_from: DateTime<Utc>,
        longest_ttl_ms: i64,
        withdrawn_at: Option<DateTime<Utc>>,
        is_default: bool,
        is_asked_for: bool,
        algorithm_name: Option<String>,
    }
}

/// A signing key as it is stored.
#[derive(Debug, Clone)]
pub struct StoredKey {
    pub kid: String,
    /// Its place among all keys, from 1.
    pub position: i64,
    /// What it signs with.
    pub algorithm: String,
    /// The private half, sealed under a master key.
    pub private_sealed: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on it signs, until the next one does.
    pub signs_from: DateTime<Utc>,
    /// The longest lifetime of an access token that it may have signed, in milliseconds.
    pub longest_ttl_ms: i64,
    /// Since when it must not be trusted any more.
    pub withdrawn_at: Option<DateTime<Utc>>,
    /// Whether it signs where nobody asks for an algorithm.
    pub is_default: bool,
    /// Whether somebody asks for its algorithm by name: then only its own kind takes its place.
    pub is_asked_for: bool,
    /// What its algorithm is called in tokens and key sets, where that is not the usual name.
    pub algorithm_name: Option<String>,
}

impl From<KeyRow> for StoredKey {
    fn from(row: KeyRow) -> Self {
        Self {
            kid: row.kid,
            position: row.position,
            algorithm: row.algorithm,
            private_sealed: row.private_sealed,
            created_at: row.created_at,
            signs_from: row.signs_from,
            longest_ttl_ms: row.longest_ttl_ms,
            withdrawn_at: row.withdrawn_at,
            is_default: row.is_default,
            is_asked_for: row.is_asked_for,
            algorithm_name: row.algorithm_name,
        }
    }
}

/// Every key, in order.
pub async fn list(db: &Db) -> Result<Vec<StoredKey>, StoreError> {
    const SQL: &str = "SELECT kid, position, algorithm, private_sealed, created_at, signs_from, longest_ttl_ms, \
         withdrawn_at, is_default, is_asked_for, algorithm_name FROM signing_keys ORDER BY position";
    let rows: Vec<KeyRow> = fetch_all!(on db, SQL)?;
    Ok(rows.into_iter().map(StoredKey::from).collect())
}

/// Adds a key unless its position is taken; `false` then.
pub async fn insert_if_next(tx: &mut Tx, key: &StoredKey) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO signing_keys \
         (kid, position, algorithm, private_sealed, created_at, signs_from, longest_ttl_ms, is_default, \
         is_asked_for, algorithm_name) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (position) DO NOTHING";
    let done = execute!(within tx, SQL,
        &key.kid, key.position, &key.algorithm, &key.private_sealed, key.created_at, key.signs_from,
        key.longest_ttl_ms, key.is_default, key.is_asked_for, &key.algorithm_name)?;
    Ok(done > 0)
}

/// Notes that somebody asks for a key's algorithm by name; `false` when it was withdrawn meanwhile.
pub async fn ask_for(tx: &mut Tx, kid: &str) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE signing_keys SET is_asked_for = TRUE WHERE kid = $1 AND withdrawn_at IS NULL";
    Ok(execute!(within tx, SQL, kid)? > 0)
}

/// Notes that tokens may live for `ttl_ms`: no key may be forgotten before them.
pub async fn allow_ttl(tx: &mut Tx, ttl_ms: i64) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE signing_keys SET longest_ttl_ms = $1 WHERE longest_ttl_ms < $1";
    execute!(within tx, SQL, ttl_ms)?;
    Ok(())
}

/// The longest lifetime that a client sets, in milliseconds.
pub async fn longest_client_ttl_ms(tx: &mut Tx) -> Result<Option<i64>, StoreError> {
    const SQL: &str = "SELECT MAX(access_ttl_ms) FROM clients";
    let (longest,): (Option<i64>,) = fetch_one!(within tx, SQL)?;
    Ok(longest)
}

/// Replaces a private half that was `read` by one sealed under another master key; `false` when it changed since.
pub async fn reseal(tx: &mut Tx, read: &StoredKey, private_sealed: &[u8]) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE signing_keys SET private_sealed = $3 WHERE kid = $1 AND private_sealed = $2";
    Ok(execute!(within tx, SQL, &read.kid, &read.private_sealed, private_sealed)? > 0)
}

/// Withdraws every key before `position`, of one algorithm or of all: they leave the JWKS at once.
pub async fn withdraw_before(
    tx: &mut Tx,
    position: i64,
    algorithm: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE signing_keys SET withdrawn_at = $2 \
         WHERE position < $1 AND withdrawn_at IS NULL AND algorithm = COALESCE($3, algorithm)";
    execute!(within tx, SQL, position, now, algorithm)?;
    Ok(())
}

/// Forgets a key.
pub async fn delete(db: &Db, kid: &str) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM signing_keys WHERE kid = $1";
    execute!(on db, SQL, kid)?;
    Ok(())
}

/// Remembers that refresh tokens under a master key are refused from now on.
pub async fn drop_master_key(tx: &mut Tx, key_id: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO dropped_master_keys (key_id, dropped_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    execute!(within tx, SQL, key_id, now)?;
    Ok(())
}

/// The master keys that were dropped.
pub async fn dropped_master_keys(db: &Db) -> Result<Vec<String>, StoreError> {
    const SQL: &str = "SELECT key_id FROM dropped_master_keys";
    let rows: Vec<(String,)> = fetch_all!(on db, SQL)?;
    Ok(rows.into_iter().map(|(key_id,)| key_id).collect())
}
