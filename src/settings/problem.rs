//! What can be wrong with the settings, in words that name the place and what would be right.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use config::Value;
use thiserror::Error;

use super::{
    origin::{SettingOrigin, shown},
    setting::Setting,
    suggest,
};

/// Everything that is wrong with the settings, one problem a line. No line holds a secret.
#[derive(Debug, Error)]
#[error("{}", lines(.problems))]
pub struct SettingsError {
    problems: Vec<SettingProblem>,
}

impl SettingsError {
    pub(super) fn new(problems: Vec<SettingProblem>) -> Self {
        Self { problems }
    }
}

fn lines(problems: &[SettingProblem]) -> String {
    problems.iter().map(SettingProblem::to_string).collect::<Vec<_>>().join("\n")
}

#[derive(Debug, Error)]
pub(super) enum SettingProblem {
    #[error("cannot read {}: {reason}", .file.display())]
    Unreadable { file: PathBuf, reason: String },
    #[error("{}: {reason}", .file.display())]
    BadFile { file: PathBuf, reason: String },
    #[error(
        "{file} of this folder counts for `serve`, `config` and `healthcheck` only, and nothing else says which \
         database is meant: add {option} {file} if that one's is, or set HEIRLOOM_DATABASE_URL"
    )]
    NotNamed { file: &'static str, option: &'static str },
    #[error("unknown setting \"{key}\" (from {origin}): {hint}")]
    Unknown { key: String, origin: SettingOrigin, hint: String },
    #[error("{given}: expected {expected}{}", .other.as_ref().map(GivenValue::clause).unwrap_or_default())]
    BadValue { given: GivenValue, expected: String, other: Option<GivenValue> },
}

/// A value as messages show it.
#[derive(Debug)]
pub(super) struct GivenValue {
    key: &'static str,
    /// `None` is not to be shown.
    text: Option<String>,
    origin: SettingOrigin,
}

impl GivenValue {
    pub(super) fn new(setting: &Setting, text: String, origin: SettingOrigin) -> Self {
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

impl fmt::Display for GivenValue {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, text, origin } = self;
        match text {
            Some(text) => write!(to, "\"{key}\" is {text:?} (from {origin})"),
            None => write!(to, "\"{key}\" (not shown, from {origin})"),
        }
    }
}

impl SettingProblem {
    pub(super) fn unreadable(file: &Path, error: &io::Error) -> Self {
        Self::Unreadable { file: file.into(), reason: error.to_string() }
    }

    pub(super) fn unknown(key: &str, origin: &SettingOrigin) -> Self {
        Self::Unknown { key: key.to_owned(), origin: origin.clone(), hint: suggest::hint(key, origin) }
    }

    pub(super) fn not_unicode(setting: &Setting, origin: &SettingOrigin) -> Self {
        let given = GivenValue { key: setting.key, text: None, origin: origin.clone() };
        Self::BadValue { given, expected: "text in UTF-8".to_owned(), other: None }
    }

    pub(super) fn of_value(setting: &Setting, value: &Value, origin: &SettingOrigin) -> Self {
        let given = GivenValue::new(setting, shown(value), origin.clone());
        Self::BadValue { given, expected: setting.kind.expected().to_owned(), other: None }
    }
}
