//! Families as they are listed: a bounded part at a time, the newest first.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{all, columns};
use crate::domain::family::{Family, Place};
use crate::domain::ids::{ClientId, FamilyId, SignInSessionId, UserId};
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, fetch_all};

/// Up to `limit` families of a user that have not ended, those that come after a place. Some are idle for too long.
pub async fn live_of_user(
    db: &Db,
    user: UserId,
    after: Place,
    limit: u32,
) -> Result<Vec<Family>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM families WHERE user_id = $1 AND ended_at IS NULL AND (created_at, id) < ($2, $3) \
         ORDER BY created_at DESC, id DESC LIMIT $4"
    );
    all(fetch_all!(on db, SQL, user.0, after.created_at, after.id.0, i64::from(limit))?)
}

/// [`live_of_sign_in`] as a statement.
macro_rules! of_sign_in {
    () => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM families WHERE sign_in_session = $1 AND user_id = $2 AND ended_at IS NULL \
             AND (created_at, id) < ($3, $4) ORDER BY created_at DESC, id DESC LIMIT $5"
        )
    };
}

/// The same of those that came from one of the user's sign-in sessions.
pub async fn live_of_sign_in(
    db: &Db,
    (user, session): (UserId, SignInSessionId),
    after: Place,
    limit: u32,
) -> Result<Vec<Family>, StoreError> {
    const SQL: &str = of_sign_in!();
    all(fetch_all!(on db, SQL, session.0, user.0, after.created_at, after.id.0, i64::from(limit))?)
}

/// The same in the transaction that touched the user's row.
pub async fn live_of_sign_in_within(
    tx: &mut Tx,
    (user, session): (UserId, SignInSessionId),
    after: Place,
    limit: u32,
) -> Result<Vec<Family>, StoreError> {
    const SQL: &str = of_sign_in!();
    all(fetch_all!(within tx, SQL, session.0, user.0, after.created_at, after.id.0, i64::from(limit))?)
}

/// The addresses that a user's newest live families came from, up to `limit` of these.
pub async fn addresses_of_user(
    db: &Db,
    user: UserId,
    limit: u32,
    now: DateTime<Utc>,
) -> Result<Vec<String>, StoreError> {
    const SQL: &str = "SELECT DISTINCT address FROM (SELECT address, expires_at FROM families \
         WHERE user_id = $1 AND ended_at IS NULL ORDER BY created_at DESC, id DESC LIMIT $3) AS newest \
         WHERE address IS NOT NULL AND expires_at > $2";
    let rows: Vec<(String,)> = fetch_all!(on db, SQL, user.0, now, i64::from(limit))?;
    Ok(rows.into_iter().map(|(address,)| address).collect())
}

/// Up to `limit` families, for an operator to look through, those that come after another one: the newest first, ended
/// ones too.
pub async fn newest(db: &Db, after: FamilyId, limit: i64) -> Result<Vec<Family>, StoreError> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM families WHERE id < $1 ORDER BY id DESC LIMIT $2");
    all(fetch_all!(on db, SQL, after.0, limit)?)
}

/// The same of one user.
pub async fn newest_of_user(
    db: &Db,
    user: UserId,
    after: FamilyId,
    limit: i64,
) -> Result<Vec<Family>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM families WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
    );
    all(fetch_all!(on db, SQL, user.0, after.0, limit)?)
}

/// The same of one user with one client.
pub async fn newest_of_both(
    db: &Db,
    (user, client): (UserId, &ClientId),
    after: FamilyId,
    limit: i64,
) -> Result<Vec<Family>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM families WHERE user_id = $1 AND client_id = $2 AND ended_at IS NULL AND id < $3 \
         ORDER BY id DESC LIMIT $4"
    );
    all(fetch_all!(on db, SQL, user.0, client.as_str(), after.0, limit)?)
}

/// The same of one client, those that have not ended: what their index holds.
pub async fn newest_of_client(
    db: &Db,
    client: &ClientId,
    after: FamilyId,
    limit: i64,
) -> Result<Vec<Family>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM families WHERE client_id = $1 AND ended_at IS NULL AND id < $2 ORDER BY id DESC LIMIT $3"
    );
    all(fetch_all!(on db, SQL, client.as_str(), after.0, limit)?)
}

row! {
    struct LastUseRow {
        id: Uuid,
        client_id: String,
        created_at: DateTime<Utc>,
        rotated_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    }
}

/// When a family was last used.
#[derive(Debug)]
pub struct LastUse {
    pub place: Place,
    pub client: ClientId,
    pub rotated_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

impl TryFrom<LastUseRow> for LastUse {
    type Error = StoreError;

    fn try_from(row: LastUseRow) -> Result<Self, StoreError> {
        let corrupt = |_| StoreError::corrupt("families", row.id, "client_id");
        Ok(Self {
            place: Place { created_at: row.created_at, id: FamilyId(row.id) },
            client: row.client_id.parse().map_err(corrupt)?,
            rotated_at: row.rotated_at,
            expires_at: row.expires_at,
        })
    }
}

/// When up to `limit` of a user's families were last used that have not ended, of those that come after a place.
pub async fn last_uses(db: &Db, user: UserId, after: Place, limit: i64) -> Result<Vec<LastUse>, StoreError> {
    const SQL: &str = "SELECT id, client_id, created_at, rotated_at, expires_at FROM families \
         WHERE user_id = $1 AND ended_at IS NULL AND (created_at, id) < ($2, $3) \
         ORDER BY created_at DESC, id DESC LIMIT $4";
    let rows: Vec<LastUseRow> = fetch_all!(on db, SQL, user.0, after.created_at, after.id.0, limit)?;
    rows.into_iter().map(LastUse::try_from).collect()
}

/// How many families that have not ended each user has, among the first `rows` of them in the order of their users,
/// from a user on.
pub async fn counts_by_user(db: &Db, from: UserId, rows: i64) -> Result<Vec<(UserId, i64)>, StoreError> {
    const SQL: &str = "SELECT user_id, COUNT(*) FROM (SELECT user_id FROM families \
         WHERE ended_at IS NULL AND user_id >= $1 ORDER BY user_id, created_at, id LIMIT $2) AS part \
         GROUP BY user_id ORDER BY user_id";
    let rows: Vec<(Uuid, i64)> = fetch_all!(on db, SQL, from.0, rows)?;
    Ok(rows.into_iter().map(|(user, count)| (UserId(user), count)).collect())
}
