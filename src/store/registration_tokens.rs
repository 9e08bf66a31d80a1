//! Initial access tokens (RFC 7591 §1.2).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::secrets::SecretHash;
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional};

row! {
    struct TokenRow {
        id: Uuid,
        uses_left: i64,
        created_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    }
}

/// A token, without its secret.
#[derive(Debug)]
pub struct RegistrationToken {
    /// What an operator knows it by.
    pub id: Uuid,
    /// How many clients may still be registered with it.
    pub uses_left: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
}

/// Adds a token.
pub async fn insert(tx: &mut Tx, token: &RegistrationToken, hash: &SecretHash) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO registration_tokens (id, token_hash, uses_left, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5)";
    execute!(within tx, SQL, token.id, hash.as_bytes(), token.uses_left, token.created_at, token.expires_at)?;
    Ok(())
}

/// Up to `limit` tokens that are still good for something, oldest first: those after another one.
pub async fn list(
    db: &Db,
    after: Uuid,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<RegistrationToken>, StoreError> {
    const SQL: &str = "SELECT id, uses_left, created_at, expires_at FROM registration_tokens \
         WHERE uses_left > 0 AND expires_at > $1 AND id > $2 ORDER BY id LIMIT $3";
    let rows: Vec<TokenRow> = fetch_all!(on db, SQL, now, after, limit)?;
    let token = |row: TokenRow| {
        let TokenRow { id, uses_left, created_at, expires_at } = row;
        RegistrationToken { id, uses_left, created_at, expires_at }
    };
    Ok(rows.into_iter().map(token).collect())
}

/// Removes a token. `false` when there is none.
pub async fn remove(tx: &mut Tx, id: Uuid) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM registration_tokens WHERE id = $1";
    Ok(execute!(within tx, SQL, id)? > 0)
}

/// Whether a token is good.
pub async fn is_good(db: &Db, hash: &SecretHash, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT id FROM registration_tokens \
         WHERE token_hash = $1 AND uses_left > 0 AND expires_at > $2";
    let row: Option<(Uuid,)> = fetch_optional!(on db, SQL, hash.as_bytes(), now)?;
    Ok(row.is_some())
}

/// Uses a token once. `false` when it is not good, or was used up meanwhile.
pub async fn spend(tx: &mut Tx, hash: &SecretHash, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE registration_tokens SET uses_left = uses_left - 1 \
         WHERE token_hash = $1 AND uses_left > 0 AND expires_at > $2";
    Ok(execute!(within tx, SQL, hash.as_bytes(), now)? > 0)
}

/// Deletes up to `limit` of those that are good for nothing any more; gives how many.
pub async fn delete_some_spent(db: &Db, now: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM registration_tokens WHERE id IN \
         (SELECT id FROM registration_tokens WHERE uses_left = 0 OR expires_at <= $1 ORDER BY id LIMIT $2)";
    Ok(execute!(on db, SQL, now, limit)?)
}
