//! What ends families: one, some of a user's, a client's.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::event::Event;
use crate::domain::family::{EndedFamily, Place};
use crate::domain::ids::{ClientId, FamilyId, SignInSessionId, UserId};
use crate::domain::refusal::EndReason;
use crate::store::ending_logins::{EndingLogins, Which};
use crate::store::families::is_live;
use crate::store::row::row;
use crate::store::{StoreError, Tx, fetch_all, fetch_optional, within};

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
    ($($update:expr),+) => {
        concat!($($update,)+ " RETURNING id, user_id, client_id, subject, sign_in_session")
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
        returning!("UPDATE families SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ", is_live!());
    let row: Option<EndedRow> = within!(tx, conn => sqlx::query_as(SQL)
        .bind(id.0).bind(now).bind(reason.as_str())
        .fetch_optional(conn).await)?;
    Ok(record(tx, row.into_iter().collect(), reason)?.pop())
}

/// Ends a family that nobody has used since it was looked at. `false` when somebody has, or it was ended or gone
/// before.
pub async fn end_unused(
    tx: &mut Tx,
    id: FamilyId,
    last_used: DateTime<Utc>,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    const SQL: &str = returning!(
        "UPDATE families SET ended_at = $2, end_reason = $3 WHERE id = $1 AND rotated_at = $4 AND ",
        is_live!()
    );
    let row: Option<EndedRow> = fetch_optional!(within tx, SQL, id.0, now, reason.as_str(), last_used)?;
    Ok(!record(tx, row.into_iter().collect(), reason)?.is_empty())
}

/// Ends those that are to end among the next `limit` families of a user whose row the transaction touched before. Gives
/// the place after which it goes on; `None` when that was the last part.
pub async fn end_part(
    tx: &mut Tx,
    EndingLogins { user, which, reason, after, .. }: &EndingLogins,
    limit: u32,
    now: DateTime<Utc>,
) -> Result<(Vec<EndedFamily>, Option<Place>), StoreError> {
    const LAST: &str = "SELECT created_at, id FROM families \
         WHERE user_id = $1 AND ended_at IS NULL AND (created_at, id) < ($2, $3) \
         ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET $4";
    // The part is cut before anything is left out of it, so that whoever spares many does not read them all; in the
    // order of its index, so that the database reads no other.
    const END: &str = returning!(
        "UPDATE families SET ended_at = $2, end_reason = $3 WHERE id IN (SELECT id FROM families \
         WHERE user_id = $1 AND ended_at IS NULL AND (created_at, id) < ($4, $5) AND (created_at, id) >= ($6, $7) \
         ORDER BY created_at DESC, id DESC LIMIT $8) AND ended_at IS NULL AND expires_at > $2 \
         AND ($9 IS NULL OR id <> $9) AND ($10 IS NULL OR sign_in_session IS NULL OR sign_in_session <> $10) \
         AND ($11 IS NULL OR client_id = $11)"
    );
    let (family, sign_in, client) = match which {
        Which::AllBut(family, _) => (Some(family.0), None, None),
        Which::AllButOf(sign_in) => (None, Some(sign_in.0), None),
        Which::All => (None, None, None),
        Which::OfClient(client) => (None, None, Some(client.as_str())),
    };
    let last: Option<(DateTime<Utc>, Uuid)> = fetch_optional!(within tx, LAST,
        user.0, after.created_at, after.id.0, i64::from(limit) - 1)?;
    let last = last.map(|(created_at, id)| Place { created_at, id: FamilyId(id) });
    let until = last.unwrap_or(Place::OLDEST);
    let rows: Vec<EndedRow> = fetch_all!(within tx, END,
        user.0, now, reason.as_str(), after.created_at, after.id.0, until.created_at, until.id.0,
        i64::from(limit), family, sign_in, client)?;
    Ok((record(tx, rows, *reason)?, last))
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
