//! Status lists: which positions are handed out, and whose families were ended.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids::{ClientId, FamilyId};
use crate::domain::status_list::{BLOCK, ListNumber, SIZE, StatusPlace};
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional};

/// So many blocks make a list.
const FULL: i64 = (SIZE / BLOCK) as i64;

/// A run of [`BLOCK`] positions of a list.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    pub list: ListNumber,
    /// The first of them.
    pub first: u32,
}

/// Reserves the next block for whoever asks, by one small write. `None` when somebody opened a list meanwhile: there is
/// a block in that one.
pub async fn take_block(tx: &mut Tx, now: DateTime<Utc>) -> Result<Option<Block>, StoreError> {
    const TAKE: &str = "UPDATE status_lists SET blocks = blocks + 1, last_block_at = $1 \
         WHERE id = (SELECT MIN(id) FROM status_lists WHERE blocks < $2) AND blocks < $2 RETURNING id, blocks";
    const OPEN: &str = "INSERT INTO status_lists (id, blocks, opened_at, last_block_at) \
         SELECT COALESCE(MAX(id), 0) + 1, 1, $1, $1 FROM status_lists \
         HAVING NOT EXISTS (SELECT 1 FROM status_lists WHERE blocks < $2) \
         ON CONFLICT (id) DO NOTHING RETURNING id, blocks";
    let mut taken: Option<(i64, i64)> = fetch_optional!(within tx, TAKE, now, FULL)?;
    if taken.is_none() {
        taken = fetch_optional!(within tx, OPEN, now, FULL)?;
    }
    let Some((id, blocks)) = taken else { return Ok(None) };
    let first = u32::try_from(blocks - 1).ok().and_then(|before| before.checked_mul(BLOCK));
    let first = first.filter(|first| *first < SIZE).ok_or_else(|| corrupt(id, "blocks"))?;
    Ok(Some(Block { list: number(id)?, first }))
}

/// Every list that is not retired, in order.
pub async fn list(db: &Db) -> Result<Vec<ListNumber>, StoreError> {
    const SQL: &str = "SELECT id FROM status_lists ORDER BY id";
    let rows: Vec<(i64,)> = fetch_all!(on db, SQL)?;
    rows.into_iter().map(|(id,)| number(id)).collect()
}

/// The positions of a list whose families were ended, as long as those are remembered, and whose clients were removed.
pub async fn ended(db: &Db, list: ListNumber) -> Result<Vec<u32>, StoreError> {
    const SQL: &str = "SELECT status_index FROM families WHERE status_list = $1 AND ended_at IS NOT NULL \
         UNION ALL SELECT status_index FROM clients WHERE status_list = $1 AND removed_at IS NOT NULL";
    let rows: Vec<(i64,)> = fetch_all!(on db, SQL, list.number())?;
    rows.into_iter()
        .map(|(index,)| u32::try_from(index).map_err(|_| corrupt(list.number(), "status_index")))
        .collect()
}

/// A list of which no block will be taken any more.
#[derive(Debug, Clone)]
pub struct FullList {
    pub list: ListNumber,
    pub opened_at: DateTime<Utc>,
    pub last_block_at: DateTime<Utc>,
}

row! {
    struct FullListRow {
        id: i64,
        opened_at: DateTime<Utc>,
        last_block_at: DateTime<Utc>,
    }
}

/// The full lists whose last block was taken at `before` or earlier. The newest list stays for ever: the next one is
/// numbered after it.
pub async fn full(db: &Db, before: DateTime<Utc>) -> Result<Vec<FullList>, StoreError> {
    const SQL: &str = "SELECT id, opened_at, last_block_at FROM status_lists WHERE blocks >= $1 \
         AND last_block_at <= $2 AND id < (SELECT MAX(id) FROM status_lists) ORDER BY id";
    let rows: Vec<FullListRow> = fetch_all!(on db, SQL, FULL, before)?;
    let full = |row: FullListRow| {
        Ok(FullList { list: number(row.id)?, opened_at: row.opened_at, last_block_at: row.last_block_at })
    };
    rows.into_iter().map(full).collect()
}

/// Whether a family between these has a position of the list. They are looked for by the ids that such families can
/// have: one more index would be paid at every login.
pub async fn is_named(
    db: &Db,
    list: ListNumber,
    (from, to): (FamilyId, FamilyId),
) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT id FROM families WHERE id >= $1 AND id <= $2 AND status_list = $3 LIMIT 1";
    let found: Option<(Uuid,)> = fetch_optional!(on db, SQL, from.0, to.0, list.number())?;
    Ok(found.is_some())
}

/// Whether a client that was not removed before `since` has a position of the list.
pub async fn is_named_by_clients(
    db: &Db,
    list: ListNumber,
    since: DateTime<Utc>,
) -> Result<bool, StoreError> {
    const SQL: &str =
        "SELECT id FROM clients WHERE status_list = $1 AND (removed_at IS NULL OR removed_at > $2) LIMIT 1";
    let found: Option<(String,)> = fetch_optional!(on db, SQL, list.number(), since)?;
    Ok(found.is_some())
}

/// The position of a client's own tokens: `offered`, unless it has one. `None` when the client was removed.
pub async fn place_of_client(
    tx: &mut Tx,
    client: &ClientId,
    offered: StatusPlace,
) -> Result<Option<StatusPlace>, StoreError> {
    const SQL: &str = "UPDATE clients SET status_list = COALESCE(status_list, $2), \
         status_index = COALESCE(status_index, $3) WHERE id = $1 AND removed_at IS NULL \
         RETURNING status_list, status_index";
    let (list, index) = (offered.list.number(), i64::from(offered.index));
    let row: Option<(i64, i64)> = fetch_optional!(within tx, SQL, client.as_str(), list, index)?;
    let Some((list, index)) = row else { return Ok(None) };
    place_of(Some(list), Some(index)).map_err(|what| StoreError::corrupt("clients", client, what))
}

/// A position, of its two columns; or which of them is corrupt.
pub(super) fn place_of(list: Option<i64>, index: Option<i64>) -> Result<Option<StatusPlace>, &'static str> {
    let (list, index) = match (list, index) {
        (Some(list), Some(index)) => (list, index),
        (None, None) => return Ok(None),
        (Some(_), None) | (None, Some(_)) => return Err("status_list"),
    };
    let index = u32::try_from(index).ok().filter(|index| *index < SIZE);
    let place = ListNumber::new(list).zip(index).map(|(list, index)| StatusPlace { list, index });
    place.map(Some).ok_or("status_index")
}

/// Retires a list.
pub async fn delete(db: &Db, list: ListNumber) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM status_lists WHERE id = $1";
    Ok(execute!(on db, SQL, list.number())?)
}

fn number(id: i64) -> Result<ListNumber, StoreError> {
    ListNumber::new(id).ok_or_else(|| corrupt(id, "id"))
}

fn corrupt(id: i64, what: &'static str) -> StoreError {
    StoreError::corrupt("status_lists", id, what)
}
