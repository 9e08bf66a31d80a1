//! Transactions, and running them again when another one stood in the way.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::{Sqlite, Transaction};

use crate::crypto::random;
use crate::domain::event::Event;
use crate::domain::outbox::Outbox;
use crate::store::postgres::BEGIN_STEADY;
use crate::store::{Db, Link, PooledTransaction, Statements, StoreError};

/// How often a transaction is tried before its conflict is told to the caller.
const TRIES: u32 = 5;

/// An open transaction, with what it makes happen. Dropping it undoes it, and then nothing has happened.
#[derive(Debug)]
pub struct Tx {
    pub(in crate::store) open: OpenTransaction,
    events: Vec<Event>,
    wakes: Vec<Outbox>,
}

#[derive(Debug)]
pub(in crate::store) enum OpenTransaction {
    Postgres(PooledTransaction, Link),
    /// With the write lock taken at its beginning.
    Sqlite(Transaction<'static, Sqlite>),
}

/// What a durable transaction has made happen.
#[derive(Debug)]
#[must_use]
pub struct Committed {
    pub events: Vec<Event>,
    /// Where there are deliveries that were not there before.
    pub wakes: Vec<Outbox>,
}

impl Db {
    /// Begins a transaction that writes.
    pub(crate) fn begin(&self) -> BoxFuture<'_, Result<Tx, StoreError>> {
        // The driver's futures have 14 KB: unboxed, every caller's is as large, and is copied as often as it is moved.
        Box::pin(async move {
            let open = match self {
                Self::Postgres(pool) => {
                    let begin = match pool.link.statements {
                        Statements::Named => None,
                        Statements::Unnamed => Some(BEGIN_STEADY),
                    };
                    OpenTransaction::Postgres(pool.begin(begin).await?, pool.link.clone())
                }
                // SQLite: a transaction that begins as a reader cannot always become a writer; one that takes the
                // write lock at once waits its turn instead.
                Self::Sqlite(pool) => OpenTransaction::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            };
            Ok(Tx { open, events: Vec::new(), wakes: Vec::new() })
        })
    }
}

impl Tx {
    /// Notes what the transaction makes happen.
    pub fn record(&mut self, event: Event) {
        self.events.push(event);
    }

    /// What the transaction makes happen, so far.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    pub(in crate::store) fn wake(&mut self, outbox: Outbox) {
        if !self.wakes.contains(&outbox) {
            self.wakes.push(outbox);
        }
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// [`StoreError`]; whether it was committed is then unknown.
    pub(crate) async fn commit(self) -> Result<Committed, StoreError> {
        match self.open {
            OpenTransaction::Postgres(transaction, _) => transaction.commit().await?,
            OpenTransaction::Sqlite(transaction) => transaction.commit().await?,
        }
        Ok(Committed { events: self.events, wakes: self.wakes })
    }
}

/// Runs `work` again, a few times, while it loses to another transaction.
///
/// # Errors
/// What `work` gives at the last try.
pub async fn retrying<T, F>(work: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut tries = 0;
    loop {
        tries += 1;
        match work().await {
            Err(error) if error.is_conflict() && tries < TRIES => {
                tokio::time::sleep(Duration::from_millis(random::jitter(4 << tries))).await;
            }
            done => return done,
        }
    }
}

/// Runs one body on either engine inside a transaction: `within!(tx, conn => …)`.
macro_rules! within {
    ($tx:expr, $conn:ident => $body:expr) => {
        match &mut $tx.open {
            $crate::store::transaction::OpenTransaction::Postgres(transaction, link) => {
                let $conn = link.on(transaction);
                $body
            }
            $crate::store::transaction::OpenTransaction::Sqlite(transaction) => {
                let $conn = &mut **transaction;
                $body
            }
        }
    };
}

pub(crate) use within;
