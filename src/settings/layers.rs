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
    table::{self, COMPOSE_ONLY, DATABASE_FILE, REMOTE_ONLY},
};

const DEFAULT_FILE: &str = "heirloom.toml";

/// What the settings are read from. Loading looks at nothing else, but for a `$NAME` within `.env`,
/// which stands for a variable of the process.
#[derive(Clone, Debug, Default)]
pub struct LoadFrom {
    /// The file named on the command line, which must exist; without it `heirloom.toml`, which may be missing.
    pub config: Option<PathBuf>,
    /// The file of variables named on the command line, which must exist; without it `.env`, which may be missing.
    pub env_file: Option<PathBuf>,
    /// What those two count for that lie in the working folder and are not named.
    pub unnamed_files: UnnamedFiles,
    /// Where `heirloom.toml` and `.env` are looked for, and what a relative path is relative to.
    pub working_dir: PathBuf,
    /// The process's variables, ours and all others.
    pub environment: Vec<(OsString, OsString)>,
}

/// What `heirloom.toml` and `.env` of the working folder count for where the command line does not name them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnnamedFiles {
    /// They count: a server is started where its settings lie.
    #[default]
    Count,
    /// They do not: a command is run in any folder, a stranger's too, whose files must not choose what it writes to.
    PassOver,
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
        layers.read_env_file(from);
        for (name, value) in &from.environment {
            layers.set_variable(name, value, SettingOrigin::Variable);
        }
        layers.derive_database_url();
        layers.want_a_named_store(from);
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
        let Some((name, text)) = self.read_text(from, from.config.as_deref(), DEFAULT_FILE) else { return };
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

    fn read_env_file(&mut self, from: &LoadFrom) {
        let Some((file, text)) = self.read_text(from, from.env_file.as_deref(), DOT_ENV) else { return };
        for line in dotenvy::from_read_iter(text.as_bytes()) {
            match line {
                Ok((name, value)) => self.set_variable(name.as_ref(), value.as_ref(), |variable| {
                    SettingOrigin::EnvFile { variable, file: file.clone() }
                }),
                Err(error) => {
                    let reason = dot_env_reason(&error, &text);
                    self.problems.push(SettingProblem::BadFile { file: file.clone(), reason });
                }
            }
        }
    }

    /// The file that is named, or else the working folder's own where that counts; with its name.
    fn read_text(&mut self, from: &LoadFrom, named: Option<&Path>, own: &str) -> Option<(PathBuf, String)> {
        if named.is_none() && from.unnamed_files == UnnamedFiles::PassOver {
            return None;
        }
        let name = named.unwrap_or(Path::new(own));
        match fs::read_to_string(from.working_dir.join(name)) {
            Ok(text) => return Some((name.into(), text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {}
            Err(error) => self.problems.push(SettingProblem::unreadable(name, &error)),
        }
        None
    }

    /// Where files were passed over and nothing else names the store, the default one may not be what was meant.
    fn want_a_named_store(&mut self, from: &LoadFrom) {
        if from.unnamed_files == UnnamedFiles::Count || self.values.contains_key("database_url") {
            return;
        }
        if from.config.is_none() && from.working_dir.join(DEFAULT_FILE).exists() {
            self.problems.push(SettingProblem::NotNamed { file: DEFAULT_FILE, option: "--config" });
        }
        if from.env_file.is_none() && holds_settings(&from.working_dir.join(DOT_ENV)) {
            self.problems.push(SettingProblem::NotNamed { file: DOT_ENV, option: "--env-file" });
        }
    }

    fn set_variable(&mut self, name: &OsStr, value: &OsStr, origin: impl Fn(String) -> SettingOrigin) {
        let Some(name) = name.to_str() else { return };
        let Some(rest) = setting_of(name, value) else { return };
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

/// The variable's name without our prefix, if it is a setting of the server's.
fn setting_of<'a>(name: &'a str, value: &OsStr) -> Option<&'a str> {
    let rest = name.strip_prefix(PREFIX)?;
    let is_others = COMPOSE_ONLY.contains(&name) || REMOTE_ONLY.contains(&name) || is_kubernetes(rest, value);
    (!is_others).then_some(rest)
}

/// Whether a file of variables is about Heirloom: most that lie in folders are other programs'.
fn holds_settings(file: &Path) -> bool {
    let Ok(text) = fs::read(file) else { return false };
    let ours =
        |(name, value): (String, String)| !value.is_empty() && setting_of(&name, value.as_ref()).is_some();
    dotenvy::from_read_iter(text.as_slice()).flatten().any(ours)
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
