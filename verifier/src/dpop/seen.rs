//! Proofs that came before: each is good once (RFC 9449 §11.1).

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};

use crate::dpop::proof::{Proof, WINDOW};

/// Remembers proofs by key and `jti` for as long as they could come again, within one process.
///
/// The memory is bounded, and nothing is ever forgotten that [`verify_proof`](crate::dpop::verify_proof) would still
/// accept: when it is full, a new proof is refused ([`NotRemembered::Full`]). The other way round, whoever can make
/// many proofs could push out the one that somebody wants to use again. A place is free again after a minute, or two
/// for a proof whose maker's clock goes ahead. About 100 bytes a proof, when they are there.
///
/// Several processes do not know of each other's proofs: give those a nonce (RFC 9449 §8).
///
/// ```
/// use heirloom_verifier::dpop::SeenProofs;
///
/// let seen = SeenProofs::new(100_000); // 1,600 requests a second
/// assert!(seen.is_empty());
/// ```
#[derive(Debug)]
pub struct SeenProofs {
    capacity: usize,
    memory: Mutex<Memory>,
}

/// Why a proof cannot be taken in: then its request must be refused.
///
/// ```
/// use heirloom_verifier::dpop::NotRemembered;
///
/// assert_eq!(NotRemembered::Replayed.to_string(), "The DPoP proof was used before.");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRemembered {
    /// This key signed a proof of this `jti` before: `invalid_dpop_proof`.
    #[error("The DPoP proof was used before.")]
    Replayed,
    /// Nobody can tell any more whether it came before: `invalid_dpop_proof`. [`verify_proof`] refuses it, too, by the
    /// same clock; by another, that goes after, it may not.
    ///
    /// [`verify_proof`]: crate::dpop::verify_proof
    #[error("The DPoP proof is too old.")]
    TooOld,
    /// As many proofs came within a minute as there are places: says nothing about the proof. The answer is 503.
    #[error("Too many DPoP proofs came at once. Please try again.")]
    Full,
}

/// A proof's thumbprint and `jti`, hashed: whoever makes two proofs with the same has one of them refused.
type Id = [u8; 16];

#[derive(Debug, Default)]
struct Memory {
    known: HashSet<Id>,
    /// The same by the last second in which they are good.
    by_end: BTreeMap<i64, Vec<Id>>,
    /// The last second in which one was good that is forgotten now.
    forgotten: Option<i64>,
}

impl SeenProofs {
    /// Remembers so many proofs at once.
    ///
    /// ```
    /// let seen = heirloom_verifier::dpop::SeenProofs::new(10_000);
    /// ```
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, memory: Mutex::default() }
    }

    /// Takes in a proof that [`verify_proof`](crate::dpop::verify_proof) found right, with the same `now`. Do this
    /// last, when all else about the request is right: a proof that was taken in is spent.
    ///
    /// ```
    /// use heirloom_verifier::dpop::{NotRemembered, Proof, SeenProofs};
    ///
    /// fn is_new(seen: &SeenProofs, proof: &Proof, now: i64) -> Result<bool, &'static str> {
    ///     match seen.remember(proof, now) {
    ///         Ok(()) => Ok(true),
    ///         Err(NotRemembered::Replayed | NotRemembered::TooOld) => Ok(false),
    ///         Err(NotRemembered::Full) => Err("try again"),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`NotRemembered`].
    pub fn remember(&self, proof: &Proof, now: i64) -> Result<(), NotRemembered> {
        let (id, end) = (id(proof), proof.issued_at.saturating_add(WINDOW));
        let mut memory = self.memory();
        memory.forget_ended(now);
        if memory.forgotten.is_some_and(|forgotten| end <= forgotten) {
            return Err(NotRemembered::TooOld);
        }
        if memory.known.contains(&id) {
            return Err(NotRemembered::Replayed);
        }
        if memory.known.len() >= self.capacity {
            return Err(NotRemembered::Full);
        }
        memory.known.insert(id);
        memory.by_end.entry(end).or_default().push(id);
        Ok(())
    }

    /// How many it holds: for a gauge. Some may have ended: the next one that comes lets them go.
    ///
    /// ```
    /// assert_eq!(heirloom_verifier::dpop::SeenProofs::new(10_000).len(), 0);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.memory().known.len()
    }

    /// Whether it holds none.
    ///
    /// ```
    /// assert!(heirloom_verifier::dpop::SeenProofs::new(10_000).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn forget_ended(&mut self, now: i64) {
        while let Some(first) = self.by_end.first_entry().filter(|first| *first.key() < now) {
            // Never back: a thread whose `now` is a little older comes a little later.
            self.forgotten = self.forgotten.max(Some(*first.key()));
            for id in first.remove() {
                self.known.remove(&id);
            }
        }
    }
}

