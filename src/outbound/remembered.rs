//! Documents and failures that are remembered, one slot a URL.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::MutexGuard;
use url::Url;

use crate::domain::expiring::Fresh;
use crate::outbound::NoAnswer;

/// How long a failure is remembered: whoever is down is not asked again by each request.
const FAILURE: TimeDelta = TimeDelta::seconds(3);
const CAPACITY: usize = 500;

/// What a URL is known to hold.
pub(super) type Known = Result<Arc<[u8]>, NoAnswer>;

#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<HashMap<Url, Arc<Slot>>>);

impl Remembered {
    /// The slot of a URL. When there are too many, stale ones make room, and then any.
    pub(super) fn slot(&self, url: &Url, now: DateTime<Utc>) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(url) {
            return Arc::clone(slot);
        }
        if slots.len() >= CAPACITY {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.known(None, now).is_some());
        }
        if slots.len() >= CAPACITY
            && let Some(any) = slots.keys().next().cloned()
        {
            slots.remove(&any);
        }
        Arc::clone(slots.entry(url.clone()).or_default())
    }
}

#[derive(Debug, Default)]
pub(super) struct Slot {
    flight: tokio::sync::Mutex<()>,
    kept: RwLock<SlotContent>,
}

#[derive(Debug, Default)]
struct SlotContent {
    document: Option<Fresh<Arc<[u8]>>>,
    failure: Option<Fresh<NoAnswer>>,
}

impl Slot {
    /// Waits until nobody else is fetching this.
    pub(super) async fn flight(&self) -> MutexGuard<'_, ()> {
        self.flight.lock().await
    }

    /// The document while it is fresh, and no older than `oldest`; else a failure of just now.
    pub(super) fn known(&self, oldest: Option<TimeDelta>, now: DateTime<Utc>) -> Option<Known> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let oldest = oldest.unwrap_or(TimeDelta::MAX);
        match kept.document.as_ref().and_then(|document| document.younger_than(oldest, now)) {
            Some(body) => Some(Ok(Arc::clone(body))),
            None => kept.failure.as_ref()?.get(now).map(|failure| Err(failure.clone())),
        }
    }

    /// Keeps what was fetched. A failure leaves the document before it in place, as long as that is fresh.
    pub(super) fn keep(&self, fetched: Result<(Vec<u8>, TimeDelta), NoAnswer>, now: DateTime<Utc>) -> Known {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok((body, lasting)) => {
                let body: Arc<[u8]> = body.into();
                let document = Fresh { value: Arc::clone(&body), at: now, lasting };
                *kept = SlotContent { document: Some(document), failure: None };
                Ok(body)
            }
            Err(failure) => {
                kept.failure = Some(Fresh { value: failure.clone(), at: now, lasting: FAILURE });
                Err(failure)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_slots_than_the_capacity_and_what_is_fresh_stays_longest() {
        let remembered = Remembered::default();
        let now = DateTime::UNIX_EPOCH;
        let url = |number: usize| Url::parse(&format!("https://{number}.example/")).unwrap();
        let kept = remembered.slot(&url(0), now);
        let _ = kept.keep(Ok((b"{}".to_vec(), TimeDelta::hours(1))), now);
        drop(kept);
        for number in 1..2 * CAPACITY {
            remembered.slot(&url(number), now);
            assert!(remembered.0.lock().unwrap().len() <= CAPACITY);
        }
        assert_eq!(remembered.slot(&url(0), now).known(None, now).unwrap().unwrap().as_ref(), b"{}");
        for number in 0..2 * CAPACITY {
            let _ = remembered.slot(&url(number), now).keep(Ok((b"{}".to_vec(), TimeDelta::hours(1))), now);
            assert!(remembered.0.lock().unwrap().len() <= CAPACITY);
        }
    }
}
