//! Secrets of the server's own that outlive every key: sealed under a master key, made once.

use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional};

/// The sealed secret of a name.
pub async fn get(db: &Db, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    const SQL: &str = "SELECT sealed FROM server_secrets WHERE name = $1";
    let found: Option<(Vec<u8>,)> = fetch_optional!(on db, SQL, name)?;
    Ok(found.map(|(sealed,)| sealed))
}

/// The names of all that begin so, in order.
pub async fn names(db: &Db, prefix: &str) -> Result<Vec<String>, StoreError> {
    const SQL: &str = "SELECT name FROM server_secrets WHERE name LIKE $1 ORDER BY name";
    let rows: Vec<(String,)> = fetch_all!(on db, SQL, format!("{prefix}%"))?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// The same; `candidate` becomes it when there is none yet.
pub async fn get_or_put(db: &Db, name: &str, candidate: &[u8]) -> Result<Vec<u8>, StoreError> {
    const PUT: &str =
        "INSERT INTO server_secrets (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    if let Some(sealed) = get(db, name).await? {
        return Ok(sealed);
    }
    execute!(on db, PUT, name, candidate)?;
    // Another process may have been faster.
    get(db, name).await?.ok_or_else(|| StoreError::corrupt("server_secrets", name, "it is gone"))
}

/// Replaces what was `read` by the same under another master key; `false` when it changed since.
pub async fn reseal(tx: &mut Tx, name: &str, read: &[u8], sealed: &[u8]) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE server_secrets SET sealed = $3 WHERE name = $1 AND sealed = $2";
    Ok(execute!(within tx, SQL, name, read, sealed)? > 0)
}
