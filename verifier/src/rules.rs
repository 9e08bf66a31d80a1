//! What a token must be.

use std::time::{Duration, SystemTime};

use jsonwebtoken::Algorithm;

use crate::access_token::{AccessToken, Claims};
use crate::clock::Clock;
use crate::error::VerifyError;
use crate::resource::ResourceMetadata;

#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) leeway: Duration,
    pub(crate) scopes: Vec<String>,
    pub(crate) realm: String,
    pub(crate) resource: Option<ResourceMetadata>,
    pub(crate) clock: Clock,
}

impl Rules {
    /// Judges the claims of a token whose signature is right: on first sight, and each time that it comes again.
    pub(crate) fn judge(&self, access: &AccessToken, now: SystemTime) -> Result<(), VerifyError> {
        if access.issuer != self.issuer {
            return Err(VerifyError::WrongIssuer);
        }
        if !access.audience.iter().any(|audience| self.audiences.contains(audience)) {
            return Err(VerifyError::WrongAudience);
        }
        if self.is_expired(access, now) {
            return Err(VerifyError::Expired);
        }
        if access.not_before.is_some_and(|not_before| self.is_to_come(not_before, now)) {
            return Err(VerifyError::NotYetValid);
        }
        access.require_scopes(&self.scopes)
    }

    pub(crate) fn is_expired(&self, claims: &Claims, now: SystemTime) -> bool {
        self.is_over(claims.expires_at, now)
    }

    /// Whether this end is past, give or take the leeway. Differences, not sums: a far time and a wide leeway must not
    /// overflow.
    pub(crate) fn is_over(&self, end: SystemTime, now: SystemTime) -> bool {
        now.duration_since(end).is_ok_and(|late| late >= self.leeway)
    }

    /// How long ago a time is, less the leeway: what is to come has no age.
    pub(crate) fn age(&self, time: SystemTime, now: SystemTime) -> Duration {
        now.duration_since(time).unwrap_or_default().saturating_sub(self.leeway)
    }

    /// Whether this beginning is still to come.
    pub(crate) fn is_to_come(&self, beginning: SystemTime, now: SystemTime) -> bool {
        beginning.duration_since(now).is_ok_and(|early| early > self.leeway)
    }
}
