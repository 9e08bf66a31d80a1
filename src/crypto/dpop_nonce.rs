//! Nonces for clients' proofs of their keys (RFC 9449 §8). Each belongs to a slot of time and is a MAC of its number:
//! nothing is kept of it, and every replica makes the same.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What nonces are made with.
pub struct NonceKey(hmac::Key);

impl NonceKey {
    #[must_use]
    pub(super) fn new(material: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, material))
    }

    /// The nonce of a slot.
    #[must_use]
    pub fn nonce(&self, slot: i64) -> String {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(b"heirloom dpop nonce v1\0");
        mac.update(&slot.to_be_bytes());
        let tag = mac.sign();
        let (nonce, _) = tag.as_ref().split_at(16);
        URL_SAFE_NO_PAD.encode(nonce)
    }

    /// Whether a nonce is that of a slot.
    #[must_use]
    pub fn is_of(&self, nonce: &str, slot: i64) -> bool {
        constant_time::verify_slices_are_equal(nonce.as_bytes(), self.nonce(slot).as_bytes()).is_ok()
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey(…)")
    }
}
