//! What happened.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::event::EventChoice;
use crate::domain::ids::{FamilyId, UserId};
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional, insert_all};

/// One row.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Of version 7: what is later has a higher one.
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub name: String,
    pub user: Option<UserId>,
    pub family: Option<FamilyId>,
    /// A JSON object.
    pub fields: String,
    /// How often it happened.
    pub times: i64,
}

row! {
    pub(super) struct EventRow {
        id: Uuid,
        at: DateTime<Utc>,
        name: String,
        user_id: Option<Uuid>,
        family_id: Option<Uuid>,
        fields: String,
        times: i64,
    }
}

impl From<EventRow> for StoredEvent {
    fn from(row: EventRow) -> Self {
        let EventRow { id, at, name, user_id, family_id, fields, times } = row;
        Self { id, at, name, user: user_id.map(UserId), family: family_id.map(FamilyId), fields, times }
    }
}

macro_rules! columns {
    () => {
        "id, at, name, user_id, family_id, fields, times"
    };
}

/// Adds rows, in the transaction that they tell of.
pub async fn insert(tx: &mut Tx, events: &[StoredEvent]) -> Result<(), StoreError> {
    add(tx, events, "").await
}

/// Adds rows of what is counted, or their counts to those that there are.
pub async fn count(tx: &mut Tx, events: &[StoredEvent]) -> Result<(), StoreError> {
    add(tx, events, "ON CONFLICT (id) DO UPDATE SET times = events.times + excluded.times").await
}

async fn add(tx: &mut Tx, events: &[StoredEvent], if_there: &str) -> Result<(), StoreError> {
    insert_all!(tx, events, concat!("INSERT INTO events (", columns!(), ")"), event =>
        event.id, event.at, &event.name, event.user.map(|user| user.0), event.family.map(|family| family.0),
        &event.fields, event.times; if_there)
}

/// What is looked for.
#[derive(Debug, Clone)]
pub struct WantedEvents {
    pub user: Option<UserId>,
    pub family: Option<FamilyId>,
    pub name: EventChoice,
    /// From this id on.
    pub since: Uuid,
    /// Before this one.
    pub before: Uuid,
}

/// A statement that reads by one of the indexes.
macro_rules! listing {
    ($by:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM events WHERE ",
            $by,
            "id >= $1 AND id < $2 AND name LIKE $3 AND ($4 IS NULL OR user_id = $4) ORDER BY id DESC LIMIT $5"
        )
    };
}

/// Up to `limit` of them, the newest first.
pub async fn list(db: &Db, wanted: &WantedEvents, limit: i64) -> Result<Vec<StoredEvent>, StoreError> {
    const ALL: &str = listing!("");
    const OF_NAME: &str = listing!("name = $3 AND ");
    const OF_USER: &str = listing!("user_id = $4 AND ");
    const OF_FAMILY: &str = listing!("family_id = $6 AND ");
    let WantedEvents { user, family, name, since, before } = wanted;
    let (user, is_one_name) = (user.map(|user| user.0), name.is_one_name());
    let name = name.like();
    let rows: Vec<EventRow> = match (family, user) {
        (Some(family), _) => fetch_all!(on db, OF_FAMILY, since, before, name, user, limit, family.0)?,
        (None, Some(_)) => fetch_all!(on db, OF_USER, since, before, name, user, limit)?,
        (None, None) if is_one_name => fetch_all!(on db, OF_NAME, since, before, name, user, limit)?,
        (None, None) => fetch_all!(on db, ALL, since, before, name, user, limit)?,
    };
    Ok(rows.into_iter().map(StoredEvent::from).collect())
}

/// Up to `limit` of those from one id on and before another, the oldest first.
pub async fn oldest(
    db: &Db,
    (from, before): (Uuid, Uuid),
    limit: i64,
) -> Result<Vec<StoredEvent>, StoreError> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM events WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3");
    let rows: Vec<EventRow> = fetch_all!(on db, SQL, from, before, limit)?;
    Ok(rows.into_iter().map(StoredEvent::from).collect())
}

/// Whether there is a row of this id.
pub async fn is_known(db: &Db, id: Uuid) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT id FROM events WHERE id = $1";
    let row: Option<(Uuid,)> = fetch_optional!(on db, SQL, id)?;
    Ok(row.is_some())
}

/// Deletes up to `limit` rows with ids below this one; gives how many.
pub async fn delete_some(db: &Db, before: Uuid, limit: i64) -> Result<u64, StoreError> {
    const SQL: &str =
        "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE id < $1 ORDER BY id LIMIT $2)";
    Ok(execute!(on db, SQL, before, limit)?)
}
