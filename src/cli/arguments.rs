//! What several commands take.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::domain::json::{self, InvalidJson};
use crate::domain::lifetimes::duration_text;

/// Durations on the command line read like those in the settings: `15m`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "expected a duration such as 30s, 15m or 7d".to_owned())
}

/// Ten years: whoever asks for more has mistyped it.
pub(super) const LONGEST: Duration = Duration::from_hours(24 * 3650);

/// A duration within bounds, which have to be short in words.
pub(super) fn duration_within(
    bounds: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |text| {
        let read = duration(text)?;
        let (least, most) = (duration_text(*bounds.start()), duration_text(*bounds.end()));
        let fits = bounds.contains(&read);
        if fits { Ok(read) } else { Err(format!("expected a duration from {least} to {most}")) }
    }
}

/// Reads a JSON object from the argument itself, or from the file that it names after an `@`.
pub(super) fn json_object(text: &str) -> anyhow::Result<Map<String, Value>> {
    let read = text.strip_prefix('@').map(std::fs::read_to_string).transpose()?;
    let json = read.as_deref().unwrap_or(text);
    let members = serde_json::from_str(json)?;
    anyhow::ensure!(!json::holds_nul(json.as_bytes()), "{}", InvalidJson::Nul);
    Ok(members)
}
