//! Recovery codes, by their hashes.

use crate::domain::ids::UserId;
use crate::domain::secrets::SecretHash;
use crate::store::{StoreError, Tx, execute, insert_all};

/// Gives a user these in the place of all others, in the transaction that touched the user's row.
pub async fn replace(tx: &mut Tx, user: UserId, hashes: &[SecretHash]) -> Result<(), StoreError> {
    delete_of(tx, user).await?;
    insert_all!(tx, hashes, "INSERT INTO recovery_codes (user_id, code_hash)", hash => user.0, hash.as_bytes())
}

/// Uses one up: `false` when it is none of this user's, or was used.
pub async fn spend(tx: &mut Tx, user: UserId, hash: &SecretHash) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2";
    Ok(execute!(within tx, SQL, user.0, hash.as_bytes())? > 0)
}

/// Forgets those of a user.
pub async fn delete_of(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM recovery_codes WHERE user_id = $1";
    execute!(within tx, SQL, user.0)?;
    Ok(())
}
