//! What ends families: one, some of a user's, a client's.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::event::Event;
use crate::domain::family::EndedFamily;
use crate::domain::ids::{ClientId, FamilyId, SignInSessionId, UserId};
use crate::domain::refusal::EndReason;
use crate::store::row::row;
use crate::store::{StoreError, Tx, within};

row! {
    struct EndedRow {
        id: Uuid,
        user_id: Uuid,
        client_id: String,
        subject: String,
        sign_in_session: Option<Uuid>,
    }
}

impl TryFrom<EndedRow> for EndedFamily {
    type Error = StoreError;

    fn try_from(row: EndedRow) -> Result<Self, StoreError> {
        let corrupt = |_| StoreError::corrupt("families", row.id, "client_id");
        Ok(Self {
            id: FamilyId(row.id),
            user: UserId(row.user_id),
            client: row.client_id.parse().map_err(corrupt)?,
            subject: row.subject,
            sign_in_session: row.sign_in_session.map(SignInSessionId),
        })
    }
}

/// What [`EndedFamily`] is read from.
macro_rules! returning {
    ($update:literal) => {
        concat!($update, " RETURNING id, user_id, client_id, subject, sign_in_session")
    };
}

/// Whoever ends families says so in the same breath.
fn record(tx: &mut Tx, rows: Vec<EndedRow>, reason: EndReason) -> Result<Vec<EndedFamily>, StoreError> {
    let ended: Vec<EndedFamily> = rows.into_iter().map(EndedFamily::try_from).collect::<Result<_, _>>()?;
    for family in &ended {
        tx.record(Event::FamilyEnded { family: family.clone(), reason });
    }
    Ok(ended)
}

/// Ends one family, whatever generation it has reached: `None` when it was ended or gone before.
pub async fn end(
    tx: &mut Tx,
    id: FamilyId,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<Option<EndedFamily>, StoreError> {
    const SQL: &str =
        returning!("UPDATE families SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL");
    let row: Option<EndedRow> = within!(tx, conn => sqlx::query_as(SQL)
        .bind(id.0).bind(now).bind(reason.as_str())
        .fetch_optional(conn).await)?;
    Ok(record(tx, row.into_iter().collect(), reason)?.pop())
}

/// Which of a user's families go on when the others end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spared {
    /// None.
    Nothing,
    Family(FamilyId),
    /// Those that came from one sign-in session.
    SignIn(SignInSessionId),
}

/// Ends the families of a user whose row the transaction touched before, all but `spared`.
pub async fn end_of_user(
    tx: &mut Tx,
    user: UserId,
    spared: Spared,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<Vec<EndedFamily>, StoreError> {
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
    record(tx, rows, reason)
}

/// Ends a user's families of one client, in the transaction that touched the user's row.
pub async fn end_of_user_at(
    tx: &mut Tx,
    user: UserId,
    client: &ClientId,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<Vec<EndedFamily>, StoreError> {
    const SQL: &str = returning!(
        "UPDATE families SET ended_at = $2, end_reason = $3 \
         WHERE user_id = $1 AND client_id = $4 AND ended_at IS NULL AND expires_at > $2"
    );
    let rows: Vec<EndedRow> = within!(tx, conn => sqlx::query_as(SQL)
        .bind(user.0).bind(now).bind(reason.as_str()).bind(client.as_str())
        .fetch_all(conn).await)?;
    record(tx, rows, reason)
}

/// Which families of a client end, and why.
#[derive(Debug, Clone)]
pub struct OfClient {
    pub client: ClientId,
    pub reason: EndReason,
    /// Those that began later go on.
    pub until: DateTime<Utc>,
}

/// Ends up to `limit` live families of a client, those with ids above `after`; gives what it ended: the last id is from
/// where to go on.
pub async fn end_some_of_client(
    tx: &mut Tx,
    which: &OfClient,
    after: FamilyId,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<EndedFamily>, StoreError> {
    const SQL: &str = returning!(
        "UPDATE families SET ended_at = $3, end_reason = $5 WHERE id IN \
         (SELECT id FROM families WHERE client_id = $1 AND id > $2 AND created_at <= $6 AND ended_at IS NULL \
         ORDER BY id LIMIT $4) AND ended_at IS NULL"
    );
    let rows: Vec<EndedRow> = within!(tx, conn => sqlx::query_as(SQL)
        .bind(which.client.as_str()).bind(after.0).bind(now).bind(limit)
        .bind(which.reason.as_str()).bind(which.until)
        .fetch_all(conn).await)?;
    record(tx, rows, which.reason)
}
