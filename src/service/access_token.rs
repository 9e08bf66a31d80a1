//! Our own access tokens, as they come back to us: at the session list, at introspection and revocation.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::domain::audience::Audience;
use crate::domain::ids::FamilyId;
use crate::service::{Core, own_jwt};

/// A genuine access token of ours that has not expired. Whether its family still lives is another question.
#[derive(Debug, Clone, Deserialize)]
pub struct AccessToken {
    /// The user, or the client acting for itself.
    pub sub: String,
    /// For whom it is meant.
    #[serde(deserialize_with = "one_or_many")]
    pub aud: Vec<Audience>,
    /// The client that it was issued to.
    pub client_id: String,
    /// Expiry, in seconds since 1970.
    pub exp: i64,
    /// Issue time, in seconds since 1970.
    pub iat: i64,
    /// Its id.
    pub jti: String,
    /// What was granted.
    #[serde(default)]
    pub scope: String,
    /// Its family, unless a client acts for itself.
    pub sid: Option<FamilyId>,
    /// When the user signed in.
    pub auth_time: Option<i64>,
    /// The user's roles.
    pub roles: Option<Vec<String>>,
    iss: String,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Audience>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(Audience),
        Many(Vec<Audience>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(audience) => vec![audience],
        OneOrMany::Many(audiences) => audiences,
    })
}

/// Reads a token that this process has just made, and so need not verify.
#[must_use]
pub(crate) fn read_own(token: &str) -> Option<AccessToken> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// Reads an access token: `None` when it is not ours, not an access token, changed, or expired.
#[must_use]
pub fn verify(core: &Core, token: &str, now: DateTime<Utc>) -> Option<AccessToken> {
    // RFC 9068 §4: an ID token or another JWT of ours must not pass for an access token.
    let token: AccessToken = own_jwt::read(core, token, "at+jwt", now)?;
    (token.iss == core.issuer.as_str() && now.timestamp() < token.exp).then_some(token)
}
