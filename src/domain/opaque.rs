//! Secrets that are looked up by their hash: authorization codes, and what the browser's cookies hold.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::ZeroizeOnDrop;

use crate::domain::secrets::SecretHash;

/// 32 random bytes as text. They mean nothing, and the database keeps their hash only.
#[derive(Clone, ZeroizeOnDrop)]
pub struct OpaqueSecret(String);

impl OpaqueSecret {
    /// Makes a secret of fresh random bytes.
    #[must_use]
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Wraps what was presented; `None` when it can be none of ours.
    #[must_use]
    pub fn presented(text: &str) -> Option<Self> {
        let decoded = URL_SAFE_NO_PAD.decode(text).ok()?;
        (decoded.len() == 32).then(|| Self(text.to_owned()))
    }

    /// What the database stores.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(self.0.as_bytes())
    }

    /// A token that only the holder of this secret can be given, for one purpose: other than the secret itself it may
    /// stand in a page.
    #[must_use]
    pub fn derived(&self, purpose: &str) -> Self {
        let hash = SecretHash::of(format!("heirloom {purpose} v1\0{}", self.0).as_bytes());
        Self(URL_SAFE_NO_PAD.encode(hash.as_bytes()))
    }

    /// Compares in constant time.
    #[must_use]
    pub fn matches(&self, presented: &str) -> bool {
        SecretHash::of(presented.as_bytes()).matches(&self.hash())
    }

    /// The plain text, for its holder only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OpaqueSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueSecret(…)")
    }
}
