//! Transactions, and running them again when another one stood in the way.

use std::time::Duration;

use sqlx::{Postgres, Sqlite, Transaction};

use crate::crypto::random;
use crate::store::{Db, PostgresPool, Statements, StoreError};

/// How often a transaction is tried before its conflict is told to the caller.
const TRIES: u32 = 5;

/// An open transaction. Dropping it undoes it.
#[derive(Debug)]
pub enum Tx {
    /// On PostgreSQL.
    Postgres(Transaction<'static, Postgres>, Statements),
    /// On SQLite, with the write lock taken at its beginning.
    Sqlite(Transaction<'static, Sqlite>),
}

impl Db {
    /// Begins a transaction that writes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        // The driver's futures have 14 KB: unboxed, every caller's is as large, and is copied as often as it is moved.
        Ok(match self {
            Self::Postgres(PostgresPool { pool, statements }) => {
                Tx::Postgres(Box::pin(pool.begin()).await?, *statements)
            }
            // SQLite: a transaction that begins as a reader cannot always become a writer; one that takes the
            // write lock at once waits its turn instead.
            Self::Sqlite(pool) => Tx::Sqlite(Box::pin(pool.begin_with("BEGIN IMMEDIATE")).await?),
        })
    }
}

impl Tx {
    /// Makes it durable.
    ///
    /// # Errors
    /// [`StoreError`]; whether it was committed is then unknown.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(transaction, _) => transaction.commit().await?,
            Self::Sqlite(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}

/// Runs `work` again, a few times and after a random pause, while it loses to another transaction.
///
/// # Errors
/// What `work` gives at the last try.
pub async fn retrying<T, F>(work: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut tried = 1;
    loop {
        match work().await {
            Err(error) if error.is_conflict() && tried < TRIES => {
                tokio::time::sleep(Duration::from_millis(random::jitter(4 << tried))).await;
                tried += 1;
            }
            result => return result,
        }
    }
}

/// Runs one body on either engine inside a transaction: `within!(tx, conn => …)`.
macro_rules! within {
    ($tx:expr, $conn:ident => $body:expr) => {
        match $tx {
            $crate::store::Tx::Postgres(transaction, statements) => {
                let $conn = statements.on(transaction);
                $body
            }
            $crate::store::Tx::Sqlite(transaction) => {
                let $conn = &mut **transaction;
                $body
            }
        }
    };
}

pub(crate) use within;
