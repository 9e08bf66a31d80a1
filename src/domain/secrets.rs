//! Plain secrets and what is stored of them: different types, and hashing is the only way across.

use std::fmt;

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};
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

/// The hash of what comes in parts.
pub(super) struct HashedParts(digest::Context);

impl fmt::Debug for HashedParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashedParts(…)")
    }
}

impl Default for HashedParts {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl HashedParts {
    pub(super) fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    pub(super) fn finish(self) -> SecretHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        SecretHash(hash)
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

/// A password as somebody typed it, verbatim.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Password(String);

/// The text can be nobody's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password must have at most 1,024 bytes and must not have the character U+0000")]
pub struct InvalidPassword;

/// Bytes of the longest password, as it is stored.
const LONGEST_PASSWORD: usize = 1024;
/// UAX #15 §13: what is normalized may take three times as many bytes in the form that somebody's keyboard has.
const LONGEST_TYPED: usize = 3 * LONGEST_PASSWORD;

impl Password {
    /// Wraps a password that is to be set; whether it may be is another question.
    ///
    /// # Errors
    /// [`InvalidPassword`] when it is longer than any password, or has what no form and no JSON of ours may hold.
    pub fn new(text: String) -> Result<Self, InvalidPassword> {
        let typed = Self(text);
        let fits = typed.0.len() <= LONGEST_TYPED && !typed.0.contains('\0');
        if fits { Ok(typed) } else { Err(InvalidPassword) }
    }

    /// Wraps what somebody claims to know: `None` when it can be nobody's password. A short one may be: other systems,
    /// from which users come, had rules of their own.
    #[must_use]
    pub fn presented(text: String) -> Option<Self> {
        Self::new(text).ok().filter(|typed| !typed.0.is_empty())
    }

    /// RFC 8265 §4.2.2: the form that is stored, so that every keyboard's way to write the same text is one password.
    #[must_use]
    pub fn canonical(&self) -> Self {
        self.rewritten(self.0.chars().map(|letter| if is_other_space(letter) { ' ' } else { letter }).nfc())
    }

    /// The different texts that may have been hashed when this one was set, three at most: as typed, as it is stored
    /// today, and decomposed, for passwords were once stored as they were typed.
    pub(crate) fn forms(&self) -> Vec<Self> {
        let mut forms = vec![self.clone()];
        for form in [self.canonical(), self.rewritten(self.0.nfd())] {
            if forms.iter().all(|known| known.0 != form.0) {
                forms.push(form);
            }
        }
        forms
    }

    pub(crate) fn is_too_long(&self) -> bool {
        self.0.len() > LONGEST_PASSWORD
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// In a buffer that never grows: what it would leave behind nobody would wipe.
    fn rewritten(&self, letters: impl Iterator<Item = char>) -> Self {
        let mut text = String::with_capacity(3 * self.0.len());
        text.extend(letters);
        Self(text)
    }
}

/// A space of another width than the keyboard's (RFC 8265 §4.2.2: they become one).
fn is_other_space(letter: char) -> bool {
    letter != ' ' && letter.general_category() == GeneralCategory::SpaceSeparator
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> Vec<String> {
        let forms = Password::new(text.to_owned()).unwrap().forms();
        forms.iter().map(|form| form.text().to_owned()).collect()
    }

    #[test]
    fn a_password_has_as_many_forms_as_there_are_ways_to_write_it() {
        assert_eq!(forms("correct horse"), ["correct horse"]);
        assert_eq!(forms("pässwörd"), ["pässwörd", "pa\u{308}sswo\u{308}rd"]);
        assert_eq!(forms("pa\u{308}sswo\u{308}rd"), ["pa\u{308}sswo\u{308}rd", "pässwörd"]);
        // On a keyboard that writes one letter in one way and the next in another.
        assert_eq!(forms("pa\u{308}sswörd").len(), 3);
        assert_eq!(forms("correct\u{a0}horse"), ["correct\u{a0}horse", "correct horse"]);
        assert_eq!(forms("ｃorrect horse").len(), 1, "width makes another password");
    }

    #[test]
    fn what_can_be_nobodys_password_is_not_looked_at() {
        assert!(Password::presented(String::new()).is_none());
        assert!(Password::presented("1".to_owned()).is_some(), "a short one may come from elsewhere");
        assert!(Password::presented("u\u{308}".repeat(512)).is_some(), "1,024 bytes in another form");
        assert!(Password::new("x".repeat(3073)).is_err());
        assert!(Password::new("correct\0horse".to_owned()).is_err());
    }
}
