//! How statements reach PostgreSQL: prepared once under a name, or unnamed for a pooler in transaction mode. That one
//! gives each transaction whichever server connection is free, so that a name given on one is unknown on the next,
//! or taken by somebody else. An unnamed statement is still parsed in one exchange and run in another, and a
//! transaction keeps both on the same connection.

use std::sync::Arc;

use futures_util::TryFutureExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::error::BoxDynError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Connection as _, Either, Error, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr};

use crate::figures::PoolWaits;
use crate::store::StoreError;
use crate::store::primary::Primary;

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
    /// Takes a connection out of the pool.
    pub(in crate::store) async fn connect(&self, pool: &PgPool) -> Result<PoolConnection<Postgres>, Error> {
        self.waits.timed(pool.acquire()).await
    }

    /// Runs what it is given on this connection.
    pub(in crate::store) fn on<'c>(&self, connection: &'c mut PgConnection) -> PostgresExecutor<'c> {
        PostgresExecutor { way: Way::Connection(connection), link: self.clone() }
    }

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

/// A pool whose connections are all sent their statements in one way.
#[derive(Debug, Clone)]
pub struct PostgresPool {
    pub(in crate::store) pool: PgPool,
    pub(in crate::store) link: Link,
}

impl PostgresPool {
    /// Runs what it is given on some connection.
    #[must_use]
    pub fn executor(&self) -> PostgresExecutor<'_> {
        PostgresExecutor { way: Way::Pool(&self.pool), link: self.link.clone() }
    }
}

/// What runs a statement.
#[derive(Debug)]
pub struct PostgresExecutor<'c> {
    way: Way<'c>,
    link: Link,
}

#[derive(Debug)]
enum Way<'c> {
    Pool(&'c PgPool),
    /// In a transaction or not.
    Connection(&'c mut PgConnection),
}

/// What a statement gives: rows, and how many it changed.
type ResultItem = Either<PgQueryResult, PgRow>;

impl<'c> Executor<'c> for PostgresExecutor<'c> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<ResultItem, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let Self { way, link } = self;
        let primary = Arc::clone(&link.primary);
        let outcome = match (link.statements, way) {
            (Statements::Named, Way::Pool(pool)) => streamed(async move {
                let mut connection = link.connect(pool).await?;
                connection.fetch_many(query).try_collect().await
            }),
            (Statements::Named, Way::Connection(connection)) => connection.fetch_many(query),
            (Statements::Unnamed, way) => streamed(async move { run_unnamed(&link, way, query).await }),
        };
        outcome.inspect_err(move |error| primary.notice(error)).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let Self { way, link } = self;
        let primary = Arc::clone(&link.primary);
        let outcome = match (link.statements, way) {
            (Statements::Named, Way::Pool(pool)) => Box::pin(async move {
                let mut connection = link.connect(pool).await?;
                connection.fetch_optional(query).await
            }),
            (Statements::Named, Way::Connection(connection)) => connection.fetch_optional(query),
            (Statements::Unnamed, way) => Box::pin(async move {
                Ok(run_unnamed(&link, way, query).await?.into_iter().find_map(Either::right))
            }),
        };
        outcome.inspect_err(move |error| primary.notice(error)).boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        match self.way {
            Way::Pool(pool) => pool.prepare_with(sql, parameters),
            Way::Connection(connection) => connection.prepare_with(sql, parameters),
        }
    }
}

/// Begins a transaction with the settings of [`steady`]: behind a pooler none outlives it.
pub(in crate::store) const BEGIN_STEADY: &str = "BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL jit = off";

/// Has a connection look rows up by indexes, however small PostgreSQL takes a table for: it keeps the plan of a
/// prepared statement until it has looked at the table anew, and by then a small one may have become large. A statement
/// for which no index is good would now pass for so costly that it is compiled first, so that is off, too. An engine
/// that does not have these settings goes without.
async fn steady(connection: &mut PgConnection) -> Result<(), Error> {
    const SQL: &str =
        "SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('enable_seqscan', 'jit')";
    sqlx::raw_sql(SQL).execute(connection).await.map(drop)
}

/// Runs a statement unnamed, in the transaction that is open or in one of its own.
async fn run_unnamed<'q, E>(link: &Link, way: Way<'_>, query: E) -> Result<Vec<ResultItem>, Error>
where
    E: 'q + Execute<'q, Postgres>,
{
    let mut of_pool;
    let connection = match way {
        Way::Pool(pool) => {
            of_pool = link.connect(pool).await?;
            &mut *of_pool
        }
        Way::Connection(connection) => connection,
    };
    if connection.is_in_transaction() {
        return connection.fetch_many(Unnamed(query)).try_collect().await;
    }
    let mut transaction = connection.begin_with(BEGIN_STEADY).await?;
    let outcome = transaction.fetch_many(Unnamed(query)).try_collect().await?;
    transaction.commit().await?;
    Ok(outcome)
}

fn streamed<'e>(
    outcome: impl Future<Output = Result<Vec<ResultItem>, Error>> + Send + 'e,
) -> BoxStream<'e, Result<ResultItem, Error>> {
    stream::once(outcome).map_ok(|all| stream::iter(all.into_iter().map(Ok))).try_flatten().boxed()
}

/// A statement that is not to be kept: the driver gives it no name.
struct Unnamed<E>(E);

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Unnamed<E> {
    fn sql(self) -> SqlStr {
        self.0.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.0.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.0.take_arguments()
    }

    fn persistent(&self) -> bool {
        false
    }
}
