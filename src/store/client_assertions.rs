//! Client assertions that were used, until they expire: no replica takes one again.

use crate::domain::client_assertion::OnceOnly;
use crate::store::{Db, StoreError, execute};

/// Uses an assertion up: `false` when it was used before.
pub async fn spend(db: &Db, assertion: &OnceOnly) -> Result<bool, StoreError> {
    const SQL: &str =
        "INSERT INTO client_assertions (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    Ok(execute!(on db, SQL, assertion.id.as_bytes(), assertion.expires_at)? > 0)
}
