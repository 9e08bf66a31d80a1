//! How many rows there are.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::{Db, StoreError, fetch_all, fetch_one};

pub async fn users(db: &Db) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch_one!(on db, "SELECT COUNT(*) FROM users")?;
    Ok(count)
}

/// Those that were not removed.
pub async fn clients(db: &Db) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch_one!(on db, "SELECT COUNT(*) FROM clients WHERE removed_at IS NULL")?;
    Ok(count)
}

/// Those that have neither ended nor passed their absolute expiry.
pub async fn live_families(db: &Db, now: DateTime<Utc>) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM families WHERE ended_at IS NULL AND expires_at > $1";
    let (count,): (i64,) = fetch_one!(on db, SQL, now)?;
    Ok(count)
}

/// How often what happened, by name, from this id on.
pub async fn events_since(db: &Db, since: Uuid) -> Result<Vec<(String, i64)>, StoreError> {
    const SQL: &str = "SELECT name, CAST(SUM(times) AS BIGINT) FROM events WHERE id >= $1 GROUP BY name";
    Ok(fetch_all!(on db, SQL, since)?)
}
