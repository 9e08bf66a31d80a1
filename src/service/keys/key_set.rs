//! The signing keys in their succession: which one signs, which are published.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::JwkSet;
use serde::Serialize;

use crate::crypto::signing_key::SigningKey;
use crate::domain::client::JwtAlgorithm;
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
    /// When its last token has expired; `None` while no successor is known.
    pub retired_at: Option<DateTime<Utc>>,
}

/// The signing keys at one reading of the database.
#[derive(Debug, Default)]
pub struct KeySet {
    pub(super) keys: Vec<Arc<ScheduledKey>>,
}

impl KeySet {
    /// The key that signs at `now`: the last in the succession whose time has come.
    #[must_use]
    pub fn signer(&self, now: DateTime<Utc>) -> Option<&SigningKey> {
        let trusted = || self.keys.iter().filter(|it| it.stored.withdrawn_at.is_none());
        let due = trusted().rfind(|it| it.stored.signs_from <= now);
        // A first key made by a replica whose clock is a moment ahead signs already.
        due.or_else(|| trusted().next()).map(|it| &it.key)
    }

    /// What it signs with, as clients name it.
    #[must_use]
    pub fn signs_with(&self, now: DateTime<Utc>) -> Option<JwtAlgorithm> {
        self.signer(now).and_then(|key| JwtAlgorithm::named(key.algorithm().as_str()))
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
        self.keys.iter().filter(|it| it.stored.withdrawn_at.is_none()).map(|it| &it.key)
    }

    /// The public halves as a JSON Web Key Set (RFC 7517 §5). The key that signs is the first: some verifiers stop at
    /// the first that they cannot use, such as one of another type that comes next.
    #[must_use]
    pub fn jwks(&self, now: DateTime<Utc>) -> JwkSet {
        let signer = self.signer(now).map(SigningKey::kid);
        let mut published: Vec<&SigningKey> = self.published(now).collect();
        published.sort_by_key(|key| Some(key.kid()) != signer);
        JwkSet { keys: published.into_iter().map(|key| key.public_jwk().clone()).collect() }
    }

    /// Every key with its phase, in order of succession.
    pub fn phases(&self, now: DateTime<Utc>) -> impl Iterator<Item = (&ScheduledKey, Phase)> {
        self.keys.iter().map(move |it| (&**it, self.phase(it, now)))
    }

    fn phase(&self, key: &ScheduledKey, now: DateTime<Utc>) -> Phase {
        if key.stored.withdrawn_at.is_some() {
            return Phase::Withdrawn;
        }
        if key.retired_at.is_some_and(|at| at + MARGIN <= now) {
            return Phase::Retired;
        }
        match self.signer(now) {
            Some(signer) if signer.kid() == key.key.kid() => Phase::Signing,
            _ if key.stored.signs_from > now => Phase::Next,
            _ => Phase::Retiring,
        }
    }
}
