//! What of that which is counted for the console is in the database.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How far this process has stored what it counted, by name.
#[derive(Debug, Default)]
pub struct StoredUsage(Mutex<BTreeMap<&'static str, u64>>);

impl StoredUsage {
    /// What is new in these totals; it counts as stored from now on.
    pub(crate) fn take_new(
        &self,
        totals: impl Iterator<Item = (&'static str, u64)>,
    ) -> BTreeMap<&'static str, u64> {
        let mut stored = self.stored();
        let new = totals.filter_map(|(name, total)| {
            let new = total.saturating_sub(stored.insert(name, total).unwrap_or_default());
            (new > 0).then_some((name, new))
        });
        new.collect()
    }

    /// It could not be stored.
    pub(crate) fn put_back(&self, new: &BTreeMap<&'static str, u64>) {
        let mut stored = self.stored();
        for (name, times) in new {
            if let Some(stored) = stored.get_mut(name) {
                *stored = stored.saturating_sub(*times);
            }
        }
    }

    fn stored(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_stored_and_what_was_not_stored_waits() {
        let stored = StoredUsage::default();
        let take = |totals: [u64; 2]| {
            let new = stored.take_new(["login", "reuse"].into_iter().zip(totals));
            (new.get("login").copied(), new.get("reuse").copied())
        };
        assert_eq!(take([3, 0]), (Some(3), None));
        assert_eq!(take([3, 1]), (None, Some(1)));
        stored.put_back(&BTreeMap::from([("reuse", 1)]));
        assert_eq!(take([5, 1]), (Some(2), Some(1)));
        assert_eq!(take([5, 1]), (None, None));
    }
}
