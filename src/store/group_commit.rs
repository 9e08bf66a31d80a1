//! A group commit for rotations: those that arrive while a statement is under way wait in a queue, and a worker writes
//! them as the next batch, so many share one statement, one commit and one flush. There is no timer: on an idle server
//! each rotation is written at once.
//!
//! The result of an attempt is exactly what it would have been in a statement of its own. A batch holds a family once;
//! another attempt with the same token at the same moment has failed as soon as the first one is written, and finds out
//! what that means (a replay, or reuse) as every failed attempt does: by reading the row.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::clock::Stopwatch;
use crate::domain::family::Grant;
use crate::domain::ids::FamilyId;
use crate::figures::BatchFigures;
use crate::store::connect::{Connection, PATIENCE, silence};
use crate::store::families::{self, FastPath};
use crate::store::{Db, StoreError, transaction};

/// Attempts in one statement at most: past some dozens a longer batch saves nothing more, and keeps its waiters
/// waiting.
const LARGEST_BATCH: usize = 128;

/// The same on SQLite. Measured: when everything that is queued goes into one batch, the server has nothing to do until
/// it is written, and SQLite nothing while the server signs the answers.
const LARGEST_EMBEDDED_BATCH: usize = 24;

/// How often in a row a worker uses the pool's only connection, which it keeps from everybody else meanwhile. Measured:
/// giving it back and getting it again takes as long as a batch.
const TURNS: u32 = 16;

/// The result of an attempt: `None` when it failed.
type Written = Result<Option<Grant>, StoreError>;

/// One attempt of each family, and those who made the very same one. A family's other attempts wait for the next batch.
type Batch = HashMap<FamilyId, (Waiter, Vec<oneshot::Sender<Written>>)>;

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
    queue: Arc<Mutex<Queue>>,
    figures: BatchFigures,
}

/// The attempts that wait, and what the workers share.
#[derive(Debug)]
struct Queue {
    waiting: Vec<Waiter>,
    largest_batch: usize,
    most_workers: usize,
    workers: usize,
    /// Whether the pool has connections beside those of the workers.
    has_spare: bool,
    /// The last worker's, if there are spare ones: giving a connection back to its pool costs the database an exchange,
    /// as much as a rotation.
    kept: Option<KeptConnection>,
}

#[derive(Debug)]
struct KeptConnection {
    connection: Connection,
    used_at: DateTime<Utc>,
}

#[derive(Debug)]
struct Waiter {
    attempt: FastPath,
    waiting: Stopwatch,
    written: oneshot::Sender<Written>,
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
        let queue =
            Queue { waiting: Vec::new(), largest_batch, most_workers, workers: 0, has_spare, kept: None };
        Self { db, batching, queue: Arc::new(Mutex::new(queue)), figures }
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
        drop(lock(&self.queue).kept.take());
    }

    /// Rotates a family if the presented generation is the current one. `None` tells nothing of why it was not.
    ///
    /// # Errors
    /// [`StoreError`]; whether the family moved on is then unknown.
    pub async fn rotate(&self, attempt: FastPath) -> Written {
        let (written, result) = oneshot::channel();
        if let Some(worker) = enqueue(&self.queue, Waiter { attempt, waiting: Stopwatch::start(), written }) {
            // In a task of its own: a waiter who hangs up must not stop the others.
            tokio::spawn(worker.run(self.db.clone(), self.figures.clone()));
        }
        result.await.unwrap_or_else(|_| Err(sqlx::Error::PoolClosed.into()))
    }
}

