//! Passwords: argon2id on a bounded pool of its own threads.
//!
//! Each hash takes megabytes and milliseconds, so both are bounded: as many at once as there are threads, as many
//! waiting as the queue holds, and past that [`Busy`]. Memory is kept by the threads and used again.
//!
//! Passwords make way for quicker work twice: their threads are of the class that takes what others leave of the
//! processor, and the last of several threads rests while [`Passwords::make_way`] is being called.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use argon2::Params;
use tokio::sync::oneshot;

use crate::clock::Stopwatch;
use crate::crypto::foreign_cost::ForeignKind;
use crate::crypto::foreign_hash::{SignerKey, SignerKeyId};
use crate::crypto::hash_forms::{FirebaseConfig, HashRules};
use crate::crypto::hasher::{Dearest, Hasher, Spent};
use crate::crypto::password_hash::{PasswordHash, Verdict};
use crate::domain::new_password::NewPassword;
use crate::domain::secrets::Password;
use crate::figures::PasswordWaits;
use crate::spans;

/// The pool's queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are waiting to be checked")]
pub struct Busy;

/// What a password costs, and how many may be under way.
#[derive(Debug, Clone, Copy)]
pub struct PoolSize {
    /// Hashes computed at once.
    pub threads: usize,
    /// Hashes waiting.
    pub queue: usize,
}

type Job = Box<dyn FnOnce(&mut Hasher) + Send>;

/// The pool. Dropping it lets its threads finish and end.
#[derive(Debug)]
pub struct Passwords {
    queue: SyncSender<Job>,
    /// How often [`Passwords::make_way`] was called.
    hurries: Arc<AtomicU64>,
    today: Params,
    /// What a wrong password costs, whoever's it is.
    dearest: Mutex<Dearest>,
    /// Those by which hashes from Firebase are verified.
    signer_keys: Mutex<BTreeMap<SignerKeyId, SignerKey>>,
    spent: Arc<Spent>,
    /// The jobs that no thread has taken yet.
    waiting: Arc<AtomicUsize>,
    waits: PasswordWaits,
}

impl Passwords {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system has no more threads to give.
    pub fn start(params: Params, size: PoolSize) -> std::io::Result<Self> {
        let waits = PasswordWaits::new().map_err(std::io::Error::other)?;
        let (queue, jobs) = sync_channel::<Job>(size.queue);
        let jobs = Arc::new(Mutex::new(jobs));
        let (hurries, spent) = (Arc::new(AtomicU64::new(0)), Arc::new(Spent::default()));
        for number in 0..size.threads.max(1) {
            let jobs = Arc::clone(&jobs);
            let hasher = Hasher::new(params.clone(), Arc::clone(&spent));
            let is_last_of_several = number > 0 && number + 1 == size.threads;
            let yields_to = is_last_of_several.then(|| Arc::clone(&hurries));
            thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || work(&jobs, hasher, yields_to.as_deref()))?;
        }
        let dearest = Mutex::new(Dearest::new(params.clone()));
        Ok(Self {
            queue,
            hurries,
            spent,
            dearest,
            signer_keys: Mutex::default(),
            today: params,
            waiting: Arc::default(),
            waits,
        })
    }

    /// Learns which of all stored hashes are the dearest, each of its kind: from now on no verdict of wrong costs less,
    /// for anybody.
    pub fn expect_stored(&self, dearest: &[PasswordHash]) {
        let today = Dearest::new(self.today.clone());
        *lock(&self.dearest) = dearest.iter().fold(today, Dearest::or);
    }

    /// How many passwords wait for a thread.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How long passwords have waited for a thread.
    #[must_use]
    pub fn waits(&self) -> &PasswordWaits {
        &self.waits
    }

    /// KiB of memory that all argon2 hashes so far have passed over.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.spent.argon2()
    }

    /// What all hashes of other systems have cost so far, by kind.
    #[must_use]
    pub fn spent_on_foreign(&self) -> BTreeMap<ForeignKind, u64> {
        self.spent.foreign()
    }

    /// Learns a key by which hashes are verified.
    pub fn learn(&self, key: SignerKey) {
        lock(&self.signer_keys).insert(key.id(), key);
    }

    /// The key that it takes to verify a hash, if it is not known yet.
    #[must_use]
    pub fn lacks(&self, stored: &PasswordHash) -> Option<SignerKeyId> {
        stored.signer_key().filter(|id| !lock(&self.signer_keys).contains_key(id))
    }

    /// What hashes of other systems must be.
    #[must_use]
    pub fn hash_rules(&self, firebase: Option<FirebaseConfig>) -> HashRules {
        HashRules { today: self.today.clone(), firebase }
    }

    /// Says that work is under way that is quicker than any password: for the next moments, and as long as it is said
    /// again, the last thread takes no other password, if there are several.
    pub fn make_way(&self) {
        self.hurries.fetch_add(1, Ordering::Relaxed);
    }

    /// Hashes a password with today's parameters.
    ///
    /// # Errors
    /// [`Busy`] when the queue is full.
    pub async fn hash(&self, password: NewPassword) -> Result<PasswordHash, Busy> {
        self.run(move |hasher| hasher.hash(&password)).await
    }

    /// Checks a password against `stored`; without one, or when it is wrong, takes the time that the dearest hash would
    /// have taken. `settle` learns of the verdict first, even if whoever asked has gone meanwhile; it is dropped when
    /// nobody looked at the password.
    ///
    /// # Errors
    /// [`Busy`] when the queue is full.
    pub async fn verify(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
        settle: impl FnOnce(&Verdict) + Send + 'static,
    ) -> Result<Verdict, Busy> {
        let dearest = self.dearest_beside(stored.as_ref());
        let key = stored.as_ref().and_then(PasswordHash::signer_key);
        let key = key.and_then(|id| lock(&self.signer_keys).get(&id).cloned());
        self.run(move |hasher| {
            let verdict = hasher.verify(&password, (stored.as_ref(), key.as_ref()), &dearest);
            settle(&verdict);
            verdict
        })
        .await
    }

    /// The dearest parameters known by now: another process may have stored a hash since we looked.
    fn dearest_beside(&self, stored: Option<&PasswordHash>) -> Dearest {
        let mut dearest = lock(&self.dearest);
        if let Some(stored) = stored {
            *dearest = dearest.clone().or(stored);
        }
        dearest.clone()
    }

    async fn run<T: Send + 'static>(
        &self,
        compute: impl FnOnce(&mut Hasher) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (answer, answered) = oneshot::channel();
        let (waiting, waits) = (Arc::clone(&self.waiting), self.waits.clone());
        let watch = Stopwatch::start();
        waiting.fetch_add(1, Ordering::Relaxed);
        let job: Job = Box::new(move |hasher| {
            waiting.fetch_sub(1, Ordering::Relaxed);
            waits.count(watch.elapsed());
            // Whoever asked may have gone meanwhile: then the work is not worth doing.
            if !answer.is_closed() {
                let _ = answer.send(compute(hasher));
            }
        });
        match self.queue.try_send(job) {
            Ok(()) => spans::span("password", answered).await.map_err(|_| Busy),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                Err(Busy)
            }
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passwords take what others leave of the processor: one needs tens of milliseconds anyway, and a refresh needs one.
#[cfg(target_os = "linux")]
fn step_back() {
    use thread_priority::unix::{
        NormalThreadSchedulePolicy::Idle, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id,
    };
    let idle = ThreadSchedulePolicy::Normal(Idle);
    let least = thread_priority::ThreadPriority::Min;
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), least, idle) {
        tracing::debug!(?error, "the password threads keep their priority");
    }
}

