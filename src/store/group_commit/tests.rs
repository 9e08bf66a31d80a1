//! The queue under a scheduler that tries interleavings: nobody waits for ever, nobody gets another's answer, and a
//! worker that dies holds nobody up.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use shuttle::future::{self, JoinHandle};
use shuttle::rand::Rng as _;
use shuttle::sync::Mutex;
use uuid::Uuid;

use super::queue::{Batch, BatchWriter, SharedQueue, Written, answer_all};
use crate::domain::claims_request::ClaimRequests;
use crate::domain::family::Grant;
use crate::domain::ids::{FamilyId, UserId};
use crate::domain::refresh_token::Generation;
use crate::domain::scope::ScopeSet;
use crate::domain::secrets::SecretHash;
use crate::store::StoreError;
use crate::store::families::FastPath;

/// Interleavings that are tried of each test.
fn tries() -> usize {
    if std::env::var_os("HEIRLOOM_TRUST").is_some() { 200_000 } else { 2_000 }
}

/// The generations of families, and how they are written.
#[derive(Clone, Default)]
struct Rows(Arc<Mutex<HashMap<FamilyId, Generation>>>);

/// What everybody in a test shares.
#[derive(Clone)]
struct Scene {
    queue: Arc<SharedQueue<()>>,
    rows: Rows,
    workers: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl BatchWriter for Rows {
    type Kept = ();

    async fn write(&mut self, batch: Batch, _: Option<()>) -> Option<()> {
        // On its way to the database,
        future::yield_now().await;
        let holding = self.holding(&batch);
        // and back.
        future::yield_now().await;
        answer_all(batch, holding);
        Some(())
    }
}

impl Rows {
    fn holding(&self, batch: &Batch) -> Vec<(FamilyId, Result<Grant, StoreError>)> {
        let mut rows = self.0.lock().unwrap();
        let mut holding = Vec::new();
        for waiters in batch.values() {
            let attempt = waiters.attempt();
            let generation = rows.entry(attempt.id).or_insert(Generation::FIRST);
            if *generation == attempt.presented {
                *generation = attempt.presented.next().unwrap();
                holding.push((attempt.id, Ok(grant(attempt.id, *generation))));
            }
        }
        holding
    }
}

fn at() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

fn grant(family: FamilyId, generation: Generation) -> Grant {
    Grant {
        family,
        user: UserId(Uuid::nil()),
        subject: String::new(),
        scope: ScopeSet::default(),
        audiences: Vec::new(),
        roles: Vec::new(),
        auth_time: at(),
        methods: Vec::new(),
        acr: None,
        claims: ClaimRequests::default(),
        generation,
        rotated_at: at(),
        issued_at: at(),
        expires_at: at(),
        status: None,
    }
}

/// A family, and the generation that is presented for it.
type Presented = (u128, i64);

impl Scene {
    fn new(largest_batch: usize, most_workers: usize) -> Self {
        Self {
            queue: Arc::new(SharedQueue::new(largest_batch, most_workers, true)),
            rows: Rows::default(),
            workers: Arc::default(),
        }
    }

    async fn rotate(&self, (family, generation): Presented) -> Written {
        let attempt = FastPath {
            id: FamilyId(Uuid::from_u128(family)),
            presented: Generation::new(generation).unwrap(),
            secret_hash: SecretHash::from_stored(&[0; 32]).unwrap(),
            key: None,
            now: at(),
            idle_since: at(),
        };
        let (awaited, worker) = self.queue.join(attempt);
        if let Some(worker) = worker {
            self.workers.lock().unwrap().push(future::spawn(worker.run(self.rows.clone())));
        }
        awaited.result().await
    }

    /// When everybody has an answer, the workers end.
    async fn end(self) {
        loop {
            let Some(worker) = self.workers.lock().unwrap().pop() else { return };
            let _ = worker.await;
        }
    }

