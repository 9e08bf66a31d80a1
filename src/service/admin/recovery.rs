//! What an operator says of a restore, and what holds while nobody says anything.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::crypto::random;
use crate::domain::event::Event;
use crate::domain::ids::uuid_v7;
use crate::service::{Core, Failure};
use crate::store::recovery::{self, RestoreRefusal};
use crate::store::{StoreError, transaction};

/// How long an operator has to say whether the database was restored, from the first token that is ahead of its row.
const TIME_TO_DECIDE: TimeDelta = TimeDelta::hours(1);

/// How long such tokens are refused after that, and after a window that was closed early. Later ones come from another
/// restore or failover, or from a client that stayed away: somebody should be asked again.
const SILENCE_HOLDS: TimeDelta = TimeDelta::days(1);

/// What becomes of tokens that are further ahead of their rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryStatus {
    /// They go on until then.
    Open(DateTime<Utc>),
    /// One came, and all are asked to come back until an operator decides, or until this time.
    Undecided { refused_from: DateTime<Utc> },
    /// They are refused until then.
    Declined(DateTime<Utc>),
    /// None came.
    Closed,
}

/// Lets tokens that are ahead of their restored rows go on for a while; gives until when.
pub async fn open_window(
    core: &Core,
    length: Duration,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, Failure> {
    let until = now + length;
    core.write(now, async |tx| {
        recovery::withdraw_refusals(tx).await?;
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
        let refusal = RestoreRefusal { from: now, until: now + SILENCE_HOLDS };
        recovery::refuse(tx, uuid_v7(now, random::bytes()), refusal).await?;
        tx.record(Event::RecoveryClosed);
        Ok(Some(()))
    });
    Ok(closed.await?.is_some())
}

/// Refuses tokens that are ahead of their rows for a while, as there was no restore; gives until when.
pub async fn decline(core: &Core, length: Duration, now: DateTime<Utc>) -> Result<DateTime<Utc>, Failure> {
    let until = now + length;
    core.write(now, async |tx| {
        recovery::close_window(tx, now).await?;
        let refusal = RestoreRefusal { from: now, until };
        recovery::refuse(tx, uuid_v7(now, random::bytes()), refusal).await?;
        tx.record(Event::RecoveryDeclined { until });
        Ok(Some(()))
    })
    .await?;
    Ok(until)
}

/// A token is ahead of its row, and nobody has decided: the time to do so begins, unless it runs already.
pub(crate) async fn ask_for_decision(core: &Core, now: DateTime<Utc>) -> Result<(), StoreError> {
    let from = now + TIME_TO_DECIDE;
    let refusal = RestoreRefusal { from, until: from + SILENCE_HOLDS };
    let id = uuid_v7(now, random::bytes());
    transaction::retrying(|| recovery::refuse_unless_noted(&core.db, id, refusal, now)).await
}

/// What holds now.
pub async fn status(core: &Core, now: DateTime<Utc>) -> Result<RecoveryStatus, Failure> {
    if let Some(closes_at) = recovery::closes_at(&core.db, now).await? {
        return Ok(RecoveryStatus::Open(closes_at));
    }
    Ok(match recovery::refusal(&core.db, now).await? {
        None => RecoveryStatus::Closed,
        Some(refusal) if now < refusal.from => RecoveryStatus::Undecided { refused_from: refusal.from },
        Some(refusal) => RecoveryStatus::Declined(refusal.until),
    })
}
