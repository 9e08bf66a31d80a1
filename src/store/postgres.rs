//! How statements reach PostgreSQL: prepared once under a name, or unnamed for a pooler in transaction mode. That one
//! gives each transaction whichever server connection is free, so that a name given on one is unknown on the next,
//! or taken by somebody else. An unnamed statement is still parsed in one exchange and run in another, and a
//! transaction keeps both on the same connection.

use std::sync::Arc;

use futures_util::TryFutureExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Connection as _, Either, Error, Execute, Executor, PgConnection, Postgres, SqlStr};

use crate::store::pool::{Link, PostgresPool, Statements};

impl Link {
    /// Runs what it is given on this connection.
    pub(in crate::store) fn on<'c>(&self, connection: &'c mut PgConnection) -> PostgresExecutor<'c> {
        PostgresExecutor { way: Way::Connection(connection), link: self.clone() }
    }
}

impl PostgresPool {
    /// Runs what it is given on some connection.
    #[must_use]
    pub fn executor(&self) -> PostgresExecutor<'_> {
        PostgresExecutor { way: Way::Pool(self), link: self.link.clone() }
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
    Pool(&'c PostgresPool),
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
                let mut connection = pool.acquire().await?;
                let outcome = connection.fetch_many(query).try_collect().await;
                connection.settled_by(outcome)
            }),
            (Statements::Named, Way::Connection(connection)) => connection.fetch_many(query),
            (Statements::Unnamed, way) => streamed(async move { run_unnamed(way, query).await }),
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
                let mut connection = pool.acquire().await?;
                let outcome = connection.fetch_optional(query).await;
                connection.settled_by(outcome)
            }),
            (Statements::Named, Way::Connection(connection)) => connection.fetch_optional(query),
            (Statements::Unnamed, way) => {
                Box::pin(
                    async move { Ok(run_unnamed(way, query).await?.into_iter().find_map(Either::right)) },
                )
            }
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
            Way::Pool(pool) => Box::pin(async move {
                let mut connection = pool.acquire().await?;
                let outcome = connection.prepare_with(sql, parameters).await;
                connection.settled_by(outcome)
            }),
            Way::Connection(connection) => connection.prepare_with(sql, parameters),
        }
    }
}

/// Begins a transaction with the settings of [`Link::admit`]: behind a pooler none outlives it.
pub(in crate::store) const BEGIN_STEADY: &str = "BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL jit = off";

/// Runs a statement unnamed, in the transaction that is open or in one of its own.
async fn run_unnamed<'q, E>(way: Way<'_>, query: E) -> Result<Vec<ResultItem>, Error>
where
    E: 'q + Execute<'q, Postgres>,
{
    match way {
        Way::Pool(pool) => {
            let mut connection = pool.acquire().await?;
            let outcome = run_unnamed_on(&mut connection, query).await;
            connection.settled_by(outcome)
        }
        Way::Connection(connection) => run_unnamed_on(connection, query).await,
    }
}

async fn run_unnamed_on<'q, E>(connection: &mut PgConnection, query: E) -> Result<Vec<ResultItem>, Error>
where
    E: 'q + Execute<'q, Postgres>,
{
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
