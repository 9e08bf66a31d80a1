//! The key by which a request is known that makes something once, however often it comes
//! (draft-ietf-httpapi-idempotency-key-header-07).

use std::str::FromStr;

use crate::domain::ids::ClientId;
use crate::domain::secrets::{HashedParts, SecretHash};

/// What its sender made up: 1 to 255 visible characters of ASCII, or blanks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// The text is no such key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key must have 1 to 255 characters of ASCII that can be printed")]
pub struct InvalidIdempotencyKey;

impl FromStr for IdempotencyKey {
    type Err = InvalidIdempotencyKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=255).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidIdempotencyKey) }
    }
}

impl IdempotencyKey {
    /// What it is looked for by. §5: it is its sender's own, so that nobody has the answer of somebody else by a key
    /// that is easy to guess.
    #[must_use]
    pub fn hash_of(&self, client: &ClientId, by: &str) -> SecretHash {
        SecretHash::of(format!("heirloom idempotency key v1\0{client}\0{by}\0{}", self.0).as_bytes())
    }
}

/// §2.4: what a request is told apart by from others that come with the same key.
#[must_use]
pub fn fingerprint(method: &str, place: &str, body: &[u8]) -> SecretHash {
    let mut request = RequestFingerprint::new(method, place);
    request.update(body);
    request.finish()
}

/// The same of a request whose body is read little by little.
#[derive(Debug)]
pub struct RequestFingerprint(HashedParts);

impl RequestFingerprint {
    #[must_use]
    pub fn new(method: &str, place: &str) -> Self {
        let mut parts = HashedParts::default();
        parts.update(format!("heirloom request v1\0{method}\0{place}\0").as_bytes());
        Self(parts)
    }

    /// Takes the next part of the body.
    pub fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    #[must_use]
    pub fn finish(self) -> SecretHash {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_short_text_that_can_be_printed() {
        for fit in ["a", "8e03978e-40d5-43e8-bc93-6894a57f9324", "a b \"c\" \\", &"x".repeat(255)] {
            assert!(fit.parse::<IdempotencyKey>().is_ok(), "{fit}");
        }
        for unfit in ["", "a\n", "é", "\u{7f}", &"x".repeat(256)] {
            assert_eq!(unfit.parse::<IdempotencyKey>(), Err(InvalidIdempotencyKey), "{unfit}");
        }
    }

    #[test]
    fn a_request_is_the_same_however_it_is_read() {
        let whole = fingerprint("POST", "/a", b"some text");
        let mut parts = RequestFingerprint::new("POST", "/a");
        for part in [&b"so"[..], b"", b"me text"] {
            parts.update(part);
        }
        assert!(parts.finish().matches(&whole));
        for other in [fingerprint("PUT", "/a", b"some text"), fingerprint("POST", "/a", b"some texts")] {
            assert!(!other.matches(&whole));
        }
    }

    #[test]
    fn whoever_sends_a_key_has_it_alone() {
        let (key, ops) = ("a".parse::<IdempotencyKey>().unwrap(), "ops".parse().unwrap());
        let hash = |client: &ClientId, by| *key.hash_of(client, by).as_bytes().first_chunk::<32>().unwrap();
        let mine = hash(&ops, "client ops");
        assert_eq!(mine, hash(&ops, "client ops"));
        assert_ne!(mine, hash(&ops, "user 1"));
        assert_ne!(mine, hash(&"other".parse().unwrap(), "client ops"));
    }
}
