//! Access tokens that were revoked alone, by their `jti`, until they expire.

use chrono::{DateTime, Utc};

use crate::store::{Db, StoreError, Tx, execute, fetch_optional};

/// Revokes a token: `false` when that was done before.
pub async fn insert(tx: &mut Tx, jti: &str, expires_at: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str =
        "INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING";
    Ok(execute!(within tx, SQL, jti, expires_at)? > 0)
}

/// Whether a token was revoked.
pub async fn contains(db: &Db, jti: &str) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT jti FROM revoked_tokens WHERE jti = $1";
    let row: Option<(String,)> = fetch_optional!(on db, SQL, jti)?;
    Ok(row.is_some())
}
