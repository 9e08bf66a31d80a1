//! What a row does not tell of its replays: whether they come from where the rotation came from, and how many they are.
//!
//! Within the leeway a base gives its successor once more, to an owner whose answer got lost and to a thief alike, and
//! nothing is written. So a process remembers the rotations that it made, for as long as their bases may come back, or
//! until tens of thousands of others have followed. Of another process's rotation it knows nothing: there it compares
//! with the first replay that comes here.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::mem;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::event::ReplayDifference;
use crate::domain::ids::FamilyId;
use crate::domain::refresh_token::Generation;
use crate::service::network::Network;

/// Replays of a generation that a process answers. Programs that share a token come in dozens.
const MOST_REPLAYS: u8 = 100;

/// Rotations in one half of the memory: what 65,536 places of a hash table hold, of 33 bytes each.
const HALF: usize = 57_344;

/// The rotations that this process remembers.
#[derive(Debug)]
pub struct Replays {
    hasher: RandomState,
    memory: Mutex<Memory>,
}

/// Somebody who refreshes: where and with what, as hashes that mean nothing outside this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who {
    address: [u8; 4],
    agent: [u8; 4],
}

/// A generation as it is handed out.
#[derive(Debug, Clone, Copy)]
pub(super) struct HandedOut {
    pub(super) family: FamilyId,
    pub(super) generation: Generation,
    pub(super) to: Who,
    /// How long its base may come back.
    pub(super) leeway: Duration,
    pub(super) now: DateTime<Utc>,
}

/// A generation was replayed so often that nobody honest does it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyReplays;

/// What is remembered of a family.
#[derive(Debug, Clone, Copy)]
struct Rotation {
    generation: Generation,
    by: Who,
    replays: u8,
    told_address: bool,
    told_agent: bool,
}

/// Two halves, so that what is old is forgotten without being looked for: new rotations go into the young half, and
/// when that is full, or has lasted, it becomes the old one, and the old one is forgotten.
#[derive(Debug)]
struct Memory {
    young: HashMap<FamilyId, Rotation>,
    old: HashMap<FamilyId, Rotation>,
    since: DateTime<Utc>,
    /// The longest leeway that was seen.
    lasting: Duration,
}

impl Default for Replays {
    /// Nothing is remembered yet.
    fn default() -> Self {
        let memory = Memory {
            young: HashMap::new(),
            old: HashMap::new(),
            since: DateTime::UNIX_EPOCH,
            lasting: Duration::ZERO,
        };
        Self { hasher: RandomState::new(), memory: Mutex::new(memory) }
    }
}

impl Replays {
    /// Whoever is in the same network, as limits see it, with the same program is the same.
    pub(super) fn who(&self, address: Option<IpAddr>, user_agent: Option<&str>) -> Who {
        let short = |hash: u64| {
            let [first, second, third, fourth, ..] = hash.to_le_bytes();
            [first, second, third, fourth]
        };
        Who {
            address: short(self.hasher.hash_one(Network::of(address))),
            agent: short(self.hasher.hash_one(user_agent)),
        }
    }

    /// Notes a rotation. A replay may have been quicker: gives in what it differed.
    pub(super) fn rotated(&self, handed_out: &HandedOut) -> Option<ReplayDifference> {
        self.memory().rotation(handed_out)?.difference(handed_out.to)
    }

