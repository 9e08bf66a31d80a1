//! Where a value came from, and how it is shown.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use config::{Value, ValueKind};

pub(super) const DOT_ENV: &str = ".env";

/// Where a value came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SettingOrigin {
    /// Nothing was set.
    Default,
    /// This TOML file.
    File(PathBuf),
    /// This variable in `.env`, or in the file of variables that was named.
    EnvFile {
        /// Its name.
        variable: String,
        /// The file.
        file: PathBuf,
    },
    /// This variable of the process.
    Variable(String),
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => to.write_str("the default"),
            Self::File(path) => write!(to, "{}", path.display()),
            Self::EnvFile { variable, file } => write!(to, "{variable} in {}", file.display()),
            Self::Variable(name) => write!(to, "the variable {name}"),
        }
    }
}

/// Where each value of a [`Settings`](super::Settings) came from.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<&'static str, SettingOrigin>);

impl Origins {
    pub(super) fn new(origins: BTreeMap<&'static str, SettingOrigin>) -> Self {
        Self(origins)
    }

    /// The origin of the setting with this key, such as `tokens.access_ttl`.
    #[must_use]
    pub fn of(&self, key: &str) -> &SettingOrigin {
        self.0.get(key).unwrap_or(&SettingOrigin::Default)
    }
}

/// A value as its text, a list in brackets.
pub(super) fn shown(value: &Value) -> String {
    match &value.kind {
        ValueKind::Array(list) => format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(", ")),
        _ => value.to_string(),
    }
}
