//! What ends families: one, some of a user's, a client's.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids::{ClientId, FamilyId, SignInSessionId, UserId};
use crate::domain::refusal::EndReason;
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, on, within};

/// Ends one family, whatever generation it has reached. `false` when it was ended or gone before.
///
/// # Errors
/// [`StoreError`].
pub async fn end(db: &Db, id: FamilyId, reason: EndReason, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE families SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL";
    let ended = on!(db, conn => sqlx::query(SQL)
        .bind(id.0).bind(now).bind(reason.as_str())
        .execute(conn).await.map(|done| done.rows_affected()))?;
    Ok(ended > 0)
}

/// A family that was ended, and who knows it by which names.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The family.
    pub id: FamilyId,
    /// Its client.
    pub client: ClientId,
    /// `sub`, as the client knows it.
    pub subject: String,
    /// The sign-in that it came from.
    pub sign_in_session: Option<SignInSessionId>,
}

row! {
    struct EndedRow {
        id: Uuid,
        client_id: String,
        subject: String,
        sign_in_session: Option<Uuid>,
    }
}

impl TryFrom<EndedRow> for Ended {
    type Error = StoreError;

    fn try_from(row: EndedRow) -> Result<Self, StoreError> {
        let corrupt = |_| StoreError::corrupt("families", row.id, "client_id");
        Ok(Self {
            id: FamilyId(row.id),
            client: row.client_id.parse().map_err(corrupt)?,
            subject: row.subject,
            sign_in_session: row.sign_in_session.map(SignInSessionId),
        })
    }
}

/// What [`Ended`] is read from.
macro_rules! returning {
    ($update:literal) => {
        concat!($update, " RETURNING id, client_id, subject, sign_in_session")
    };
}

fn all_ended(rows: Vec<EndedRow>) -> Result<Vec<Ended>, StoreError> {
    rows.into_iter().map(Ended::try_from).collect()
}

/// Ends one family within a transaction: `None` when it was ended or gone before.
///
/// # Errors
/// [`StoreError`].
pub async fn end_within(
    tx: &mut Tx,
    id: FamilyId,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<Option<Ended>, StoreError> {
    const SQL: &str =
        returning!("UPDATE families SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL");
    let row: Option<EndedRow> = within!(tx, conn => sqlx::query_as(SQL)
        .bind(id.0).bind(now).bind(reason.as_str())
        .fetch_optional(conn).await)?;
    row.map(Ended::try_from).transpose()
}

/// Which of a user's families go on when the others end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spared {
    /// None.
    Nothing,
    /// One.
    Family(FamilyId),
    /// Those that came from one sign-in session.
    SignIn(SignInSessionId),
}

/// Ends the families of a user whose row the transaction touched before, all but `spared`.
///
/// # Errors
/// [`StoreError`].
pub async fn end_of_user(
    tx: &mut Tx,
    user: UserId,
    spared: Spared,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<Vec<Ended>, StoreError> {
    const SQL: &str = returning!(
        "UPDATE families SET ended_at = $2, end_reason = $3 \
         WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 AND ($4 IS NULL OR id <> $4) \
         AND ($5 IS NULL OR sign_in_session IS NULL OR sign_in_session <> $5)"
    );
    let (family, session) = match spared {
        Spared::Nothing => (None, None),
        Spared::Family(family) => (Some(family.0), None),
        Spared::SignIn(session) => (None, Some(session.0)),
    };
    let rows: Vec<EndedRow> = within!(tx, conn => sqlx::query_as(SQL)
        .bind(user.0).bind(now).bind(reason.as_str()).bind(family).bind(session)
        .fetch_all(conn).await)?;
    all_ended(rows)
}

/// Ends a user's families of one client, in the transaction that touched the user's row.
///
/// # Errors
/// [`StoreError`].
pub async fn end_of_user_at(
    tx: &mut Tx,
    user: UserId,
    client: &ClientId,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<Vec<Ended>, StoreError> {
    const SQL: &str = returning!(
        "UPDATE families SET ended_at = $2, end_reason = $3 \
         WHERE user_id = $1 AND client_id = $4 AND ended_at IS NULL AND expires_at > $2"
    );
    let rows: Vec<EndedRow> = within!(tx, conn => sqlx::query_as(SQL)
        .bind(user.0).bind(now).bind(reason.as_str()).bind(client.as_str())
        .fetch_all(conn).await)?;
    all_ended(rows)
}

/// Ends up to `limit` live families of a client, those with ids above `after`; gives the last id that it ended, from
/// where to go on.
///
/// # Errors
/// [`StoreError`].
pub async fn end_some_of_client(
    db: &Db,
    client: &ClientId,
    after: FamilyId,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<FamilyId>, StoreError> {
    const SQL: &str = "UPDATE families SET ended_at = $3, end_reason = 'client_removed' WHERE id IN \
         (SELECT id FROM families WHERE client_id = $1 AND id > $2 AND ended_at IS NULL ORDER BY id LIMIT $4) \
         AND ended_at IS NULL RETURNING id";
    let ids: Vec<(Uuid,)> = on!(db, conn => sqlx::query_as(SQL)
        .bind(client.as_str()).bind(after.0).bind(now).bind(limit)
        .fetch_all(conn).await)?;
    Ok(ids.into_iter().map(|(id,)| FamilyId(id)).collect())
}
