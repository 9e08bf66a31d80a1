//! Keys that are fetched, and fetched again: in the background, and when a token names a key that is not known.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::fetch::{self, Answer, FetchError};
use crate::keys::KeySet;

/// A JWK set of a hundred keys fits a dozen times.
const LONGEST_ANSWER: usize = 256 * 1024;

/// Whoever configures no pause at all must not hammer an issuer that is down.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// The issuer's keys, of whatever source.
#[derive(Debug, Clone)]
pub(crate) enum Keys {
    Fixed(Arc<KeySet>),
    Remote(Arc<Remote>),
}

/// Where keys come from.
#[derive(Debug)]
pub(crate) enum Place {
    Url(reqwest::Client, reqwest::Url),
    File(PathBuf),
}

/// How often keys are fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// In the background.
    pub(crate) refresh_every: Duration,
    /// At most, because of unknown keys.
    pub(crate) cooldown: Duration,
}

/// Keys from a place that may change.
#[derive(Debug)]
pub(crate) struct Remote {
    place: Place,
    pace: Pace,
    current: RwLock<Arc<KeySet>>,
    /// Whoever fetches holds it: one flight at a time, and the others wait for its result.
    flight: Arc<Mutex<Flight>>,
}

#[derive(Debug, Default)]
struct Flight {
    /// When the last fetch that an unknown key caused was over.
    looked: Option<Instant>,
    /// The current keys' own: an answer that was no use leaves it alone.
    etag: Option<HeaderValue>,
}

/// Why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
enum KeysError {
    #[error("the answer is no JWK set: {0}")]
    Rubbish(#[from] serde_json::Error),
    #[error("the answer holds no usable key")]
    Empty,
    #[error(transparent)]
    Http(#[from] FetchError),
    #[error(transparent)]
    File(#[from] std::io::Error),
}

impl Keys {
    pub(crate) fn current(&self) -> Arc<KeySet> {
        match self {
            Self::Fixed(keys) => Arc::clone(keys),
            Self::Remote(remote) => remote.current(),
        }
    }

    /// The current keys, looked for again if there is none of this id among them.
    pub(crate) async fn with(&self, kid: Option<&str>) -> Arc<KeySet> {
        let keys = self.current();
        match self {
            Self::Remote(remote) if keys.find(kid).is_none() => remote.look_again(kid).await,
            Self::Remote(_) | Self::Fixed(_) => keys,
        }
    }
}

impl Remote {
    /// Fetches once, and then in the background until the last owner drops it. A place that does not answer yet is no
    /// error: it is tried again.
    pub(crate) async fn start(from: Place, pace: Pace) -> Arc<Self> {
        let pace = Pace {
            refresh_every: pace.refresh_every.max(SHORTEST_PAUSE),
            cooldown: pace.cooldown.max(SHORTEST_PAUSE),
        };
        let remote = Arc::new(Self { place: from, pace, current: RwLock::default(), flight: Arc::default() });
        remote.refresh().await;
        tokio::spawn(keep_fresh(Arc::downgrade(&remote)));
        remote
    }

    pub(crate) fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys after one more look for `kid`, unless somebody looked a moment ago.
    pub(crate) async fn look_again(self: &Arc<Self>, kid: Option<&str>) -> Arc<KeySet> {
        let mut flight = Arc::clone(&self.flight).lock_owned().await;
        let current = self.current();
        let cooling = flight.looked.is_some_and(|looked| looked.elapsed() < self.pace.cooldown);
        if cooling || current.find(kid).is_some() {
            return current;
        }
        // A task of its own: a client that hangs up must not take along what the others wait for.
        let remote = Arc::clone(self);
        let looking = tokio::spawn(async move {
            remote.fetch_in(&mut flight).await;
            // From the end: those who waited for a slow answer must not each wait for another.
            flight.looked = Some(Instant::now());
        });
        if let Err(error) = looking.await {
            tracing::warn!(%error, "looking for the issuer's keys broke off; going on with those known");
        }
        self.current()
    }

    /// Without any key nothing can be verified: then it is tried as often as the cool-down allows.
    fn pause(&self) -> Duration {
        let Pace { refresh_every, cooldown } = self.pace;
        if self.current().is_empty() { refresh_every.min(cooldown) } else { refresh_every }
    }

    async fn refresh(&self) {
        self.fetch_in(&mut *self.flight.lock().await).await;
    }

    /// Old keys are kept when the place does not answer, or answers rubbish.
    async fn fetch_in(&self, flight: &mut Flight) {
        match self.fetch(flight.etag.as_ref()).await {
            Ok(None) => {}
            Ok(Some((keys, etag))) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
                flight.etag = etag;
            }
            Err(error) => {
                let known = self.current().len();
                tracing::warn!(%error, known, "the issuer's keys could not be fetched; going on with those known");
            }
        }
    }

    /// The keys and their tag; `None` when nothing changed since `known`.
    async fn fetch(
        &self,
        known: Option<&HeaderValue>,
    ) -> Result<Option<(KeySet, Option<HeaderValue>)>, KeysError> {
        let (body, etag) = match &self.place {
            Place::File(path) => (tokio::fs::read(path).await?, None),
            Place::Url(client, url) => {
                match fetch::get(client.get(url.clone()), known, LONGEST_ANSWER).await? {
                    Answer::Unchanged => return Ok(None),
                    Answer::Changed { body, etag, .. } => (body, etag),
                }
            }
        };
        let keys = KeySet::from_jwks(&body)?;
        if keys.is_empty() { Err(KeysError::Empty) } else { Ok(Some((keys, etag))) }
    }
}

async fn keep_fresh(remote: Weak<Remote>) {
    loop {
        let Some(pause) = remote.upgrade().map(|remote| remote.pause()) else { return };
        tokio::time::sleep(pause).await;
        let Some(remote) = remote.upgrade() else { return };
        remote.refresh().await;
    }
}
