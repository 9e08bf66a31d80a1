//! How statements reach PostgreSQL: prepared once under a name, or unnamed for a pooler in transaction mode. That one
//! gives each transaction whichever server connection is free, so that a name given on one is unknown on the next,
//! or taken by somebody else. An unnamed statement is still parsed in one exchange and run in another, and a
//! transaction keeps both on the same connection.

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Connection as _, Either, Error, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr};

/// How statements are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statements {
    /// Each connection prepares a statement once and keeps it: one exchange for each run after that.
    Named,
    /// Nothing stays behind on a connection: four exchanges (begin, parse, run, commit).
    Unnamed,
}

impl Statements {
    /// This connection, running what it is given in this way.
    pub(in crate::store) fn on(self, connection: &mut PgConnection) -> PostgresConnection<'_> {
        PostgresConnection { connection, statements: self }
    }
}

/// A pool whose connections run each statement in one way.
#[derive(Debug, Clone)]
pub struct PostgresPool {
    pub(in crate::store) pool: PgPool,
    pub(in crate::store) statements: Statements,
}

/// A connection, in a transaction or not.
#[derive(Debug)]
pub(in crate::store) struct PostgresConnection<'c> {
    connection: &'c mut PgConnection,
    statements: Statements,
}

/// What a statement gives: rows, and how many it changed.
type Outcome = Either<PgQueryResult, PgRow>;

impl<'p> Executor<'p> for &PostgresPool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Outcome, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.statements {
            Statements::Named => self.pool.fetch_many(query),
            Statements::Unnamed => {
                let pool = self.pool.clone();
                streamed(async move { run_unnamed(&mut *pool.acquire().await?, query).await })
            }
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.statements {
            Statements::Named => self.pool.fetch_optional(query),
            Statements::Unnamed => first_row(self.fetch_many(query)),
        }
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'p: 'e,
    {
        self.pool.prepare_with(sql, parameters)
    }
}

impl<'c> Executor<'c> for PostgresConnection<'c> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Outcome, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.statements {
            Statements::Named => self.connection.fetch_many(query),
            Statements::Unnamed => streamed(run_unnamed(self.connection, query)),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.statements {
            Statements::Named => self.connection.fetch_optional(query),
            Statements::Unnamed => first_row(self.fetch_many(query)),
        }
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        self.connection.prepare_with(sql, parameters)
    }
}

/// Runs a statement unnamed, in the transaction that is open or in one of its own.
async fn run_unnamed<'q, E>(connection: &mut PgConnection, query: E) -> Result<Vec<Outcome>, Error>
where
    E: 'q + Execute<'q, Postgres>,
{
    if connection.is_in_transaction() {
        return connection.fetch_many(Unnamed(query)).try_collect().await;
    }
    let mut transaction = connection.begin().await?;
    let outcome = transaction.fetch_many(Unnamed(query)).try_collect().await?;
    transaction.commit().await?;
    Ok(outcome)
}

fn streamed<'e>(
    outcome: impl Future<Output = Result<Vec<Outcome>, Error>> + Send + 'e,
) -> BoxStream<'e, Result<Outcome, Error>> {
    stream::once(outcome).map_ok(|all| stream::iter(all.into_iter().map(Ok))).try_flatten().boxed()
}

fn first_row(
    mut outcome: BoxStream<'_, Result<Outcome, Error>>,
) -> BoxFuture<'_, Result<Option<PgRow>, Error>> {
    Box::pin(async move {
        while let Some(part) = outcome.try_next().await? {
            if let Either::Right(row) = part {
                return Ok(Some(row));
            }
        }
        Ok(None)
    })
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