fn id(proof: &Proof) -> Id {
    // A thumbprint has one length: what follows cannot be taken for a part of it.
    let hash = digest(&SHA256, format!("{}{}", proof.thumbprint, proof.jti).as_bytes());
    let mut id = Id::default();
    for (to, from) in id.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_900_000_000;

    fn proof(key: &str, jti: &str, issued_at: i64) -> Proof {
        Proof {
            thumbprint: format!("{key:A>43}"),
            jti: jti.to_owned(),
            issued_at,
            nonce: None,
            algorithm: "ES256".to_owned(),
        }
    }

    #[test]
    fn a_proof_is_good_once_and_another_key_may_use_its_jti() {
        let seen = SeenProofs::new(10);
        assert_eq!(seen.remember(&proof("a", "1", NOW), NOW), Ok(()));
        assert_eq!(seen.remember(&proof("a", "1", NOW), NOW), Err(NotRemembered::Replayed));
        assert_eq!(seen.remember(&proof("a", "1", NOW + 5), NOW + 5), Err(NotRemembered::Replayed));
        assert_eq!(seen.remember(&proof("b", "1", NOW), NOW), Ok(()));
        assert_eq!(seen.remember(&proof("a", "2", NOW), NOW), Ok(()));
        assert_eq!(seen.len(), 3);
    }

    #[test]
    fn a_proof_is_remembered_as_long_as_its_time_is_accepted() {
        for issued_at in [NOW - WINDOW, NOW, NOW + WINDOW] {
            let seen = SeenProofs::new(10);
            let proof = proof("a", "1", issued_at);
            assert_eq!(seen.remember(&proof, NOW), Ok(()));
            let last = issued_at + WINDOW;
            assert_eq!(seen.remember(&proof, last), Err(NotRemembered::Replayed));
            assert_eq!(seen.len(), 1);
            assert_eq!(seen.remember(&proof, last + 1), Err(NotRemembered::TooOld));
            assert!(seen.is_empty());
        }
    }

    #[test]
    fn a_full_memory_refuses_and_forgets_nothing_that_could_come_again() {
        let seen = SeenProofs::new(2);
        let (first, second) = (proof("a", "1", NOW), proof("a", "2", NOW + 30));
        assert_eq!(seen.remember(&first, NOW), Ok(()));
        assert_eq!(seen.remember(&second, NOW + 30), Ok(()));
        let third = proof("b", "3", NOW + 60);
        assert_eq!(seen.remember(&third, NOW + 60), Err(NotRemembered::Full));
        assert_eq!(seen.remember(&first, NOW + 60), Err(NotRemembered::Replayed));
        // A second later the first can be let go.
        assert_eq!(seen.remember(&third, NOW + 61), Ok(()));
        assert_eq!(seen.remember(&second, NOW + 61), Err(NotRemembered::Replayed));
        assert_eq!(seen.len(), 2);
    }

    #[test]
    fn a_clock_that_goes_back_brings_no_proof_back() {
        let seen = SeenProofs::new(10);
        let first = proof("a", "1", NOW);
        assert_eq!(seen.remember(&first, NOW), Ok(()));
        assert_eq!(seen.remember(&proof("a", "2", NOW + 61), NOW + 61), Ok(()));
        assert_eq!(seen.remember(&first, NOW + 60), Err(NotRemembered::TooOld));
        // What cannot have been forgotten is taken in.
        assert_eq!(seen.remember(&proof("a", "3", NOW + 1), NOW + 60), Ok(()));
    }
}
