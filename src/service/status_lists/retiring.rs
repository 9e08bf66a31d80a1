//! Lists that no token names any more.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::{FamilyId, uuid_v7};
use crate::domain::lifetimes::LONGEST_ACCESS_TTL;
use crate::service::status_lists::places::BLOCK_LIFE;
use crate::store::{Db, StoreError, status_lists};

/// Replicas' clocks differ a little, and a login takes a moment.
const MARGIN: TimeDelta = TimeDelta::hours(1);

/// How long a removed client's own tokens may last.
const MEMORY: TimeDelta = TimeDelta::days(2);
const _: () = assert!(LONGEST_ACCESS_TTL.as_secs() < MEMORY.num_seconds().unsigned_abs());

/// Retires the full lists that no family or client has a position of: all of their tokens have expired, for a family's
/// row stays as long as one of its tokens is good. Gives how many.
pub(in crate::service) async fn retire(db: &Db, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let mut retired = 0;
    for full in status_lists::full(db, now - BLOCK_LIFE - MARGIN).await? {
        let first = FamilyId(uuid_v7(full.opened_at - MARGIN, [0; 10]));
        let last = FamilyId(uuid_v7(full.last_block_at + BLOCK_LIFE + MARGIN, [0xFF; 10]));
        let is_named = status_lists::is_named(db, full.list, (first, last)).await?
            || status_lists::is_named_by_clients(db, full.list, now - MEMORY).await?;
        if !is_named {
            retired += status_lists::delete(db, full.list).await?;
        }
    }
    Ok(retired)
}
