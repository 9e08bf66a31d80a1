//! Logins that are to end and are too many for one transaction.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::family::Place;
use crate::domain::ids::{ClientId, FamilyId, SignInSessionId, UserId};
use crate::domain::refusal::EndReason;
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, execute, fetch_all};

/// Which of a user's logins end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All but one, and all sign-ins but the one that it came from.
    AllBut(FamilyId, Option<SignInSessionId>),
    /// All but those that came from one sign-in, and all other sign-ins.
    AllButOf(SignInSessionId),
    All,
    /// One client's.
    OfClient(ClientId),
}

impl Which {
    /// The sign-in that goes on where all others end with the logins; `None` where no sign-in ends.
    #[must_use]
    pub fn sign_ins_but(&self) -> Option<Option<SignInSessionId>> {
        match self {
            Self::AllBut(_, spared) => Some(*spared),
            Self::AllButOf(spared) => Some(Some(*spared)),
            Self::All => Some(None),
            Self::OfClient(_) => None,
        }
    }
}

/// What is to end.
#[derive(Debug, Clone)]
pub struct EndingLogins {
    pub id: Uuid,
    pub user: UserId,
    pub which: Which,
    pub reason: EndReason,
    /// Sign-ins that began later go on.
    pub noted_at: DateTime<Utc>,
    /// Those that come after it, from the newest to the oldest, have not ended yet.
    pub after: Place,
}

row! {
    struct EndingRow {
        id: Uuid,
        user_id: Uuid,
        client_id: Option<String>,
        spared_family: Option<Uuid>,
        spared_sign_in: Option<Uuid>,
        reason: String,
        noted_at: DateTime<Utc>,
        created_at: DateTime<Utc>,
        family_id: Uuid,
    }
}

impl TryFrom<EndingRow> for EndingLogins {
    type Error = StoreError;

    fn try_from(row: EndingRow) -> Result<Self, StoreError> {
        let corrupt = || StoreError::corrupt("ending_logins", row.id, "which");
        let client = row.client_id.map(|id| id.parse().map_err(|_| corrupt())).transpose()?;
        let spared = (row.spared_family.map(FamilyId), row.spared_sign_in.map(SignInSessionId));
        let which = match (client, spared) {
            (Some(client), (None, None)) => Which::OfClient(client),
            (None, (Some(family), sign_in)) => Which::AllBut(family, sign_in),
            (None, (None, Some(sign_in))) => Which::AllButOf(sign_in),
            (None, (None, None)) => Which::All,
            (Some(_), (Some(_), _) | (_, Some(_))) => return Err(corrupt()),
        };
        Ok(Self {
            id: row.id,
            user: UserId(row.user_id),
            which,
            reason: EndReason::from_stored(&row.reason),
            noted_at: row.noted_at,
            after: Place { created_at: row.created_at, id: FamilyId(row.family_id) },
        })
    }
}

/// Notes that they are to end, in the transaction that ends the first of them.
pub async fn insert(tx: &mut Tx, it: &EndingLogins) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO ending_logins \
         (id, user_id, client_id, spared_family, spared_sign_in, reason, noted_at, created_at, family_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let (client, family, sign_in) = match &it.which {
        Which::AllBut(family, sign_in) => (None, Some(family.0), sign_in.map(|session| session.0)),
        Which::AllButOf(sign_in) => (None, None, Some(sign_in.0)),
        Which::All => (None, None, None),
        Which::OfClient(client) => (Some(client.as_str()), None, None),
    };
    execute!(within tx, SQL,
        it.id, it.user.0, client, family, sign_in, it.reason.as_str(), it.noted_at, it.after.created_at,
        it.after.id.0)?;
    Ok(())
}

/// Notes how far it has come.
pub async fn go_on_after(tx: &mut Tx, id: Uuid, after: Place) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE ending_logins SET created_at = $2, family_id = $3 WHERE id = $1";
    execute!(within tx, SQL, id, after.created_at, after.id.0)?;
    Ok(())
}

/// All of them have ended.
pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM ending_logins WHERE id = $1";
    execute!(within tx, SQL, id)?;
    Ok(())
}

/// Up to `limit` of those that were noted first. One that cannot be read, as a newer release may write, is left to
/// whoever can.
pub async fn first(db: &Db, limit: i64) -> Result<Vec<EndingLogins>, StoreError> {
    const SQL: &str = "SELECT id, user_id, client_id, spared_family, spared_sign_in, reason, noted_at, \
         created_at, family_id FROM ending_logins ORDER BY id LIMIT $1";
    let rows: Vec<EndingRow> = fetch_all!(on db, SQL, limit)?;
    let readable = |row| {
        EndingLogins::try_from(row)
            .inspect_err(|error| tracing::error!(%error, "logins that are to end"))
            .ok()
    };
    Ok(rows.into_iter().filter_map(readable).collect())
}
