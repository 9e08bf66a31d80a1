//! Two clocks read at once: the time of day, which somebody may set, and the time that has passed, which nobody can.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// How far the time may jump ahead before it is doubted: a machine may sleep for a while.
const LONGEST_LEAP: TimeDelta = TimeDelta::days(30);
/// How far it may jump back.
const LONGEST_STEP_BACK: TimeDelta = TimeDelta::days(1);
/// How long it has to run steadily after a jump until it is believed again.
const QUARANTINE: Duration = Duration::from_hours(1);

/// What both clocks say at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// The time of day.
    pub now: DateTime<Utc>,
    /// The time since any one instant; `None` where the time of day is beyond doubt.
    pub steady: Option<Duration>,
}

/// Whether the time of day has run as steadily as time itself. What is deleted by a wrong one does not come back.
#[derive(Debug, Default)]
pub struct Steadiness {
    last: Option<(DateTime<Utc>, Duration)>,
    believed_from: Option<Duration>,
}

/// What a look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeLook {
    /// The time is good.
    Steady,
    /// It has just jumped by this.
    Jumped(TimeDelta),
    /// It jumped less than an hour ago.
    Waiting,
}

impl Steadiness {
    /// Whether there was a look before.
    #[must_use]
    pub fn has_looked(&self) -> bool {
        self.last.is_some()
    }

    /// Compares the time of day with the last look's; at the first look with the newest time that is stored.
    pub fn look(&mut self, now: DateTime<Utc>, steady: Duration, newest: Option<DateTime<Utc>>) -> TimeLook {
        let passed =
            |since: Duration| TimeDelta::from_std(steady.saturating_sub(since)).unwrap_or(TimeDelta::MAX);
        let expected = self.last.map_or(newest, |(then, since)| then.checked_add_signed(passed(since)));
        self.last = Some((now, steady));
        let jump = expected.map_or(TimeDelta::zero(), |expected| now - expected);
        if jump > LONGEST_LEAP || jump < -LONGEST_STEP_BACK {
            self.believed_from = Some(steady + QUARANTINE);
            return TimeLook::Jumped(jump);
        }
        if self.believed_from.is_some_and(|from| steady < from) {
            TimeLook::Waiting
        } else {
            TimeLook::Steady
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600;
    const DAY: i64 = 86_400;

    fn look(it: &mut Steadiness, day_time: i64, passed: u64) -> TimeLook {
        let at = |seconds| DateTime::from_timestamp(1_000_000_000 + seconds, 0).unwrap();
        it.look(at(day_time), Duration::from_secs(passed), Some(at(0)))
    }

    #[test]
    fn a_time_that_runs_is_believed_and_a_jump_takes_an_hour_to_be_forgiven() {
        let mut it = Steadiness::default();
        let hour = HOUR.cast_signed();
        assert_eq!(look(&mut it, 29 * DAY, 0), TimeLook::Steady, "the server was off for a while");
        assert_eq!(look(&mut it, 29 * DAY + 60, 60), TimeLook::Steady);
        assert_eq!(look(&mut it, 129 * DAY + 120, 120), TimeLook::Jumped(TimeDelta::days(100)));
        assert_eq!(look(&mut it, 129 * DAY + 180, 180), TimeLook::Waiting);
        assert_eq!(look(&mut it, 29 * DAY + 240, 240), TimeLook::Jumped(TimeDelta::days(-100)));
        assert_eq!(look(&mut it, 29 * DAY + 239 + hour, 239 + HOUR), TimeLook::Waiting);
        assert_eq!(look(&mut it, 29 * DAY + 240 + hour, 240 + HOUR), TimeLook::Steady);
    }

    #[test]
    fn the_first_look_goes_by_the_newest_time_that_is_stored() {
        let first = |day_time| look(&mut Steadiness::default(), day_time, 5);
        assert_eq!(first(30 * DAY), TimeLook::Steady);
        assert!(matches!(first(30 * DAY + 1), TimeLook::Jumped(_)));
        assert_eq!(first(-DAY), TimeLook::Steady);
        assert!(matches!(first(-DAY - 1), TimeLook::Jumped(_)));
        let mut empty = Steadiness::default();
        assert_eq!(empty.look(DateTime::UNIX_EPOCH, Duration::ZERO, None), TimeLook::Steady);
    }
}
