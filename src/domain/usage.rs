//! How often things happen: by the minute and by the hour, and how far back somebody looks.

use chrono::{DateTime, Utc};

/// What one stored count stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    Minute,
    Hour,
}

impl Span {
    pub const ALL: [Self; 2] = [Self::Minute, Self::Hour];

    /// Its length in minutes.
    #[must_use]
    pub fn minutes(self) -> i64 {
        match self {
            Self::Minute => 1,
            Self::Hour => 60,
        }
    }

    /// How long it is kept, in minutes.
    #[must_use]
    pub fn kept(self) -> i64 {
        const DAY: i64 = 24 * 60;
        match self {
            Self::Minute => 7 * DAY,
            Self::Hour => 31 * DAY,
        }
    }

    /// The one that a time lies in, by the minute that it begins with.
    #[must_use]
    pub fn of(self, time: DateTime<Utc>) -> i64 {
        begin_of(minute_of(time), self.minutes())
    }
}

/// How far back somebody looks: as many bars as a phone can show, each of whole spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Hour,
    Day,
    Week,
    Month,
}

impl Period {
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The one of this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.as_str() == word)
    }

    /// What its bars are made of.
    #[must_use]
    pub fn span(self) -> Span {
        match self {
            Self::Hour => Span::Minute,
            Self::Day | Self::Week | Self::Month => Span::Hour,
        }
    }

    /// How many bars it has.
    #[must_use]
    pub fn bars(self) -> u16 {
        match self {
            Self::Hour | Self::Month => 30,
            Self::Day => 24,
            Self::Week => 28,
        }
    }

    /// How many minutes a bar has.
    #[must_use]
    pub fn bar(self) -> i64 {
        match self {
            Self::Hour => 2,
            Self::Day => 60,
            Self::Week => 6 * 60,
            Self::Month => 24 * 60,
        }
    }

    /// The minute that its first bar begins with; the last one is that of `now`.
    #[must_use]
    pub fn first(self, now: DateTime<Utc>) -> i64 {
        begin_of(minute_of(now), self.bar()) - self.bar() * (i64::from(self.bars()) - 1)
    }
}

/// Whole minutes since 1970.
#[must_use]
pub fn minute_of(time: DateTime<Utc>) -> i64 {
    time.timestamp().div_euclid(60)
}

/// The time of a minute.
#[must_use]
pub fn time_of(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(minute.saturating_mul(60), 0).unwrap_or_default()
}

fn begin_of(minute: i64, length: i64) -> i64 {
    minute.div_euclid(length) * length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_ends_with_the_bar_of_now() {
        let now = "2026-03-04T05:06:07Z".parse().unwrap();
        for (period, first, last) in [
            (Period::Hour, "2026-03-04T04:08:00Z", "2026-03-04T05:06:00Z"),
            (Period::Day, "2026-03-03T06:00:00Z", "2026-03-04T05:00:00Z"),
            (Period::Week, "2026-02-25T06:00:00Z", "2026-03-04T00:00:00Z"),
            (Period::Month, "2026-02-03T00:00:00Z", "2026-03-04T00:00:00Z"),
        ] {
            let begin = period.first(now);
            assert_eq!(time_of(begin), first.parse::<DateTime<Utc>>().unwrap(), "{period:?}");
            let end = time_of(begin + period.bar() * (i64::from(period.bars()) - 1));
            assert_eq!(end, last.parse::<DateTime<Utc>>().unwrap(), "{period:?}");
        }
    }

    #[test]
    fn what_a_period_shows_is_kept_for_as_long() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for period in Period::ALL {
            assert!(minute_of(now) - period.first(now) < period.span().kept(), "{period:?}");
            assert_eq!(period.bar() % period.span().minutes(), 0, "{period:?}");
            assert_eq!(Period::named(period.as_str()), Some(period));
        }
        assert_eq!(Period::named("year"), None);
    }
}
