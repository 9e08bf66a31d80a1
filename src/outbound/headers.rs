//! What stands in headers.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// More seconds than a year has are as good as a year.
pub(super) fn seconds(text: &str) -> Option<TimeDelta> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let year = 366 * 86_400;
    digits.then(|| TimeDelta::seconds(text.parse::<i64>().map_or(year, |seconds| seconds.min(year))))
}

pub(super) fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|time| time.to_utc())
}

/// When the answer was made, by the clock of whoever made it: what other times in it are measured from.
pub(super) fn made_at(headers: &HeaderMap, now: DateTime<Utc>) -> DateTime<Utc> {
    text(headers, DATE).and_then(time).unwrap_or(now)
}

/// How long whoever answered asks to be left alone (RFC 9110 §10.2.3); `None` where nothing is said that can be read.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<TimeDelta> {
    let told = text(headers, RETRY_AFTER)?.trim();
    seconds(told).or_else(|| Some((time(told)? - made_at(headers, now)).max(TimeDelta::zero())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_wait_is_told_in_seconds_or_as_a_date() {
        type Lines = &'static [(&'static str, &'static str)];
        let now = DateTime::parse_from_rfc3339("2026-01-02T03:04:05Z").unwrap().to_utc();
        let rows: &[(Lines, Option<i64>)] = &[
            (&[], None),
            (&[("retry-after", "120")], Some(120)),
            (&[("retry-after", "0")], Some(0)),
            (&[("retry-after", "99999999999999999999")], Some(366 * 86_400)),
            (&[("retry-after", "Fri, 02 Jan 2026 03:14:05 GMT")], Some(600)),
            // A server whose clock is behind measures by it.
            (
                &[
                    ("date", "Fri, 02 Jan 2026 03:03:00 GMT"),
                    ("retry-after", "Fri, 02 Jan 2026 03:13:00 GMT"),
                ],
                Some(600),
            ),
            (&[("retry-after", "Thu, 01 Jan 2026 03:14:05 GMT")], Some(0)),
            (&[("retry-after", "-120")], None),
            (&[("retry-after", "1.5")], None),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "")], None),
        ];
        for (lines, expected) in rows {
            let mut headers = HeaderMap::new();
            for (name, value) in *lines {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(retry_after(&headers, now), expected.map(TimeDelta::seconds), "{lines:?}");
        }
    }
}
