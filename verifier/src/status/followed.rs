//! One list that is followed: what is known of it, and asking for it again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use reqwest::Url;
use reqwest::header::{ACCEPT, HeaderValue};
use tokio::sync::SetOnce;

use crate::fetch::{self, Answer};
use crate::remote::Keys;
use crate::rules::Rules;
use crate::status::document::Document;
use crate::status::pace::{self, Outcome};
use crate::status::{StatusListError, StatusListEvent};

const MEDIA_TYPE: &str = "application/statuslist+jwt";

/// A list of 24 million logins, half of them ended in no order, fits still.
const LONGEST_DOCUMENT: usize = 4 * 1024 * 1024;

/// How long a list is trusted that does not say when it expires.
const LIFETIME: Duration = Duration::from_hours(1);

/// How lists are asked for, and how far they are trusted.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) client: reqwest::Client,
    pub(super) keys: Keys,
    pub(super) rules: Arc<Rules>,
    pub(super) max_staleness: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Followed {
    pub(super) uri: String,
    url: Url,
    /// `None` until a first document came. Reading it takes no lock: all cores read it at each verification.
    pub(super) known: ArcSwapOption<Known>,
    /// Whether it was asked for at all, with or without success.
    asked: SetOnce<()>,
    /// When the last token expires that named it.
    needed_until: Mutex<SystemTime>,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) document: Arc<Document>,
    pub(super) confirmed_at: SystemTime,
    /// `None` for a time that never comes.
    trusted_until: Option<SystemTime>,
}

impl Known {
    fn new(document: Arc<Document>, confirmed_at: SystemTime, asking: &Asking) -> Self {
        let unlimited = document.validity.expires_at.is_none();
        let by_age = asking.max_staleness.or_else(|| unlimited.then_some(LIFETIME));
        let by_age = by_age.and_then(|age| confirmed_at.checked_add(age));
        let by_expiry = document.validity.expires_at.and_then(|end| end.checked_add(asking.rules.leeway));
        let trusted_until = by_age.into_iter().chain(by_expiry).min();
        Self { document, confirmed_at, trusted_until }
    }

    pub(super) fn is_trusted(&self, now: SystemTime) -> bool {
        self.trusted_until.is_none_or(|end| now < end)
    }
}

impl Followed {
    pub(super) fn new(uri: &str, url: Url, needed_until: SystemTime) -> Self {
        Self {
            uri: uri.to_owned(),
            url,
            known: ArcSwapOption::empty(),
            asked: SetOnce::new(),
            needed_until: Mutex::new(needed_until),
        }
    }

    /// A token that expires then has named it.
    pub(super) fn need(&self, until: SystemTime) {
        let mut needed = self.needed_until.lock().unwrap_or_else(PoisonError::into_inner);
        *needed = until.max(*needed);
    }

    pub(super) fn needed_until(&self) -> SystemTime {
        *self.needed_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long ago it was last confirmed.
    pub(super) fn stale_for(&self, now: SystemTime) -> Option<Duration> {
        let known = self.known.load();
        known.as_ref().map(|known| now.duration_since(known.confirmed_at).unwrap_or_default())
    }

    pub(super) fn was_asked_for(&self) -> bool {
        self.asked.initialized()
    }

    pub(super) async fn first_word(&self) {
        self.asked.wait().await;
    }

    /// Asks for the list once. What is known is kept unless something newer came.
    pub(super) async fn ask(&self, asking: &Asking, etag: &mut Option<HeaderValue>) -> StatusListEvent {
        let uri = self.uri.clone();
        let event = match self.fetch(asking, etag).await {
            Ok(true) => StatusListEvent::Updated { uri },
            Ok(false) => StatusListEvent::Confirmed { uri },
            Err(error) => {
                let stale_for = self.stale_for(asking.rules.clock.now());
                StatusListEvent::Failed { uri, error, stale_for }
            }
        };
        let _ = self.asked.set(());
        event
    }

    /// Whether something new came.
    async fn fetch(&self, asking: &Asking, etag: &mut Option<HeaderValue>) -> Result<bool, StatusListError> {
        let Asking { client, rules, .. } = asking;
        let request = client.get(self.url.clone()).header(ACCEPT, MEDIA_TYPE);
        let answer = fetch::get(request, etag.as_ref(), LONGEST_DOCUMENT).await?;
        let before = self.known.load_full().map(|known| Arc::clone(&known.document));
        let is_over = |document: &Document, now| {
            document.validity.expires_at.is_some_and(|end| rules.is_over(end, now))
        };
        let Answer::Changed { body, etag: tag, content_type } = answer else {
            // Only the tag of a known document is ever sent.
            let document = before.ok_or(StatusListError::Malformed)?;
            let now = rules.clock.now();
            if is_over(&document, now) {
                *etag = None;
                return Err(StatusListError::Expired);
            }
            self.known.store(Some(Arc::new(Known::new(document, now, asking))));
            return Ok(false);
        };
        if !content_type.is_some_and(|content_type| is_status_list(&content_type)) {
            return Err(StatusListError::WrongMediaType);
        }
        let jwt = std::str::from_utf8(&body).map_err(|_| StatusListError::Malformed)?;
        let parts = Document::parts(jwt, rules)?;
        let keys = asking.keys.with(parts.kid.as_deref()).await;
        let now = rules.clock.now();
        let document = Document::read(&parts, &keys, &self.uri, rules, now)?;
        // Replicas, or caches between, may answer in turn: what the newer revoked must stay so.
        if before.is_some_and(|known| {
            document.validity.issued_at < known.validity.issued_at && !is_over(&known, now)
        }) {
            return Err(StatusListError::Older);
        }
        self.known.store(Some(Arc::new(Known::new(Arc::new(document), now, asking))));
        *etag = tag;
        Ok(true)
    }

    /// How long to wait until the list is asked for again.
    pub(super) fn pause(&self, asking: &Asking, outcome: Outcome, random: f64) -> Duration {
        let known = self.known.load();
        let validity = known.as_ref().map(|known| &known.document.validity);
        pace::pause(validity, outcome, asking.max_staleness, asking.rules.clock.now(), random)
    }
}

/// Parameters do not matter (RFC 9110 §8.3.1).
fn is_status_list(content_type: &HeaderValue) -> bool {
    let media_type = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case(MEDIA_TYPE)
}
