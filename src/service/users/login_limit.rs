//! How many live logins a user may have, and how far the janitor has come in looking for users who have more.

use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::domain::ids::UserId;

/// The limit. A login only inserts, so that nobody waits for a count; the janitor ends what is too many.
#[derive(Debug)]
pub struct LoginLimit {
    most: usize,
    from: Mutex<UserId>,
}

impl LoginLimit {
    /// Nobody has been looked at yet.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self { most: usize::try_from(most).unwrap_or(usize::MAX), from: Mutex::new(UserId(Uuid::nil())) }
    }

    /// Live logins of one user.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// The user from whom the next round goes on.
    pub(crate) fn from(&self) -> UserId {
        *self.from.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the next round go on from here.
    pub(crate) fn go_on_from(&self, user: UserId) {
        *self.from.lock().unwrap_or_else(PoisonError::into_inner) = user;
    }
}
