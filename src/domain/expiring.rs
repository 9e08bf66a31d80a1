//! What is believed for a while, and then asked again.

use std::collections::HashMap;
use std::hash::Hash;

use chrono::{DateTime, TimeDelta, Utc};

/// A value that is believed from `at` for as long as `lasting`.
#[derive(Debug)]
pub(crate) struct Fresh<V> {
    pub(crate) value: V,
    pub(crate) at: DateTime<Utc>,
    pub(crate) lasting: TimeDelta,
}

impl<V> Fresh<V> {
    /// The value, if it is believed still.
    pub(crate) fn get(&self, now: DateTime<Utc>) -> Option<&V> {
        self.younger_than(self.lasting, now)
    }

    /// The same for who believes nothing that is as old as `age`.
    pub(crate) fn younger_than(&self, age: TimeDelta, now: DateTime<Utc>) -> Option<&V> {
        // A clock that was set back must not make a value last.
        ((now - self.at).abs() < age.min(self.lasting)).then_some(&self.value)
    }

    /// The same for who has nothing better, and goes on believing it so much longer.
    pub(crate) fn get_late(&self, longer: TimeDelta, now: DateTime<Utc>) -> Option<&V> {
        ((now - self.at).abs() < self.lasting + longer).then_some(&self.value)
    }
}

/// Values by key, each believed for the same while, and never more of them than the capacity.
#[derive(Debug)]
pub(crate) struct Expiring<K, V> {
    capacity: usize,
    lasting: TimeDelta,
    entries: HashMap<K, Fresh<V>>,
}

impl<K: Clone + Eq + Hash, V> Expiring<K, V> {
    pub(crate) fn new(capacity: usize, lasting: TimeDelta) -> Self {
        Self { capacity, lasting, entries: HashMap::new() }
    }

    pub(crate) fn get(&self, key: &K, now: DateTime<Utc>) -> Option<&V> {
        self.entries.get(key)?.get(now)
    }

    /// Believes a value from now on. When there are too many, stale ones make room, and then any.
    pub(crate) fn insert(&mut self, key: K, value: V, now: DateTime<Utc>) {
        if self.entries.len() >= self.capacity && !self.entries.contains_key(&key) {
            self.entries.retain(|_, it| it.get(now).is_some());
            if self.entries.len() >= self.capacity
                && let Some(any) = self.entries.keys().next().cloned()
            {
                self.entries.remove(&any);
            }
        }
        self.entries.insert(key, Fresh { value, at: now, lasting: self.lasting });
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.entries.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_believed_for_its_while_and_no_clock_makes_it_last() {
        let mut values = Expiring::new(2, TimeDelta::seconds(10));
        let later = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        values.insert("a", 1, later(0));
        for (seconds, believed) in [(0, true), (9, true), (10, false), (-9, true), (-10, false)] {
            assert_eq!(values.get(&"a", later(seconds)).is_some(), believed, "{seconds}");
        }
        values.insert("b", 2, later(5));
        values.insert("c", 3, later(10));
        assert_eq!(["a", "b", "c"].map(|key| values.get(&key, later(10)).copied()), [None, Some(2), Some(3)]);
        values.insert("d", 4, later(11));
        assert_eq!(
            (values.entries.len(), values.get(&"d", later(11))),
            (2, Some(&4)),
            "one of the fresh went"
        );
        values.remove(&"d");
        assert_eq!(values.get(&"d", later(11)), None);
    }
}
