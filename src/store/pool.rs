//! The connections to PostgreSQL. One that comes back when all was answered is used again as it is; only one on which
//! somebody gave up, or that nobody used for a while, is asked first whether it still works.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{
    Manager, Metrics, Object, Pool, PoolConfig, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts,
    WeakPool,
};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Database, Error, PgConnection, Postgres, SqlStr};
use sqlx_core::transaction::TransactionManager;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::figures::PoolWaits;
use crate::store::StoreError;
use crate::store::primary::Primary;

/// How long a server may leave a connection without an answer. One that has vanished, as after a failover, never says
/// so: the kernel would wait for it for a quarter of an hour.
pub(in crate::store) const PATIENCE: Duration = Duration::from_secs(5);

/// A connection idle for longer than this is tried before it is used: the server may have gone and come back.
pub(in crate::store) const TRUSTED_IDLE: Duration = Duration::from_millis(500);

/// Nobody needs one that was idle for so long.
const LONGEST_IDLE: Duration = Duration::from_mins(10);

/// A connection is replaced at this age, so that servers that are added get their share.
const OLDEST: Duration = Duration::from_mins(30);

/// How long to wait until a server that is not there, or takes no writes, is tried again: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// How statements are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statements {
    /// Each connection prepares a statement once and keeps it: one exchange for each run after that.
    Named,
    /// Nothing stays behind on a connection: four exchanges (begin, parse, run, commit).
    Unnamed,
}

/// What all connections to a server have in common.
#[derive(Debug, Clone)]
pub struct Link {
    pub(in crate::store) statements: Statements,
    pub(in crate::store) primary: Arc<Primary>,
    pub(in crate::store) waits: PoolWaits,
}

impl Link {
    /// What stands behind it that nothing was found to run a statement on.
    pub(in crate::store) fn explain<T>(&self, outcome: Result<T, Error>) -> Result<T, StoreError> {
        outcome.map_err(|error| match error {
            Error::PoolTimedOut | Error::Configuration(_) if !self.primary.takes_writes() => {
                StoreError::ReadOnly
            }
            other => other.into(),
        })
    }

    /// Sees to a new connection before it is used: where it leads, and how it plans.
    pub(in crate::store) async fn admit(&self, connection: &mut PgConnection) -> Result<(), Error> {
        self.primary.admit(connection).await?;
        match self.statements {
            Statements::Named => steady(connection).await,
            Statements::Unnamed => Ok(()),
        }
    }
}

/// Has a connection look rows up by indexes, however small PostgreSQL takes a table for: it keeps the plan of a
/// prepared statement until it has looked at the table anew, and by then a small one may have become large. A statement
/// for which no index is good would now pass for so costly that it is compiled first, so that is off, too. An engine
/// that does not have these settings goes without.
async fn steady(connection: &mut PgConnection) -> Result<(), Error> {
    const SQL: &str =
        "SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('enable_seqscan', 'jit')";
    sqlx::raw_sql(SQL).execute(connection).await.map(drop)
}

/// A pool whose connections are all sent their statements in one way.
#[derive(Debug, Clone)]
pub struct PostgresPool {
    pool: Pool<Opener>,
    pub(in crate::store) link: Link,
    acquire_timeout: Duration,
}

impl PostgresPool {
    /// Opens nothing yet. Within a runtime, which closes those that are idle for long.
    pub(in crate::store) fn new(
        options: PgConnectOptions,
        link: Link,
        max_connections: u32,
        acquire_timeout: Duration,
    ) -> Self {
        let pool = Opener { options, link: link.clone() }.pool(max_connections);
        tokio::spawn(close_idle(pool.weak()));
        Self { pool, link, acquire_timeout }
    }

    /// Another one to the same server.
    pub(in crate::store) fn with_own_connections(&self, connections: u32) -> Self {
        let Opener { options, link } = self.pool.manager();
        Self::new(options.clone(), link.clone(), connections, self.acquire_timeout)
    }

    /// Takes a connection out of the pool.
    ///
    /// # Errors
    /// [`Error::PoolTimedOut`] when there is none in time; what the server says to a new one.
    pub(in crate::store) async fn acquire(&self) -> Result<PooledConnection, Error> {
        let acquired = self.link.waits.timed(timeout(self.acquire_timeout, self.pool.get())).await;
        let connection = match acquired {
            Ok(Ok(connection)) => connection,
            Ok(Err(PoolError::Backend(error))) => return Err(error),
            Ok(Err(PoolError::Closed)) => return Err(Error::PoolClosed),
            Ok(Err(_)) | Err(_) => return Err(Error::PoolTimedOut),
        };
        Ok(PooledConnection { connection: Some(connection), state: UseState::Settled })
    }

    /// Begins a transaction; unless it is committed, it is rolled back.
    pub(in crate::store) async fn begin(
        &self,
        begin: Option<&'static str>,
    ) -> Result<PooledTransaction, Error> {
        let mut connection = self.acquire().await?;
        Manages::begin(&mut connection, begin.map(SqlStr::from_static)).await?;
        Ok(PooledTransaction(connection))
    }

    pub(in crate::store) fn max_connections(&self) -> usize {
        self.pool.status().max_size
    }

