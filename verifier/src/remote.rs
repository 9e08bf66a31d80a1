//! Keys that are fetched, and fetched again: in the background, and when a token names a key that is not known.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::keys::KeySet;

/// A JWK set of a hundred keys fits a dozen times.
const LONGEST_ANSWER: usize = 256 * 1024;

/// Whoever configures no pause at all must not hammer an issuer that is down.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

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
pub(crate) enum FetchError {
    #[error("the answer's status is {0}")]
    Status(StatusCode),
    #[error("the answer is too long")]
    TooLong,
    #[error("the answer is no JWK set: {0}")]
    Rubbish(#[from] serde_json::Error),
    #[error("the answer holds no usable key")]
    Empty,
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    File(#[from] std::io::Error),
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
    ) -> Result<Option<(KeySet, Option<HeaderValue>)>, FetchError> {
        let (body, etag) = match &self.place {
            Place::File(path) => (tokio::fs::read(path).await?, None),
            Place::Url(client, url) => {
                let mut request = client.get(url.clone());
                if let Some(etag) = known {
                    request = request.header(IF_NONE_MATCH, etag.clone());
                }
                let answer = request.send().await?;
                if answer.status() == StatusCode::NOT_MODIFIED && known.is_some() {
                    return Ok(None);
                }
                if answer.status() != StatusCode::OK {
                    return Err(FetchError::Status(answer.status()));
                }
                let etag = answer.headers().get(ETAG).cloned();
                (read(answer).await?, etag)
            }
        };
        let keys = KeySet::from_jwks(&body)?;
        if keys.is_empty() { Err(FetchError::Empty) } else { Ok(Some((keys, etag))) }
    }
}

async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

async fn keep_fresh(remote: Weak<Remote>) {
    loop {
        let Some(pause) = remote.upgrade().map(|remote| remote.pause()) else { return };
        tokio::time::sleep(pause).await;
        let Some(remote) = remote.upgrade() else { return };
        remote.refresh().await;
    }
}
