//! Plain secrets and what is stored of them: different types, and hashing is the only way across.

use std::fmt;

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::ZeroizeOnDrop;

/// `sha256` of a secret: what the database keeps instead of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    pub(super) fn of(secret: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, secret).as_ref());
        Self(hash)
    }

    /// Reads back what was stored; `None` unless it is 32 bytes.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Compares in constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// `r`: the 16 random bytes that every refresh token of a family carries and the database never sees.
#[derive(Clone, ZeroizeOnDrop)]
pub struct FamilySecret([u8; 16]);

impl FamilySecret {
    /// Wraps fresh random bytes, or those read from a genuine token.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// What the family's row stores.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }

    pub(crate) fn expose(&self) -> &[u8; 16] {
        &self.0
    }

    /// A token id made of `content`: equal content has an equal id, and no other content shares it, for nobody
    /// without `r` can compute one.
    #[must_use]
    pub fn token_id(&self, content: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut mac = hmac::Context::with_key(&key);
        mac.update(b"heirloom jti v1\0");
        mac.update(content);
        let tag = mac.sign();
        let (id, _) = tag.as_ref().split_at(16);
        URL_SAFE_NO_PAD.encode(id)
    }
}

impl fmt::Debug for FamilySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FamilySecret(…)")
    }
}

/// A client's secret (RFC 6749 §2.3.1): 32 random bytes as text. Long and random, so a plain SHA-256 stores it
/// safely and checks it fast.
#[derive(Clone, ZeroizeOnDrop)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// Makes a secret of fresh random bytes; the prefix lets secret scanners find a leaked one.
    #[must_use]
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        Self(format!("hcs_{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Wraps what a client presented.
    #[must_use]
    pub fn presented(text: String) -> Self {
        Self(text)
    }

    /// What the database stores.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(self.0.as_bytes())
    }

    /// The plain text, to be shown once to whoever made the client.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

/// A password as typed, verbatim: any Unicode, 8 to 1,024 bytes.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Password(String);

/// A password that cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password must have 8 to 1,024 bytes")]
pub struct InvalidPassword;

impl Password {
    /// Wraps a password; none is trimmed, folded or normalised.
    ///
    /// # Errors
    /// [`InvalidPassword`] when it is shorter than 8 bytes or longer than 1,024.
    pub fn new(text: String) -> Result<Self, InvalidPassword> {
        if (8..=1024).contains(&text.len()) { Ok(Self(text)) } else { Err(InvalidPassword) }
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
