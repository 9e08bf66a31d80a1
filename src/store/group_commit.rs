//! A group commit for rotations: those that arrive while a statement is under way wait in a queue, and a worker writes
//! them as the next batch, so many share one statement, one commit and one flush. There is no timer: on an idle server
//! each rotation is written at once.
//!
//! The result of an attempt is exactly what it would have been in a statement of its own. A batch holds a family once;
//! another attempt with the same token at the same moment has failed as soon as the first one is written, and finds out
//! what that means (a replay, or reuse) as every failed attempt does: by reading the row.

mod queue;
mod sync;

use chrono::{DateTime, Utc};
use tokio::time::timeout;

use crate::figures::BatchFigures;
use crate::store::connect::{Connection, silence};
use crate::store::families::{self, FastPath};
use crate::store::pool::PATIENCE;
use crate::store::{Db, StoreError, transaction};

use queue::{Batch, BatchWriter, SharedQueue, Waiters, Written, answer_all};

/// Attempts in one statement at most: past some dozens a longer batch saves nothing more, and keeps its waiters
/// waiting.
const LARGEST_BATCH: usize = 128;

/// The same on SQLite. Measured: when everything that is queued goes into one batch, the server has nothing to do until
/// it is written, and SQLite nothing while the server signs the answers.
const LARGEST_EMBEDDED_BATCH: usize = 24;

/// How often in a row a worker uses the pool's only connection, which it keeps from everybody else meanwhile. Measured:
/// giving it back and getting it again takes as long as a batch.
const TURNS: u32 = 16;

/// Whether rotations share statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batching {
    /// Those that arrive together in one statement, one statement after another.
    On,
    /// Each in a statement of its own, as many at once as connections allow: for sharded engines.
    Off,
}

/// Writes every fast-path rotation.
#[derive(Debug)]
pub struct GroupCommit {
    db: Db,
    batching: Batching,
    queue: SharedQueue<KeptConnection>,
    figures: BatchFigures,
    /// Whether the pool has connections beside those of the workers.
    has_spare: bool,
}

#[derive(Debug)]
struct KeptConnection {
    connection: Connection,
    used_at: DateTime<Utc>,
}

/// A worker's hand on the database.
struct ConnectionWriter {
    db: Db,
    figures: BatchFigures,
    /// Whether the pool has connections beside those of the workers.
    has_spare: bool,
    /// Batches in a row on one connection.
    turns: u32,
}

impl GroupCommit {
    /// Writes to this database.
    #[must_use]
    pub fn new(db: Db, batching: Batching, figures: BatchFigures) -> Self {
        let (largest_batch, most_workers) = match (batching, &db) {
            // Measured: two statements at once share the waiters, and cost the database more than one.
            (Batching::On, Db::Postgres(_)) => (LARGEST_BATCH, 1),
            (Batching::On, Db::Sqlite(_)) => (LARGEST_EMBEDDED_BATCH, 1),
            (Batching::Off, _) => (1, db.connections().saturating_sub(1).max(1)),
        };
        let has_spare = db.connections() > most_workers;
        Self {
            queue: SharedQueue::new(largest_batch, most_workers, has_spare),
            db,
            batching,
            figures,
            has_spare,
        }
    }

    /// The same with another database.
    #[must_use]
    pub fn to(&self, db: Db) -> Self {
        Self::new(db, self.batching, self.figures.clone())
    }

    /// How it has fared so far, with all that were made of it.
    #[must_use]
    pub fn figures(&self) -> &BatchFigures {
        &self.figures
    }

    /// Gives the connection back that is kept, so that the pool can be closed.
    pub fn rest(&self) {
        self.queue.rest();
    }

    /// Rotates a family if the presented generation is the current one. `None` tells nothing of why it was not.
    ///
    /// # Errors
    /// [`StoreError`]; whether the family moved on is then unknown.
    pub async fn rotate(&self, attempt: FastPath) -> Written {
        let (awaited, worker) = self.queue.join(attempt);
        if let Some(worker) = worker {
            let (db, figures, has_spare) = (self.db.clone(), self.figures.clone(), self.has_spare);
            // In a task of its own: a waiter who hangs up must not stop the others.
            tokio::spawn(worker.run(ConnectionWriter { db, figures, has_spare, turns: 0 }));
        }
        awaited.result().await
    }
}

impl BatchWriter for ConnectionWriter {
    type Kept = KeptConnection;

    async fn write(&mut self, batch: Batch, kept: Option<KeptConnection>) -> Option<KeptConnection> {
        let now = batch.values().map(|waiters| waiters.attempt().now).max().unwrap_or_default();
        self.turns = if kept.is_some() { self.turns + 1 } else { 1 };
        let connection = match kept {
            Some(KeptConnection { connection, used_at }) => {
                self.db.acquire_again(connection, now - used_at).await
            }
            None => self.db.acquire().await,
        };
        self.figures.begun(batch.len(), batch.values().map(|waiters| waiters.waiting().elapsed()));
        match write(connection, batch).await {
            Ok(connection) if self.has_spare || self.turns < TURNS => {
                Some(KeptConnection { connection, used_at: now })
            }
            Ok(_) => None,
            Err(unwritten) => {
                one_by_one(&self.db, unwritten).await;
                None
            }
        }
    }
}

/// Writes a batch and answers its waiters. Gives the connection back, or those for whom nothing was done.
async fn write(connection: Result<Connection, StoreError>, batch: Batch) -> Result<Connection, Batch> {
    let written = match connection {
        Ok(mut connection) => {
            let attempts: Vec<&FastPath> = batch.values().map(Waiters::attempt).collect();
            families::rotate_together(&mut connection, &attempts).await.map(|grants| (connection, grants))
        }
        Err(error) => Err(error),
    };
    match written {
        Ok((connection, grants)) => {
            answer_all(batch, grants);
            Ok(connection)
        }
        Err(error) if error.did_nothing() => Err(batch),
        Err(error) => {
            for waiters in batch.into_values() {
                waiters.answer(Err(error.clone()));
            }
            Err(Batch::new())
        }
    }
}

/// Whatever was wrong with one of them must not become the others' trouble.
async fn one_by_one(db: &Db, batch: Batch) {
    for waiters in batch.into_values() {
        let rotating = transaction::retrying(|| families::rotate(db, waiters.attempt()));
        let written = timeout(PATIENCE, rotating).await.unwrap_or_else(|_| Err(silence().into()));
        waiters.answer(written);
    }
}

#[cfg(test)]
mod tests;
