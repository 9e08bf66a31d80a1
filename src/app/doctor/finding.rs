//! What was found of one thing.

use serde::Serialize;

/// How something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
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
    pub health: Health,
    /// A sentence for an operator.
    pub says: String,
}

impl Finding {
    #[must_use]
    pub fn ok(about: &'static str, says: impl Into<String>) -> Self {
        Self { about, health: Health::Ok, says: says.into() }
    }

    #[must_use]
    pub fn note(about: &'static str, says: impl Into<String>) -> Self {
        Self { about, health: Health::Note, says: says.into() }
    }

    #[must_use]
    pub fn wrong(about: &'static str, says: impl Into<String>) -> Self {
        Self { about, health: Health::Wrong, says: says.into() }
    }

    /// Good with these words, or wrong with its causes.
    pub(super) fn of(about: &'static str, looked: anyhow::Result<String>) -> Self {
        match looked {
            Ok(says) => Self::ok(about, says),
            Err(error) => Self::wrong(about, format!("{error:#}")),
        }
    }
}
