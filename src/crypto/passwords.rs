//! Passwords: argon2id on a bounded pool of its own threads.
//!
//! Each hash takes megabytes and milliseconds, so both are bounded: as many at once as there are threads, as many
//! waiting as the queue holds, and past that [`Busy`]. Memory is kept by the threads and used again.
//!
//! Passwords make way for quicker work twice: their threads are of the class that takes what others leave of the
//! processor, and the last of several threads rests while [`Passwords::make_way`] is being called.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use argon2::password_hash::phc::{PasswordHash as PhcHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time;
use tokio::sync::oneshot;

use crate::crypto::random;
use crate::domain::secrets::Password;

/// A password's hash in PHC string format: parameters, salt and output in one text.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps what was stored.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// How a presented password fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right,
    /// It is right, and was hashed with other parameters than today's: here is a new hash to store.
    RightOutdated(PasswordHash),
}

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
    /// What an unknown user's password is checked against, so that it takes the same time.
    nobody: PasswordHash,
}

impl Passwords {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system has no more threads to give.
    pub fn start(params: Params, size: PoolSize) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel::<Job>(size.queue);
        let jobs = Arc::new(Mutex::new(jobs));
        let hurries = Arc::new(AtomicU64::new(0));
        for number in 0..size.threads.max(1) {
            let jobs = Arc::clone(&jobs);
            let hasher = Hasher::new(params.clone());
            let is_last_of_several = number > 0 && number + 1 == size.threads;
            let yields_to = is_last_of_several.then(|| Arc::clone(&hurries));
            thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || work(&jobs, hasher, yields_to.as_deref()))?;
        }
        let nobody = Hasher::new(params).hash_random();
        Ok(Self { queue, hurries, nobody })
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
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Busy> {
        self.run(move |hasher| hasher.hash(&password)).await
    }

    /// Checks a password against `stored`; without one, takes the time it would have taken and says it is wrong.
    /// `settle` learns of the verdict first, even if whoever asked has gone meanwhile; it is dropped when nobody looked
    /// at the password.
    ///
    /// # Errors
    /// [`Busy`] when the queue is full.
    pub async fn verify(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
        settle: impl FnOnce(&Verdict) + Send + 'static,
    ) -> Result<Verdict, Busy> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        self.run(move |hasher| {
            let found = hasher.verify(&password, &stored);
            let verdict = if known { found } else { Verdict::Wrong };
            settle(&verdict);
            verdict
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        compute: impl FnOnce(&mut Hasher) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |hasher| {
            // Whoever asked may have gone meanwhile: then the work is not worth doing.
            if !answer.is_closed() {
                let _ = answer.send(compute(hasher));
            }
        });
        match self.queue.try_send(job) {
            Ok(()) => answered.await.map_err(|_| Busy),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(Busy),
        }
    }
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

/// One thread's argon2 with its memory.
struct Hasher {
    params: Params,
    memory: Vec<Block>,
}

const OUTPUT: usize = 32;

impl Hasher {
    fn new(params: Params) -> Self {
        Self { params, memory: Vec::new() }
    }

    fn hash(&mut self, password: &Password) -> PasswordHash {
        self.hash_bytes(password.expose())
    }

    fn hash_random(mut self) -> PasswordHash {
        self.hash_bytes(&random::bytes::<32>())
    }

