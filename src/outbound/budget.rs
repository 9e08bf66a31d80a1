//! How much may be under way at once, and how much of it to one host: nobody's slow host takes every place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places, and how many of them one host may take.
#[derive(Debug)]
pub struct Budget {
    all: usize,
    of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    hosts: HashMap<String, usize>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct TakenPlace {
    budget: Arc<Budget>,
    host: String,
}

impl Budget {
    /// All places, and those of one host.
    pub(crate) fn new(all: usize, of_one: usize) -> Arc<Self> {
        Arc::new(Self { all, of_one, taken: Mutex::default() })
    }

    /// A place for a call to this host; `None` when there is no free one.
    pub(crate) fn take(self: &Arc<Self>, host: &str) -> Option<TakenPlace> {
        let mut taken = self.taken();
        let of_host = taken.hosts.get(host).copied().unwrap_or_default();
        if taken.all >= self.all || of_host >= self.of_one {
            return None;
        }
        taken.all += 1;
        taken.hosts.insert(host.to_owned(), of_host + 1);
        Some(TakenPlace { budget: Arc::clone(self), host: host.to_owned() })
    }

    /// How many places are free.
    pub(crate) fn free(&self) -> usize {
        self.all.saturating_sub(self.taken().all)
    }

    /// The hosts that have as many as they may have.
    pub(crate) fn full_hosts(&self) -> Vec<String> {
        let taken = self.taken();
        let full = taken.hosts.iter().filter(|(_, count)| **count >= self.of_one);
        full.map(|(host, _)| host.clone()).collect()
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TakenPlace {
    fn drop(&mut self) {
        let mut taken = self.budget.taken();
        taken.all = taken.all.saturating_sub(1);
        if let Some(count) = taken.hosts.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                taken.hosts.remove(&self.host);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_its_share_and_all_together_have_the_whole() {
        let budget = Budget::new(3, 2);
        let one = budget.take("one").unwrap();
        assert_eq!(budget.full_hosts(), [""; 0]);
        let again = budget.take("one").unwrap();
        assert!(budget.take("one").is_none(), "its share");
        assert_eq!((budget.free(), budget.full_hosts()), (1, vec!["one".to_owned()]));
        let other = budget.take("other").unwrap();
        assert!(budget.take("third").is_none(), "the whole");
        drop(one);
        let third = budget.take("third").unwrap();
        assert_eq!((budget.free(), budget.full_hosts()), (0, Vec::new()));
        drop((again, other, third));
        assert_eq!(budget.free(), 3);
        assert!(budget.taken().hosts.is_empty(), "who has none is not remembered");
    }
}
