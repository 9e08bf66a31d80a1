//! Whether writes work, as far as those of late tell.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::store::StoreError;

/// How long after a write that only asked the next one may.
const PAUSE: TimeDelta = TimeDelta::seconds(5);

/// What became of the last write.
#[derive(Debug, Default)]
pub struct Writes(Mutex<Last>);

#[derive(Debug, Default)]
enum Last {
    #[default]
    Worked,
    Failed {
        /// When the server last tried one itself.
        tried_at: Option<DateTime<Utc>>,
    },
}

impl Writes {
    /// Learns from a write: one that changed nothing, or that was refused for what it was, tells nothing.
    pub fn learn<T>(&self, written: &Result<Option<T>, StoreError>) {
        match written {
            Ok(None) => {}
            Ok(Some(_)) => *self.last() = Last::Worked,
            Err(error) => {
                let mut last = self.last();
                if error.passes() && matches!(*last, Last::Worked) {
                    *last = Last::Failed { tried_at: None };
                }
            }
        }
    }

    /// Whether the last one failed.
    pub fn fail(&self) -> bool {
        matches!(*self.last(), Last::Failed { .. })
    }

    /// Whether it is time to try one, which counts as tried from now on.
    pub fn are_to_be_tried(&self, now: DateTime<Utc>) -> bool {
        match &mut *self.last() {
            Last::Worked => false,
            Last::Failed { tried_at } => {
                let is_time = tried_at.is_none_or(|tried_at| (now - tried_at).abs() >= PAUSE);
                if is_time {
                    *tried_at = Some(now);
                }
                is_time
            }
        }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failure_one_is_tried_now_and_then_until_one_has_worked() {
        let writes = Writes::default();
        let later = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let failed = || Err::<Option<()>, _>(StoreError::ReadOnly);
        writes.learn(&Err::<Option<()>, _>(StoreError::Exists));
        assert!(
            !writes.fail() && !writes.are_to_be_tried(later(0)),
            "what was refused for what it was tells nothing"
        );
        writes.learn(&failed());
        assert!(writes.fail() && writes.are_to_be_tried(later(0)));
        writes.learn(&failed());
        assert_eq!(
            [4, 5, 6, 10].map(|second| writes.are_to_be_tried(later(second))),
            [false, true, false, true]
        );
        writes.learn(&Ok(None::<()>));
        assert!(writes.fail(), "one that changed nothing tells nothing");
        writes.learn(&Ok(Some(())));
        assert!(!writes.fail() && !writes.are_to_be_tried(later(60)));
    }
}
