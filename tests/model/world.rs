//! A world: a policy, who holds the chain and how they behave, what may go wrong, and how far it is followed.

use std::time::Duration;

use heirloom::domain::family::{
    Family, Outcome, Policy, RefreshAttempt, RestoreDecision, RotationPolicy, decide,
};
use heirloom::domain::lifetimes::Lifetimes;
use stateright::Property;

use crate::row::{Row, Spans};
use crate::state::{Moves, Party};

/// How one of the two behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// There is no such party.
    Absent,
    /// It presents the token that it got last, again and again until an answer arrives, and comes at any time.
    Honest,
    /// The same, and never lets so many ticks pass from a request of its that was served until the next one is.
    Paced {
        ticks: u8,
        /// Its answers arrive. Else a request counts that was served, whether or not its answer arrived.
        answered: bool,
    },
    /// It presents any token that it ever got, and sees every answer.
    Hoards,
    /// It presents the current token or base: the worst that others may do without ending the family.
    Adverse,
}

/// Whether the network may deliver a copy of a request of the owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copies {
    /// Never: a request arrives once, while its sender waits, or is lost. The server may work on it for longer.
    None,
    /// At any time: copies, and requests that were under way for longer than their sender waited.
    Late,
}

/// What is made of the decision: itself, or a broken one. A promise that no broken rule breaks promises nothing.
pub(crate) type Rule = fn(&Family, &RefreshAttempt, &Policy) -> Outcome;

/// Whether the compare-and-swap compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swapping {
    Compares,
    OnlySwaps,
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) name: &'static str,
    pub(crate) policy: Policy,
    pub(crate) spans: Spans,
    pub(crate) starts: Vec<Moves>,
    pub(crate) habits: [Habit; 2],
    pub(crate) copies: Copies,
    /// Whether an end by its owner or an operator may come.
    pub(crate) revocation: bool,
    /// Whether the row may become again what it was.
    pub(crate) restore: bool,
    /// Whether a request may name a scope, and so not bet.
    pub(crate) scopes: bool,
    /// Whether a server is done with a request in the tick in which it arrived.
    pub(crate) prompt: bool,
    /// By how many ticks the second server's clock is ahead of the first's.
    pub(crate) skew: u8,
    /// It is followed while no generation is later,
    pub(crate) last_generation: u8,
    /// and no tick.
    pub(crate) last_tick: u8,
    pub(crate) rule: Rule,
    pub(crate) swapping: Swapping,
    pub(crate) properties: Vec<Property<World>>,
}

/// The production code's decision.
pub(crate) fn right(family: &Family, attempt: &RefreshAttempt, policy: &Policy) -> Outcome {
    decide(family, attempt.presented, attempt.now, policy)
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(seconds.unsigned_abs())
}

impl World {
    /// An owner alone, whose messages get lost.
    pub(crate) fn new(name: &'static str, rotation: RotationPolicy, leeway: i64, spans: Spans) -> Self {
        let lifetimes = Lifetimes::new(
            Duration::from_mins(1),
            seconds(spans.idle),
            seconds(spans.absolute),
            seconds(leeway),
        );
        let lifetimes = lifetimes.unwrap();
        Self {
            name,
            policy: Policy {
                lifetimes,
                rotation: rotation.checked(&lifetimes).unwrap(),
                restore: RestoreDecision::Undecided,
            },
            spans,
            starts: vec![Moves::starting(Row::FIRST, [Party::holding(1); 2])],
            habits: [Habit::Honest, Habit::Absent],
            copies: Copies::None,
            revocation: false,
            restore: false,
            scopes: false,
            prompt: false,
            skew: 0,
            last_generation: 4,
            last_tick: 3,
            rule: right,
            swapping: Swapping::Compares,
            properties: Vec::new(),
        }
    }

    pub(crate) fn promising(self, properties: impl IntoIterator<Item = Property<World>>) -> Self {
        Self { properties: self.properties.into_iter().chain(properties).collect(), ..self }
    }
}
