//! Whether a history keeps what is promised. It knows nothing of the server but what a client can see.
//!
//! An operation takes effect at some moment between its beginning and its end. So what one tells counts for those alone
//! that began after its end, and an answer that never came tells nothing.

use std::collections::{HashMap, HashSet};

use crate::history::{Asked, Family, History, Loss, Moment, Operation, Rotation, Said};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Promise {
    /// I1: of all that was handed out for a generation at most one is live.
    OneSuccessor,
    /// I2: no refresh that began after an acknowledged end succeeds.
    EndsForGood,
    /// I3: what was acknowledged is current, superseded or ended.
    NothingIsLost,
    /// I4: after healing each family that should live refreshes.
    GoesOn,
    /// I5: no honest owner is logged out.
    NobodyIsLoggedOut,
}

#[derive(Debug)]
pub struct Violation {
    pub promise: Promise,
    pub family: Family,
    /// When it was seen.
    pub at: Moment,
    pub what: String,
}

/// All that breaks a promise, each kind once a family.
pub fn violations(history: &History) -> Vec<Violation> {
    let mut of_families: HashMap<Family, Vec<Operation>> = HashMap::new();
    for operation in &history.operations {
        of_families.entry(operation.family).or_default().push(*operation);
    }
    let mut found = Vec::new();
    for (family, operations) in of_families {
        let mut life = Life { history, family, operations, found: Vec::new() };
        life.check();
        found.append(&mut life.found);
    }
    found.sort_by_key(|violation| violation.at);
    let mut seen = HashSet::new();
    found.retain(|violation| seen.insert((violation.family, violation.promise)));
    found
}

/// One family.
struct Life<'a> {
    history: &'a History,
    family: Family,
    operations: Vec<Operation>,
    found: Vec<Violation>,
}

impl Life<'_> {
    fn check(&mut self) {
        self.operations.sort_unstable_by_key(|operation| operation.began);
        let mut known = Known::new(self.rotation());
        let mut from = 0;
        // A loss takes back what was acknowledged last: what follows is held against the rest.
        for loss in self.history.losses.clone() {
            self.follow(known, from..loss.until);
            known = self.left_after(&loss);
            from = loss.until;
        }
        let known = self.follow(known, from..Moment::MAX);
        self.check_row(&known);
        self.check_owner();
        self.check_end(&known);
    }

    fn rotation(&self) -> Rotation {
        self.history.rotations.get(&self.family).copied().unwrap_or(Rotation::Always)
    }

    /// I1, I2 and I3 of the operations that began in this time; gives all that is known at its end.
    fn follow(&mut self, mut known: Known, time: std::ops::Range<Moment>) -> Known {
        let in_time = |operation: &Operation| time.contains(&operation.began);
        let begun: Vec<_> = self.operations.iter().copied().filter(in_time).collect();
        let mut ended = begun.clone();
        ended.sort_unstable_by_key(|operation| operation.ended);
        let mut ended = ended.into_iter().peekable();
        for operation in begun {
            while let Some(earlier) = ended.next_if(|earlier| earlier.ended < operation.began) {
                known.learn(&earlier);
            }
            if let Err((promise, what)) = known.permits(&operation) {
                self.tell(promise, operation.ended, what);
            }
        }
        ended.for_each(|operation| known.learn(&operation));
        known
    }

    /// What still holds after a loss.
    fn left_after(&self, loss: &Loss) -> Known {
        let mut known = Known::new(self.rotation());
        // An end whose answer was lost may be in no log: whoever asks again is told that it is done, which is no event.
        let first_end = self.operations.iter().find(|it| it.asked == Asked::End).map(|it| it.began);
        let is_left = |operation: &&Operation| {
            let is_told = operation.asked == Asked::End && Some(operation.began) == first_end;
            operation.ended < loss.since
                || loss.ends_are_done_again && is_told && operation.ended < loss.until
        };
        self.operations.iter().filter(is_left).for_each(|operation| known.learn(operation));
        known
    }

    /// I3: the row is not behind what was acknowledged.
    fn check_row(&mut self, known: &Known) {
        match self.history.rows.get(&self.family) {
            None if self.login_is_lost(Moment::MAX) => {}
            None => self.tell(Promise::NothingIsLost, Moment::MAX, "its row is gone".to_owned()),
            Some(row) if row.is_live && known.is_ended => {
                self.tell(Promise::EndsForGood, Moment::MAX, "it was ended, and its row is live".to_owned());
            }
            Some(row) if row.is_live && row.generation < known.newest => {
                let what =
                    format!("generation {} was handed out, its row is at {}", known.newest, row.generation);
                self.tell(Promise::NothingIsLost, Moment::MAX, what);
            }
            Some(_) => {}
        }
    }

    /// I5: whose token nobody else has, and who did not end the login, is not refused.
    fn check_owner(&mut self) {
        let refused = self.operations.iter().find(|it| {
            matches!((it.asked, it.said), (Asked::Refresh(_), Said::Refused)) && self.should_live(it.ended)
        });
        if let Some(refused) = refused.copied() {
            let what = format!("the owner's {:?} was refused", refused.asked);
            self.tell(Promise::NobodyIsLoggedOut, refused.ended, what);
        }
    }

    /// I4: the last thing that was asked after healing was answered well.
    fn check_end(&mut self, known: &Known) {
        if known.is_ended || !self.should_live(Moment::MAX) {
            return;
        }
        let is_late =
            |it: &&Operation| it.began > self.history.healed && matches!(it.asked, Asked::Refresh(_));
        let last = self.operations.iter().filter(is_late).max_by_key(|operation| operation.began);
        if !last.is_some_and(|operation| matches!(operation.said, Said::Gave(_))) {
            self.tell(Promise::GoesOn, Moment::MAX, format!("after healing: {last:?}"));
        }
    }

    /// Whether its owner is honest and alone, so far, and its login was not lost.
    fn should_live(&self, now: Moment) -> bool {
        let is_touched = |it: &Operation| matches!(it.asked, Asked::End | Asked::Theft) && it.began < now;
        !self.operations.iter().any(is_touched) && !self.login_is_lost(now)
    }

    /// Whether a loss took the whole family.
    fn login_is_lost(&self, now: Moment) -> bool {
        let Some(login) = self.operations.iter().find(|it| it.asked == Asked::LogIn) else { return true };
        self.history
            .losses
            .iter()
            .any(|loss| login.began < loss.until && login.ended >= loss.since && now >= loss.until)
    }

    fn tell(&mut self, promise: Promise, at: Moment, what: String) {
        self.found.push(Violation { promise, family: self.family, at, what });
    }
}

