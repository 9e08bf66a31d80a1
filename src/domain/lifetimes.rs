//! How long a client's tokens and families live.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The longest an access token may live: the time for which a spent signing key stays published is bounded by it.
pub const LONGEST_ACCESS_TTL: Duration = Duration::from_hours(24);

/// A client's lifetimes and leeway. The constructor keeps what the protocol needs of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    access_ttl: Duration,
    idle_ttl: Duration,
    absolute_ttl: Duration,
    leeway: Duration,
}

/// What a client sets of its own; `None` follows the server's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LifetimeOverrides {
    /// An access token's lifetime.
    pub access_ttl: Option<Duration>,
    /// A family ends when it is not refreshed for this long.
    pub idle_ttl: Option<Duration>,
    /// A family ends this long after its login, however often it is refreshed.
    pub absolute_ttl: Option<Duration>,
    /// How long the consumed generation may come back and be answered again; zero is strict mode.
    pub leeway: Option<Duration>,
}

/// Lifetimes that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLifetimes {
    /// An access token must live for 1 second to 24 hours.
    #[error("the access-token lifetime must be between 1s and 24h")]
    AccessTtl,
    /// A family must live for at least a second.
    #[error("the idle and absolute lifetimes must be between 1s and 100 years")]
    FamilyTtl,
    /// A family cannot be idle for longer than it lives.
    #[error("the idle lifetime must not be longer than the absolute lifetime")]
    IdleTtl,
    /// A replay inside the leeway hands out the same access token again, so half of it must be left.
    #[error("the leeway must not be longer than half the access-token lifetime")]
    Leeway,
}

impl Lifetimes {
    /// Checks and builds.
    ///
    /// # Errors
    /// [`InvalidLifetimes`], naming the value that is wrong.
    pub fn new(
        access_ttl: Duration,
        idle_ttl: Duration,
        absolute_ttl: Duration,
        leeway: Duration,
    ) -> Result<Self, InvalidLifetimes> {
        const SECOND: Duration = Duration::from_secs(1);
        const CENTURY: Duration = Duration::from_hours(24 * 36_525);
        if !(SECOND..=LONGEST_ACCESS_TTL).contains(&access_ttl) {
            return Err(InvalidLifetimes::AccessTtl);
        }
        if !(SECOND..=CENTURY).contains(&idle_ttl) || !(SECOND..=CENTURY).contains(&absolute_ttl) {
            return Err(InvalidLifetimes::FamilyTtl);
        }
        if idle_ttl > absolute_ttl {
            return Err(InvalidLifetimes::IdleTtl);
        }
        if leeway > access_ttl / 2 {
            return Err(InvalidLifetimes::Leeway);
        }
        Ok(Self { access_ttl, idle_ttl, absolute_ttl, leeway })
    }

    /// These lifetimes with a client's own in their place.
    ///
    /// A client that sets one lifetime and follows the settings in the others keeps within what it set: an idle
    /// lifetime that only the settings give never exceeds the client's absolute one, nor such a leeway half the
    /// client's access-token lifetime.
    ///
    /// # Errors
    /// [`InvalidLifetimes`] when what the client sets is contradictory.
    pub fn overridden(&self, by: &LifetimeOverrides) -> Result<Self, InvalidLifetimes> {
        let access_ttl = by.access_ttl.unwrap_or(self.access_ttl);
        let absolute_ttl =
            by.absolute_ttl.unwrap_or_else(|| self.absolute_ttl.max(by.idle_ttl.unwrap_or_default()));
        let idle_ttl = by.idle_ttl.unwrap_or_else(|| self.idle_ttl.min(absolute_ttl));
        let leeway = by.leeway.unwrap_or_else(|| self.leeway.min(access_ttl / 2));
        Self::new(access_ttl, idle_ttl, absolute_ttl, leeway)
    }

    /// The same with access tokens of at most this lifetime, of which a replay leaves half all the same.
    #[must_use]
    pub fn with_access_ttl_up_to(self, most: Duration) -> Self {
        let access_ttl = self.access_ttl.min(most);
        Self { access_ttl, leeway: self.leeway.min(access_ttl / 2), ..self }
    }

    /// An access token's lifetime.
    #[must_use]
    pub fn access_ttl(&self) -> Duration {
        self.access_ttl
    }

