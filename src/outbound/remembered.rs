//! Documents and failures that are remembered, one slot a URL.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use crate::domain::expiring::Fresh;
use crate::outbound::NoAnswer;

/// How long a failure is remembered: whoever is down is not asked again by each request.
const FAILURE: TimeDelta = TimeDelta::seconds(3);
/// How long a document counts beyond its time while it cannot be fetched (RFC 5861 §4).
const GRACE: TimeDelta = TimeDelta::hours(1);
const CAPACITY: usize = 500;

/// What a URL is known to hold.
pub(super) type Known = Result<Arc<[u8]>, NoAnswer>;

/// How old a document may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// As old as its headers say.
    Fresh,
    /// A while older, if it cannot be fetched.
    Late,
    /// Younger than this, and fresh.
    Below(TimeDelta),
}

#[derive(Debug, Default)]
pub(super) struct Remembered {
    slots: Mutex<HashMap<Url, Arc<Slot>>>,
    uses: AtomicU64,
}

impl Remembered {
    /// The slot of a URL. When there are too many, those make room that hold nothing, and then the one that was not
    /// needed for longest: what nobody asks for again does not push out what is asked for all the time.
    pub(super) fn slot(&self, url: &Url, now: DateTime<Utc>) -> Arc<Slot> {
        let mut slots = self.slots();
        if !slots.contains_key(url) && slots.len() >= CAPACITY {
            make_room(&mut slots, now);
        }
        let slot = Arc::clone(slots.entry(url.clone()).or_default());
        slot.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        slot
    }

    /// Whether it is known what a URL holds.
    pub(super) fn knows(&self, url: &Url, now: DateTime<Utc>) -> bool {
        self.slots().get(url).is_some_and(|slot| slot.known(Age::Fresh, now).is_some())
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Url, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(slots: &mut HashMap<Url, Arc<Slot>>, now: DateTime<Utc>) {
    slots.retain(|_, slot| {
        let holds_nothing = slot.known(Age::Late, now).is_none() && slot.one_before(Age::Late, now).is_none();
        Arc::strong_count(slot) > 1 || !holds_nothing
    });
    if slots.len() >= CAPACITY
        && let Some(idle) = slots.iter().min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed))
    {
        let idle = idle.0.clone();
        slots.remove(&idle);
    }
}

#[derive(Debug, Default)]
pub(super) struct Slot {
    flight: tokio::sync::Mutex<()>,
    kept: RwLock<SlotContent>,
    /// Higher is later.
    used: AtomicU64,
}

#[derive(Debug, Default)]
struct SlotContent {
    document: Option<Fresh<Arc<[u8]>>>,
    failure: Option<Fresh<NoAnswer>>,
}

impl SlotContent {
    /// The document beyond its time, for who takes such a one.
    fn one_before(&self, age: Age, now: DateTime<Utc>) -> Option<Arc<[u8]>> {
        match age {
            Age::Late => self.document.as_ref()?.get_late(GRACE, now).map(Arc::clone),
            Age::Fresh | Age::Below(_) => None,
        }
    }

    /// What a failure means for who takes a document of this age.
    fn in_spite_of(&self, failure: NoAnswer, age: Age, now: DateTime<Utc>) -> Known {
        match self.one_before(age, now).filter(|_| failure.passes()) {
            Some(body) => Ok(body),
            None => Err(failure),
        }
    }
}

impl Slot {
    /// Waits until nobody else is fetching this.
    pub(super) async fn flight(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.flight.lock().await
    }

    /// The same for who does not wait.
    pub(super) fn try_flight(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        self.flight.try_lock().ok()
    }

    /// The document beyond its time, for who takes such a one.
    pub(super) fn one_before(&self, age: Age, now: DateTime<Utc>) -> Option<Arc<[u8]>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).one_before(age, now)
    }

    /// The document while it is fresh, and not too old; else what follows from a failure of just now.
    pub(super) fn known(&self, age: Age, now: DateTime<Utc>) -> Option<Known> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let oldest = match age {
            Age::Fresh | Age::Late => TimeDelta::MAX,
            Age::Below(oldest) => oldest,
        };
        if let Some(body) = kept.document.as_ref().and_then(|document| document.younger_than(oldest, now)) {
            return Some(Ok(Arc::clone(body)));
        }
        let failure = kept.failure.as_ref()?.get(now)?;
        Some(kept.in_spite_of(failure.clone(), age, now))
    }

    /// Keeps what was fetched, and gives what follows. A failure leaves the document before it in place. That there
    /// was no place to fetch it says nothing of the URL, so it is not remembered.
    pub(super) fn keep(
        &self,
        fetched: Result<(Vec<u8>, TimeDelta), NoAnswer>,
        age: Age,
        now: DateTime<Utc>,
    ) -> Known {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok((body, lasting)) => {
                let body: Arc<[u8]> = body.into();
                let document = Fresh { value: Arc::clone(&body), at: now, lasting };
                *kept = SlotContent { document: Some(document), failure: None };
                Ok(body)
            }
            Err(failure) => {
                if failure != NoAnswer::Busy {
                    kept.failure = Some(Fresh { value: failure.clone(), at: now, lasting: FAILURE });
                }
                kept.in_spite_of(failure, age, now)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(number: usize) -> Url {
        Url::parse(&format!("https://{number}.example/")).unwrap()
    }

    fn fetched() -> (Vec<u8>, TimeDelta) {
        (b"{}".to_vec(), TimeDelta::hours(1))
    }

    #[test]
    fn there_are_never_more_slots_than_the_capacity_and_what_is_fresh_stays_longest() {
        let remembered = Remembered::default();
        let now = DateTime::UNIX_EPOCH;
        let kept = remembered.slot(&url(0), now);
        let _ = kept.keep(Ok(fetched()), Age::Fresh, now);
        drop(kept);
        for number in 1..2 * CAPACITY {
            remembered.slot(&url(number), now);
            assert!(remembered.slots().len() <= CAPACITY);
        }
        assert_eq!(remembered.slot(&url(0), now).known(Age::Fresh, now).unwrap().unwrap().as_ref(), b"{}");
        for number in 0..2 * CAPACITY {
            let _ = remembered.slot(&url(number), now).keep(Ok(fetched()), Age::Fresh, now);
            assert!(remembered.slots().len() <= CAPACITY);
        }
    }

    #[test]
    fn what_is_asked_for_all_the_time_is_not_pushed_out_by_what_is_asked_for_once() {
        let remembered = Remembered::default();
        let now = DateTime::UNIX_EPOCH;
        for number in 0..3 * CAPACITY {
            let _ = remembered.slot(&url(number), now).keep(Ok(fetched()), Age::Fresh, now);
            assert!(remembered.knows(&url(0), now), "{number}");
            remembered.slot(&url(0), now);
        }
        assert!(!remembered.knows(&url(1), now));
    }
}
