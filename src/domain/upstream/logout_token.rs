//! What a provider says of a logout there (OpenID Connect Back-Channel Logout §2.4).

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::domain::client_assertion::{OnceOnly, time};
use crate::domain::one_or_many::OneOrMany;
use crate::domain::secrets::SecretHash;
use crate::domain::upstream::Provider;

/// The event that it has to tell of.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// How far a provider's clock may be from ours.
const SKEW: TimeDelta = TimeDelta::seconds(60);

/// How long one may be good: its `jti` is remembered so long.
const LONGEST: TimeDelta = TimeDelta::hours(1);

const LONGEST_ID: usize = 255;

/// A logout token's claims.
#[derive(Debug, Deserialize)]
pub struct LogoutToken {
    iss: String,
    aud: OneOrMany<String>,
    iat: f64,
    exp: f64,
    jti: String,
    pub sub: Option<String>,
    pub sid: Option<String>,
    events: Map<String, Value>,
    nonce: Option<IgnoredAny>,
}

/// Why one is refused: for the log (§2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitLogoutToken {
    #[error("it is another provider's")]
    Issuer,
    #[error("it is for another client")]
    Audience,
    #[error("it is over, from the future, or good for too long")]
    Time,
    #[error("it names neither a subject nor a session")]
    Nobody,
    #[error("it does not tell of a logout")]
    Event,
    #[error("it has a nonce, as ID tokens do")]
    Nonce,
    #[error("jti is empty or too long")]
    Id,
}

impl LogoutToken {
    /// Whether it counts, and what it is known by from then on.
    ///
    /// # Errors
    /// [`UnfitLogoutToken`].
    pub fn judge(&self, provider: &Provider, now: DateTime<Utc>) -> Result<OnceOnly, UnfitLogoutToken> {
        if self.iss != provider.issuer {
            return Err(UnfitLogoutToken::Issuer);
        }
        if !self.aud.contains(&provider.client_id) {
            return Err(UnfitLogoutToken::Audience);
        }
        let expires_at = time(self.exp).ok_or(UnfitLogoutToken::Time)? + SKEW;
        let is_future = time(self.iat).is_none_or(|issued| issued > now + SKEW);
        if is_future || now >= expires_at || expires_at > now + LONGEST + SKEW * 2 {
            return Err(UnfitLogoutToken::Time);
        }
        let names = |id: &Option<String>| id.as_deref().is_some_and(|id| !id.is_empty());
        if !names(&self.sub) && !names(&self.sid) {
            return Err(UnfitLogoutToken::Nobody);
        }
        if !self.events.get(EVENT).is_some_and(Value::is_object) {
            return Err(UnfitLogoutToken::Event);
        }
        if self.nonce.is_some() {
            return Err(UnfitLogoutToken::Nonce);
        }
        if self.jti.is_empty() || self.jti.len() > LONGEST_ID {
            return Err(UnfitLogoutToken::Id);
        }
        let id = SecretHash::of(format!("logout token\0{}\0{}", self.iss, self.jti).as_bytes());
        Ok(OnceOnly { id, expires_at })
    }
}
