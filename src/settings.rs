//! The settings: what an operator may choose, where each choice came from, and what is wrong with it.
//!
//! Layers, each over the one before: the defaults, `heirloom.toml` (or `--config`), `.env`, the process's own
//! `HEIRLOOM_*` variables. `table.rs` is the one list of all settings; the unknown-key check, `.env.example` and
//! `config print` come from it, and a test holds it to the fields of [`Settings`]. Everything wrong is told at
//! once, with its key and origin, and no secret is ever echoed.

mod addresses;
mod colour;
mod database_url;
mod example;
mod layers;
mod origin;
mod print;
mod problem;
mod rules;
mod secret;
mod sections;
mod suggest;
mod table;
mod text;

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use config::{Config, ConfigError, Value};
use serde::{Deserialize, Serialize};

pub use self::{
    addresses::{Issuer, Listen},
    colour::Colour,
    database_url::DatabaseUrl,
    example::env_example,
    layers::LoadFrom,
    origin::{Origin, Origins},
    problem::SettingsError,
    secret::Secret,
    sections::{
        Database, Http, Janitor, Keys, Limits, Log, LogFormat, Outbound, Pages, Passwords, Registration,
        SignIn, Tls, Tokens,
    },
};
use self::{layers::Layers, problem::Problem, table::SETTINGS};

/// Everything an operator may choose. [`Settings::default`] holds what applies when nothing is set.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the server listens; port 0 lets the system choose one.
    #[serde(with = "text")]
    pub listen: Listen,
    /// The issuer as configured; [`Settings::issuer_at`] gives the one in force.
    #[serde(default, with = "text::option")]
    pub issuer: Option<Issuer>,
    /// The store.
    #[serde(with = "text")]
    pub database_url: DatabaseUrl,
    /// The folder for what the server itself keeps: the embedded store and a master key it made.
    pub data_dir: PathBuf,
    /// The master keys' text: base64 of 32 bytes each, several with commas, not yet parsed.
    #[serde(default, serialize_with = "secret::masked")]
    pub master_key: Option<Secret>,
    /// A file with the master keys' text; never set together with `master_key`.
    #[serde(default)]
    pub master_key_file: Option<PathBuf>,
    /// Lifetimes of tokens and families, where a client has none of its own.
    pub tokens: Tokens,
    /// How long a sign-in at the pages lasts.
    pub sign_in: SignIn,
    /// What the pages look like.
    pub pages: Pages,
    /// Clients that no operator added.
    pub registration: Registration,
    /// The cost of argon2id and the bounds of its pool.
    pub passwords: Passwords,
    /// How many wrong passwords are forgiven.
    pub limits: Limits,
    /// Signing keys.
    pub keys: Keys,
    /// The HTTP server's limits.
    pub http: Http,
    /// What the server itself fetches and calls.
    pub outbound: Outbound,
    /// TLS served directly.
    pub tls: Tls,

    /// The pool of database connections.
    pub database: Database,
    /// The deletion of expired families.
    pub janitor: Janitor,
    /// The log.
    pub log: Log,
    /// Where each value came from.
    #[serde(skip)]
    pub origins: Origins,
}

impl Settings {
    /// Reads the settings of this process: its working directory and its variables.
    ///
    /// # Errors
    /// Everything that is wrong with them, as [`Settings::load`] tells it.
    pub fn from_environment(config: Option<&Path>) -> Result<Self, SettingsError> {
        Self::load(&LoadFrom {
            config: config.map(Path::to_path_buf),
            working_dir: PathBuf::new(),
            environment: env::vars_os().collect(),
        })
    }

    /// Reads the settings from what is given.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown setting, a value that cannot be: all of them together.
    pub fn load(from: &LoadFrom) -> Result<Self, SettingsError> {
        let (layers, mut problems) = Layers::read(from);
        let mut settings = Self::default();
        let mut config = defaults();
        let mut misread = Vec::new();
        for setting in SETTINGS {
            let Some((value, origin)) = layers.get(setting.key) else {
                continue;
            };
            // Each value is tried on its own upon what already fits: so every bad one is found, not only the first.
            if let Ok(fits) = with(&config, setting.key, value) {
                (config, settings) = fits;
            } else {
                misread.push(setting.key);
                problems.push(Problem::of_value(setting, value, origin));
            }
        }
        let broken = rules::broken(&settings).into_iter().filter(|rule| !rule.is_about(&misread));
        problems.extend(broken.filter_map(|rule| rule.problem(&layers)));
        if !problems.is_empty() {
            return Err(SettingsError::new(problems));
        }
        settings.origins = layers.into_origins();
        Ok(settings)
    }

    /// What the server speaks: `https` when it has a certificate.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.certificate.is_some() { "https" } else { "http" }
    }

    /// The issuer in force once the server is bound: the configured one, or `http://` (`https://` with a certificate)
    /// and the listen address with the port that was bound. A wildcard address stands for this machine itself.
    #[must_use]
    pub fn issuer_at(&self, bound: SocketAddr) -> Issuer {
        self.issuer.clone().unwrap_or_else(|| self.listen.as_issuer(self.scheme(), bound.port()))
    }
}

impl Default for Settings {
    #[expect(clippy::expect_used, reason = "the defaults are constants, and tests read them")]
    fn default() -> Self {
        defaults().try_deserialize().expect("the table's defaults fit the settings")
    }
}

fn with(config: &Config, key: &str, value: &Value) -> Result<(Config, Settings), ConfigError> {
    let builder = Config::builder().add_source(config.clone());
    let config = builder.set_override(key, value.clone())?.build()?;
    let settings = config.clone().try_deserialize()?;
    Ok((config, settings))
}

#[expect(clippy::expect_used, reason = "the defaults are constants, and tests read them")]
fn defaults() -> Config {
    let set = SETTINGS.iter().filter_map(|setting| Some((setting.key, setting.default.text()?)));
    let builder = set.fold(Config::builder(), |builder, (key, value)| {
        builder.set_default(key, value).expect("the table's keys are paths")
    });
    builder.build().expect("the table's defaults are values")
}

#[cfg(test)]
mod tests;
