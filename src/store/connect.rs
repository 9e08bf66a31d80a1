//! Opening the database, and asking how it is.

use std::io;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite};
use tokio::time::timeout;
use url::Url;

use crate::figures::PoolWaits;
use crate::store::pool::{PATIENCE, TRUSTED_IDLE};
use crate::store::{
    Db, Link, PooledConnection, PostgresPool, Statements, StoreError, checkpoints, private_file,
};

/// The parameter of libpq that says what kind of server is wanted.
const TARGET: &str = "target_session_attrs";

/// How long to wait before a locked file is tried again.
const LOCKED_PAUSE: Duration = Duration::from_millis(20);

/// A pool's bounds.
#[derive(Debug, Clone, Copy)]
pub struct PoolBounds {
    /// Connections at most.
    pub max_connections: u32,
    /// How long a request waits for one.
    pub acquire_timeout: Duration,
    /// Prepared statements that each connection keeps; with none, statements are sent unnamed.
    pub statement_cache: usize,
}

/// A connection for a while; dropping it gives it back to its pool.
#[derive(Debug)]
pub enum Connection {
    /// To PostgreSQL.
    Postgres(PooledConnection, Link),
    Sqlite(PoolConnection<Sqlite>),
}

impl Db {
    /// Connects to a PostgreSQL-compatible server. The first connection is made here, outside the pool: the pool would
    /// only say that it timed out, not why.
    ///
    /// # Errors
    /// [`StoreError`] when the URL cannot be read or the server does not answer.
    pub async fn postgres(url: &str, bounds: PoolBounds) -> Result<Self, StoreError> {
        let waits = PoolWaits::new().map_err(sqlx::Error::config)?;
        let options = quietly(
            PgConnectOptions::from_url(&without_target(url)?)?
                .application_name("heirloom")
                // We have no numbers that it would be about, and poolers refuse it.
                .extra_float_digits(None)
                .statement_cache_capacity(bounds.statement_cache),
        );
        let statements = if bounds.statement_cache == 0 { Statements::Unnamed } else { Statements::Named };
        let link = Link { statements, primary: Arc::default(), waits };
        let opening = async {
            let mut first = options.connect().await?;
            let admitted = link.admit(&mut first).await;
            first.close().await?;
            admitted
        };
        let opened = timeout(bounds.acquire_timeout, opening).await;
        link.explain(opened.unwrap_or(Err(sqlx::Error::PoolTimedOut)))?;
        Ok(Self::Postgres(PostgresPool::new(options, link, bounds.max_connections, bounds.acquire_timeout)))
    }

    /// Opens or makes a SQLite file, for its owner alone.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened.
    pub async fn sqlite_file(path: &Path, bounds: PoolBounds) -> Result<Self, StoreError> {
        private_file::make(path).map_err(sqlx::Error::Io)?;
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        // A connection that is not given out is replaced.
        let pool = SqlitePoolOptions::new().before_acquire(|connection, _| Box::pin(has_ended(connection)));
        let db = Self::sqlite(options, pool, bounds).await?;
        private_file::close_to_others(path).map_err(sqlx::Error::Io)?;
        Ok(db)
    }

