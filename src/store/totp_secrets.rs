//! The secrets of users' authenticator apps, sealed.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids::UserId;
use crate::domain::user::Username;
use crate::store::row::row;
use crate::store::statement::insert_all;
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

/// Those of many new users, in the transaction that adds them. Codes up to a step are spent.
pub async fn insert_all(
    tx: &mut Tx,
    secrets: &[(UserId, &[u8])],
    last_step: i64,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    insert_all!(tx, secrets, "INSERT INTO totp_secrets (user_id, sealed, last_step, created_at)",
        it => it.0.0, it.1, last_step, now)
}

/// Those of all users with names after one and up to another.
pub async fn of_names(
    db: &Db,
    after: Option<&Username>,
    last: &Username,
) -> Result<HashMap<UserId, SealedTotp>, StoreError> {
    const SQL: &str = "SELECT user_id, sealed, totp_secrets.created_at \
         FROM totp_secrets JOIN users ON users.id = user_id WHERE username_key > $1 AND username_key <= $2";
    let after = after.map(Username::key).unwrap_or_default();
    let rows: Vec<TotpRow> = fetch_all!(on db, SQL, after, last.key())?;
    Ok(rows.into_iter().map(SealedTotp::from).map(|it| (it.user, it)).collect())
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
