//! What an operator says of a restore.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::event::Event;
use crate::domain::ids::uuid_v7;
use crate::service::{Core, Failure};
use crate::store::recovery;

/// Lets tokens that are ahead of their restored rows go on for a while; gives until when.
pub async fn open_window(
    core: &Core,
    length: Duration,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, Failure> {
    let until = now + length;
    core.write(now, async |tx| {
        recovery::open_window(tx, uuid_v7(now, random::bytes()), now, until).await?;
        tx.record(Event::RecoveryOpened { until });
        Ok(Some(()))
    })
    .await?;
    Ok(until)
}

/// Ends that now: `false` when there was nothing to end.
pub async fn close_window(core: &Core, now: DateTime<Utc>) -> Result<bool, Failure> {
    let closed = core.write(now, async |tx| {
        if recovery::close_window(tx, now).await? == 0 {
            return Ok(None);
        }
        tx.record(Event::RecoveryClosed);
        Ok(Some(()))
    });
    Ok(closed.await?.is_some())
}

/// When it ends by itself; `None` when it is over.
pub async fn closes_at(core: &Core, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Failure> {
    Ok(recovery::closes_at(&core.db, now).await?)
}
