//! The secrets of users' authenticator apps, sealed.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids::UserId;
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional};

/// One user's.
#[derive(Debug)]
pub struct SealedTotp {
    pub user: UserId,
    pub sealed: Vec<u8>,
    /// When the user set it up.
    pub created_at: DateTime<Utc>,
}

row! {
    struct TotpRow {
        user_id: Uuid,
        sealed: Vec<u8>,
        created_at: DateTime<Utc>,
    }
}

impl From<TotpRow> for SealedTotp {
    fn from(row: TotpRow) -> Self {
        Self { user: UserId(row.user_id), sealed: row.sealed, created_at: row.created_at }
    }
}

/// A user's, if there is one.
pub async fn find(db: &Db, user: UserId) -> Result<Option<SealedTotp>, StoreError> {
    const SQL: &str = "SELECT user_id, sealed, created_at FROM totp_secrets WHERE user_id = $1";
    let row: Option<TotpRow> = fetch_optional!(on db, SQL, user.0)?;
    Ok(row.map(SealedTotp::from))
}

/// Adds one, in the transaction that touched its user's row: `false` when there is one.
pub async fn insert(
    tx: &mut Tx,
    user: UserId,
    (sealed, last_step): (&[u8], i64),
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO totp_secrets (user_id, sealed, last_step, created_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (user_id) DO NOTHING";
    Ok(execute!(within tx, SQL, user.0, sealed, last_step, now)? > 0)
}

/// Takes the code of a step: `false` when one of this step or a later one was taken, or the secret is another one.
pub async fn take_step(tx: &mut Tx, read: &SealedTotp, step: i64) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE totp_secrets SET last_step = $3 \
         WHERE user_id = $1 AND created_at = $2 AND last_step < $3";
    Ok(execute!(within tx, SQL, read.user.0, read.created_at, step)? > 0)
}

/// Removes a user's; `false` when there is none.
pub async fn delete(tx: &mut Tx, user: UserId) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM totp_secrets WHERE user_id = $1";
    Ok(execute!(within tx, SQL, user.0)? > 0)
}

/// Up to `limit` of those whose users' ids are above `after`.
pub async fn list(db: &Db, after: UserId, limit: i64) -> Result<Vec<SealedTotp>, StoreError> {
    const SQL: &str = "SELECT user_id, sealed, created_at FROM totp_secrets \
         WHERE user_id > $1 ORDER BY user_id LIMIT $2";
    let rows: Vec<TotpRow> = fetch_all!(on db, SQL, after.0, limit)?;
    Ok(rows.into_iter().map(SealedTotp::from).collect())
}

/// Replaces what was `read` by the same under another master key; `false` when it changed since.
pub async fn reseal(tx: &mut Tx, read: &SealedTotp, sealed: &[u8]) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE totp_secrets SET sealed = $3 WHERE user_id = $1 AND sealed = $2";
    Ok(execute!(within tx, SQL, read.user.0, &read.sealed, sealed)? > 0)
}