    /// Counts a replay; gives in what it differs from the rotation, if that was not told before.
    ///
    /// # Errors
    /// [`TooManyReplays`].
    pub(super) fn replayed(
        &self,
        handed_out: &HandedOut,
    ) -> Result<Option<ReplayDifference>, TooManyReplays> {
        let mut memory = self.memory();
        // A family that has rotated meanwhile has other replays to count.
        let Some(rotation) = memory.rotation(handed_out) else { return Ok(None) };
        if rotation.replays >= MOST_REPLAYS {
            return Err(TooManyReplays);
        }
        rotation.replays += 1;
        Ok(rotation.difference(handed_out.to))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// What is known of a generation, which is at least that it was handed out now; `None` when a later one was.
    fn rotation(&mut self, handed_out: &HandedOut) -> Option<&mut Rotation> {
        let &HandedOut { family, generation, to, leeway, now } = handed_out;
        self.lasting = self.lasting.max(leeway);
        let has_lasted = (now - self.since).to_std().is_ok_and(|age| age >= self.lasting);
        if has_lasted || self.young.len() >= HALF {
            mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
            self.since = now;
        }
        let unknown = Rotation { generation, by: to, replays: 0, told_address: false, told_agent: false };
        let old = self.old.remove(&family);
        let known = self.young.entry(family).or_insert(old.unwrap_or(unknown));
        if known.generation < generation {
            *known = unknown;
        }
        (known.generation == generation).then_some(known)
    }
}

impl Rotation {
    /// In what somebody differs from who was first, if that was not told before.
    fn difference(&mut self, who: Who) -> Option<ReplayDifference> {
        let (address, agent) = (who.address != self.by.address, who.agent != self.by.agent);
        let is_new = (address && !self.told_address) || (agent && !self.told_agent);
        self.told_address |= address;
        self.told_agent |= agent;
        match (address, agent) {
            (true, true) => Some(ReplayDifference::AddressAndAgent),
            (true, false) => Some(ReplayDifference::Address),
            (false, true) => Some(ReplayDifference::Agent),
            (false, false) => None,
        }
        .filter(|_| is_new)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;

    const LEEWAY: i64 = 30;

    impl Memory {
        fn size(&self) -> usize {
            self.young.len() + self.old.len()
        }
    }

    fn handed_out(replays: &Replays, (family, generation): (u128, i64), address: &str, at: i64) -> HandedOut {
        HandedOut {
            family: FamilyId(Uuid::from_u128(family)),
            generation: Generation::new(generation).unwrap(),
            to: replays.who(Some(address.parse().unwrap()), Some("app/1")),
            leeway: Duration::from_secs(LEEWAY.unsigned_abs()),
            now: DateTime::UNIX_EPOCH + TimeDelta::seconds(at),
        }
    }

    #[test]
    fn a_replay_is_compared_with_its_rotation_whichever_is_quicker() {
        let replays = Replays::default();
        let here = handed_out(&replays, (1, 2), "192.0.2.1", 0);
        let there = handed_out(&replays, (1, 2), "192.0.2.2", 0);
        assert_eq!((replays.rotated(&here), replays.replayed(&here)), (None, Ok(None)));
        assert_eq!(replays.replayed(&there), Ok(Some(ReplayDifference::Address)));
        assert_eq!(replays.replayed(&there), Ok(None), "it was told");
        let other = HandedOut { to: replays.who(None, None), ..here };
        assert_eq!(replays.replayed(&other), Ok(Some(ReplayDifference::AddressAndAgent)));

        let quicker = handed_out(&replays, (1, 3), "192.0.2.2", 1);
        assert_eq!(replays.replayed(&quicker), Ok(None));
        let rotated = handed_out(&replays, (1, 3), "192.0.2.1", 1);
        assert_eq!(replays.rotated(&rotated), Some(ReplayDifference::Address));
        assert_eq!((replays.rotated(&here), replays.replayed(&there)), (None, Ok(None)), "news of yesterday");
        assert_eq!(replays.memory().size(), 1, "a family is remembered once");
    }

    #[test]
    fn a_rotation_is_remembered_for_as_long_as_it_is_replayed_and_no_more_than_twice_that() {
        let replays = Replays::default();
        for at in [0, LEEWAY - 1] {
            assert_eq!(
                replays.rotated(&handed_out(&replays, (at.unsigned_abs().into(), 2), "192.0.2.1", at)),
                None
            );
        }
        // In the last moment each.
        for (family, at) in [(0, LEEWAY - 1), (29, 2 * LEEWAY - 2)] {
            let replay = handed_out(&replays, (family, 2), "192.0.2.2", at);
            assert_eq!(replays.replayed(&replay), Ok(Some(ReplayDifference::Address)), "{family}");
        }
        for (family, at) in [(1, 3 * LEEWAY - 2), (2, 4 * LEEWAY - 2)] {
            replays.rotated(&handed_out(&replays, (family, 2), "192.0.2.1", at));
        }
        assert_eq!(replays.memory().size(), 2);
    }

    #[test]
    fn the_memory_is_bounded_and_the_oldest_go_first() {
        let replays = Replays::default();
        for family in 0..3 * HALF as u128 {
            replays.rotated(&handed_out(&replays, (family, 2), "192.0.2.1", 0));
        }
        assert_eq!(replays.memory().size(), 2 * HALF);
        for (family, told) in [(0, None), (3 * HALF as u128 - 1, Some(ReplayDifference::Address))] {
            let replay = handed_out(&replays, (family, 2), "192.0.2.2", 1);
            assert_eq!(replays.replayed(&replay), Ok(told), "{family}");
        }
        assert!(size_of::<(FamilyId, Rotation)>() <= 32);
    }

    #[test]
    fn a_hundred_replays_of_a_generation_are_answered() {
        let replays = Replays::default();
        let second = handed_out(&replays, (1, 2), "192.0.2.1", 0);
        replays.rotated(&second);
        assert_eq!((0..120).filter(|_| replays.replayed(&second).is_ok()).count(), 100);
        assert_eq!(replays.replayed(&handed_out(&replays, (1, 3), "192.0.2.1", 0)), Ok(None));
        assert_eq!(replays.replayed(&handed_out(&replays, (2, 2), "192.0.2.1", 0)), Ok(None));
    }
}
