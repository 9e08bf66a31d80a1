//! Backups of the embedded store: a copy that was checked, and the way back.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::{DateTime, Utc};

use super::opening::connect;
use crate::crypto::master_key::MasterKeys;
use crate::crypto::random;
use crate::master_keys;
use crate::service::keys::ring::Keys;
use crate::settings::{DatabaseUrl, Settings};
use crate::store::Db;
use crate::store::backup::make_whole;
use crate::store::migrate::{Schema, schema};

/// Where a backup has the master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCopy {
    /// Elsewhere: whoever finds the backup has no use of it.
    Apart,
    /// In a second file beside it.
    Beside,
}

/// Copies the store while it may be served, checks the copy, and only then gives it its name.
///
/// # Errors
/// When there is no such store, the file is there already, or the copy cannot be used.
pub async fn backup(settings: &Settings, file: &Path, key: KeyCopy) -> anyhow::Result<()> {
    let store = embedded(settings)?;
    let key_file = key_file_of(file);
    for taken in [Some(file), (key == KeyCopy::Beside).then_some(key_file.as_path())].into_iter().flatten() {
        anyhow::ensure!(!taken.exists(), "{} is there already", taken.display());
    }
    let keys = master_keys::given(settings)?;
    anyhow::ensure!(store.exists(), no_store(store));
    let draft = copy((connect(settings).await?, store), file).await?;
    check_copy(&draft.0, keys).await?;
    if key == KeyCopy::Beside {
        let text = master_keys::text(settings)?.context("there is no master key to copy")?;
        master_keys::write_new(&key_file, &text)
            .with_context(|| format!("cannot write {}", key_file.display()))?;
    }
    draft.take_place_of(file)
}

