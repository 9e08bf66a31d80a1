//! What several commands take.

use std::time::Duration;

use serde_json::{Map, Value};

/// Durations on the command line read like those in the settings: `15m`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "expected a duration such as 30s, 15m or 7d".to_owned())
}

/// Reads a JSON object from the argument itself, or from the file that it names after an `@`.
pub(super) fn json_object(text: &str) -> anyhow::Result<Map<String, Value>> {
    let read = text.strip_prefix('@').map(std::fs::read_to_string).transpose()?;
    Ok(serde_json::from_str(read.as_deref().unwrap_or(text))?)
}