    fn hash_bytes(&mut self, password: &[u8]) -> PasswordHash {
        let salt = random::bytes::<16>();
        let params = self.params.clone();
        let output = self.compute(&params, password, &salt, OUTPUT);
        #[expect(clippy::expect_used, reason = "16 and 32 bytes are within the format's bounds")]
        let phc = Salt::new(&salt)
            .ok()
            .zip(argon2::password_hash::phc::Output::new(&output).ok())
            .expect("in bounds");
        let text = PhcHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: (&params).try_into().unwrap_or_default(),
            salt: Some(phc.0),
            hash: Some(phc.1),
        };
        PasswordHash(text.to_string())
    }

    /// A stored hash that cannot be read matches no password.
    fn verify(&mut self, password: &Password, stored: &PasswordHash) -> Verdict {
        let Ok(phc) = PhcHash::new(stored.as_str()) else { return Verdict::Wrong };
        let (Some(salt), Some(expected), Ok(params)) = (phc.salt, phc.hash, Params::try_from(&phc)) else {
            return Verdict::Wrong;
        };
        let argon2id =
            phc.algorithm == Algorithm::Argon2id.ident() && phc.version == Some(Version::V0x13.into());
        let output = self.compute(&params, password.expose(), salt.as_ref(), expected.as_ref().len());
        if !argon2id || constant_time::verify_slices_are_equal(&output, expected.as_ref()).is_err() {
            return Verdict::Wrong;
        }
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        if cost(&params) == cost(&self.params) {
            Verdict::Right
        } else {
            Verdict::RightOutdated(self.hash(password))
        }
    }

    fn compute(&mut self, params: &Params, password: &[u8], salt: &[u8], length: usize) -> Vec<u8> {
        let mut output = vec![0; length];
        if self.memory.len() < params.block_count() {
            self.memory.resize(params.block_count(), Block::default());
        }
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let memory = self.memory.get_mut(..params.block_count()).unwrap_or_default();
        // Lengths were checked when the parameters were made; an error would leave a zero output, which is random
        // to nobody, so it must never pass for a hash.
        if argon2.hash_password_into_with_memory(password, salt, &mut output, memory).is_err() {
            output = random::bytes::<64>().to_vec();
        }
        output
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn params(memory: u32) -> Params {
        Params::new(memory, 1, 1, None).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::new(text.to_owned()).unwrap()
    }

    #[test]
    fn hashes_are_readable_by_the_argon2_crate_and_the_reverse() {
        use argon2::{PasswordHasher as _, PasswordVerifier as _};
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params(64));
        let ours = Hasher::new(params(64)).hash(&password("correct horse"));
        let parsed = PhcHash::new(ours.as_str()).unwrap();
        assert!(argon2.verify_password(b"correct horse", &parsed).is_ok());
        let theirs = PasswordHash(argon2.hash_password(b"correct horse").unwrap().to_string());
        let mut hasher = Hasher::new(params(64));
        assert_eq!(hasher.verify(&password("correct horse"), &theirs), Verdict::Right);
        assert_eq!(hasher.verify(&password("correct h0rse"), &theirs), Verdict::Wrong);
    }

    #[test]
    fn other_parameters_are_verified_and_replaced() {
        let old = Hasher::new(params(32)).hash(&password("correct horse"));
        let mut today = Hasher::new(params(64));
        let Verdict::RightOutdated(new) = today.verify(&password("correct horse"), &old) else {
            panic!("an old hash is replaced");
        };
        assert!(new.as_str().contains("m=64,t=1,p=1"));
        assert_eq!(today.verify(&password("correct horse"), &new), Verdict::Right);
    }

    #[test]
    fn rubbish_in_the_database_matches_nothing() {
        let mut hasher = Hasher::new(params(32));
        for stored in
            ["", "!", "$argon2id$v=19$m=32,t=1,p=1$c2FsdHNhbHQ", "$argon2i$v=19$m=32,t=1,p=1$c2FsdHNhbHQ$eA"]
        {
            let stored = PasswordHash(stored.to_owned());
            assert_eq!(hasher.verify(&password("correct horse"), &stored), Verdict::Wrong);
        }
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
        let waiting = pool.hash(password("waits in line"));
        let mut waiting = std::pin::pin!(waiting);
        assert!(
            std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx))).await.is_pending()
        );
        assert_eq!(pool.hash(password("one too many")).await, Err(Busy));
        release.send(()).unwrap();
        assert!(waiting.await.is_ok());
    }
}
