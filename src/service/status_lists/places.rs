//! The positions in status lists that this process gives to the families that begin.

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use crate::crypto::random;
use crate::domain::status_list::{BLOCK, StatusPlace};
use crate::service::Failure;
use crate::service::writer::Writer;
use crate::store::status_lists;

/// How long the rest of a block may be given out: a list must not wait for ever for those that began with it.
pub(super) const BLOCK_LIFE: TimeDelta = TimeDelta::days(1);

/// How often another process may open a list just before this one.
const TRIES: usize = 5;

/// A block of positions, reserved by one small write: a usual login writes nothing for its own. What is left of it when
/// the process ends is lost, and no position is given twice.
#[derive(Debug, Default)]
pub struct StatusPlaces(Mutex<Reserved>);

#[derive(Debug, Default)]
struct Reserved {
    left: Vec<StatusPlace>,
    since: DateTime<Utc>,
}

impl StatusPlaces {
    /// A position that no family has had.
    ///
    /// # Errors
    /// [`Failure::Store`]; [`Failure::Busy`] when others took every block.
    pub async fn take(&self, writer: &Writer, now: DateTime<Utc>) -> Result<StatusPlace, Failure> {
        // Whoever needs a block meanwhile waits for this one.
        let mut reserved = self.0.lock().await;
        if (now - reserved.since).abs() >= BLOCK_LIFE {
            reserved.left.clear();
        }
        if reserved.left.is_empty() {
            *reserved = reserve(writer, now).await?;
        }
        reserved.left.pop().ok_or(Failure::Busy)
    }
}

/// In random order: a position tells little of when its login began.
async fn reserve(writer: &Writer, now: DateTime<Utc>) -> Result<Reserved, Failure> {
    for _ in 0..TRIES {
        let taken = writer.write(now, async |tx| status_lists::take_block(tx, now).await).await?;
        let Some(block) = taken else { continue };
        let indexes = block.first..block.first + BLOCK;
        let mut left: Vec<_> = indexes.map(|index| StatusPlace { list: block.list, index }).collect();
        left.sort_by_cached_key(|_| random::bytes::<8>());
        return Ok(Reserved { left, since: now });
    }
    Err(Failure::Busy)
}
