//! The folder of a new app: it appears whole, or not at all.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::crypto::random;

/// A folder that is not there yet, or is empty.
#[derive(Debug)]
pub(super) struct NewFolder {
    path: PathBuf,
    was_there: bool,
}

impl NewFolder {
    /// # Errors
    /// When there is something.
    pub(super) fn at(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        match fs::read_dir(path) {
            Ok(mut entries) => {
                anyhow::ensure!(
                    entries.next().is_none(),
                    "{shown} is not empty: name another folder, or empty this one"
                );
                Ok(Self { path: path.to_owned(), was_there: true })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let parent = std::path::absolute(path)?.parent().map(Path::to_owned).unwrap_or_default();
                anyhow::ensure!(
                    parent.is_dir(),
                    "there is no folder {} to make {shown} in: make that one first",
                    parent.display()
                );
                Ok(Self { path: path.to_owned(), was_there: false })
            }
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                anyhow::bail!("{shown} is a file: name a folder that is not there yet")
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {shown}")),
        }
    }

    /// Puts all files there at once.
    ///
    /// # Errors
    /// When one cannot be written: then there is none.
    pub(super) fn fill(&self, files: &[(String, String)]) -> anyhow::Result<()> {
        let draft = self.draft()?;
        let filled = write_all(&draft, files).and_then(|()| self.take(&draft));
        if filled.is_err() {
            let _ = fs::remove_dir_all(&draft);
            self.undo();
        }
        filled.with_context(|| format!("cannot write to {}", self.path.display()))
    }

    /// On the same file system, so that it can be moved: within a folder that is there, which may be where the user is.
    fn draft(&self) -> anyhow::Result<PathBuf> {
        let name = format!(".heirloom-init-{:016x}", u64::from_be_bytes(random::bytes()));
        let whole = std::path::absolute(&self.path)?;
        let beside = whole.parent().unwrap_or(&whole);
        Ok(if self.was_there { whole.join(name) } else { beside.join(name) })
    }

    fn take(&self, draft: &Path) -> std::io::Result<()> {
        if !self.was_there {
            return fs::rename(draft, &self.path);
        }
        for entry in fs::read_dir(draft)? {
            let entry = entry?;
            fs::rename(entry.path(), self.path.join(entry.file_name()))?;
        }
        fs::remove_dir(draft)
    }

    /// As it was before.
    pub(super) fn undo(&self) {
        if !self.was_there {
            let _ = fs::remove_dir_all(&self.path);
            return;
        }
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let path = entry.path();
            let _ = if path.is_dir() && !path.is_symlink() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
        }
    }
}

fn write_all(folder: &Path, files: &[(String, String)]) -> std::io::Result<()> {
    for (name, text) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}
