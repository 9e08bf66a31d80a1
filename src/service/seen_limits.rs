//! How far this process has read what others charged to limits.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

/// Until when this process knows what others have charged.
#[derive(Debug, Default)]
pub struct SeenLimits(Mutex<Option<DateTime<Utc>>>);

impl SeenLimits {
    pub(crate) fn seen_until(&self) -> Option<DateTime<Utc>> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has_seen(&self, until: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}
