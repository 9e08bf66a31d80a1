//! What somebody holds after a login or a refresh, and what can be read in it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use serde_json::Value;

/// A pair of tokens.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) access: String,
    pub(super) refresh: String,
}

impl Held {
    pub(super) fn of(answer: &Value) -> Self {
        let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }

    /// The generation that the refresh token names (bytes 20 to 23).
    pub(super) fn generation(&self) -> u32 {
        let encoded = self.refresh.strip_prefix("hrt1_").unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD.decode(encoded).unwrap_or_default();
        bytes.get(20..24).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
    }

    /// One of the access token's claims.
    pub(super) fn claim(&self, name: &str) -> Value {
        let payload = self.access.split('.').nth(1).unwrap_or_default();
        let json = URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
        let claims: Value = serde_json::from_slice(&json).unwrap_or_default();
        claims.get(name).cloned().unwrap_or_default()
    }

    /// A claim that is text.
    pub(super) fn text(&self, name: &str) -> String {
        self.claim(name).as_str().unwrap_or_default().to_owned()
    }

    /// When the access token expires, as a clock shows it.
    pub(super) fn expires_at(&self) -> String {
        let time = self.claim("exp").as_i64().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        time.map(|time| time.format("%H:%M:%S UTC").to_string()).unwrap_or_default()
    }
}
