//! The signing keys in their successions, one for each algorithm: which of them sign, which are published.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::crypto::signing_key::SigningKey;
use crate::domain::audience::Audience;
use crate::domain::signing_algorithm::{SigningAlgorithm, SigningWish};
use crate::store::signing_keys::StoredKey;

/// How much longer than its last token a key stays published: clocks differ, verifiers give leeway.
const MARGIN: TimeDelta = TimeDelta::minutes(1);

/// A signing key's place in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Published, so that verifiers know it before it signs.
    Next,
    Signing,
    /// Signs no more; published until its last token has expired.
    Retiring,
    /// Published no more.
    Retired,
    /// Not to be trusted any more.
    Withdrawn,
}

impl Phase {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Signing => "signing",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A key with its life's dates.
#[derive(Debug)]
pub struct ScheduledKey {
    pub key: SigningKey,
    pub stored: StoredKey,
    /// When its successor takes over; `None` while none is known.
    pub signs_until: Option<DateTime<Utc>>,
}

impl ScheduledKey {
    /// When its last token has expired.
    #[must_use]
    pub fn retired_at(&self) -> Option<DateTime<Utc>> {
        self.signs_until.map(|until| until + TimeDelta::milliseconds(self.stored.longest_ttl_ms))
    }

    fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.stored.signs_from <= now
    }
}

/// The one of the `later` keys that takes a key's place: the next of its algorithm; and where nobody asks for that by
/// name, the next that signs for everybody.
pub(super) fn successor<'a>(key: &StoredKey, later: &'a [StoredKey]) -> Option<&'a StoredKey> {
    let is_left_behind = key.is_default && !key.is_asked_for;
    let succeeds = |next: &&StoredKey| {
        let of_its_own = next.algorithm == key.algorithm;
        next.withdrawn_at.is_none() && (of_its_own || (is_left_behind && next.is_default))
    };
    later.iter().find(succeeds)
}

/// Who wants an access token signed with what: an audience says it, and another one of the same token may say something
/// else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudiencesDiffer;

/// The signing keys at one reading of the database, in the order in which they were made.
#[derive(Debug, Default)]
pub struct KeySet {
    pub(super) keys: Vec<Arc<ScheduledKey>>,
    /// The audiences whose access tokens are signed with an algorithm of their own.
    pub(super) audiences: BTreeMap<Audience, SigningAlgorithm>,
}

impl KeySet {
    fn trusted(&self) -> impl DoubleEndedIterator<Item = &ScheduledKey> {
        self.keys.iter().filter(|it| it.stored.withdrawn_at.is_none()).map(|it| &**it)
    }

    /// The key of an algorithm that signs at `now`: the last in the succession whose time has come.
    fn due(&self, algorithm: SigningAlgorithm, now: DateTime<Utc>) -> Option<&ScheduledKey> {
        let last = self.trusted().rfind(|it| it.key.algorithm() == algorithm && it.is_due(now))?;
        last.signs_until.is_none_or(|until| now < until).then_some(last)
    }

    /// The first key of an algorithm whose time is yet to come.
    fn next(&self, algorithm: SigningAlgorithm, now: DateTime<Utc>) -> Option<&ScheduledKey> {
        self.trusted().find(|it| it.key.algorithm() == algorithm && !it.is_due(now))
    }

    /// The key that signs at `now` where nobody asks for an algorithm.
    fn default_key(&self, now: DateTime<Utc>) -> Option<&ScheduledKey> {
        let named = || self.trusted().filter(|it| it.stored.is_default);
        // A first key made by a replica whose clock is a moment ahead signs already.
        let named = named().rfind(|it| it.is_due(now)).or_else(|| named().next())?;
        Some(self.due(named.key.algorithm(), now).unwrap_or(named))
    }

    /// Since when the key signs that signs at `now` where nobody asks for an algorithm.
    #[must_use]
    pub fn signing_since(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.default_key(now).map(|it| it.stored.signs_from)
    }

    /// The key that signs at `now` where nobody asks for an algorithm.
    #[must_use]
    pub fn signer(&self, now: DateTime<Utc>) -> Option<&SigningKey> {
        self.default_key(now).map(|it| &it.key)
    }

    /// The key of an algorithm that signs at `now`.
    #[must_use]
    pub fn signer_of(&self, algorithm: SigningAlgorithm, now: DateTime<Utc>) -> Option<&SigningKey> {
        self.due(algorithm, now).map(|it| &it.key)
    }

