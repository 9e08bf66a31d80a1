//! The chain of events: links, and how far it is.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids::{FamilyId, UserId};
use crate::store::events::{EventRow, StoredEvent};
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_one, fetch_optional, insert_all};

/// How far the chain is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainHead {
    pub begun_at: DateTime<Utc>,
    /// The last link's; 0 before the first.
    pub seq: i64,
    pub link: Vec<u8>,
    /// All events from before have links, but for those that were committed late.
    pub horizon: DateTime<Utc>,
    /// The last link that was deleted.
    pub anchor_seq: i64,
    pub anchor_link: Vec<u8>,
    /// The master key of its MAC.
    pub key_id: String,
    pub mac: Vec<u8>,
}

/// A link.
#[derive(Debug, Clone)]
pub struct EventLink {
    pub seq: i64,
    pub event: Uuid,
    pub digest: Vec<u8>,
    pub link: Vec<u8>,
    pub key_id: String,
}

row! {
    struct HeadRow {
        begun_at: DateTime<Utc>,
        seq: i64,
        link: Vec<u8>,
        horizon: DateTime<Utc>,
        anchor_seq: i64,
        anchor_link: Vec<u8>,
        key_id: String,
        mac: Vec<u8>,
    }
}

impl From<HeadRow> for ChainHead {
    fn from(row: HeadRow) -> Self {
        let HeadRow { begun_at, seq, link, horizon, anchor_seq, anchor_link, key_id, mac } = row;
        Self { begun_at, seq, link, horizon, anchor_seq, anchor_link, key_id, mac }
    }
}

/// How far it is; `None` when none was begun.
pub async fn head(db: &Db) -> Result<Option<ChainHead>, StoreError> {
    const SQL: &str =
        "SELECT begun_at, seq, link, horizon, anchor_seq, anchor_link, key_id, mac FROM event_chain";
    let row: Option<HeadRow> = fetch_optional!(on db, SQL)?;
    Ok(row.map(ChainHead::from))
}

/// Begins one. `false` when there is one.
pub async fn begin(tx: &mut Tx, head: &ChainHead) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO event_chain \
         (id, begun_at, seq, link, horizon, anchor_seq, anchor_link, key_id, mac, round_at) \
         VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8, $4) ON CONFLICT (id) DO NOTHING";
    let ChainHead { begun_at, seq, link, horizon, anchor_seq, anchor_link, key_id, mac } = head;
    Ok(execute!(within tx, SQL, begun_at, seq, link, horizon, anchor_seq, anchor_link, key_id, mac)? > 0)
}

/// Claims a round, if the last one began by `due`, or in a time to come: a clock was wrong. `false` when it is somebody
/// else's.
pub async fn claim_round(
    db: &Db,
    now: DateTime<Utc>,
    (due, to_come): (DateTime<Utc>, DateTime<Utc>),
) -> Result<bool, StoreError> {
    const SQL: &str =
        "UPDATE event_chain SET round_at = $1 WHERE id = 1 AND (round_at <= $2 OR round_at >= $3)";
    Ok(execute!(on db, SQL, now, due, to_come)? > 0)
}

/// Goes on from one head to the next. `false` when somebody else has.
pub async fn advance(tx: &mut Tx, from: &ChainHead, to: &ChainHead) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE event_chain SET seq = $1, link = $2, horizon = $3, anchor_seq = $4, \
         anchor_link = $5, key_id = $6, mac = $7 WHERE id = 1 AND mac = $8";
    let ChainHead { seq, link, horizon, anchor_seq, anchor_link, key_id, mac, .. } = to;
    Ok(execute!(within tx, SQL, seq, link, horizon, anchor_seq, anchor_link, key_id, mac, &from.mac)? > 0)
}

/// Adds links.
pub async fn insert(tx: &mut Tx, links: &[EventLink]) -> Result<(), StoreError> {
    insert_all!(tx, links, "INSERT INTO event_links (seq, event_id, digest, link, key_id)", it =>
        it.seq, it.event, &it.digest, &it.link, &it.key_id)
}

/// Deletes links up to one.
pub async fn delete_until(tx: &mut Tx, seq: i64) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM event_links WHERE seq <= $1";
    execute!(within tx, SQL, seq)?;
    Ok(())
}

/// Which event each link is of, and the link, up to `limit` of those after one.
pub async fn events_after(db: &Db, seq: i64, limit: i64) -> Result<Vec<(i64, Uuid, Vec<u8>)>, StoreError> {
    const SQL: &str = "SELECT seq, event_id, link FROM event_links WHERE seq > $1 ORDER BY seq LIMIT $2";
    Ok(fetch_all!(on db, SQL, seq, limit)?)
}

/// What has no link, within these ids.
macro_rules! without_link {
    ($select:literal, $behind:literal) => {
        concat!(
            $select,
            " FROM events WHERE id >= $1 AND id < $2 \
             AND NOT EXISTS (SELECT 1 FROM event_links WHERE event_links.event_id = events.id)",
            $behind
        )
    };
}

/// Up to `limit` events without a link, from one id on and before another, the oldest first.
pub async fn unlinked(
    db: &Db,
    (from, before): (Uuid, Uuid),
    limit: i64,
) -> Result<Vec<StoredEvent>, StoreError> {
    const SQL: &str =
        without_link!("SELECT id, at, name, user_id, family_id, fields, times", " ORDER BY id LIMIT $3");
    let rows: Vec<EventRow> = fetch_all!(on db, SQL, from, before, limit)?;
    Ok(rows.into_iter().map(StoredEvent::from).collect())
}

/// How many there are.
pub async fn count_unlinked(db: &Db, (from, before): (Uuid, Uuid)) -> Result<i64, StoreError> {
    const SQL: &str = without_link!("SELECT COUNT(*)", "");
    let (count,): (i64,) = fetch_one!(on db, SQL, from, before)?;
    Ok(count)
}

row! {
    struct LinkedRow {
        seq: i64,
        event_id: Uuid,
        digest: Vec<u8>,
        link: Vec<u8>,
        key_id: String,
        at: Option<DateTime<Utc>>,
        name: Option<String>,
        user_id: Option<Uuid>,
        family_id: Option<Uuid>,
        fields: Option<String>,
        times: Option<i64>,
    }
}

/// Up to `limit` links after one and up to another, each with its event, if that is there.
pub async fn linked(
    db: &Db,
    (after, until): (i64, i64),
    limit: i64,
) -> Result<Vec<(EventLink, Option<StoredEvent>)>, StoreError> {
    const SQL: &str = "SELECT seq, event_id, digest, link, key_id, at, name, user_id, family_id, fields, times \
         FROM event_links LEFT JOIN events ON events.id = event_links.event_id \
         WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3";
    let rows: Vec<LinkedRow> = fetch_all!(on db, SQL, after, until, limit)?;
    let linked = |row: LinkedRow| {
        let LinkedRow { seq, event_id: event, digest, link, key_id, .. } = row;
        let found = row.at.zip(row.name).zip(row.fields.zip(row.times));
        let found = found.map(|((at, name), (fields, times))| StoredEvent {
            id: event,
            at,
            name,
            user: row.user_id.map(UserId),
            family: row.family_id.map(FamilyId),
            fields,
            times,
        });
        (EventLink { seq, event, digest, link, key_id }, found)
    };
    Ok(rows.into_iter().map(linked).collect())
}