/// Puts a backup in the store's place; gives what stood there and is kept under another name.
///
/// # Errors
/// When the backup cannot be used, or a server uses the store: then nothing has changed.
pub async fn restore(
    settings: &Settings,
    file: &Path,
    key: KeyCopy,
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<PathBuf>> {
    let store = embedded(settings)?;
    let key_file = key_file_of(file);
    let keys = match key {
        KeyCopy::Apart => master_keys::given(settings)?.with_context(|| {
            format!("there is no master key for it: --with-key takes the one in {}", key_file.display())
        })?,
        KeyCopy::Beside => {
            let is_set = settings.master_key.is_some() || settings.master_key_file.is_some();
            anyhow::ensure!(!is_set, "the settings have a master key already: restore without --with-key");
            master_keys::read_keys(&key_file)?
        }
    };
    if let Some(folder) = store.parent() {
        master_keys::make_private_folder(folder)?;
    }
    anyhow::ensure!(file.exists(), no_store(file));
    let from = Db::sqlite_read_only(file).await.with_context(|| format!("cannot open {}", file.display()))?;
    let draft = copy((from, file), store).await?;
    check_copy(&draft.0, Some(keys)).await?;
    if store.exists() {
        let is_free =
            make_whole(store).await.with_context(|| format!("cannot look at {}", store.display()))?;
        anyhow::ensure!(
            is_free,
            "{} is in use: stop the server, and whatever else works on it",
            store.display()
        );
    }
    let mut aside = Aside { suffix: format!(".before-{}", now.format("%Y%m%dT%H%M%SZ")), kept: Vec::new() };
    if key == KeyCopy::Beside {
        let own = master_keys::own_file(settings);
        let text = master_keys::read_text(&key_file)?;
        if !own.exists() || master_keys::read_text(&own)? != text {
            aside.put(&own, "")?;
            master_keys::make_private_folder(&settings.data_dir)?;
            master_keys::write_new(&own, text.trim())
                .with_context(|| format!("cannot write {}", own.display()))?;
        }
    }
    for part in ["", "-wal", "-shm"] {
        aside.put(store, part)?;
    }
    draft.take_place_of(store)?;
    Ok(aside.kept)
}

fn embedded(settings: &Settings) -> anyhow::Result<&Path> {
    match &settings.database_url {
        DatabaseUrl::Sqlite(path) => Ok(path),
        DatabaseUrl::SqliteMemory => {
            anyhow::bail!("a database in memory belongs to the process that serves it, and ends with it")
        }
        DatabaseUrl::Postgres(_) => anyhow::bail!(
            "this is for the embedded store: PostgreSQL is backed up and restored with its own tools, such as pg_dump or \
             pg_basebackup; after a restore run `heirloom recovery open`"
        ),
    }
}

fn no_store(file: &Path) -> String {
    let whole = std::path::absolute(file);
    format!("there is no store {}", whole.as_deref().unwrap_or(file).display())
}

/// Copies one store to a draft beside where it shall be.
async fn copy((db, from): (Db, &Path), to: &Path) -> anyhow::Result<Draft> {
    let name = format!(".{:016x}.draft", u64::from_be_bytes(random::bytes()));
    let draft = Draft(std::path::absolute(with_suffix(to, &name))?);
    let copied = async {
        // A copy is put together anew: what is damaged here might not be seen in it.
        check_integrity(&db).await.with_context(|| from.display().to_string())?;
        let copied = db.copy_to(&draft.0).await;
        copied.with_context(|| format!("cannot copy {} to {}", from.display(), draft.0.display()))
    };
    let copied = copied.await;
    db.close().await;
    copied?;
    Ok(draft)
}

/// Whether a copy is whole, a store of ours, and opens with the master keys.
async fn check_copy(file: &Path, keys: Option<MasterKeys>) -> anyhow::Result<()> {
    let db = Db::sqlite_read_only(file).await?;
    check_integrity(&db).await?;
    match schema(&db).await? {
        Schema::TooOld { version: 0, .. } => anyhow::bail!("it is not a store of Heirloom's"),
        // The server migrates it.
        Schema::TooOld { .. } => {}
        Schema::TooNew { version, known } => anyhow::bail!(
            "its schema is version {version}, newer than this binary knows ({known}): use the newer heirloom"
        ),
        Schema::Damaged { version } => anyhow::bail!("its migration {version} was left half done"),
        Schema::Current | Schema::Newer { .. } => {
            if let Some(keys) = keys {
                Keys::new(keys).reload(&db).await.context("it does not open with this master key")?;
            }
        }
    }
    db.close().await;
    Ok(())
}

async fn check_integrity(db: &Db) -> anyhow::Result<()> {
    let integrity = db.integrity().await.context("it is damaged")?;
    anyhow::ensure!(integrity == "ok", "it is damaged: {integrity}");
    Ok(())
}

/// `FILE.key`.
#[must_use]
pub fn key_file_of(file: &Path) -> PathBuf {
    with_suffix(file, ".key")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// A file that is not ready yet: gone when it is dropped.
struct Draft(PathBuf);

impl Draft {
    fn take_place_of(self, file: &Path) -> anyhow::Result<()> {
        let renamed = fs::rename(&self.0, file);
        renamed.with_context(|| format!("cannot write {}", file.display()))?;
        let folder = self.0.parent().context("the file has no folder")?;
        fs::File::open(folder).and_then(|folder| folder.sync_all()).context("cannot write the folder")
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After it took its place there is none.
        let _ = fs::remove_file(&self.0);
    }
}

/// What had to make way.
struct Aside {
    suffix: String,
    kept: Vec<PathBuf>,
}

impl Aside {
    /// SQLite finds a log by its store's name, so the part's name stays at the end.
    fn put(&mut self, file: &Path, part: &str) -> anyhow::Result<()> {
        let from = with_suffix(file, part);
        if !from.exists() {
            return Ok(());
        }
        let kept = with_suffix(&with_suffix(file, &self.suffix), part);
        fs::rename(&from, &kept).with_context(|| format!("cannot rename {}", from.display()))?;
        self.kept.push(kept);
        Ok(())
    }
}
