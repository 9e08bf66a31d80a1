//! `./.heirloom`: what a development server keeps, and whose turn it is there.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpStream;
use url::Url;

use super::app::Surroundings;
use crate::master_keys::make_private_folder;

const FOLDER: &str = ".heirloom";
/// What is forgotten with `--reset`: nothing that others may have put there.
const KEPT: [&str; 6] =
    ["heirloom.db", "heirloom.db-wal", "heirloom.db-shm", "master.key", "app.env", "browser-app.env"];
const MAILS: &str = "mails";

#[derive(Debug)]
pub(super) struct DevPlace(PathBuf);

/// Who serves from a folder, one at a time.
#[derive(Debug)]
pub(super) enum Turn {
    /// This process, as long as it has the file.
    Ours(File),
    Others,
}

impl DevPlace {
    /// That of the working folder.
    pub(super) fn here() -> Self {
        Self(FOLDER.into())
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.0.clone()
    }

    pub(super) fn store(&self) -> PathBuf {
        self.0.join("heirloom.db")
    }

    pub(super) fn mails(&self) -> PathBuf {
        self.0.join(MAILS)
    }

    /// The file of variables for an app.
    pub(super) fn variables(&self, public: bool) -> PathBuf {
        self.0.join(if public { "browser-app.env" } else { "app.env" })
    }

    /// Makes the folder, unless it is there, and says who serves from it. The system gives the turn back with the
    /// process that has it, however that ends.
    ///
    /// # Errors
    /// When nothing can be made here.
    pub(super) fn take_turn(&self) -> anyhow::Result<Turn> {
        make_private_folder(&self.0)?;
        let cannot = || format!("cannot write to {}", self.0.display());
        let ignored = self.0.join(".gitignore");
        if !ignored.exists() {
            fs::write(ignored, "*\n").with_context(cannot)?;
        }
        let lock =
            File::options().create(true).append(true).open(self.0.join("lock")).with_context(cannot)?;
        match lock.try_lock() {
            Ok(()) => Ok(Turn::Ours(lock)),
            Err(TryLockError::WouldBlock) => Ok(Turn::Others),
            Err(TryLockError::Error(error)) => Err(error).with_context(cannot),
        }
    }

    /// Begins anew. Only for whose turn it is.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        let files = KEPT.map(|name| self.0.join(name));
        let removed = files.iter().map(|path| (path, fs::remove_file(path)));
        let mails = self.mails();
        for (path, removed) in removed.chain([(&mails, fs::remove_dir_all(&mails))]) {
            match removed {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What an app was told last.
    ///
    /// # Errors
    /// When none was, or the file says something else.
    pub(super) fn surroundings(&self, public: bool) -> anyhow::Result<Surroundings> {
        let path = self.variables(public);
        let read = dotenvy::from_path_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        Ok(Surroundings::from(read.with_context(|| format!("cannot read {}", path.display()))?))
    }

    /// The same, from a server that runs in this folder, and may have begun a moment ago.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) async fn surroundings_of_running(&self, public: bool) -> anyhow::Result<Surroundings> {
        for _ in 0..100 {
            if let Ok(around) = self.surroundings(public)
                && let Some(port) = Url::parse(around.issuer()).ok().and_then(|url| url.port())
                && TcpStream::connect(("127.0.0.1", port)).await.is_ok()
            {
                return Ok(around);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("another `heirloom dev` has begun in this folder and does not answer: stop it")
    }

    /// Writes what an app is told, for those that are started otherwise.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&self, around: &Surroundings, public: bool) -> anyhow::Result<()> {
        let path = self.variables(public);
        write_private(&path, &around.as_file()).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Whoever reads meanwhile sees what was there before, or all of it.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&draft, path)
}
