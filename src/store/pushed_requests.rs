//! Authorization requests that were pushed or signed: stored by the hash of their URI, until a browser has had its
//! code.

use chrono::{DateTime, Utc};

use crate::domain::ids::ClientId;
use crate::domain::secrets::SecretHash;
use crate::store::{Db, StoreError, Tx, execute, fetch_optional};

const INSERT: &str =
    "INSERT INTO pushed_requests (uri_hash, client_id, parameters, expires_at) VALUES ($1, $2, $3, $4)";

/// Adds a request that no browser has opened yet.
pub async fn insert(
    db: &Db,
    uri: &SecretHash,
    client: &ClientId,
    parameters: &str,
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    execute!(on db, INSERT, uri.as_bytes(), client.as_str(), parameters, expires_at)?;
    Ok(())
}

/// The same in a transaction.
pub async fn insert_within(
    tx: &mut Tx,
    uri: &SecretHash,
    client: &ClientId,
    parameters: &str,
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    execute!(within tx, INSERT, uri.as_bytes(), client.as_str(), parameters, expires_at)?;
    Ok(())
}

/// A visit of a browser.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The request.
    pub uri: &'a SecretHash,
    /// Whose it has to be.
    pub client: &'a ClientId,
    pub browser: &'a SecretHash,
    pub now: DateTime<Utc>,
    /// Until when the browser has time for it, if it is the first to open it.
    pub until: DateTime<Utc>,
}

/// The parameters of a live request, which from now on are for this browser alone; `None` when there is no such
/// request, or another browser has it.
pub async fn open_request(db: &Db, opening: &Opening<'_>) -> Result<Option<String>, StoreError> {
    const SQL: &str = "UPDATE pushed_requests SET browser_hash = $3, \
             expires_at = CASE WHEN browser_hash IS NULL THEN $4 ELSE expires_at END \
         WHERE uri_hash = $1 AND client_id = $2 AND expires_at > $5 \
             AND (browser_hash IS NULL OR browser_hash = $3) \
         RETURNING parameters";
    let row: Option<(String,)> = fetch_optional!(on db, SQL,
        opening.uri.as_bytes(), opening.client.as_str(), opening.browser.as_bytes(), opening.until,
        opening.now)?;
    Ok(row.map(|(parameters,)| parameters))
}

/// Puts other parameters in the place of those of a request.
pub async fn rewrite(db: &Db, uri: &SecretHash, parameters: &str) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE pushed_requests SET parameters = $2 WHERE uri_hash = $1";
    execute!(on db, SQL, uri.as_bytes(), parameters)?;
    Ok(())
}

/// Uses a request up, in the transaction that adds its code: `false` when that was done before.
pub async fn spend(tx: &mut Tx, uri: &SecretHash) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM pushed_requests WHERE uri_hash = $1";
    Ok(execute!(within tx, SQL, uri.as_bytes())? > 0)
}
