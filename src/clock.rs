//! The one place that reads the machine's clock.
//!
//! Everything else is given the time: services as an argument, the composition root as a [`Clock`]. That is
//! why a test can age a login by ninety days without sleeping.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use crate::domain::reading::Reading;

/// A source of the current time, in whole microseconds: what both databases keep.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    steady: Option<Arc<dyn Fn() -> Duration + Send + Sync>>,
}

impl Clock {
    /// The machine's own clock.
    #[must_use]
    pub fn system() -> Self {
        let running = Stopwatch::start();
        #[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else is told to ask")]
        Self::beside(Utc::now, move || running.elapsed())
    }

    /// A clock that asks `now`, which nobody doubts; a test moves time by changing what `now` answers.
    pub fn new(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now), steady: None }
    }

    /// A clock that somebody may set wrong, beside one that nobody sets: the time since any one instant.
    pub fn beside(
        now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static,
        steady: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self { now: Arc::new(now), steady: Some(Arc::new(steady)) }
    }

    /// The current time, cut to whole microseconds.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let now = (self.now)();
        now.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(now)
    }

    /// The current time and the time that has passed.
    #[must_use]
    pub fn read(&self) -> Reading {
        Reading { now: self.now(), steady: self.steady.as_ref().map(|steady| steady()) }
    }
}

/// Measures how long something took: for logs, for progress, for how old a connection is, for whether a clock jumped;
/// never for a token or a login.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "how long something took is real time, whatever the injected clock says"
    )]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> std::time::Duration {
        self.0.elapsed()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}
