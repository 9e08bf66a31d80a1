//! Authorization requests that wait here for their browser (RFC 9126).

use crate::domain::opaque::OpaqueSecret;
use crate::domain::secrets::SecretHash;

/// What a `request_uri` of ours begins with (RFC 9126 §2.2).
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// The URI that a pushed request is fetched by: whoever knows it may open it.
#[derive(Debug, Clone)]
pub struct RequestUri(OpaqueSecret);

impl RequestUri {
    /// Makes one of fresh random bytes.
    #[must_use]
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        Self(OpaqueSecret::from_random(bytes))
    }

    /// Reads one that was presented; `None` when it can be none of ours.
    #[must_use]
    pub fn presented(text: &str) -> Option<Self> {
        OpaqueSecret::presented(text.strip_prefix(PREFIX)?).map(Self)
    }

    /// What the database keeps of it.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        self.0.hash()
    }

    /// The URI, for the client and its browser.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", self.0.expose())
    }
}