/// What the acknowledged operations tell of a family's row.
struct Known {
    rotation: Rotation,
    /// The newest generation that was handed out.
    newest: u32,
    /// Which generation was answered by which: those that still say something.
    answers: Vec<(u32, u32)>,
    is_ended: bool,
}

impl Known {
    fn new(rotation: Rotation) -> Self {
        Self { rotation, newest: 0, answers: Vec::new(), is_ended: false }
    }

    fn learn(&mut self, operation: &Operation) {
        match (operation.asked, operation.said) {
            (Asked::Refresh(presented), Said::Gave(given)) => {
                self.newest = self.newest.max(given);
                if !self.answers.contains(&(presented, given)) {
                    self.answers.push((presented, given));
                }
                // What was answered by less than the newest answer's base forbids nothing that this one permits.
                let newest = self.answers.iter().copied().max_by_key(|(_, given)| *given).unwrap_or_default();
                self.answers.retain(|(_, given)| *given > newest.0 || *given == newest.1);
            }
            (Asked::LogIn, Said::Gave(given)) => self.newest = self.newest.max(given),
            // A genuine token is refused when its family has ended, or ends by that.
            (Asked::Refresh(_), Said::Refused) | (Asked::End, Said::Done) => self.is_ended = true,
            _ => {}
        }
    }

    /// Whether an operation that begins now may be answered so.
    fn permits(&self, operation: &Operation) -> Result<(), (Promise, String)> {
        let (Asked::Refresh(presented), Said::Gave(given)) = (operation.asked, operation.said) else {
            return Ok(());
        };
        if self.is_ended {
            return Err((
                Promise::EndsForGood,
                format!("it had ended, and {presented} was answered by {given}"),
            ));
        }
        if given < self.newest {
            let what =
                format!("{} was handed out, and then {presented} was answered by {given}", self.newest);
            return Err((Promise::NothingIsLost, what));
        }
        // What was presented stays good, as base, until the answer to it is used; what lies between is skipped.
        let forbids = |(base, successor): &&(u32, u32)| match self.rotation {
            Rotation::Always => presented != *base && presented < *successor,
            Rotation::Rarely => presented + 1 < *successor,
        };
        match self.answers.iter().find(forbids) {
            None => Ok(()),
            Some((base, successor)) => {
                let what = format!("{base} was answered by {successor}, and then {presented} was good");
                Err((Promise::OneSuccessor, what))
            }
        }
    }
}