    /// How many are open, and how many of them nobody uses.
    pub(in crate::store) fn open_connections(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size, status.available)
    }

    /// Closes all that nobody uses, and the others when they come back.
    pub(in crate::store) async fn close(&self) {
        let idle = self.pool.retain(|_, _| false).removed;
        self.pool.close();
        close_all(idle).await;
    }
}

/// Closes those that nobody has needed for long, for as long as the pool is there.
async fn close_idle(pool: WeakPool<Opener>) {
    loop {
        tokio::time::sleep(LONGEST_IDLE / 10).await;
        let Some(pool) = pool.upgrade() else { return };
        close_all(pool.retain(|_, metrics| metrics.last_used() < LONGEST_IDLE).removed).await;
    }
}

async fn close_all(connections: Vec<PgConnection>) {
    for connection in connections {
        // A server that is gone need not be told.
        let _told = timeout(PATIENCE, connection.close()).await;
    }
}

type Manages = <Postgres as Database>::TransactionManager;

/// Makes connections, and knows whether one is still good.
#[derive(Debug, Clone)]
struct Opener {
    options: PgConnectOptions,
    link: Link,
}

impl Opener {
    fn pool(self, max_connections: u32) -> Pool<Self> {
        let config = PoolConfig {
            max_size: usize::try_from(max_connections).unwrap_or(usize::MAX),
            timeouts: Timeouts::default(),
            // The last one that was used has what it needs at hand, and the others get old.
            queue_mode: QueueMode::Lifo,
        };
        #[expect(
            clippy::expect_used,
            reason = "only time-outs of the pool's own need to be told the runtime"
        )]
        let built = Pool::builder(self).config(config).build().expect("without time-outs");
        built
    }
}

impl Manager for Opener {
    type Type = PgConnection;
    type Error = Error;

    /// Tries until there is a server that takes writes; whoever waits for it gives up.
    async fn create(&self) -> Result<PgConnection, Error> {
        let (mut pause, longest) = PAUSES;
        loop {
            match self.options.connect().await {
                Ok(mut connection) => match self.link.admit(&mut connection).await {
                    Ok(()) => return Ok(connection),
                    Err(error) => tracing::warn!(%error, "a new connection to the database is no good"),
                },
                Err(error) if may_pass(&error) => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    async fn recycle(&self, connection: &mut PgConnection, metrics: &Metrics) -> RecycleResult<Error> {
        if metrics.age() > OLDEST || self.link.primary.is_suspect(metrics.age()) {
            return Err(RecycleError::message("too old"));
        }
        if metrics.last_used() > TRUSTED_IDLE {
            timeout(PATIENCE, connection.ping()).await.map_err(|_| RecycleError::message("no answer"))??;
        }
        Ok(())
    }
}

/// Whether a server that refused a connection may take the next one: it is starting, stopping, or full.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        Error::Database(error) => error.is_transient_in_connect_phase(),
        _ => false,
    }
}

/// A connection for a while; dropping it gives it back. Whoever uses it says when it has answered everything; else
/// it is asked before anybody gets it again: it may have been given up in the middle of a statement, or of a
/// transaction, and hold locks.
#[derive(Debug)]
pub struct PooledConnection {
    /// Until it is dropped.
    connection: Option<Object<Opener>>,
    state: UseState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UseState {
    Settled,
    UnderWay,
    Lost,
}

impl PooledConnection {
    /// Everything that was asked of it is answered, unless that is an error.
    pub(in crate::store) fn settled_by<T>(&mut self, outcome: Result<T, Error>) -> Result<T, Error> {
        if outcome.is_ok() {
            self.state = UseState::Settled;
        }
        outcome
    }

    /// Nobody gets it again: it was waited for in vain.
    pub(in crate::store) fn close_on_drop(&mut self) {
        self.state = UseState::Lost;
    }
}

const UNTIL_DROPPED: &str = "a connection is there until it is dropped";

impl Deref for PooledConnection {
    type Target = PgConnection;

    #[expect(clippy::expect_used, reason = "only drop takes it")]
    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect(UNTIL_DROPPED)
    }
}

impl DerefMut for PooledConnection {
    #[expect(clippy::expect_used, reason = "only drop takes it")]
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.state = UseState::UnderWay;
        self.connection.as_mut().expect(UNTIL_DROPPED)
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        match (self.state, Handle::try_current()) {
            (UseState::Settled, _) => {}
            (UseState::UnderWay, Ok(runtime)) => {
                Manages::start_rollback(&mut connection);
                runtime.spawn(async move {
                    let answered = timeout(PATIENCE, connection.ping()).await;
                    if !answered.is_ok_and(|answer| answer.is_ok()) {
                        drop(Object::take(connection));
                    }
                });
            }
            (UseState::UnderWay | UseState::Lost, _) => drop(Object::take(connection)),
        }
    }
}

/// A transaction, rolled back when it is dropped.
#[derive(Debug)]
pub struct PooledTransaction(PooledConnection);

impl PooledTransaction {
    /// Makes it durable.
    ///
    /// # Errors
    /// Whether it was committed is then unknown.
    pub(in crate::store) async fn commit(mut self) -> Result<(), Error> {
        let committed = Manages::commit(&mut self.0).await;
        self.0.settled_by(committed)
    }
}

impl Deref for PooledTransaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for PooledTransaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}
