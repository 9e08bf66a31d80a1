//! The lists that tokens named. Each is followed by a task of its own, until the last token that named it expires.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand;
use tokio::runtime::Handle;

use crate::error::VerifyError;
use crate::remote::Keys;
use crate::rules::Rules;
use crate::status::followed::{Asking, Followed};
use crate::status::own::Own;
use crate::status::pace::Outcome;
use crate::status::{StatusListEvent, StatusLists, StatusReference};

/// An issuer that makes a list for each token is asked for so many, and no more.
const MOST_LISTS: usize = 1_000;

/// What a service chose.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) max_staleness: Option<Duration>,
    pub(crate) when_stale: WhenStale,
    pub(crate) listener: Option<Listener>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenStale {
    Refuse,
    Accept,
}

pub(crate) struct Listener(pub(crate) Box<dyn Fn(&StatusListEvent) + Send + Sync>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

#[derive(Debug)]
pub(crate) struct Lists {
    /// `None` for an issuer that is no URL: no list can be its own.
    own: Option<Own>,
    asking: Asking,
    when_stale: WhenStale,
    listener: Option<Listener>,
    /// How long a token waits for a list that no token named before.
    patience: Duration,
    /// Where the verifier was built: a token may be verified outside of any runtime.
    runtime: Handle,
    met: RwLock<HashMap<String, Arc<Followed>>>,
    counted: Counted,
}

#[derive(Debug, Default)]
struct Counted {
    updated: AtomicU64,
    confirmed: AtomicU64,
    failed: AtomicU64,
    revoked: AtomicU64,
    unavailable: AtomicU64,
}

/// A token's place in a list.
#[derive(Debug)]
pub(crate) struct Entry {
    list: Arc<Followed>,
    index: u64,
}

/// Whom to ask, and how.
pub(crate) struct Provider {
    pub(crate) own: Option<Own>,
    pub(crate) client: reqwest::Client,
    pub(crate) patience: Duration,
}

impl Lists {
    pub(crate) fn new(provider: Provider, policy: Policy, rules: Arc<Rules>, keys: Keys) -> Arc<Self> {
        let Provider { own, client, patience } = provider;
        let Policy { max_staleness, when_stale, listener } = policy;
        Arc::new(Self {
            own,
            asking: Asking { client, keys, rules, max_staleness },
            when_stale,
            listener,
            patience,
            runtime: Handle::current(),
            met: RwLock::default(),
            counted: Counted::default(),
        })
    }

    /// The place of a good token's status. Its list is followed from now on.
    pub(crate) fn entry(
        self: &Arc<Self>,
        status: &StatusReference,
        needed_until: SystemTime,
    ) -> Result<Entry, VerifyError> {
        // Under the lock: whoever forgets a list looks under the same.
        let enter = |list: &Arc<Followed>| {
            list.need(needed_until);
            Entry { list: Arc::clone(list), index: status.index }
        };
        if let Some(list) = self.met.read().unwrap_or_else(PoisonError::into_inner).get(&status.uri) {
            return Ok(enter(list));
        }
        let url = self.own.as_ref().and_then(|own| own.locate(&status.uri));
        let url = url.ok_or(VerifyError::ForeignStatusList)?;
        let mut met = self.met.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(list) = met.get(&status.uri) {
            return Ok(enter(list));
        }
        if met.len() >= MOST_LISTS {
            return Err(self.unavailable());
        }
        let list = Arc::new(Followed::new(&status.uri, url, needed_until));
        met.insert(status.uri.clone(), Arc::clone(&list));
        self.runtime.spawn(follow(Arc::downgrade(self), Arc::clone(&list)));
        Ok(enter(&list))
    }

    /// Waits until the list was asked for once, but no longer than a fetch may take.
    pub(crate) async fn first_word_on(&self, entry: &Entry) {
        if !entry.list.was_asked_for() {
            let _ = Box::pin(tokio::time::timeout(self.patience, entry.list.first_word())).await;
        }
    }

    /// The verdict on a token's status. What was revoked is so, however old the news is.
    pub(crate) fn judge(&self, entry: &Entry, now: SystemTime) -> Result<(), VerifyError> {
        let known = entry.list.known.load();
        let Some(known) = known.as_ref() else {
            return self.without_news();
        };
        match known.document.list.status(entry.index) {
            Some(0) if known.is_trusted(now) => Ok(()),
            Some(0) => self.without_news(),
            // §8.3: beyond the list's end, no statement can be made. It may have grown since.
            None => Err(self.unavailable()),
            Some(status) => {
                self.counted.revoked.fetch_add(1, Ordering::Relaxed);
                Err(VerifyError::Revoked { status })
            }
        }
    }

    fn without_news(&self) -> Result<(), VerifyError> {
        match self.when_stale {
            WhenStale::Accept => Ok(()),
            WhenStale::Refuse => Err(self.unavailable()),
        }
    }

    fn unavailable(&self) -> VerifyError {
        self.counted.unavailable.fetch_add(1, Ordering::Relaxed);
        VerifyError::StatusUnavailable
    }

    pub(crate) fn told(&self) -> StatusLists {
        let now = self.asking.rules.clock.now();
        let met = self.met.read().unwrap_or_else(PoisonError::into_inner);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counted { updated, confirmed, failed, revoked, unavailable } = &self.counted;
        StatusLists {
            followed: met.len(),
            stale_for: met.values().filter_map(|list| list.stale_for(now)).max(),
            updated: count(updated),
            confirmed: count(confirmed),
            failed: count(failed),
            revoked: count(revoked),
            unavailable: count(unavailable),
        }
    }

    fn tell(&self, event: &StatusListEvent) {
        let counter = match event {
            StatusListEvent::Updated { .. } => Some(&self.counted.updated),
            StatusListEvent::Confirmed { .. } => Some(&self.counted.confirmed),
            StatusListEvent::Failed { uri, error, stale_for } => {
                tracing::warn!(%uri, %error, ?stale_for, "a status list could not be had; going on with what is known");
                Some(&self.counted.failed)
            }
            StatusListEvent::Forgotten { .. } => None,
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(Listener(listener)) = &self.listener {
            // A listener that panics must not end the following: nobody would learn of a revocation any more.
            let heard = catch_unwind(AssertUnwindSafe(|| listener(event)));
            if heard.is_err() {
                tracing::error!("the listener for status lists panicked");
            }
        }
    }

    /// Forgets the list if the last token that named it has expired.
    fn forget(&self, list: &Followed) -> bool {
        let mut met = self.met.write().unwrap_or_else(PoisonError::into_inner);
        let rules = &self.asking.rules;
        let unneeded = rules.is_over(list.needed_until(), rules.clock.now());
        if unneeded {
            met.remove(&list.uri);
        }
        unneeded
    }
}

/// Until the list is forgotten, or the verifier is gone.
async fn follow(lists: Weak<Lists>, list: Arc<Followed>) {
    let mut etag = None;
    loop {
        let Some(asking) = lists.upgrade() else { return };
        let event = list.ask(&asking.asking, &mut etag).await;
        let outcome = match event {
            StatusListEvent::Failed { .. } => Outcome::Failed,
            _ => Outcome::Answered,
        };
        asking.tell(&event);
        let pause = list.pause(&asking.asking, outcome, random());
        drop(asking);
        tokio::time::sleep(pause).await;
        let Some(lists) = lists.upgrade() else { return };
        if lists.forget(&list) {
            lists.tell(&StatusListEvent::Forgotten { uri: list.uri.clone() });
            return;
        }
    }
}

/// From 0 to 1.
fn random() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness everybody asks at the end of the spread: no reason to stop asking.
    let drawn = rand::fill(&mut bytes);
    if drawn.is_err() { 1.0 } else { f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX) }
}
