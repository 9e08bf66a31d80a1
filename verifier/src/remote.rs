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

/// Where keys come from.
#[derive(Debug)]
pub(crate) enum Place {
    Url(reqwest::Url),
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
    client: reqwest::Client,
    current: RwLock<Arc<KeySet>>,
    /// Whoever fetches holds it: one flight at a time, and the others wait for its result.
    flight: Mutex<Flight>,
}

#[derive(Debug, Default)]
struct Flight {
    last: Option<Instant>,
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
    pub(crate) async fn start(from: Place, pace: Pace, client: reqwest::Client) -> Arc<Self> {
        let flight = Mutex::default();
        let remote = Arc::new(Self { place: from, pace, client, current: RwLock::default(), flight });
        remote.refresh().await;
        tokio::spawn(keep_fresh(Arc::downgrade(&remote), pace));
        remote
    }

    pub(crate) fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys after one more look for `kid`, unless somebody looked a moment ago.
    pub(crate) async fn look_again(&self, kid: Option<&str>) -> Arc<KeySet> {
        let mut flight = self.flight.lock().await;
        let current = self.current();
        let looked = flight.last.is_some_and(|last| last.elapsed() < self.pace.cooldown);
        if looked || current.find(kid).is_some() {
            return current;
        }
        self.fetch_in(&mut flight).await;
        self.current()
    }

    async fn refresh(&self) {
        self.fetch_in(&mut *self.flight.lock().await).await;
    }

    /// Old keys are kept when the place does not answer, or answers rubbish.
    async fn fetch_in(&self, flight: &mut Flight) {
        flight.last = Some(Instant::now());
        match self.fetch(flight).await {
            Ok(None) => {}
            Ok(Some(keys)) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
            }
            Err(error) => {
                let known = self.current().len();
                tracing::warn!(%error, known, "the issuer's keys could not be fetched; going on with those known");
            }
        }
    }

    /// `None` when nothing changed.
    async fn fetch(&self, flight: &mut Flight) -> Result<Option<KeySet>, FetchError> {
        let body = match &self.place {
            Place::File(path) => tokio::fs::read(path).await?,
            Place::Url(url) => {
                let mut request = self.client.get(url.clone());
                if let Some(etag) = &flight.etag {
                    request = request.header(IF_NONE_MATCH, etag.clone());
                }
                let answer = request.send().await?;
                if answer.status() == StatusCode::NOT_MODIFIED {
                    return Ok(None);
                }
                if answer.status() != StatusCode::OK {
                    return Err(FetchError::Status(answer.status()));
                }
                flight.etag = answer.headers().get(ETAG).cloned();
                read(answer).await.inspect_err(|_| flight.etag = None)?
            }
        };
        let keys = KeySet::from_jwks(&body).map_err(FetchError::from);
        let keys = keys.and_then(|keys| if keys.is_empty() { Err(FetchError::Empty) } else { Ok(keys) });
        // An answer that was no use must not be taken for the last one that was.
        keys.map(Some).inspect_err(|_| flight.etag = None)
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

async fn keep_fresh(remote: Weak<Remote>, pace: Pace) {
    loop {
        let known = remote.upgrade().is_some_and(|remote| !remote.current().is_empty());
        // Without any key nothing can be verified: try as often as the cool-down allows.
        tokio::time::sleep(if known { pace.refresh_every } else { pace.refresh_every.min(pace.cooldown) })
            .await;
        let Some(remote) = remote.upgrade() else { return };
        remote.refresh().await;
    }
}
