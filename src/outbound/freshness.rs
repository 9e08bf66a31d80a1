//! How long an answer may be remembered (RFC 9111 §4.2).

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{AGE, CACHE_CONTROL, EXPIRES, HeaderMap};

use crate::outbound::headers::{made_at, seconds, text, time};

/// Also what asks not to be remembered is, for so long: whoever names a URL must not make us fetch it at each request.
const SHORTEST: TimeDelta = TimeDelta::seconds(30);
/// A key that was withdrawn is believed no longer than this.
const LONGEST: TimeDelta = TimeDelta::hours(1);
/// Where the headers say nothing.
const USUAL: TimeDelta = TimeDelta::minutes(5);

/// How long the answer with these headers is fresh, within our bounds.
pub(super) fn of(headers: &HeaderMap, now: DateTime<Utc>) -> TimeDelta {
    told(headers, now).unwrap_or(USUAL).clamp(SHORTEST, LONGEST)
}

fn told(headers: &HeaderMap, now: DateTime<Utc>) -> Option<TimeDelta> {
    let age = seconds(text(headers, AGE).unwrap_or("0")).unwrap_or_default();
    let mut max_age = None;
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    for directive in lines.flat_map(|line| line.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(TimeDelta::zero()),
            // RFC 9111 §4.2.1: what cannot be read is stale.
            "max-age" => max_age = Some(seconds(value.trim().trim_matches('"')).unwrap_or_default()),
            _ => {}
        }
    }
    if let Some(max_age) = max_age {
        return Some(max_age - age);
    }
    let expires = text(headers, EXPIRES)?;
    let since = made_at(headers, now);
    // RFC 9111 §5.3: a time that is none, "0" above all, is past.
    Some(time(expires).map_or(TimeDelta::zero(), |expires| expires - since - age))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_are_believed_within_bounds() {
        let now = DateTime::parse_from_rfc3339("2026-01-02T03:04:05Z").unwrap().to_utc();
        let minutes = TimeDelta::minutes;
        let date = ("date", "Fri, 02 Jan 2026 03:04:00 GMT");
        let rows: &[(&[(&'static str, &'static str)], TimeDelta)] = &[
            (&[], USUAL),
            (&[("cache-control", "max-age=600")], minutes(10)),
            (&[("cache-control", "public, MAX-AGE=600, immutable")], minutes(10)),
            (&[("cache-control", "max-age=\"600\"")], minutes(10)),
            (&[("cache-control", "max-age=600"), ("age", "120")], minutes(8)),
            (&[("cache-control", "max-age=600"), ("age", "601")], SHORTEST),
            (&[("cache-control", "max-age=600, no-cache")], SHORTEST),
            (&[("cache-control", "max-age=600"), ("cache-control", "no-store")], SHORTEST),
            (&[("cache-control", "max-age=0")], SHORTEST),
            (&[("cache-control", "max-age=-600")], SHORTEST),
            (&[("cache-control", "max-age=soon")], SHORTEST),
            (&[("cache-control", "max-age=99999999999999999999")], LONGEST),
            (&[("cache-control", "max-age=86400")], LONGEST),
            (&[("cache-control", "private")], USUAL),
            (&[date, ("expires", "Fri, 02 Jan 2026 03:14:00 GMT")], minutes(10)),
            (&[date, ("expires", "Fri, 02 Jan 2026 03:14:00 GMT"), ("age", "60")], minutes(9)),
            (&[("expires", "Fri, 02 Jan 2026 03:14:05 GMT")], minutes(10)),
            (
                &[date, ("expires", "Fri, 02 Jan 2026 03:14:00 GMT"), ("cache-control", "max-age=60")],
                minutes(1),
            ),
            (&[date, ("expires", "Thu, 01 Jan 2026 03:14:00 GMT")], SHORTEST),
            (&[("expires", "0")], SHORTEST),
        ];
        for (lines, expected) in rows {
            let mut headers = HeaderMap::new();
            for (name, value) in *lines {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(of(&headers, now), *expected, "{lines:?}");
        }
    }
}
