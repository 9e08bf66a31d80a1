//! What `heirloom doctor` looks at: all that a server needs around it, each by itself, so that one fault hides no other.
//! Nothing is made, and nothing is changed.

mod host;
mod reach;
mod store;

use serde::Serialize;

use super::notes::notes;
use crate::clock::Clock;
use crate::settings::Settings;

/// How something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    /// It works, and could be better.
    Note,
    /// It does not work, or will not for long.
    Wrong,
}

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub about: &'static str,
    pub verdict: Verdict,
    /// A sentence for an operator.
    pub says: String,
}

impl Finding {
    #[must_use]
    pub fn ok(about: &'static str, says: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Ok, says: says.into() }
    }

    #[must_use]
    pub fn note(about: &'static str, says: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Note, says: says.into() }
    }

    #[must_use]
    pub fn wrong(about: &'static str, says: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Wrong, says: says.into() }
    }

    /// Good with these words, or wrong with its causes.
    fn of(about: &'static str, looked: anyhow::Result<String>) -> Self {
        match looked {
            Ok(says) => Self::ok(about, says),
            Err(error) => Self::wrong(about, format!("{error:#}")),
        }
    }
}

/// Looks at everything but what only a request from outside can show.
pub async fn examine(settings: &Settings, clock: &Clock) -> Vec<Finding> {
    let mut found = match notes(settings) {
        Ok(notes) => notes.into_iter().map(|note| Finding::note("settings", note)).collect(),
        Err(error) => vec![Finding::wrong("settings", format!("{error:#}"))],
    };
    found.extend(host::look(settings, clock.now()));
    found.extend(store::look(settings, clock).await);
    found.extend(reach::look(settings).await);
    found
}