/// Joins those who wait; gives a worker to run, unless there are enough.
fn enqueue(queue: &Arc<Mutex<Queue>>, waiter: Waiter) -> Option<Worker> {
    let mut locked = lock(queue);
    locked.waiting.push(waiter);
    (locked.workers < locked.most_workers).then(|| {
        locked.workers += 1;
        Worker { queue: Arc::clone(queue), ended: false }
    })
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes one batch after another, as long as somebody waits.
struct Worker {
    queue: Arc<Mutex<Queue>>,
    ended: bool,
}

impl Worker {
    async fn run(mut self, db: Db, figures: BatchFigures) {
        let (mut kept, has_spare) = {
            let mut queue = lock(&self.queue);
            (queue.kept.take(), queue.has_spare)
        };
        let mut turns = 0;
        while let Some(batch) = self.next_batch(&mut kept) {
            let now = batch.values().map(|(waiter, _)| waiter.attempt.now).max().unwrap_or_default();
            turns = if kept.is_some() { turns + 1 } else { 1 };
            let connection = match kept.take() {
                Some(KeptConnection { connection, used_at }) => {
                    db.acquire_again(connection, now - used_at).await
                }
                None => db.acquire().await,
            };
            figures.begun(batch.len(), batch.values().map(|(waiter, _)| waiter.waiting.elapsed()));
            match write(connection, batch).await {
                Ok(connection) if has_spare || turns < TURNS => {
                    kept = Some(KeptConnection { connection, used_at: now });
                }
                Ok(_) => {}
                Err(unwritten) => one_by_one(&db, unwritten).await,
            }
        }
    }

    /// Who is next; `None` ends the worker, and the connection it kept is kept for the next.
    fn next_batch(&mut self, kept: &mut Option<KeptConnection>) -> Option<Batch> {
        let mut queue = lock(&self.queue);
        if queue.waiting.is_empty() {
            queue.workers -= 1;
            if queue.has_spare {
                queue.kept = queue.kept.take().or(kept.take());
            }
            self.ended = true;
            return None;
        }
        let largest = queue.largest_batch;
        let mut batch = Batch::with_capacity(queue.waiting.len().min(largest));
        for waiter in mem::take(&mut queue.waiting) {
            let full = batch.len() == largest;
            match batch.entry(waiter.attempt.id) {
                Entry::Occupied(mut first) if first.get().0.attempt.presents_the_same(&waiter.attempt) => {
                    first.get_mut().1.push(waiter.written);
                }
                Entry::Vacant(free) if !full => drop(free.insert((waiter, Vec::new()))),
                Entry::Occupied(_) | Entry::Vacant(_) => queue.waiting.push(waiter),
            }
        }
        Some(batch)
    }
}

impl Drop for Worker {
    /// A worker that was broken off leaves its place to another.
    fn drop(&mut self) {
        if !self.ended {
            lock(&self.queue).workers -= 1;
        }
    }
}

/// Writes a batch and answers its waiters. Gives the connection back, or those for whom nothing was done.
async fn write(connection: Result<Connection, StoreError>, mut batch: Batch) -> Result<Connection, Batch> {
    let written = match connection {
        Ok(mut connection) => {
            let attempts: Vec<&FastPath> = batch.values().map(|(waiter, _)| &waiter.attempt).collect();
            families::rotate_together(&mut connection, &attempts).await.map(|grants| (connection, grants))
        }
        Err(error) => Err(error),
    };
    match written {
        Ok((connection, grants)) => {
            for (family, grant) in grants {
                if let Some(waiters) = batch.remove(&family) {
                    answer(waiters, grant.map(Some));
                }
            }
            for failed in batch.into_values() {
                answer(failed, Ok(None));
            }
            Ok(connection)
        }
        Err(error) if error.did_nothing() => Err(batch),
        Err(error) => {
            for waiters in batch.into_values() {
                answer(waiters, Err(error.clone()));
            }
            Err(Batch::new())
        }
    }
}

/// Whatever was wrong with one of them must not become the others' trouble.
async fn one_by_one(db: &Db, batch: Batch) {
    for waiters in batch.into_values() {
        let rotating = transaction::retrying(|| families::rotate(db, &waiters.0.attempt));
        let written = timeout(PATIENCE, rotating).await.unwrap_or_else(|_| Err(silence().into()));
        answer(waiters, written);
    }
}

/// Answers a waiter and those who made the same attempt. Whoever has gone meanwhile comes back with the same token.
fn answer((first, same): (Waiter, Vec<oneshot::Sender<Written>>), written: Written) {
    for other in same {
        let _ = other.send(written.as_ref().map(|_| None).map_err(StoreError::clone));
    }
    let _ = first.written.send(written);
}
