//! A PostgreSQL server that a test may treat badly.

use std::path::PathBuf;

use crate::folder::Folder;
use crate::process::postgres_script;

/// A PostgreSQL server of a test's own, as durable as in production.
pub struct Postgres {
    folder: Folder,
    pub url: String,
}

impl Postgres {
    pub fn start() -> Self {
        let folder = Folder::new();
        let url = postgres_script(&["start", data(&folder).to_str().unwrap()]);
        Self { folder, url }
    }

    /// What it writes down.
    pub fn log(&self) -> PathBuf {
        data(&self.folder).join("log")
    }

    pub fn kill(&self) {
        postgres_script(&["kill", data(&self.folder).to_str().unwrap()]);
    }

    pub fn restart(&self) {
        let port = self.url.rsplit_once(':').unwrap().1.split_once('/').unwrap().0;
        assert_eq!(postgres_script(&["start", data(&self.folder).to_str().unwrap(), port]), self.url);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

fn data(folder: &Folder) -> PathBuf {
    folder.path().join("postgres")
}
