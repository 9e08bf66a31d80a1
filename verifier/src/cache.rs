//! Tokens that were verified a while ago: most requests carry one that came before, and its signature stays as good as
//! the key that made it. Everything else about it is judged each time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use crate::access_token::{AccessToken, Claims};
use crate::keys::{Key, KeySet};
use crate::status::lists::Entry;

/// What a token is found by: SHA-256 of all its bytes. Nobody can make another token with the same (FIPS 180-4), and
/// who reads the memory of the cache finds no token in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenHash([u8; SHA256_OUTPUT_LEN]);

impl TokenHash {
    pub(crate) fn of(token: &str) -> Self {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }
}

/// A token whose signature was right.
pub(crate) struct Seen {
    /// The key id in its header.
    pub(crate) kid: Option<String>,
    /// The key that the id stood for.
    pub(crate) key: Arc<Key>,
    pub(crate) access: AccessToken,
    /// Where its status stands; `None` if nowhere, or if that is not followed.
    pub(crate) entry: Option<Entry>,
}

#[derive(Debug)]
pub(crate) struct Cache {
    tokens: quick_cache::sync::Cache<TokenHash, Arc<Seen>>,
    /// In which minute since 1970 dead tokens were last swept out.
    swept: AtomicU64,
}

impl Cache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { tokens: quick_cache::sync::Cache::new(capacity), swept: AtomicU64::new(0) }
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The token, if what its header names is the very key that verified it: one that was withdrawn, or that gave its
    /// id to another, takes its tokens along.
    pub(crate) fn get(&self, hash: &TokenHash, keys: &KeySet) -> Option<Arc<Seen>> {
        let seen = self.tokens.get(hash)?;
        (keys.find(seen.kid.as_deref()) == Some(&seen.key)).then_some(seen)
    }

    /// Takes in a token, and lets go of dead ones once a minute: those that nobody shows again would else stay until
    /// others need their place.
    pub(crate) fn insert(
        &self,
        hash: TokenHash,
        seen: &Arc<Seen>,
        now: SystemTime,
        is_dead: impl Fn(&Claims) -> bool,
    ) {
        self.tokens.insert(hash, Arc::clone(seen));
        let minute = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 60);
        if self.swept.swap(minute, Ordering::Relaxed) != minute {
            self.tokens.retain(|_, seen| !is_dead(&seen.access));
        }
    }
}
