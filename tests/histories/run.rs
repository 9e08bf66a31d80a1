//! What a run notes down of itself: operations, faults, and whatever a server said that nobody should hear.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::checker::{Promise, Violation, violations};
use crate::history::{Asked, Family, History, Loss, Moment, Operation, Rotation, Row, Said};
use crate::is_long;
use crate::process::now;

/// Where a family's access tokens stand in the status lists.
pub type Status = (String, usize);

pub struct Run {
    pub name: &'static str,
    seed: u64,
    began: Instant,
    history: Mutex<History>,
    statuses: Mutex<HashMap<Family, Status>>,
    /// Faults so far, by name.
    faults: Mutex<BTreeMap<String, u32>>,
    /// Answers that are neither good nor a refusal of the token.
    excuses: Mutex<BTreeMap<String, u32>>,
    /// How long it took from PostgreSQL's first accept to the first 200.
    returns: Mutex<Vec<Duration>>,
    /// When the last request came to each server that was answered with tokens.
    served: [AtomicU64; 4],
    /// Zero while faults go on.
    healed: AtomicU64,
}

/// Tells it at once: of a test that succeeds nobody is shown what it prints.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

impl Run {
    pub fn new(name: &'static str, seed: u64) -> Self {
        say(&format!("histories: {name}: seed {seed} (HEIRLOOM_SEED={seed} does the same again)"));
        Self {
            name,
            seed,
            began: now(),
            history: Mutex::default(),
            statuses: Mutex::default(),
            faults: Mutex::default(),
            excuses: Mutex::default(),
            returns: Mutex::default(),
            served: [const { AtomicU64::new(0) }; 4],
            healed: AtomicU64::new(0),
        }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn moment(&self) -> Moment {
        Moment::try_from(self.began.elapsed().as_micros()).unwrap().max(1)
    }

    pub fn note(&self, family: Family, asked: Asked, said: Said, began: Moment) {
        let operation = Operation { family, asked, said, began, ended: self.moment() };
        self.history.lock().unwrap().operations.push(operation);
    }

    pub fn note_login(&self, family: Family, rotation: Rotation, status: Status, began: Moment) {
        self.history.lock().unwrap().rotations.insert(family, rotation);
        self.statuses.lock().unwrap().insert(family, status);
        self.note(family, Asked::LogIn, Said::Gave(1), began);
    }

    pub fn note_served_by(&self, server: usize, began: Moment) {
        self.served[server].fetch_max(began, Ordering::SeqCst);
    }

    pub fn last_served_by(&self, server: usize) -> Moment {
        self.served[server].load(Ordering::SeqCst)
    }

    pub fn faults_of(&self, name: &str) -> u32 {
        self.faults.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    pub fn note_fault(&self, name: &str, began: Moment) {
        if is_long() {
            let lasted = Duration::from_micros(self.moment() - began);
            println!("histories: {}: {name}, for {:.1} s", self.name, lasted.as_secs_f32());
        }
        *self.faults.lock().unwrap().entry(name.to_owned()).or_default() += 1;
    }

    pub fn note_excuse(&self, excuse: String) {
        *self.excuses.lock().unwrap().entry(excuse).or_default() += 1;
    }

    pub fn note_loss(&self, loss: Loss) {
        self.history.lock().unwrap().losses.push(loss);
    }

    pub fn is_lossless(&self) -> bool {
        self.history.lock().unwrap().losses.is_empty()
    }

    /// How many operations there were so far.
    pub fn operations(&self) -> usize {
        self.history.lock().unwrap().operations.len()
    }

    /// Notes how long after this moment the first refresh was answered well, once it was.
    pub fn note_return(&self, accepted: Moment) -> bool {
        let history = self.history.lock().unwrap();
        let late = history.operations.iter().rev().take_while(|it| it.ended > accepted);
        let good = late.filter(|it| matches!(it.said, Said::Gave(_))).map(|it| it.ended).min();
        let Some(first) = good else { return false };
        self.returns.lock().unwrap().push(Duration::from_micros(first - accepted));
        true
    }

    /// Says that all is well for good.
    pub fn heal(&self) {
        let now = self.moment();
        self.history.lock().unwrap().healed = now;
        self.healed.store(now, Ordering::SeqCst);
    }

    pub fn healed(&self) -> Option<Moment> {
        Some(self.healed.load(Ordering::SeqCst)).filter(|healed| *healed > 0)
    }

    /// A line for who waits.
    pub fn progress(&self) -> String {
        let history = self.history.lock().unwrap();
        let count =
            |wanted: fn(&Operation) -> bool| history.operations.iter().filter(|it| wanted(it)).count();
        let good = count(|it| matches!(it.said, Said::Gave(_) | Said::Done));
        let refused = count(|it| it.said == Said::Refused);
        let families = history.rotations.len();
        let all = history.operations.len();
        let faults: u32 = self.faults.lock().unwrap().values().sum();
        format!(
            "histories: {}: {} s: {all} operations on {families} families ({good} good, {refused} refused, {} unknown), {faults} faults",
            self.name,
            self.began.elapsed().as_secs(),
            all - good - refused
        )
    }

    /// What became of it: every broken promise, in the order of time.
    pub fn broken(&self, rows: HashMap<Family, Row>) -> Vec<(Promise, String)> {
        let mut history = self.history.lock().unwrap();
        history.rows = rows;
        let found = violations(&history);
        drop(history);
        let line = |it: &Violation| {
            format!("{:?} of {:032x} at {} µs: {}\n{}", it.promise, it.family, it.at, it.what, self.tale(it))
        };
        found.iter().map(|it| (it.promise, line(it))).collect()
    }

    /// Whether a promise is broken already, as far as answers tell.
    pub fn has_broken(&self, promise: Promise) -> bool {
        violations(&self.history.lock().unwrap()).iter().any(|it| it.promise == promise)
    }

    /// What happened to a family until a promise was broken.
    fn tale(&self, violation: &Violation) -> String {
        let history = self.history.lock().unwrap();
        let is_told = |it: &&Operation| it.family == violation.family && it.began <= violation.at;
        let mut all: Vec<_> = history.operations.iter().filter(is_told).collect();
        all.sort_by_key(|it| it.began);
        let mut tale = String::new();
        for it in all.iter().skip(all.len().saturating_sub(15)) {
            let _ =
                writeln!(tale, "    {:>10} to {:>10}: {:?} -> {:?}", it.began, it.ended, it.asked, it.said);
        }
        let _ = writeln!(tale, "    row: {:?}", history.rows.get(&violation.family));
        tale
    }

    pub fn statuses(&self) -> HashMap<Family, Status> {
        self.statuses.lock().unwrap().clone()
    }

    /// The report at the end.
    pub fn report(&self) {
        say(&self.progress());
        let list = |of: &Mutex<BTreeMap<String, u32>>| {
            let all = of.lock().unwrap();
            all.iter().map(|(what, times)| format!("{what}: {times}")).collect::<Vec<_>>().join("; ")
        };
        say(&format!("  faults: {}", list(&self.faults)));
        say(&format!("  told besides: {}", list(&self.excuses)));
        let mut returns = self.returns.lock().unwrap().clone();
        returns.sort();
        if let Some(longest) = returns.last() {
            say(&format!(
                "  from PostgreSQL's first accept to the first 200: {} ms at most, {} ms in the middle, {} times",
                longest.as_millis(),
                returns[returns.len() / 2].as_millis(),
                returns.len()
            ));
        }
    }

    /// What servers may say while a database is in trouble; anything else is a fault of theirs.
    pub fn bad_excuses(&self) -> Vec<String> {
        // 408: on a machine that is very busy a request's head may take its time.
        let fine = [
            "no answer",
            "503 temporarily_unavailable",
            "429 temporarily_unavailable",
            "408 without an error",
        ];
        let excuses = self.excuses.lock().unwrap();
        excuses.keys().filter(|it| !fine.contains(&it.as_str())).cloned().collect()
    }
}
