//! How fast devices ask (RFC 8628 §3.5). It is remembered here and nowhere else: a question that gets nothing must not
//! cost a write, and of several servers each may be asked at that pace.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::device::SLOWER;
use crate::domain::expiring::Expiring;
use crate::domain::secrets::SecretHash;

/// RFC 8628 §3.2: what a device that is told nothing waits between two questions.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);
/// Longer than this nobody has to wait: a device that does not listen would never be let in.
const LONGEST: Duration = Duration::from_mins(1);
/// So many questions in a row may come too early and have the database asked all the same: its user may just have said
/// yes.
const EARLY: u32 = 10;
/// How long a device that waits is remembered after its last question.
const MEMORY: TimeDelta = TimeDelta::minutes(10);
const CAPACITY: usize = 50_000;

/// The pace of a device.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// When it last asked.
    asked: DateTime<Utc>,
    /// When the database was last asked for it.
    looked: DateTime<Utc>,
    interval: Duration,
    /// How many of its questions in a row came too early.
    early: u32,
}

/// What a question is worth before anybody has looked what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// Nobody knows when the device asked before.
    First,
    InTime,
    /// Too early, but it may be looked whether its user said yes.
    Early,
    /// Too early again and again.
    Refused,
}

/// The devices that ask.
#[derive(Debug)]
pub struct Polling(Mutex<Expiring<Vec<u8>, Pace>>);

impl Default for Polling {
    fn default() -> Self {
        Self(Mutex::new(Expiring::new(CAPACITY, MEMORY)))
    }
}

impl Polling {
    /// A device asks.
    pub(crate) fn ask(&self, code: &SecretHash, now: DateTime<Utc>) -> Question {
        let (mut paces, code) = (self.paces(), code.as_bytes().to_vec());
        let Some(mut pace) = paces.get(&code, now).copied() else { return Question::First };
        let question = if now >= pace.asked + pace.interval {
            pace.early = 0;
            Question::InTime
        } else {
            pace.interval = (pace.interval + SLOWER).min(LONGEST);
            pace.early += 1;
            let may_look = pace.early <= EARLY || now >= pace.looked + INTERVAL;
            if may_look { Question::Early } else { Question::Refused }
        };
        pace.asked = now;
        if question != Question::Refused {
            pace.looked = now;
        }
        paces.insert(code, pace, now);
        question
    }

    /// A device that was not known waits: `false` when another question of its came beside this one.
    pub(crate) fn begin(&self, code: &SecretHash, now: DateTime<Utc>) -> bool {
        let (mut paces, code) = (self.paces(), code.as_bytes().to_vec());
        let is_alone = paces.get(&code, now).is_none();
        if is_alone {
            let pace = Pace { asked: now, looked: now, interval: INTERVAL, early: 0 };
            paces.insert(code, pace, now);
        }
        is_alone
    }

    fn paces(&self) -> MutexGuard<'_, Expiring<Vec<u8>, Pace>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
