//! When a list is asked for again.

use std::time::{Duration, SystemTime};

/// How soon a list is asked for again that never came.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// How soon at the latest after an answer that was no use.
const RETRY: Duration = Duration::from_secs(10);

/// Bounds for what lists say (draft-ietf-oauth-status-list-20 §11.5) and services choose: nobody asks all the time, nor
/// never again.
const SHORTEST_TTL: Duration = Duration::from_secs(1);
const LONGEST_TTL: Duration = Duration::from_hours(24);

/// From when to when a document holds.
#[derive(Debug, Clone)]
pub(super) struct Validity {
    pub(super) issued_at: SystemTime,
    pub(super) expires_at: Option<SystemTime>,
    pub(super) ttl: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    Failed,
}

/// Until `iat` + `ttl` of what is known, or where that is past, as the list has not changed for a while, until the next
/// whole `ttl` since `iat`: an issuer that begins its intervals at `iat` has news then, whoever asked in between. And a
/// little longer, so that not everybody asks at once: `random` is from 0 to 1.
pub(super) fn pause(
    known: Option<&Validity>,
    outcome: Outcome,
    max_staleness: Option<Duration>,
    now: SystemTime,
    random: f64,
) -> Duration {
    let Some(&Validity { issued_at, expires_at, ttl }) = known else {
        return FIRST_RETRY + spread(FIRST_RETRY, random);
    };
    let ttl = max_staleness.map_or(ttl, |staleness| ttl.min(staleness / 2)).clamp(SHORTEST_TTL, LONGEST_TTL);
    let pause = match outcome {
        Outcome::Failed => ttl.min(RETRY),
        Outcome::Answered => {
            let left = |end: Option<SystemTime>| end.and_then(|end| end.duration_since(now).ok());
            let fresh = now.duration_since(issued_at).ok().map(|age| ttl.saturating_sub(remainder(age, ttl)));
            // In time, even if the list lives hardly longer than it is fresh.
            let expiring = left(expires_at).map_or(ttl, |left| left.saturating_sub(2 * spread(ttl, 1.0)));
            fresh.unwrap_or(ttl).min(expiring).max(spread(ttl, 1.0))
        }
    };
    pause + spread(ttl, random)
}

fn remainder(age: Duration, ttl: Duration) -> Duration {
    let nanos = age.as_nanos() % ttl.as_nanos();
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

/// At most a second; less where a second would be much.
fn spread(ttl: Duration, random: f64) -> Duration {
    (ttl / 5).min(Duration::from_secs(1)).mul_f64(random)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const NOW: u64 = 1_900_000_000;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_list_is_asked_for_when_its_ttl_is_over_and_at_most_a_second_later() {
        use Outcome::{Answered, Failed};
        // What it says of itself: iat and exp relative to now, ttl; then max_staleness, the outcome and the pause.
        let rows = [
            (0, 900, 5, None, Answered, 5.0..=6.0),
            (-2, 900, 5, None, Answered, 3.0..=4.0),
            // Unchanged for a while: it is asked for when the next interval has begun.
            (-603, 900, 5, None, Answered, 2.0..=3.0),
            (-600, 900, 5, None, Answered, 5.0..=6.0),
            (-5, 900, 5, None, Answered, 5.0..=6.0),
            // The clocks differ: it is from the future, or its ttl ends in no time.
            (3, 900, 5, None, Answered, 5.0..=6.0),
            (-4, 900, 5, None, Answered, 1.0..=2.0),
            // Nobody shall be made to ask all the time, or never again.
            (0, 900, 0, None, Answered, 1.0..=1.2),
            (0, 1_000_000_000, u64::MAX, None, Answered, 86_400.0..=86_401.0),
            // It expires before its ttl is over.
            (0, 60, 3600, None, Answered, 58.0..=59.0),
            (0, 1, 3600, None, Answered, 1.0..=2.0),
            // The service wants to know earlier.
            (0, 900, 60, Some(10), Answered, 5.0..=6.0),
            (0, 900, 60, Some(0), Answered, 1.0..=1.2),
            (0, 900, 5, Some(3600), Answered, 5.0..=6.0),
            // It did not come.
            (0, 900, 5, None, Failed, 5.0..=6.0),
            (-3, 900, 3600, None, Failed, 10.0..=11.0),
        ];
        for (row, (iat, exp, ttl, staleness, outcome, expected)) in rows.into_iter().enumerate() {
            let known = Validity {
                issued_at: at(NOW.checked_add_signed(iat).unwrap()),
                expires_at: Some(at(NOW + exp)),
                ttl: Duration::from_secs(ttl),
            };
            let staleness = staleness.map(Duration::from_secs);
            for random in [0.0, 0.5, 1.0] {
                let pause = pause(Some(&known), outcome, staleness, at(NOW), random).as_secs_f64();
                let exact = expected.start() + random * (expected.end() - expected.start());
                assert!((pause - exact).abs() < 1e-6, "row {row}: {pause} is not {exact}");
            }
        }
    }

    #[test]
    fn a_list_that_never_came_is_asked_for_soon() {
        let pause = |random| pause(None, Outcome::Failed, None, at(NOW), random);
        assert_eq!((pause(0.0), pause(1.0)), (Duration::from_secs(1), Duration::from_millis(1200)));
    }
}
