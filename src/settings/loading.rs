//! Reading the settings, layer upon layer, and everything that is wrong with them.

use std::{env, path::PathBuf};

use config::{Config, ConfigError, Value};

use super::{
    layers::{Layers, LoadFrom},
    problem::{SettingProblem, SettingsError},
    rules,
    table::SETTINGS,
    values::{Settings, defaults},
};

impl Settings {
    /// Reads the settings of this process: the files as they are given, its working directory and its variables.
    ///
    /// # Errors
    /// Everything that is wrong with them, as [`Settings::load`] tells it.
    pub fn from_environment(files: LoadFrom) -> Result<Self, SettingsError> {
        Self::load(&LoadFrom { working_dir: PathBuf::new(), environment: env::vars_os().collect(), ..files })
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
        for setting in SETTINGS.iter() {
            let Some((value, origin)) = layers.get(setting.key) else {
                continue;
            };
            // Each value is tried on its own upon what already fits: so every bad one is found, not only the first.
            if let Ok(fits) = with(&config, setting.key, value) {
                (config, settings) = fits;
            } else {
                misread.push(setting.key);
                problems.push(SettingProblem::of_value(setting, value, origin));
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
}

fn with(config: &Config, key: &str, value: &Value) -> Result<(Config, Settings), ConfigError> {
    let builder = Config::builder().add_source(config.clone());
    let config = builder.set_override(key, value.clone())?.build()?;
    let settings = config.clone().try_deserialize()?;
    Ok((config, settings))
}
