//! A refresh without its I/O: what is asked of the row, in which order, and what follows from the answers.
//!
//! Whoever runs one reads and writes for it. It is a value, so that every order in which several of them can meet at a
//! row can be tried, message by message.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::family::decision::{Outcome, Step};
use crate::domain::family::policy::RotationPolicy;
use crate::domain::refresh_token::Generation;
use crate::domain::refusal::Refusal;

/// How often a compare-and-swap may lose to another request before the client is asked to come back.
const TRIES: u8 = 8;

/// A token that is presented to refresh, on its way to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshAttempt {
    /// The generation that it names.
    pub presented: Generation,
    /// When its request had arrived: fixed while it is worked on, however often the row is read.
    pub now: DateTime<Utc>,
    /// How many more compare-and-swaps it may try.
    pub tries: u8,
}

/// What is asked of the row first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approach {
    /// To rotate unread, if its generation is the presented one: nearly always it is. If it is not, the row is read.
    Bet,
    /// To be read, and then to be decided about.
    Read,
}

/// How a generation comes to be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Served {
    /// It is new.
    Rotated,
    /// It was handed out before, within the leeway.
    Replayed,
    /// It is still good.
    Kept,
    /// It is new, and others were skipped.
    Recovered {
        /// How many.
        skipped: i64,
    },
    /// A row that lost rotations moved up to the token, or past it.
    CaughtUp,
}

/// What follows from a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// Hand out the generation that was read, and write nothing.
    HandOut(Served),
    /// If generation and `rotated_at` of the row are still what was read, and it is live, it becomes this, and its
    /// generation is handed out; else the attempt is made [again](RefreshAttempt::again).
    Swap(Step, Served),
    /// End the family, whatever its row has become since, and refuse the token as reused.
    End,
    /// Ask to come back: the request waited while the family moved on.
    Overtaken,
    /// Ask to come back when somebody has said whether the database was restored.
    Undecided,
    /// Refuse, change nothing.
    Refuse(Refusal),
}

impl RefreshAttempt {
    /// A token's first attempt.
    #[must_use]
    pub const fn new(presented: Generation, now: DateTime<Utc>) -> Self {
        Self { presented, now, tries: TRIES }
    }

    /// After a compare-and-swap that lost: `None` when it lost too often, and the client is asked to come back.
    #[must_use]
    pub fn again(self) -> Option<Self> {
        let tries = self.tries.checked_sub(1).filter(|tries| *tries > 0)?;
        Some(Self { tries, ..self })
    }
}

impl Approach {
    /// Of a client with this policy and leeway. What is to be written for tokens that do not rotate with every refresh
    /// hangs on what is there; and in strict mode a token that is refused after the write could not come back.
    #[must_use]
    pub fn of(rotation: RotationPolicy, leeway: Duration) -> Self {
        match rotation {
            RotationPolicy::Always if !leeway.is_zero() => Self::Bet,
            RotationPolicy::Always | RotationPolicy::Every(_) | RotationPolicy::Never => Self::Read,
        }
    }
}

impl From<Outcome> for Consequence {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Rotate(step) => Self::Swap(step, Served::Rotated),
            Outcome::Replay => Self::HandOut(Served::Replayed),
            Outcome::Recover { step, skipped } => Self::Swap(step, Served::Recovered { skipped }),
            Outcome::Keep => Self::HandOut(Served::Kept),
            Outcome::Touch(step) => Self::Swap(step, Served::Kept),
            Outcome::CatchUp(step) => Self::Swap(step, Served::CaughtUp),
            Outcome::Reuse => Self::End,
            Outcome::Overtaken => Self::Overtaken,
            Outcome::Undecided => Self::Undecided,
            Outcome::Refuse(refusal) => Self::Refuse(refusal),
        }
    }
}
