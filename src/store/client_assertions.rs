//! Client assertions, request objects that are for once, and challenges of passkeys that were used, until they expire:
//! no replica takes one again.

use crate::domain::client_assertion::OnceOnly;
use crate::store::{Db, StoreError, Tx, execute};

/// Uses one up: `false` when it was used before.
pub async fn spend(db: &Db, once: &OnceOnly) -> Result<bool, StoreError> {
    Ok(execute!(on db, SPEND, once.id.as_bytes(), once.expires_at)? > 0)
}

/// The same in the transaction that keeps what it is used for.
pub async fn spend_within(tx: &mut Tx, once: &OnceOnly) -> Result<bool, StoreError> {
    Ok(execute!(within tx, SPEND, once.id.as_bytes(), once.expires_at)? > 0)
}

const SPEND: &str =
    "INSERT INTO client_assertions (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
