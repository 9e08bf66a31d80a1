//! Tokens of our own whose signature was right a while ago: most requests carry one that came before, and to verify it
//! again would take longer than all else. Whether its key is still published is for whoever asks to see each time.

use std::fmt;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use quick_cache::sync::Cache;

/// Tokens that are remembered, 64 bytes each; the least used ones give their place away.
const CAPACITY: usize = 10_000;

/// SHA-256 of all of a token: nobody can make another one with the same (FIPS 180-4), and memory has no token in it.
type TokenHash = [u8; SHA256_OUTPUT_LEN];

/// Those that were proven.
pub struct ProvenTokens(Cache<TokenHash, ()>);

impl Default for ProvenTokens {
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

impl fmt::Debug for ProvenTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProvenTokens").field("len", &self.0.len()).finish()
    }
}

impl ProvenTokens {
    /// Whether the key that a token names signed it: `prove` is asked for one that is new. What is not good is not
    /// remembered: nobody drives the others out with forged ones.
    pub fn is_proven(&self, token: &str, prove: impl FnOnce() -> bool) -> bool {
        let mut hash = TokenHash::default();
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        if self.0.get(&hash).is_some() {
            return true;
        }
        let is_good = prove();
        if is_good {
            self.0.insert(hash, ());
        }
        is_good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_proven_once_and_never_in_anothers_place() {
        let proven = ProvenTokens::default();
        assert!(!proven.is_proven("a.b.c", || false));
        assert!(proven.is_proven("a.b.c", || true), "what was not good is not remembered as bad");
        assert!(proven.is_proven("a.b.c", || panic!("it was proven")));
        for other in ["a.b.d", "a.b.c.", "A.b.c", ""] {
            assert!(!proven.is_proven(other, || false), "{other}");
        }
    }
}