    fn all(&self, presented: &[Presented]) -> Vec<JoinHandle<Written>> {
        let rotate = |presented: &Presented| {
            let (world, presented) = (self.clone(), *presented);
            future::spawn(async move { world.rotate(presented).await })
        };
        presented.iter().map(rotate).collect()
    }
}

/// Gives which of them rotated their families. Whoever gets a grant gets its own.
async fn results(presented: &[Presented], all: Vec<JoinHandle<Written>>) -> Vec<Option<bool>> {
    let mut results = Vec::new();
    for ((family, generation), task) in presented.iter().zip(all) {
        let Ok(written) = task.await.unwrap() else {
            results.push(None);
            continue;
        };
        if let Some(grant) = &written {
            let next = Generation::new(generation + 1).unwrap();
            assert_eq!((grant.family, grant.generation), (FamilyId(Uuid::from_u128(*family)), next));
        }
        results.push(Some(written.is_some()));
    }
    results
}

/// Two programs present the same token, one the next, one a spent one; others have families of their own.
const PRESENTED: [Presented; 6] = [(1, 1), (1, 1), (1, 2), (1, 0x7f), (2, 1), (3, 1)];

fn everybody_is_answered(largest_batch: usize, most_workers: usize) {
    let test = move || {
        future::block_on(async move {
            let world = Scene::new(largest_batch, most_workers);
            let rotated = results(&PRESENTED, world.all(&PRESENTED)).await;
            let count =
                |those: &[Option<bool>]| those.iter().filter(|rotated| **rotated == Some(true)).count();
            assert!(rotated.iter().all(Option::is_some), "nobody is told that it is unknown: {rotated:?}");
            assert_eq!(count(&rotated[..2]), 1, "a token rotates once: {rotated:?}");
            assert_eq!((count(&rotated[3..4]), count(&rotated[4..])), (0, 2), "{rotated:?}");
            world.end().await;
        });
    };
    shuttle::check_random(test, tries());
    shuttle::check_pct(test, tries(), 3);
}

#[test]
fn everybody_is_answered_and_gets_its_own_answer() {
    everybody_is_answered(128, 1);
    everybody_is_answered(1, 1);
}

#[test]
fn the_same_with_several_workers() {
    everybody_is_answered(1, 2);
    everybody_is_answered(2, 2);
}

#[test]
fn a_worker_that_dies_holds_nobody_up() {
    let test = || {
        future::block_on(async {
            let world = Scene::new(2, 1);
            let all = world.all(&PRESENTED);
            for _ in 0..shuttle::rand::thread_rng().gen_range(0..12) {
                future::yield_now().await;
            }
            let dying: Vec<_> = world.workers.lock().unwrap().drain(..).collect();
            dying.iter().for_each(JoinHandle::abort);
            let rotated = results(&PRESENTED, all).await;
            let unknown = rotated.iter().filter(|rotated| rotated.is_none()).count();
            assert!(unknown == 0 || !dying.is_empty(), "{rotated:?}");
            for worker in dying {
                let _ = worker.await;
            }
            // Who comes later is served as ever.
            let later = [(9, 1)];
            assert_eq!(results(&later, world.all(&later)).await, [Some(true)]);
            world.end().await;
        });
    };
    shuttle::check_random(test, tries());
    shuttle::check_pct(test, tries(), 3);
}

#[test]
fn a_waiter_that_hangs_up_holds_nobody_up() {
    let test = || {
        future::block_on(async {
            let world = Scene::new(128, 1);
            let mut all = world.all(&PRESENTED);
            for _ in 0..shuttle::rand::thread_rng().gen_range(0..12) {
                future::yield_now().await;
            }
            let others = all.split_off(2);
            all.iter().for_each(JoinHandle::abort);
            let rotated = results(&PRESENTED[2..], others).await;
            assert!(rotated.iter().all(Option::is_some), "{rotated:?}");
            assert_eq!(rotated[2..], [Some(true), Some(true)], "{rotated:?}");
            world.end().await;
        });
    };
    shuttle::check_random(test, tries());
    shuttle::check_pct(test, tries(), 3);
}