/// After so long without a hurry, the last thread works again.
const LULL: Duration = Duration::from_millis(500);

/// Pauses until the count stands still meanwhile; not at all, if it has not moved since it was last `seen`.
///
/// The threads' class does not see to this: Linux weighs it only within a group (a session, a container; see `sched(7)`
/// on autogroups), and the database is in another one.
fn wait_for_a_lull(hurries: &AtomicU64, seen: &mut u64, pause: impl Fn()) {
    loop {
        let count = hurries.load(Ordering::Relaxed);
        if count == *seen {
            return;
        }
        *seen = count;
        pause();
    }
}

fn work(jobs: &Mutex<Receiver<Job>>, mut hasher: Hasher, yields_to: Option<&AtomicU64>) {
    #[cfg(target_os = "linux")]
    step_back();
    let mut seen = 0;
    loop {
        if let Some(hurries) = yields_to {
            wait_for_a_lull(hurries, &mut seen, || thread::sleep(LULL));
        }
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(&mut hasher),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn params(memory: u32) -> Params {
        Params::new(memory, 1, 1, None).unwrap()
    }

    #[test]
    fn a_lull_is_a_pause_in_which_nobody_hurries() {
        let (hurries, mut seen, pauses) = (AtomicU64::new(7), 0, Cell::new(0));
        let mut wait = || {
            pauses.set(0);
            wait_for_a_lull(&hurries, &mut seen, || {
                pauses.set(pauses.get() + 1);
                if pauses.get() < 3 {
                    hurries.fetch_add(1, Ordering::Relaxed);
                }
            });
            pauses.get()
        };
        assert_eq!(wait(), 3, "two in which somebody did, one in which nobody did");
        assert_eq!(wait(), 0, "nobody has since");
        hurries.fetch_add(1, Ordering::Relaxed);
        assert_eq!(wait(), 3, "somebody has since");
    }

    #[tokio::test]
    async fn a_full_queue_is_busy_at_once() {
        let pool = Passwords::start(params(32), PoolSize { threads: 1, queue: 1 }).unwrap();
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        let (started, running) = std::sync::mpsc::channel::<()>();
        let job: Job = Box::new(move |_| {
            let _ = started.send(());
            let _ = blocked.recv();
        });
        assert!(pool.queue.try_send(job).is_ok());
        running.recv().unwrap();
        let waiting = pool.run(|_| "waits in line");
        let mut waiting = std::pin::pin!(waiting);
        assert!(
            std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx))).await.is_pending()
        );
        assert_eq!(pool.run(|_| "one too many").await, Err(Busy));
        assert_eq!(pool.waiting(), 1, "who was sent away does not wait");
        release.send(()).unwrap();
        assert!(waiting.await.is_ok());
        assert_eq!(pool.waiting(), 0);
    }
}
