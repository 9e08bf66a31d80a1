//! The loader as a whole, over files and variables of a place of its own.

mod errors;
mod layers;
mod metrics;
mod mtls;
mod shown;
mod traces;

use std::{
    env, fs,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use super::{LoadFrom, Settings, SettingsError, UnnamedFiles};

/// A folder with the files of one test.
struct SettingsFolder(PathBuf);

impl SettingsFolder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("heirloom-settings-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn with(self, file: &str, text: &str) -> Self {
        fs::write(self.0.join(file), text).unwrap();
        self
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        self.load_with(None, variables)
    }

    fn load_with(&self, config: Option<&str>, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::load(&LoadFrom {
            config: config.map(PathBuf::from),
            env_file: None,
            unnamed_files: UnnamedFiles::Count,
            working_dir: self.0.clone(),
            environment: variables.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        })
    }
}

impl Drop for SettingsFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn load(variables: &[(&str, &str)]) -> Settings {
    SettingsFolder::new().load(variables).unwrap()
}

fn error(variables: &[(&str, &str)]) -> String {
    SettingsFolder::new().load(variables).unwrap_err().to_string()
}
