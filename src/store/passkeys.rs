//! Users' passkeys.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids::{PasskeyId, UserId};
use crate::domain::passkey::{Passkey, PasskeyName, PasskeyState};
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional};

/// A passkey with the key that its signatures are verified with.
#[derive(Debug, Clone)]
pub struct StoredPasskey {
    pub passkey: Passkey,
    /// As the library has it, in JSON.
    pub credential: String,
}

macro_rules! columns {
    () => {
        "id, user_id, credential_id, credential, name, created_at, last_used_at, sign_count, backup_eligible, backed_up"
    };
}

row! {
    struct PasskeyRow {
        id: Uuid,
        user_id: Uuid,
        credential_id: Vec<u8>,
        credential: String,
        name: String,
        created_at: DateTime<Utc>,
        last_used_at: Option<DateTime<Utc>>,
        sign_count: i64,
        backup_eligible: bool,
        backed_up: bool,
    }
}

impl TryFrom<PasskeyRow> for StoredPasskey {
    type Error = StoreError;

    fn try_from(row: PasskeyRow) -> Result<Self, StoreError> {
        let corrupt = |what| StoreError::corrupt("passkeys", row.id, what);
        let state = PasskeyState {
            sign_count: row.sign_count.try_into().map_err(|_| corrupt("sign_count"))?,
            backup_eligible: row.backup_eligible,
            backed_up: row.backed_up,
        };
        let passkey = Passkey {
            id: PasskeyId(row.id),
            user: UserId(row.user_id),
            credential_id: row.credential_id,
            name: row.name.parse().map_err(|_| corrupt("name"))?,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            state,
        };
        Ok(Self { passkey, credential: row.credential })
    }
}

/// Adds a passkey, within the transaction that touched its user's row.
///
/// # Errors
/// [`StoreError::Exists`] when somebody has it.
pub async fn insert(tx: &mut Tx, stored: &StoredPasskey) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO passkeys (id, user_id, credential_id, credential, name, created_at, sign_count, \
         backup_eligible, backed_up) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let StoredPasskey { passkey: it, credential } = stored;
    execute!(within tx, SQL,
        it.id.0, it.user.0, &it.credential_id, credential, it.name.as_str(), it.created_at,
        i64::from(it.state.sign_count), it.state.backup_eligible, it.state.backed_up)?;
    Ok(())
}

/// Those of a user, the oldest first.
pub async fn of_user(db: &Db, user: UserId) -> Result<Vec<Passkey>, StoreError> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM passkeys WHERE user_id = $1 ORDER BY created_at, id");
    let rows: Vec<PasskeyRow> = fetch_all!(on db, SQL, user.0)?;
    rows.into_iter().map(|row| StoredPasskey::try_from(row).map(|stored| stored.passkey)).collect()
}

/// How many a user has, within a transaction that has the user's row to itself.
pub async fn count_of_user(tx: &mut Tx, user: UserId) -> Result<usize, StoreError> {
    const SQL: &str = "SELECT id FROM passkeys WHERE user_id = $1";
    let rows: Vec<(Uuid,)> = fetch_all!(within tx, SQL, user.0)?;
    Ok(rows.len())
}

/// The one that a browser names so.
pub async fn find(db: &Db, credential_id: &[u8]) -> Result<Option<StoredPasskey>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM passkeys WHERE credential_id = $1");
    let row: Option<PasskeyRow> = fetch_optional!(on db, SQL, credential_id)?;
    row.map(StoredPasskey::try_from).transpose()
}

/// Gives one of a user's another name; `false` when there is no such one.
pub async fn rename(
    tx: &mut Tx,
    (user, id): (UserId, PasskeyId),
    name: &PasskeyName,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE passkeys SET name = $3 WHERE user_id = $1 AND id = $2";
    Ok(execute!(within tx, SQL, user.0, id.0, name.as_str())? > 0)
}

/// Removes one of a user's; `false` when there is no such one.
pub async fn delete(tx: &mut Tx, user: UserId, id: PasskeyId) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM passkeys WHERE user_id = $1 AND id = $2";
    Ok(execute!(within tx, SQL, user.0, id.0)? > 0)
}

/// Removes all of a user's.
pub async fn delete_of(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM passkeys WHERE user_id = $1";
    execute!(within tx, SQL, user.0)?;
    Ok(())
}

/// What becomes of a passkey by being used.
#[derive(Debug, Clone)]
pub struct PasskeyUse {
    pub id: PasskeyId,
    /// What its counter was held against.
    pub counted: u32,
    pub state: PasskeyState,
    pub credential: String,
}

/// Notes that a passkey was used: `false` when it was removed meanwhile, or used by somebody else.
pub async fn note_use(tx: &mut Tx, used: &PasskeyUse, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE passkeys SET credential = $3, sign_count = $4, backup_eligible = $5, backed_up = $6, \
         last_used_at = $7 WHERE id = $1 AND sign_count = $2";
    let PasskeyUse { id, counted, state, credential } = used;
    let changed = execute!(within tx, SQL,
        id.0, i64::from(*counted), credential, i64::from(state.sign_count), state.backup_eligible,
        state.backed_up, now)?;
    Ok(changed > 0)
}
