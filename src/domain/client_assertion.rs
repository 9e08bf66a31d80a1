//! What a client claims of itself with a signed assertion (RFC 7523 §3, OpenID Connect Core §9).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use crate::domain::ids::ClientId;
use crate::domain::one_or_many::OneOrMany;
use crate::domain::secrets::SecretHash;

/// `client_assertion_type` (RFC 7523 §2.2).
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How far a client's clock may be from ours.
pub const SKEW: TimeDelta = TimeDelta::seconds(30);

/// The longest that something signed may be good for that is taken once: so long is its `jti` remembered.
pub(super) const LONGEST: TimeDelta = TimeDelta::hours(1);

/// `jti` and names are no longer than this in anybody's hands.
pub(super) const LONGEST_ID: usize = 255;

/// The claims of an assertion.
#[derive(Debug, Clone, Deserialize)]
pub struct Assertion {
    iss: String,
    sub: String,
    aud: OneOrMany<String>,
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
    jti: String,
}

/// Something signed that is as it should be, and has to be used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnceOnly {
    /// What it is known by: a hash of client and `jti`.
    pub id: SecretHash,
    /// When it can be forgotten.
    pub expires_at: DateTime<Utc>,
}

/// Why an assertion is refused: for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnacceptableAssertion {
    /// `iss` or `sub` is not the client (RFC 7523 §3, 1 and 2).
    #[error("iss and sub are not both the client")]
    Issuer,
    /// `aud` names somebody else (3).
    #[error("aud names others than this server")]
    Audience,
    /// `exp` is past (4).
    #[error("it has expired")]
    Expired,
    /// `exp` is too far away (4).
    #[error("exp is too far away")]
    TooLong,
    /// `nbf` (5) or `iat` (6) is in the future.
    #[error("it is from the future")]
    Future,
    /// `jti` is empty or endless (7).
    #[error("jti is empty or too long")]
    Id,
}

impl Assertion {
    /// Whether it is for this audience and says so in the plainest form: alone, and not in a list.
    #[must_use]
    pub fn is_plainly_for(&self, audience: &str) -> bool {
        matches!(&self.aud, OneOrMany::One(named) if named == audience)
    }

    /// Judges an assertion whose signature is good. `ours` are the names that this server has as an audience.
    ///
    /// # Errors
    /// [`UnacceptableAssertion`].
    pub fn judge(
        &self,
        client: &ClientId,
        ours: &[String],
        now: DateTime<Utc>,
    ) -> Result<OnceOnly, UnacceptableAssertion> {
        if self.iss != client.as_str() || self.sub != client.as_str() {
            return Err(UnacceptableAssertion::Issuer);
        }
        // Another server that was sent it, too, could use it here.
        if self.aud.is_empty() || !self.aud.iter().all(|audience| ours.contains(audience)) {
            return Err(UnacceptableAssertion::Audience);
        }
        let expires_at = time(self.exp).ok_or(UnacceptableAssertion::TooLong)? + SKEW;
        if now >= expires_at {
            return Err(UnacceptableAssertion::Expired);
        }
        if expires_at > now + LONGEST + SKEW * 2 {
            return Err(UnacceptableAssertion::TooLong);
        }
        // FAPI 2.0 Security Profile §5.3.2.1: a client's clock may be a little fast, not a minute.
        let is_future = |seconds: f64| time(seconds).is_none_or(|time| time > now + SKEW);
        if self.iat.is_some_and(is_future) || self.nbf.is_some_and(is_future) {
            return Err(UnacceptableAssertion::Future);
        }
        if self.jti.is_empty() || self.jti.len() > LONGEST_ID {
            return Err(UnacceptableAssertion::Id);
        }
        let id = SecretHash::of(format!("assertion\0{client}\0{}", self.jti).as_bytes());
        Ok(OnceOnly { id, expires_at })
    }
}

/// A time of a JWT (RFC 7519 §2 `NumericDate`), if it is within reason.
#[must_use]
pub fn time(seconds: f64) -> Option<DateTime<Utc>> {
    let millis = (seconds * 1e3).round();
    // Until the year 9999.
    if !(0.0..253_402_300_800_000.0).contains(&millis) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is a whole number within the bounds above")]
    DateTime::from_timestamp_millis(millis as i64)
}

/// The client that an assertion says it is from, before anything of it is believed.
#[must_use]
pub fn claimed_client(assertion: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        sub: String,
    }
    let payload = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1)?).ok()?;
    let named: Named = serde_json::from_slice(&payload).ok()?;
    Some(named.sub)
}
