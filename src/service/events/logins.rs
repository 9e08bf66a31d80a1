//! How logins end, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::event::Event;

/// How many logins there were, and how many were refused, since the process started.
#[derive(Debug, Default)]
pub struct LoginCounts {
    begun: AtomicU64,
    refused: AtomicU64,
}

impl LoginCounts {
    pub(crate) fn count(&self, event: &Event) {
        // A sign-in at the pages is refused before there is any login.
        let refused = matches!(event, Event::LoginRefused { .. } | Event::SignInRefused { .. });
        if matches!(event, Event::LoginSucceeded { .. }) {
            self.begun.fetch_add(1, Ordering::Relaxed);
        } else if refused {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[must_use]
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}
