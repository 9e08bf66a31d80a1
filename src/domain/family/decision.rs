//! The decision about a token presented for a family.
//!
//! | presented | `always` | `every P` | `never` |
//! |---|---|---|---|
//! | any; the family ended or expired | refuse | refuse | refuse |
//! | the current generation | rotate | age < P: keep, else rotate | age < T: keep, else touch |
//! | base | age < leeway: replay, else recover | age < P/2: keep, else touch | as the current generation |
//! | base, leeway 0 | reuse | (contradicts the policy) | (contradicts the policy) |
//! | ahead by at most 2, or a window is open | catch up past it | catch up to it | catch up to it |
//! | ahead, and nobody has decided about a restore | undecided | undecided | undecided |
//! | ahead otherwise | refuse, raise an alarm | refuse, raise an alarm | refuse, raise an alarm |
//! | any other | reuse: end the family | reuse | reuse |
//!
//! `base` is the generation before the current one that may still come back honestly: its holder never got the answer,
//! or shares the login with others. Under `always` the base moves as soon as the successor is used, so a base that
//! comes back late means that nobody used the successor, and skipping it harms no one.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::family::policy::RotationPolicy;
use crate::domain::family::{Family, State};
use crate::domain::lifetimes::Lifetimes;
use crate::domain::refresh_token::Generation;
use crate::domain::refusal::{EndReason, Refusal};

/// How far ahead of its row a genuine token may be without a recovery window: what a failover to a replica that
/// lagged by a moment loses.
const CATCH_UP_LIMIT: i64 = 2;

/// What was decided about tokens that are further ahead of their rows: did the database lose rotations?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreDecision {
    /// Nobody has said anything: the usual state, and for an hour after such a token the time to find out.
    Undecided,
    /// It was restored, and a recovery window is open.
    Recover,
    /// It was not restored, or nobody said so in time.
    Decline,
}

/// What [`decide`] goes by.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The client's lifetimes and leeway.
    pub lifetimes: Lifetimes,
    /// The client's rotation policy as it holds for this family.
    pub rotation: RotationPolicy,
    /// Whether a restore is being recovered from.
    pub restore: RestoreDecision,
}

/// What a family's row becomes: applied by a compare-and-swap on what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The generation that is handed out.
    pub generation: Generation,
    /// The base from now on.
    pub base: Option<Generation>,
}

/// The decision about one presented token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The current generation was presented: move on by one.
    Rotate(Step),
    /// The base came back in time: hand out the current generation again, write nothing.
    Replay,
    /// The base came back late, its successor unused: skip it and hand out a newer one.
    Recover {
        /// The row's next state.
        step: Step,
        /// How many generations nobody will use, counted since the base.
        skipped: i64,
    },
    /// Hand out the current generation again, with fresh access; write nothing.
    Keep,
    /// The same, and note the time: generation and base stay as they are.
    Touch(Step),
    /// The token is ahead of a row that lost rotations: move the row forward.
    CatchUp(Step),
    /// A spent token came back: end the family.
    Reuse,
    /// It would be reuse, but the request is older than the row's last change: it waited in our own queue.
    Overtaken,
    /// The token is so far ahead that somebody has to say whether the database was restored: ask to come back.
    Undecided,
    /// Refuse, change nothing.
    Refuse(Refusal),
}

/// Decides about `presented`, a genuine token's generation, at `now`, the request's arrival.
#[must_use]
pub fn decide(family: &Family, presented: Generation, now: DateTime<Utc>, policy: &Policy) -> Outcome {
    match family.state {
        State::Live => {}
        State::Ended { reason: EndReason::Reuse, .. } => return Outcome::Refuse(Refusal::Reused),
        State::Ended { reason, .. } => return Outcome::Refuse(Refusal::Ended(reason)),
    }
    if now >= family.ends_at(&policy.lifetimes) {
        return Outcome::Refuse(Refusal::Expired);
    }
    if presented > family.generation {
        return decide_ahead(family, presented, policy);
    }
    let is_current = presented == family.generation;
    if !is_current && family.base != Some(presented) {
        return spent(family, now);
    }
    let age = family.age(now);
    let keep_for = |period| if age < period { Outcome::Keep } else { touch(family) };
    match policy.rotation {
        RotationPolicy::Always if is_current => rotate(presented),
        RotationPolicy::Always => decide_base(family, now, policy.lifetimes.leeway()),
        RotationPolicy::Every(period) if is_current && age >= period => rotate(presented),
        RotationPolicy::Every(_) if is_current => Outcome::Keep,
        // A base that is kept without a write later than this could be overtaken by a rotation a moment after its
        // answer was lost.
        RotationPolicy::Every(period) => keep_for(period / 2),
        RotationPolicy::Never => keep_for(policy.lifetimes.touch_after()),
    }
}

fn decide_ahead(family: &Family, presented: Generation, policy: &Policy) -> Outcome {
    let lead = presented.number() - family.generation.number();
    match policy.restore {
        RestoreDecision::Undecided if lead > CATCH_UP_LIMIT => return Outcome::Undecided,
        RestoreDecision::Decline if lead > CATCH_UP_LIMIT => return Outcome::Refuse(Refusal::Ahead),
        RestoreDecision::Undecided | RestoreDecision::Recover | RestoreDecision::Decline => {}
    }
    match policy.rotation {
        RotationPolicy::Always => step(presented.next(), Some(presented), Outcome::CatchUp),
        // To the token, not past it: who holds the one before it goes on, too.
        RotationPolicy::Every(_) | RotationPolicy::Never => {
            Outcome::CatchUp(Step { generation: presented, base: presented.previous() })
        }
    }
}

/// The base under `always`.
fn decide_base(family: &Family, now: DateTime<Utc>, leeway: Duration) -> Outcome {
    if leeway.is_zero() {
        return spent(family, now);
    }
    if family.age(now) < leeway {
        return Outcome::Replay;
    }
    let skipped = family.base.map_or(0, |base| family.generation.number() - base.number());
    step(family.generation.next(), family.base, |step| Outcome::Recover { step, skipped })
}

fn spent(family: &Family, now: DateTime<Utc>) -> Outcome {
    if now < family.rotated_at { Outcome::Overtaken } else { Outcome::Reuse }
}

fn rotate(current: Generation) -> Outcome {
    step(current.next(), Some(current), Outcome::Rotate)
}

fn touch(family: &Family) -> Outcome {
    Outcome::Touch(Step { generation: family.generation, base: family.base })
}

/// At the end of the counter (4 billion refreshes) a family has lived its life.
fn step(
    next: Option<Generation>,
    base: Option<Generation>,
    outcome: impl FnOnce(Step) -> Outcome,
) -> Outcome {
    match next {
        Some(generation) => outcome(Step { generation, base }),
        None => Outcome::Refuse(Refusal::Expired),
    }
}
