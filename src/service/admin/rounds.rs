//! The janitor's rounds, counted.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::service::Failure;

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Families, events, status lists, sign-in sessions, codes, revoked tokens, counts and unused registrations
    /// deleted, past their expiry, and what is kept for removed clients.
    pub deleted: u64,
    /// Families ended, of clients that were removed or gave up their proof, of users who have too many, and what others
    /// had begun to end.
    pub ended: u64,
}

/// What all rounds did, since the process started.
#[derive(Debug, Clone, Copy, Default)]
pub struct RoundsSoFar {
    pub done: u64,
    pub failed: u64,
    pub tidied: Tidied,
}

/// The rounds so far.
#[derive(Debug, Default)]
pub struct Rounds(Mutex<RoundsSoFar>);

impl Rounds {
    pub(super) fn count(&self, round: &Result<Tidied, Failure>) {
        let mut all = self.lock();
        match round {
            Ok(tidied) => {
                all.done += 1;
                all.tidied.deleted += tidied.deleted;
                all.tidied.ended += tidied.ended;
            }
            Err(_) => all.failed += 1,
        }
    }

    /// What they did.
    #[must_use]
    pub fn so_far(&self) -> RoundsSoFar {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, RoundsSoFar> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
