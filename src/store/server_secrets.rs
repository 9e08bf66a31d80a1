//! Secrets of the server's own that outlive every key: sealed under a master key, made once.

use crate::store::{Db, StoreError, Tx, execute, fetch_one, fetch_optional};

/// The sealed secret of a name; `candidate` becomes it when there is none yet.
pub async fn get_or_put(db: &Db, name: &str, candidate: &[u8]) -> Result<Vec<u8>, StoreError> {
    const PUT: &str =
        "INSERT INTO server_secrets (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    const GET: &str = "SELECT sealed FROM server_secrets WHERE name = $1";
    let found: Option<(Vec<u8>,)> = fetch_optional!(on db, GET, name)?;
    if let Some((sealed,)) = found {
        return Ok(sealed);
    }
    execute!(on db, PUT, name, candidate)?;
    // Another process may have been faster.
    let (sealed,): (Vec<u8>,) = fetch_one!(on db, GET, name)?;
    Ok(sealed)
}

/// Replaces what was `read` by the same under another master key; `false` when it changed since.
pub async fn reseal(tx: &mut Tx, name: &str, read: &[u8], sealed: &[u8]) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE server_secrets SET sealed = $3 WHERE name = $1 AND sealed = $2";
    Ok(execute!(within tx, SQL, name, read, sealed)? > 0)
}
