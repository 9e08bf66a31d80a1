//! Client assertions that were used, until they expire: no replica takes one again.

use chrono::{DateTime, Utc};

use crate::domain::client_assertion::OnceOnly;
use crate::store::{Db, StoreError, on};

/// Uses an assertion up: `false` when it was used before.
///
/// # Errors
/// [`StoreError`].
pub async fn spend(db: &Db, assertion: &OnceOnly) -> Result<bool, StoreError> {
    const SQL: &str =
        "INSERT INTO client_assertions (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    let done = on!(db, conn => sqlx::query(SQL)
        .bind(assertion.id.as_bytes()).bind(assertion.expires_at)
        .execute(conn).await.map(|done| done.rows_affected()))?;
    Ok(done > 0)
}

/// Deletes up to `limit` that expired before `before`; gives how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_some_expired(db: &Db, before: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM client_assertions WHERE id IN \
         (SELECT id FROM client_assertions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    Ok(
        on!(db, conn => sqlx::query(SQL).bind(before).bind(limit).execute(conn).await.map(|done| done.rows_affected()))?,
    )
}
