//! Client assertions, and request objects that are for once, that were used, until they expire: no replica takes one
//! again.

use crate::domain::client_assertion::OnceOnly;
use crate::store::{Db, StoreError, execute};

/// Uses one up: `false` when it was used before.
pub async fn spend(db: &Db, once: &OnceOnly) -> Result<bool, StoreError> {
    const SQL: &str =
        "INSERT INTO client_assertions (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    Ok(execute!(on db, SQL, once.id.as_bytes(), once.expires_at)? > 0)
}
