//! Tidying up in the background, in small batches: expired families, removed clients' families, spent keys.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::domain::ids::{ClientId, FamilyId};
use crate::domain::refusal::EndReason;
use crate::service::{Core, Failure, audit};
use crate::store::{Db, StoreError, clients, families, transaction};

/// After this a removed client has no live family left: no cache believes in it, no batch is unfinished.
const TOMBSTONE_WATCH: TimeDelta = TimeDelta::days(1);

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Families deleted, past their absolute expiry.
    pub deleted: u64,
    /// Families ended, of removed clients.
    pub ended: u64,
}

/// One round.
///
/// # Errors
/// [`Failure::Store`]; what was done is done.
pub async fn tidy(core: &Core, batch: i64, now: DateTime<Utc>) -> Result<Tidied, Failure> {
    let mut tidied = Tidied::default();
    for client in clients::removed_since(&core.db, now - TOMBSTONE_WATCH).await? {
        tidied.ended += end_families_of_client(&core.db, &client, batch, now).await?;
    }
    loop {
        let deleted = families::delete_some_expired(&core.db, now, batch).await?;
        tidied.deleted += deleted;
        if deleted < u64::try_from(batch).unwrap_or(u64::MAX) {
            break;
        }
        // Refreshes come first.
        tokio::task::yield_now().await;
    }
    core.keys.forget_retired(&core.db, now).await?;
    Ok(tidied)
}

/// Ends a removed client's families, a batch at a time.
///
/// # Errors
/// [`StoreError`].
pub async fn end_families_of_client(
    db: &Db,
    client: &ClientId,
    batch: i64,
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let mut after = FamilyId(Uuid::nil());
    let mut ended = 0;
    loop {
        let end = || families::end_some_of_client(db, client, after, batch, now);
        let families = transaction::retrying(end).await?;
        audit::families_ended(&families, EndReason::ClientRemoved);
        let Some(last) = families.iter().max() else { return Ok(ended) };
        after = *last;
        ended += u64::try_from(families.len()).unwrap_or(u64::MAX);
    }
}