    /// Makes a SQLite database in memory: gone with the process.
    pub async fn sqlite_memory(bounds: PoolBounds) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str("sqlite::memory:")?;
        Self::sqlite(options, SqlitePoolOptions::new(), bounds).await
    }

    /// One connection: SQLite has one writer at a time anyway, and a queue in the pool is fair where SQLite's
    /// busy handler only tries its luck. It is never closed for its age, for a memory database would go with it.
    async fn sqlite(
        options: SqliteConnectOptions,
        pool: SqlitePoolOptions,
        bounds: PoolBounds,
    ) -> Result<Self, StoreError> {
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // The server takes the log back itself: this is for what comes faster than it can.
            .pragma("wal_autocheckpoint", "32000")
            .pragma("cache_size", "-12000")
            // Commands of other processes write to the same file.
            .busy_timeout(bounds.acquire_timeout);
        let pool = pool
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .acquire_timeout(bounds.acquire_timeout);
        let options = quietly(options);
        let opening = async {
            loop {
                match pool.clone().connect_with(options.clone()).await {
                    Err(error) if is_locked(&error) => tokio::time::sleep(LOCKED_PAUSE).await,
                    opened => return opened,
                }
            }
        };
        let opened = timeout(bounds.acquire_timeout, opening).await;
        let pool = opened.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        Ok(Self::Sqlite(pool))
    }

    /// Another pool to the same server, with up to `connections` of its own. On SQLite it is the same pool: there is
    /// one connection, and with a database in memory there could be no other.
    #[must_use]
    pub fn with_own_connections(&self, connections: u32) -> Self {
        match self {
            Self::Postgres(pool) => Self::Postgres(pool.with_own_connections(connections)),
            Self::Sqlite(pool) => Self::Sqlite(pool.clone()),
        }
    }

    /// How many connections there are at most.
    #[must_use]
    pub fn connections(&self) -> usize {
        match self {
            Self::Postgres(pool) => pool.max_connections(),
            Self::Sqlite(_) => 1,
        }
    }

    /// How many connections are open, and how many of them nobody uses.
    #[must_use]
    pub fn open_connections(&self) -> (usize, usize) {
        match self {
            Self::Postgres(pool) => pool.open_connections(),
            Self::Sqlite(pool) => {
                let open = usize::try_from(pool.size()).unwrap_or(usize::MAX);
                // The pool counts the idle ones down before up when two tasks meet, and for a moment they are less
                // than none.
                (open, Some(pool.num_idle()).filter(|idle| *idle <= open).unwrap_or(0))
            }
        }
    }

    /// How long it took so far until there was a connection, of all pools to the same server. The embedded store has
    /// one connection, and the queues in front of it tell more.
    #[must_use]
    pub fn waits(&self) -> Option<&PoolWaits> {
        match self {
            Self::Postgres(pool) => Some(&pool.link.waits),
            Self::Sqlite(_) => None,
        }
    }

    /// Takes a connection out of the pool.
    pub async fn acquire(&self) -> Result<Connection, StoreError> {
        // Boxed for the reason given at `begin`.
        Ok(match self {
            Self::Postgres(pool) => Connection::Postgres(Box::pin(pool.acquire()).await?, pool.link.clone()),
            Self::Sqlite(pool) => Connection::Sqlite(Box::pin(pool.acquire()).await?),
        })
    }

    /// A connection that was kept out of the pool, idle for so long: this one if it still works, another otherwise.
    pub async fn acquire_again(
        &self,
        mut kept: Connection,
        idle: TimeDelta,
    ) -> Result<Connection, StoreError> {
        if idle.abs() <= TimeDelta::from_std(TRUSTED_IDLE).unwrap_or_default() {
            return Ok(kept);
        }
        let works = match &mut kept {
            Connection::Postgres(connection, _) => {
                let answered = timeout(PATIENCE, connection.ping()).await.unwrap_or_else(|_| Err(silence()));
                connection.settled_by(answered).is_ok()
            }
            Connection::Sqlite(connection) => connection.ping().await.is_ok(),
        };
        if works {
            return Ok(kept);
        }
        drop(kept);
        self.acquire().await
    }

    /// Keeps SQLite's write-ahead log short for as long as it is polled; PostgreSQL does that by itself.
    pub async fn keep_log_short(&self) {
        match self {
            Self::Postgres(_) => {}
            Self::Sqlite(pool) => checkpoints::keep_short(pool).await,
        }
    }

    /// Takes SQLite's write-ahead log back into the file, all of it: whoever copies the file alone then has everything.
    /// `false` when somebody else uses it.
    pub async fn take_log_back(&self) -> Result<bool, StoreError> {
        match self {
            Self::Postgres(_) => Ok(true),
            Self::Sqlite(pool) => Ok(checkpoints::take_all_back(pool).await?),
        }
    }

    /// Closes every connection, once it is idle.
    pub async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite(pool) => pool.close().await,
        }
    }

    /// Asks the database for its time: proof that it answers, and a check of our clock. SQLite has no clock of its
    /// own, so it gives none.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] when the server takes no writes, or none was found that does.
    pub async fn time(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        match self {
            Self::Postgres(pool) => {
                const SQL: &str = "SELECT clock_timestamp(), current_setting('transaction_read_only') = 'on'";
                let asked = sqlx::query_as(SQL).fetch_one(pool.executor()).await;
                let (now, is_read_only) = pool.link.explain(asked)?;
                if is_read_only { Err(StoreError::ReadOnly) } else { Ok(Some(now)) }
            }
            Self::Sqlite(pool) => {
                let (_,): (i64,) = sqlx::query_as("SELECT 1").fetch_one(pool).await?;
                Ok(None)
            }
        }
    }
}

/// The URL without the one parameter that the driver does not know: no server is used but one that takes writes.
fn without_target(url: &str) -> Result<Url, StoreError> {
    let mut url = Url::parse(url).map_err(sqlx::Error::config)?;
    let is_target = |name: &str| name == TARGET;
    if url.query_pairs().any(|(name, _)| is_target(&name)) {
        let others: Vec<_> = url.query_pairs().into_owned().filter(|(name, _)| !is_target(name)).collect();
        url.query_pairs_mut().clear().extend_pairs(others);
    }
    Ok(url)
}

/// A server that does not answer.
pub(in crate::store) fn silence() -> sqlx::Error {
    sqlx::Error::Io(io::ErrorKind::TimedOut.into())
}

/// Whether the last transaction has ended. After some errors (a full disk, a failing one) SQLite has rolled back by
/// itself: the driver's own rollback fails, and it would believe in an open transaction for ever.
async fn has_ended(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if !connection.is_in_transaction() {
        return Ok(true);
    }
    // A rollback may be under way.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Of several processes that open a new file, the others meet this one's lock while it turns the write-ahead log on:
/// there SQLite does not wait, whatever its busy timeout.
pub(in crate::store) fn is_locked(error: &sqlx::Error) -> bool {
    const SQLITE_BUSY: u32 = 5;
    primary_code(error) == Some(SQLITE_BUSY)
}

/// Whether a file is no whole database of SQLite's.
pub(in crate::store) fn is_damaged(error: &sqlx::Error) -> bool {
    const SQLITE_CORRUPT: u32 = 11;
    const SQLITE_NOTADB: u32 = 26;
    matches!(primary_code(error), Some(SQLITE_CORRUPT | SQLITE_NOTADB))
}

fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code)?;
    code.parse::<u32>().ok().map(|code| code & 0xff)
}

/// Statements are logged (never their parameters) when somebody asks for it: `HEIRLOOM_LOG__FILTER=sqlx::query=debug`.
pub(in crate::store) fn quietly<O: sqlx::ConnectOptions>(options: O) -> O {
    if tracing::enabled!(target: "sqlx::query", tracing::Level::DEBUG) {
        options
    } else {
        options.disable_statement_logging()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sqlite_is_compiled_as_the_cargo_configuration_says() {
        let bounds = PoolBounds { max_connections: 1, acquire_timeout: PATIENCE, statement_cache: 10 };
        let Db::Sqlite(pool) = Db::sqlite_memory(bounds).await.unwrap() else { panic!("not SQLite") };
        let sql = "SELECT sqlite_compileoption_used('DEFAULT_MEMSTATUS=0')";
        assert_eq!(sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await.unwrap(), 1);
    }
}