    /// The key that signs for one client. Until a new algorithm's first key signs, a client that was there before it
    /// has what it had. One that came with the key, or later, gets it at once: it cannot hold older keys of ours, and
    /// fetches them when it meets one that it does not know (OpenID Connect Core §10.1.1).
    #[must_use]
    pub fn signer_for(&self, wish: SigningWish, now: DateTime<Utc>) -> Option<&SigningKey> {
        let Some(algorithm) = wish.algorithm else { return self.signer(now) };
        let early = || self.next(algorithm, now).filter(|it| it.stored.created_at <= wish.since + MARGIN);
        self.due(algorithm, now).or_else(early).map(|it| &it.key).or_else(|| self.signer(now))
    }

    /// The key that signs access tokens for these audiences.
    ///
    /// # Errors
    /// [`AudiencesDiffer`] when no one key signs for all of them.
    pub fn signer_for_audiences<'a>(
        &self,
        audiences: impl IntoIterator<Item = &'a Audience>,
        now: DateTime<Utc>,
    ) -> Result<Option<&SigningKey>, AudiencesDiffer> {
        let usual = self.signer(now);
        if self.audiences.is_empty() {
            return Ok(usual);
        }
        let of = |audience: &Audience| {
            let own = self.audiences.get(audience).and_then(|algorithm| self.due(*algorithm, now));
            own.map(|it| &it.key).or(usual)
        };
        let mut signers = audiences.into_iter().map(of);
        let Some(signer) = signers.next() else { return Ok(usual) };
        let same = |other: Option<&SigningKey>| other.map(SigningKey::kid) == signer.map(SigningKey::kid);
        if signers.all(same) { Ok(signer) } else { Err(AudiencesDiffer) }
    }

    /// Since when, or from when on, the key of this algorithm signs.
    #[must_use]
    pub fn signs_from(&self, algorithm: SigningAlgorithm, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let key = self.due(algorithm, now).or_else(|| self.next(algorithm, now));
        key.map(|it| it.stored.signs_from)
    }

    /// Whether there is a key of this algorithm for whoever asks for it by name, signing now or later.
    #[must_use]
    pub fn has(&self, algorithm: SigningAlgorithm) -> bool {
        self.trusted()
            .any(|it| it.key.algorithm() == algorithm && it.stored.is_asked_for && it.signs_until.is_none())
    }

    /// The keys that verifiers need to know at `now`.
    pub fn published(&self, now: DateTime<Utc>) -> impl Iterator<Item = &SigningKey> {
        self.keys
            .iter()
            .filter(move |it| match self.phase(it, now) {
                Phase::Next | Phase::Signing | Phase::Retiring => true,
                Phase::Retired | Phase::Withdrawn => false,
            })
            .map(|it| &it.key)
    }

    /// The keys that ever signed and were not withdrawn, as long as they are remembered: what they signed is genuine,
    /// though no verifier takes it any more.
    pub fn genuine(&self) -> impl Iterator<Item = &SigningKey> {
        self.trusted().map(|it| &it.key)
    }

    /// The public halves as a JSON Web Key Set (RFC 7517 §5). The key that signs where nobody asks for an algorithm is
    /// the first: some verifiers stop at the first that they cannot use, such as one of another type that comes next.
    #[must_use]
    pub fn jwks(&self, now: DateTime<Utc>) -> Value {
        let signer = self.signer(now).map(SigningKey::kid);
        let mut published: Vec<&SigningKey> = self.published(now).collect();
        published.sort_by_key(|key| Some(key.kid()) != signer);
        json!({ "keys": published.into_iter().map(SigningKey::public_jwk).collect::<Vec<_>>() })
    }

    /// Every key with its phase, in the order in which they were made.
    pub fn phases(&self, now: DateTime<Utc>) -> impl Iterator<Item = (&ScheduledKey, Phase)> {
        self.keys.iter().map(move |it| (&**it, self.phase(it, now)))
    }

    fn phase(&self, key: &ScheduledKey, now: DateTime<Utc>) -> Phase {
        if key.stored.withdrawn_at.is_some() {
            return Phase::Withdrawn;
        }
        if key.retired_at().is_some_and(|at| at + MARGIN <= now) {
            return Phase::Retired;
        }
        let is_key = |signer: Option<&ScheduledKey>| signer.is_some_and(|it| it.stored.kid == key.stored.kid);
        if is_key(self.default_key(now)) || is_key(self.due(key.key.algorithm(), now)) {
            Phase::Signing
        } else if key.is_due(now) {
            Phase::Retiring
        } else {
            Phase::Next
        }
    }
}
