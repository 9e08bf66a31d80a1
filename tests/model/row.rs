//! The family's row as the database keeps it: what the three statements do to it, and the family that is read of it.
//!
//! Here alone something of production is said again, because it is SQL. `statements` holds the real statements, on both
//! engines, against what is said here.

use chrono::{DateTime, TimeDelta, Utc};
use heirloom::domain::authentication::Authentication;
use heirloom::domain::claims_request::ClaimsRequest;
use heirloom::domain::family::{Family, State, Step, UserAgentInfo};
use heirloom::domain::ids::{ClientId, FamilyId, UserId};
use heirloom::domain::refresh_token::Generation;
use heirloom::domain::refusal::EndReason;
use heirloom::domain::scope::ScopeSet;
use heirloom::domain::secrets::SecretHash;
use uuid::Uuid;

/// A time: a whole number of ticks, and which of the things that happened in that tick it was, a microsecond each.
/// Whatever a decision asks of two times, which is first and whether a lifetime lies between them, does not hang on how
/// many microseconds those are: no lifetime is a whole number of ticks. So they are renumbered from state to state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Moment {
    pub(crate) tick: u8,
    pub(crate) order: u8,
}

/// How long a tick and a family last, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spans {
    pub(crate) tick: i64,
    pub(crate) idle: i64,
    pub(crate) absolute: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Standing {
    Live,
    Revoked,
    Reused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row {
    pub(crate) generation: u8,
    /// Zero is none.
    pub(crate) base: u8,
    pub(crate) rotated_at: Moment,
    pub(crate) standing: Standing,
}

/// What a compare-and-swap compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Read {
    pub(crate) generation: u8,
    pub(crate) rotated_at: Moment,
}

/// What a row becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Wanted {
    pub(crate) generation: u8,
    pub(crate) base: u8,
}

impl Moment {
    pub(crate) const START: Self = Self { tick: 0, order: 0 };

    pub(crate) fn real(self, spans: &Spans) -> DateTime<Utc> {
        let seconds = TimeDelta::seconds(spans.tick * i64::from(self.tick));
        DateTime::UNIX_EPOCH + seconds + TimeDelta::microseconds(i64::from(self.order))
    }
}

impl Spans {
    /// Whether more than so many seconds lie between two moments. It is never so many exactly.
    pub(crate) fn passed(self, seconds: i64, from: Moment, to: Moment) -> bool {
        assert_ne!(seconds % self.tick, 0, "a lifetime is a whole number of ticks");
        (i64::from(to.tick) - i64::from(from.tick)) * self.tick > seconds
    }
}

pub(crate) fn generation(number: u8) -> Generation {
    Generation::new(i64::from(number)).unwrap()
}

pub(crate) fn number(generation: Generation) -> u8 {
    generation.number().try_into().unwrap()
}

impl From<Step> for Wanted {
    fn from(step: Step) -> Self {
        Self { generation: number(step.generation), base: step.base.map_or(0, number) }
    }
}

impl Row {
    pub(crate) fn read(self) -> Read {
        Read { generation: self.generation, rotated_at: self.rotated_at }
    }

    /// Whether it would be wrong to serve anybody at `now`: said here once more, as the judge of what is decided.
    pub(crate) fn has_expired(self, now: Moment, spans: &Spans) -> bool {
        spans.passed(spans.idle, self.rotated_at, now) || spans.passed(spans.absolute, Moment::START, now)
    }

    /// The fast path's statement.
    pub(crate) fn bet(self, presented: u8, now: Moment, spans: &Spans) -> Option<Self> {
        let holds =
            self.generation == presented && self.standing == Standing::Live && !self.has_expired(now, spans);
        holds.then_some(self.written(Wanted { generation: presented + 1, base: presented }, now))
    }

    /// The compare-and-swap.
    pub(crate) fn swap(self, read: Read, wanted: Wanted, now: Moment) -> Option<Self> {
        let holds = self.read() == read && self.standing == Standing::Live;
        holds.then_some(self.written(wanted, now))
    }

    pub(crate) fn written(self, wanted: Wanted, now: Moment) -> Self {
        Self { generation: wanted.generation, base: wanted.base, rotated_at: now, ..self }
    }

    /// The end, whatever the row has become.
    pub(crate) fn ended(self, standing: Standing) -> Self {
        Self { standing: if self.standing == Standing::Live { standing } else { self.standing }, ..self }
    }

    pub(crate) fn family(self, spans: &Spans) -> Family {
        let born = Moment::START.real(spans);
        let ended = |reason| State::Ended { at: born, reason };
        Family {
            id: FamilyId(Uuid::nil()),
            authentication: Authentication::by_password(UserId(Uuid::nil()), born),
            subject: String::new(),
            client_id: ClientId::built_in(),
            scope: ScopeSet::default(),
            audiences: Vec::new(),
            roles: Vec::new(),
            key_thumbprint: None,
            secret_hash: SecretHash::from_stored(&[0; 32]).unwrap(),
            generation: generation(self.generation),
            base: Generation::new(i64::from(self.base)),
            rotated_at: self.rotated_at.real(spans),
            claims: ClaimsRequest::default(),
            agent: UserAgentInfo::default(),
            created_at: born,
            expires_at: born + TimeDelta::seconds(spans.absolute),
            status: None,
            state: match self.standing {
                Standing::Live => State::Live,
                Standing::Revoked => ended(EndReason::Logout),
                Standing::Reused => ended(EndReason::Reuse),
            },
        }
    }
}