    /// A family ends when it is not refreshed for this long.
    #[must_use]
    pub fn idle_ttl(&self) -> Duration {
        self.idle_ttl
    }

    /// A family ends this long after its login.
    #[must_use]
    pub fn absolute_ttl(&self) -> Duration {
        self.absolute_ttl
    }

    /// When a family ends if it is not refreshed before: `now ≥` this is expired.
    #[must_use]
    pub fn end_of_family(&self, rotated_at: DateTime<Utc>, absolute_expiry: DateTime<Utc>) -> DateTime<Utc> {
        absolute_expiry.min(rotated_at + self.idle_ttl)
    }

    /// How long the consumed generation may come back; zero is strict mode.
    #[must_use]
    pub fn leeway(&self) -> Duration {
        self.leeway
    }

    /// How old the note of a family's last use may be where its tokens never rotate: young enough that a family in use
    /// is never idle.
    #[must_use]
    pub fn touch_after(&self) -> Duration {
        Duration::from_mins(1).min(self.idle_ttl / 4)
    }
}

impl LifetimeOverrides {
    /// What stock clients make of what is set here, for whoever sets it.
    pub fn cautions(&self) -> impl Iterator<Item = &'static str> {
        let short = self.access_ttl.is_some_and(|ttl| ttl <= Duration::from_mins(1));
        let strict = self.leeway.is_some_and(|leeway| leeway.is_zero());
        [
            short.then_some(
                "access tokens of a minute or less: a client that renews them a minute before they expire, as \
                 oidc-client-ts does, renews without end",
            ),
            strict.then_some(
                "strict mode: a client that sends a refresh token again after a lost answer is logged out; Java's \
                 HttpURLConnection and Go's golang.org/x/oauth2 do so by themselves",
            ),
        ]
        .into_iter()
        .flatten()
    }
}

/// `15m`, `7d`, `1h 30m`. Days are the longest unit: `humantime` itself would make months and seconds of 90 days.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let days = duration.as_secs() / 86_400;
    let rest = Duration::new(duration.as_secs() % 86_400, duration.subsec_nanos());
    match (days, rest.is_zero()) {
        (0, _) => humantime::format_duration(rest).to_string(),
        (days, true) => format!("{days}d"),
        (days, false) => format!("{days}d {}", humantime::format_duration(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn contradictions_are_named() {
        let day = S(86_400);
        assert_eq!(Lifetimes::new(S(0), day, day, S(0)), Err(InvalidLifetimes::AccessTtl));
        assert_eq!(Lifetimes::new(day + S(1), day, day, S(0)), Err(InvalidLifetimes::AccessTtl));
        assert_eq!(Lifetimes::new(S(60), S(0), day, S(0)), Err(InvalidLifetimes::FamilyTtl));
        assert_eq!(Lifetimes::new(S(60), day, S(60), S(0)), Err(InvalidLifetimes::IdleTtl));
        assert_eq!(Lifetimes::new(S(60), day, day, S(31)), Err(InvalidLifetimes::Leeway));
        assert!(Lifetimes::new(S(60), day, day, S(30)).is_ok());
    }

    #[test]
    fn what_a_client_leaves_open_keeps_within_what_it_sets() {
        let server = Lifetimes::new(S(900), S(7 * 86_400), S(90 * 86_400), S(30)).unwrap();
        let short = LifetimeOverrides {
            access_ttl: Some(S(10)),
            absolute_ttl: Some(S(60)),
            ..LifetimeOverrides::default()
        };
        let lifetimes = server.overridden(&short).unwrap();
        assert_eq!((lifetimes.leeway(), lifetimes.idle_ttl()), (S(5), S(60)));
        let explicit = LifetimeOverrides { leeway: Some(S(6)), ..short };
        assert_eq!(server.overridden(&explicit), Err(InvalidLifetimes::Leeway));
    }

    #[test]
    fn a_duration_reads_as_it_was_meant() {
        for (duration, expected) in [
            (S(0), "0s"),
            (Duration::from_millis(1500), "1s 500ms"),
            (S(90 * 60), "1h 30m"),
            (S(86_400), "1d"),
            (S(90 * 86_400), "90d"),
            (S(90 * 86_400 + 61 * 60), "90d 1h 1m"),
        ] {
            assert_eq!(duration_text(duration), expected);
            assert_eq!(expected.parse::<humantime::Duration>().map(Duration::from), Ok(duration));
        }
    }
}
