//! Authorization requests that were pushed or signed: stored by the hash of their URI, until a browser has had its
//! code.

use chrono::{DateTime, Utc};

use crate::domain::ids::ClientId;
use crate::domain::secrets::SecretHash;
use crate::store::{Db, StoreError, Tx, on, within};

/// Adds a request that no browser has opened yet.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(
    db: &Db,
    uri: &SecretHash,
    client: &ClientId,
    parameters: &str,
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO pushed_requests (uri_hash, client_id, parameters, expires_at) VALUES ($1, $2, $3, $4)";
    on!(db, conn => sqlx::query(SQL)
        .bind(uri.as_bytes()).bind(client.as_str()).bind(parameters).bind(expires_at)
        .execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// A visit of a browser.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The request.
    pub uri: &'a SecretHash,
    /// Whose it has to be.
    pub client: &'a ClientId,
    /// The browser.
    pub browser: &'a SecretHash,
    /// When.
    pub now: DateTime<Utc>,
    /// Until when the browser has time for it, if it is the first to open it.
    pub until: DateTime<Utc>,
}

/// The parameters of a live request, which from now on are for this browser alone; `None` when there is no such
/// request, or another browser has it.
///
/// # Errors
/// [`StoreError`].
pub async fn open(db: &Db, opening: &Opening<'_>) -> Result<Option<String>, StoreError> {
    const SQL: &str = "UPDATE pushed_requests SET browser_hash = $3, \
             expires_at = CASE WHEN browser_hash IS NULL THEN $4 ELSE expires_at END \
         WHERE uri_hash = $1 AND client_id = $2 AND expires_at > $5 \
             AND (browser_hash IS NULL OR browser_hash = $3) \
         RETURNING parameters";
    let row: Option<(String,)> = on!(db, conn => sqlx::query_as(SQL)
        .bind(opening.uri.as_bytes()).bind(opening.client.as_str()).bind(opening.browser.as_bytes())
        .bind(opening.until).bind(opening.now)
        .fetch_optional(conn).await)?;
    Ok(row.map(|(parameters,)| parameters))
}

/// Puts other parameters in the place of those of a request.
///
/// # Errors
/// [`StoreError`].
pub async fn rewrite(db: &Db, uri: &SecretHash, parameters: &str) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE pushed_requests SET parameters = $2 WHERE uri_hash = $1";
    on!(db, conn => sqlx::query(SQL).bind(uri.as_bytes()).bind(parameters).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// Uses a request up, in the transaction that adds its code: `false` when that was done before.
///
/// # Errors
/// [`StoreError`].
pub async fn spend(tx: &mut Tx, uri: &SecretHash) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM pushed_requests WHERE uri_hash = $1";
    let done = within!(tx, conn => sqlx::query(SQL).bind(uri.as_bytes()).execute(conn).await
        .map(|done| done.rows_affected()))?;
    Ok(done > 0)
}

/// Deletes up to `limit` that expired before `before`; gives how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_some_expired(db: &Db, before: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM pushed_requests WHERE uri_hash IN \
         (SELECT uri_hash FROM pushed_requests WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    Ok(
        on!(db, conn => sqlx::query(SQL).bind(before).bind(limit).execute(conn).await.map(|done| done.rows_affected()))?,
    )
}
