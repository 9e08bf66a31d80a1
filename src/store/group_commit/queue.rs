//! Who waits for a rotation, and the workers that write them: whatever is written with.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::mem;
use std::sync::{Arc, PoisonError};

use tokio::sync::oneshot;

use super::sync::{Mutex, MutexGuard};
use crate::clock::Stopwatch;
use crate::domain::family::Grant;
use crate::domain::ids::FamilyId;
use crate::store::StoreError;
use crate::store::families::FastPath;

/// The result of an attempt: `None` when it failed.
pub(super) type Written = Result<Option<Grant>, StoreError>;

/// One attempt of each family, and those who made the very same one. A family's other attempts wait for the next batch.
pub(super) type Batch = HashMap<FamilyId, Waiters>;

/// Writes a batch, and answers all of its waiters.
pub(super) trait BatchWriter: Send {
    /// What it writes through, and may use again.
    type Kept: Send;

    fn write(
        &mut self,
        batch: Batch,
        kept: Option<Self::Kept>,
    ) -> impl Future<Output = Option<Self::Kept>> + Send;
}

/// The attempts that wait, and what the workers share.
#[derive(Debug)]
pub(super) struct Queue<K> {
    waiting: Vec<Waiter>,
    largest_batch: usize,
    most_workers: usize,
    workers: usize,
    /// Whether the last worker's connection is kept: giving one back to its pool costs the database an exchange, as
    /// much as a rotation.
    keeps: bool,
    kept: Option<K>,
}

/// An attempt, and where its result goes.
#[derive(Debug)]
struct Waiter {
    attempt: FastPath,
    waiting: Stopwatch,
    written: oneshot::Sender<Written>,
}

/// Those who made the same attempt: it is written for the first of them.
#[derive(Debug)]
pub(super) struct Waiters {
    first: Waiter,
    same: Vec<oneshot::Sender<Written>>,
}

/// Where the result of an attempt comes.
#[derive(Debug)]
pub(super) struct Awaited(oneshot::Receiver<Written>);

/// Writes one batch after another, as long as somebody waits.
pub(super) struct Worker<K> {
    queue: Arc<Mutex<Queue<K>>>,
    ended: bool,
}

/// A queue that its workers hold, too.
#[derive(Debug)]
pub(super) struct SharedQueue<K>(Arc<Mutex<Queue<K>>>);

impl<K> SharedQueue<K> {
    pub(super) fn new(largest_batch: usize, most_workers: usize, keeps: bool) -> Self {
        let waiting = Vec::new();
        let queue = Queue { waiting, largest_batch, most_workers, workers: 0, keeps, kept: None };
        Self(Arc::new(Mutex::new(queue)))
    }

    /// Joins those who wait; gives a worker to run, unless there are enough.
    pub(super) fn join(&self, attempt: FastPath) -> (Awaited, Option<Worker<K>>) {
        let (written, result) = oneshot::channel();
        let mut queue = lock(&self.0);
        queue.waiting.push(Waiter { attempt, waiting: Stopwatch::start(), written });
        let worker = (queue.workers < queue.most_workers).then(|| {
            queue.workers += 1;
            Worker { queue: Arc::clone(&self.0), ended: false }
        });
        (Awaited(result), worker)
    }

    /// Drops what is kept.
    pub(super) fn rest(&self) {
        drop(lock(&self.0).kept.take());
    }
}

fn lock<K>(queue: &Mutex<Queue<K>>) -> MutexGuard<'_, Queue<K>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Awaited {
    /// The result. Of a worker that was broken off nobody knows what it has written.
    pub(super) async fn result(self) -> Written {
        self.0.await.unwrap_or_else(|_| Err(sqlx::Error::PoolClosed.into()))
    }
}

impl<K: Send> Worker<K> {
    pub(super) async fn run(mut self, mut writer: impl BatchWriter<Kept = K>) {
        let mut kept = lock(&self.queue).kept.take();
        while let Some(batch) = self.next_batch(&mut kept) {
            kept = writer.write(batch, kept.take()).await;
        }
    }

    /// Who is next; `None` ends the worker, and the connection it kept is kept for the next.
    fn next_batch(&mut self, kept: &mut Option<K>) -> Option<Batch> {
        let mut queue = lock(&self.queue);
        if queue.waiting.is_empty() {
            queue.workers -= 1;
            if queue.keeps {
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
                Entry::Occupied(mut there) if there.get().attempt().presents_the_same(&waiter.attempt) => {
                    there.get_mut().same.push(waiter.written);
                }
                Entry::Vacant(free) if !full => {
                    free.insert(Waiters { first: waiter, same: Vec::new() });
                }
                Entry::Occupied(_) | Entry::Vacant(_) => queue.waiting.push(waiter),
            }
        }
        Some(batch)
    }
}

impl<K> Drop for Worker<K> {
    /// A worker that was broken off leaves its place to another. Who waited for it, and for no other, must not wait for
    /// the next one that comes: it is told at once that nobody knows, and tries again.
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut queue = lock(&self.queue);
        queue.workers -= 1;
        if queue.workers == 0 {
            queue.waiting.clear();
        }
    }
}

impl Waiters {
    pub(super) fn attempt(&self) -> &FastPath {
        &self.first.attempt
    }

    pub(super) fn waiting(&self) -> &Stopwatch {
        &self.first.waiting
    }

    /// Whoever has gone meanwhile comes back with the same token.
    pub(super) fn answer(self, written: Written) {
        for other in self.same {
            let _ = other.send(written.as_ref().map(|_| None).map_err(StoreError::clone));
        }
        let _ = self.first.written.send(written);
    }
}

/// Answers a batch that was written, of which these hold.
pub(super) fn answer_all(mut batch: Batch, holding: Vec<(FamilyId, Result<Grant, StoreError>)>) {
    for (family, grant) in holding {
        if let Some(waiters) = batch.remove(&family) {
            waiters.answer(grant.map(Some));
        }
    }
    for failed in batch.into_values() {
        failed.answer(Ok(None));
    }
}
