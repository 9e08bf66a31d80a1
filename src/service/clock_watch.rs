//! Whether this machine's time can be believed. What cannot be undone never hangs on the local clock alone: it is
//! compared with the database's, where that has one, and with the time that has passed.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::lifetimes::duration_text;
use crate::domain::reading::{Reading, Steadiness, TimeLook};
use crate::store::{Db, StoreError, clients, families, resource_servers};

/// Clocks must agree at least so well, however long the leeways are.
const WIDEST_BOUND: Duration = Duration::from_secs(5);

/// An answer that took longer says too little of the time in it.
const TIMELY: Duration = Duration::from_secs(1);

/// Compares this machine's time with others.
#[derive(Debug)]
pub struct ClockWatch {
    /// The leeway of clients that set none.
    leeway: Duration,
    comparison: RwLock<Option<Comparison>>,
    steadiness: Mutex<Steadiness>,
}

/// What the database's clock said, in terms of the steady one.
#[derive(Debug, Clone, Copy)]
struct Comparison {
    database: DateTime<Utc>,
    steady: Duration,
    /// How far this machine's time may be off.
    bound: TimeDelta,
}

/// This machine's clock is off: ahead of the database's, or behind it where this is negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this machine's clock is {} {} the database's: more than half the shortest leeway, or more than 5s",
    duration_text(Duration::from_millis(.0.num_milliseconds().unsigned_abs())),
    if *.0 < TimeDelta::zero() { "behind" } else { "ahead of" }
)]
pub struct Astray(pub TimeDelta);

impl ClockWatch {
    /// Nothing was compared yet: every time is believed.
    #[must_use]
    pub fn new(leeway: Duration) -> Self {
        Self { leeway, comparison: RwLock::default(), steadiness: Mutex::default() }
    }

    /// Asks the database for its time. Between two answers the steady clock tells what it would be.
    ///
    /// # Errors
    /// [`StoreError`]: what was known before still holds.
    pub async fn compare(&self, db: &Db, read: impl Fn() -> Reading) -> Result<(), StoreError> {
        let Some(asked) = read().steady else { return Ok(()) };
        let Some(database) = db.time().await? else { return Ok(()) };
        let Some(answered) = read().steady else { return Ok(()) };
        let took = answered.saturating_sub(asked);
        if took > TIMELY && self.comparison().is_some() {
            return Ok(());
        }
        let own = clients::shortest_leeway(db).await?;
        let of_services = resource_servers::shortest_ttl(db).await?.map(|ttl| ttl / 2);
        let shortest = own.into_iter().chain(of_services).chain([self.leeway]);
        let bound = shortest.filter(|leeway| !leeway.is_zero()).map(|leeway| leeway / 2).min();
        // Somewhere between question and answer the database read its clock.
        let bound = bound.unwrap_or(WIDEST_BOUND).min(WIDEST_BOUND) + took / 2;
        let bound = TimeDelta::from_std(bound).unwrap_or(TimeDelta::MAX);
        let compared = Comparison { database, steady: asked + took / 2, bound };
        *self.comparison.write().unwrap_or_else(PoisonError::into_inner) = Some(compared);
        Ok(())
    }

    /// Whether a time may be written and judged by.
    ///
    /// # Errors
    /// [`Astray`], by how much it is off.
    pub fn check(&self, reading: Reading) -> Result<(), Astray> {
        let (Some(steady), Some(compared)) = (reading.steady, self.comparison()) else { return Ok(()) };
        let micros = |steady: Duration| i64::try_from(steady.as_micros()).unwrap_or(i64::MAX);
        let passed = TimeDelta::microseconds(micros(steady) - micros(compared.steady));
        let off = reading.now - (compared.database + passed);
        if off.abs() > compared.bound { Err(Astray(off)) } else { Ok(()) }
    }

    /// Whether a time may be deleted by: it must not have jumped, not even together with the database's on the same
    /// machine.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn may_delete(&self, db: &Db, reading: Reading) -> Result<bool, StoreError> {
        let Some(steady) = reading.steady else { return Ok(true) };
        if let Err(astray) = self.check(reading) {
            tracing::error!(%astray, "nothing is tidied up");
            return Ok(false);
        }
        let newest = if self.steadiness().has_looked() { None } else { families::newest_time(db).await? };
        let looked = self.steadiness().look(reading.now, steady, newest);
        if let TimeLook::Jumped(by) = looked {
            tracing::error!(
                days = by.num_days(),
                "the time jumped: nothing is deleted until it has run steadily for an hour; is this machine's clock right?"
            );
        }
        Ok(looked == TimeLook::Steady)
    }

    fn comparison(&self) -> Option<Comparison> {
        *self.comparison.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn steadiness(&self) -> MutexGuard<'_, Steadiness> {
        self.steadiness.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
