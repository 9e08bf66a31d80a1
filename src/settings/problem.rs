//! What can be wrong with the settings, in words that name the place and what would be right.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use config::Value;
use thiserror::Error;

use super::{
    origin::{Origin, shown},
    suggest,
    table::Setting,
};

/// Everything that is wrong with the settings, one problem a line. No line holds a secret.
#[derive(Debug, Error)]
#[error("{}", lines(.problems))]
pub struct SettingsError {
    problems: Vec<Problem>,
}

impl SettingsError {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

#[derive(Debug, Error)]
pub(super) enum Problem {
    #[error("cannot read {}: {reason}", .file.display())]
    Unreadable { file: PathBuf, reason: String },
    #[error("{}: {reason}", .file.display())]
    BadFile { file: PathBuf, reason: String },
    #[error("unknown setting \"{key}\" (from {origin}): {hint}")]
    Unknown { key: String, origin: Origin, hint: String },
    #[error("{given}: expected {expected}{}", .other.as_ref().map(Given::clause).unwrap_or_default())]
    BadValue { given: Given, expected: String, other: Option<Given> },
}

/// A value as messages show it.
#[derive(Debug)]
pub(super) struct Given {
    key: &'static str,
    /// `None` is not to be shown.
    text: Option<String>,
    origin: Origin,
}

impl Given {
    pub(super) fn new(setting: &Setting, text: String, origin: Origin) -> Self {
        Self { key: setting.key, text: (!setting.kind.is_secret()).then_some(text), origin }
    }

    fn clause(&self) -> String {
        let Self { key, text, origin } = self;
        match text {
            Some(text) => format!(" \"{key}\", which is {text:?} (from {origin})"),
            None => format!(" \"{key}\" (not shown, from {origin})"),
        }
    }
}

impl fmt::Display for Given {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, text, origin } = self;
        match text {
            Some(text) => write!(to, "\"{key}\" is {text:?} (from {origin})"),
            None => write!(to, "\"{key}\" (not shown, from {origin})"),
        }
    }
}

impl Problem {
    pub(super) fn unreadable(file: &Path, error: &io::Error) -> Self {
        Self::Unreadable { file: file.into(), reason: error.to_string() }
    }

    pub(super) fn unknown(key: &str, origin: &Origin) -> Self {
        Self::Unknown { key: key.to_owned(), origin: origin.clone(), hint: suggest::hint(key, origin) }
    }

    pub(super) fn not_unicode(setting: &Setting, origin: &Origin) -> Self {
        let given = Given { key: setting.key, text: None, origin: origin.clone() };
        Self::BadValue { given, expected: "text in UTF-8".to_owned(), other: None }
    }

    pub(super) fn of_value(setting: &Setting, value: &Value, origin: &Origin) -> Self {
        let given = Given::new(setting, shown(value), origin.clone());
        Self::BadValue { given, expected: setting.kind.expected().to_owned(), other: None }
    }
}
