//! Copies of the embedded store, which are made while it is in use; PostgreSQL has tools for its own.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::store::connect::{is_damaged, is_locked, quietly};
use crate::store::{Db, StoreError, private_file};

/// How long whoever writes is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to try whether anybody uses a store.
const MOMENT: Duration = Duration::from_millis(500);

impl Db {
    /// Opens a SQLite file for nothing but reading.
    ///
    /// # Errors
    /// [`StoreError`] when it is not there, or cannot be read.
    pub async fn sqlite_read_only(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(PATIENCE);
        let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        Ok(Self::Sqlite(pool.connect_with(quietly(options)).await?))
    }

    /// Copies SQLite's database into a new file, for its owner alone, as it is at one moment. Whoever reads and writes
    /// goes on meanwhile.
    pub async fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        let Self::Sqlite(pool) = self else { return Ok(()) };
        let name = file.to_str().ok_or_else(|| sqlx::Error::Io(ErrorKind::InvalidFilename.into()))?;
        private_file::make(file).map_err(sqlx::Error::Io)?;
        sqlx::query("VACUUM INTO $1").bind(name).execute(pool).await?;
        // SQLite leaves that to the system.
        File::open(file).and_then(|file| file.sync_all()).map_err(sqlx::Error::Io)?;
        Ok(())
    }

    /// What is wrong with SQLite's file, by its own account: `ok` as a rule.
    pub async fn integrity(&self) -> Result<String, StoreError> {
        let Self::Sqlite(pool) = self else { return Ok("ok".to_owned()) };
        let (first,): (String,) = sqlx::query_as("PRAGMA integrity_check(1)").fetch_one(pool).await?;
        Ok(first)
    }
}

/// Makes one whole file of a store that nobody uses, with all of its log in it. `false` when somebody does use it. A
/// damaged one is nobody's, and stays as it is.
///
/// # Errors
/// [`StoreError`] when that cannot be told.
pub async fn make_whole(path: &Path) -> Result<bool, StoreError> {
    let options = quietly(SqliteConnectOptions::new().filename(path).busy_timeout(MOMENT));
    let making = async {
        let mut connection = options.connect().await?;
        let (mode,): (String,) =
            sqlx::query_as("PRAGMA journal_mode = DELETE").fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(mode == "delete")
    };
    match making.await {
        Err(error) if is_locked(&error) => Ok(false),
        Err(error) if is_damaged(&error) => Ok(true),
        made => made.map_err(Into::into),
    }
}
