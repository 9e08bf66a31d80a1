//! The layers an operator writes in, read into one map: each setting's value and where it came from.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

use config::{ConfigError, File, FileFormat, Source, Value, ValueKind};

use super::{
    origin::{DOT_ENV, Origins, SettingOrigin, shown},
    problem::SettingProblem,
    setting::{PREFIX, Setting},
    table::{self, COMPOSE_ONLY, DATABASE_FILE},
};

const DEFAULT_FILE: &str = "heirloom.toml";

/// What the settings are read from. Loading looks at nothing else, but for a `$NAME` within `.env`,
/// which stands for a variable of the process.
#[derive(Clone, Debug, Default)]
pub struct LoadFrom {
    /// The file named on the command line, which must exist; without it `heirloom.toml`, which may be missing.
    pub config: Option<PathBuf>,
    /// Where `heirloom.toml` and `.env` are looked for, and what a relative `config` is relative to.
    pub working_dir: PathBuf,
    /// The process's variables, ours and all others.
    pub environment: Vec<(OsString, OsString)>,
}

/// The values that were set, the strongest layer's for each key, and what could not be read.
#[derive(Default)]
pub(super) struct Layers {
    values: BTreeMap<&'static str, (Value, SettingOrigin)>,
    problems: Vec<SettingProblem>,
}

impl Layers {
    pub(super) fn read(from: &LoadFrom) -> (Self, Vec<SettingProblem>) {
        let mut layers = Self::default();
        layers.read_file(from);
        layers.read_dot_env(&from.working_dir);
        for (name, value) in &from.environment {
            layers.set_variable(name, value, SettingOrigin::Variable);
        }
        layers.derive_database_url();
        let problems = std::mem::take(&mut layers.problems);
        (layers, problems)
    }

    pub(super) fn get(&self, key: &str) -> Option<&(Value, SettingOrigin)> {
        self.values.get(key)
    }

    /// The text and origin of a setting, also of one that nobody set.
    pub(super) fn shown(&self, setting: &Setting) -> (String, SettingOrigin) {
        match self.get(setting.key) {
            Some((value, origin)) => (shown(value), origin.clone()),
            None => (setting.default.text().unwrap_or_default().to_owned(), SettingOrigin::Default),
        }
    }

    pub(super) fn into_origins(self) -> Origins {
        Origins::new(self.values.into_iter().map(|(key, (_, origin))| (key, origin)).collect())
    }

    fn read_file(&mut self, from: &LoadFrom) {
        let name = from.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
        let text = match fs::read_to_string(from.working_dir.join(&name)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && from.config.is_none() => return,
            Err(error) => return self.problems.push(SettingProblem::unreadable(&name, &error)),
        };
        match File::from_str(&text, FileFormat::Toml).collect() {
            Ok(table) => self.set_tree("", table.into(), &SettingOrigin::File(name)),
            Err(error) => {
                self.problems.push(SettingProblem::BadFile { file: name, reason: toml_reason(&error) });
            }
        }
    }

    fn set_tree(&mut self, key: &str, value: Value, origin: &SettingOrigin) {
        let ValueKind::Table(table) = value.kind else { return self.set(key, value, origin.clone()) };
        let mut entries: Vec<_> = table.into_iter().collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, value) in entries {
            let key = if key.is_empty() { name } else { format!("{key}.{name}") };
            self.set_tree(&key, value, origin);
        }
    }

    fn read_dot_env(&mut self, working_dir: &Path) {
        let text = match fs::read_to_string(working_dir.join(DOT_ENV)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.problems.push(SettingProblem::unreadable(Path::new(DOT_ENV), &error)),
        };
        for line in dotenvy::from_read_iter(text.as_bytes()) {
            match line {
                Ok((name, value)) => self.set_variable(name.as_ref(), value.as_ref(), SettingOrigin::DotEnv),
                Err(error) => self.problems.push(SettingProblem::BadFile {
                    file: DOT_ENV.into(),
                    reason: dot_env_reason(&error, &text),
                }),
            }
        }
    }

    fn set_variable(&mut self, name: &OsStr, value: &OsStr, origin: fn(String) -> SettingOrigin) {
        let Some(name) = name.to_str() else { return };
        let Some(rest) = name.strip_prefix(PREFIX) else { return };
        if COMPOSE_ONLY.contains(&name) || is_kubernetes(rest, value) {
            return;
        }
        let key = rest.to_lowercase().replace("__", ".");
        let origin = origin(name.to_owned());
        match (value.to_str(), table::setting(&key)) {
            (Some(value), _) => self.set(&key, value.into(), origin),
            (None, Some(setting)) => self.problems.push(SettingProblem::not_unicode(setting, &origin)),
            (None, None) => self.problems.push(SettingProblem::unknown(&key, &origin)),
        }
    }

    /// Takes a value over what weaker layers set. An empty one is as if it were not there: that is what
    /// docker-compose passes for a variable it does not know.
    fn set(&mut self, key: &str, value: Value, origin: SettingOrigin) {
        if matches!(&value.kind, ValueKind::String(text) if text.is_empty()) {
            return;
        }
        match table::setting(key) {
            Some(setting) => {
                self.values.insert(setting.key, (value, origin));
            }
            None => self.problems.push(SettingProblem::unknown(key, &origin)),
        }
    }

    fn derive_database_url(&mut self) {
        if self.values.contains_key("database_url") {
            return;
        }
        let Some((value, _)) = self.values.get("data_dir") else { return };
        let Ok(folder) = value.clone().into_string() else { return };
        let url = format!("sqlite:{}", Path::new(&folder).join(DATABASE_FILE).display());
        self.values.insert("database_url", (url.into(), SettingOrigin::Default));
    }
}

/// Kubernetes tells every container of each service: `HEIRLOOM_PORT…` and `HEIRLOOM_SERVICE_…` for one called
/// `heirloom`, `HEIRLOOM_DB_SERVICE_HOST`, `HEIRLOOM_DB_PORT_5432_TCP` and so on for one called `heirloom-db`.
fn is_kubernetes(rest: &str, value: &OsStr) -> bool {
    let is_url = value.to_str().is_some_and(|value| value.contains("://"));
    rest.starts_with("PORT")
        || rest.starts_with("SERVICE_")
        || rest.contains("_SERVICE_HOST")
        || rest.contains("_SERVICE_PORT")
        || rest.contains("_PORT_")
        || (rest.ends_with("_PORT") && is_url)
}

/// The place and the message of a TOML error, without the line itself: it may hold a secret.
fn toml_reason(error: &ConfigError) -> String {
    let ConfigError::FileParse { cause, .. } = error else { return error.to_string() };
    let text = cause.to_string();
    let place = text.lines().next().unwrap_or_default();
    match text.lines().rfind(|line| !line.is_empty()) {
        Some(message) if message != place && !message.contains('|') => format!("{place}: {message}"),
        _ => place.to_owned(),
    }
}

/// The same for `.env`, whose errors quote the end of the line and do not count.
fn dot_env_reason(error: &dotenvy::Error, text: &str) -> String {
    let rule = "expected NAME=value, in quotes if the value has spaces or a #";
    let dotenvy::Error::LineParse(quoted, _) = error else { return rule.to_owned() };
    let mut found = text.lines().enumerate().filter(|(_, line)| line.trim_end().ends_with(quoted.trim_end()));
    match (found.next(), found.next()) {
        (Some((before, _)), None) => format!("line {}: {rule}", before + 1),
        _ => rule.to_owned(),
    }
}
