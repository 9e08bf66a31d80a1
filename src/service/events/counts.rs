//! What others can cause in any number is counted: by its name, its account, where it came from and the minute. Each
//! server counts for itself in memory, and adds its counts to the rows of all every few seconds.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::domain::event::EventRecord;
use crate::domain::ids::{FamilyId, UserId, uuid_v7};
use crate::service::limit::Network;

/// Rows that one server makes of a minute. What is more is counted by its name alone: addresses are easily had.
const MOST: usize = 500;

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CountKey {
    pub(super) name: &'static str,
    pub(super) user: Option<UserId>,
    pub(super) family: Option<FamilyId>,
    /// Where nobody knows from where it came.
    client: Option<String>,
    network: Option<Network>,
}

impl CountKey {
    fn of(record: &EventRecord<'_>) -> Self {
        let address = record.address.and_then(|address| address.parse::<IpAddr>().ok());
        Self {
            name: record.event,
            user: record.user,
            family: record.family,
            client: record.client.filter(|_| address.is_none()).map(ToOwned::to_owned),
            network: Some(Network::of(address)),
        }
    }

    /// All others of a minute that has too many.
    fn others(name: &'static str) -> Self {
        Self { name, user: None, family: None, client: None, network: None }
    }

    /// The id of the minute's row, the same at every server.
    pub(super) fn id(&self, minute: DateTime<Utc>) -> Uuid {
        let hash = digest::digest(&digest::SHA256, format!("{self:?}").as_bytes());
        let mut entropy = [0; 10];
        entropy.iter_mut().zip(hash.as_ref()).for_each(|(byte, hashed)| *byte = *hashed);
        uuid_v7(minute, entropy)
    }
}

/// How often it happened, and what was told of it the first time.
#[derive(Debug, Clone)]
pub(super) struct CountedEvent {
    pub(super) fields: Map<String, Value>,
    pub(super) times: i64,
}

/// What was counted and is not stored yet.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<CountsOfNow>);

#[derive(Debug, Default)]
struct CountsOfNow {
    waiting: HashMap<CountKey, CountedEvent>,
    /// Those of this minute, and which one that is.
    rows: HashSet<CountKey>,
    minute: DateTime<Utc>,
}

impl Counts {
    pub(super) fn add(&self, record: &EventRecord<'_>) {
        self.add_all(CountKey::of(record), CountedEvent { fields: record.fields(), times: 1 });
    }

    fn add_all(&self, key: CountKey, more: CountedEvent) {
        let mut now = self.of_now();
        let (key, fields) = if now.rows.contains(&key) || now.rows.len() < MOST {
            (key, more.fields)
        } else {
            (CountKey::others(key.name), Map::new())
        };
        now.rows.insert(key.clone());
        now.waiting.entry(key).or_insert(CountedEvent { fields, times: 0 }).times += more.times;
    }

    /// Takes what is to be stored, as of this minute.
    pub(super) fn take(&self, now: DateTime<Utc>) -> (DateTime<Utc>, HashMap<CountKey, CountedEvent>) {
        let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
        let mut counts = self.of_now();
        if counts.minute != minute {
            counts.minute = minute;
            counts.rows = HashSet::new();
        }
        let waiting = std::mem::take(&mut counts.waiting);
        counts.rows.extend(waiting.keys().cloned());
        (minute, waiting)
    }

    /// What could not be stored is stored another time.
    pub(super) fn put_back(&self, counted: HashMap<CountKey, CountedEvent>) {
        for (key, counted) in counted {
            self.add_all(key, counted);
        }
    }

    fn of_now(&self) -> MutexGuard<'_, CountsOfNow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str) -> EventRecord<'_> {
        EventRecord { event: "login.refused", address: Some(address), ..EventRecord::default() }
    }

    fn taken(counts: &Counts, minute: i64) -> Vec<(Option<Network>, i64)> {
        let (_, taken) = counts.take(DateTime::UNIX_EPOCH + TimeDelta::minutes(minute));
        taken.into_iter().map(|(key, counted)| (key.network, counted.times)).collect()
    }

    #[test]
    fn a_network_is_one_row_a_minute_and_a_minute_has_a_bounded_number_of_them() {
        let counts = Counts::default();
        for host in 0..10_000_u32 {
            counts.add(&refused(&format!("2001:db8::{host:x}")));
        }
        let [(Some(Network::Prefix(_, 64)), 10_000)] = taken(&counts, 1)[..] else { panic!() };
        for host in 0..10_000_u32 {
            counts.add(&refused(&std::net::Ipv4Addr::from(host).to_string()));
        }
        let of_minute = taken(&counts, 1);
        let others = of_minute.iter().find(|(network, _)| network.is_none()).unwrap();
        assert_eq!((of_minute.len(), others.1), (MOST, 10_000 - 499));
        // In the same minute these have their rows, and no others get any.
        counts.add(&refused("0.0.0.1"));
        counts.add(&refused("2001:db8::1"));
        counts.add(&refused("192.0.2.1"));
        assert_eq!(taken(&counts, 1).len(), 3);
        assert_eq!(taken(&counts, 2).len(), 0, "a new minute");
        counts.add(&refused("192.0.2.1"));
        let [(Some(_), 1)] = taken(&counts, 2)[..] else { panic!() };
    }

    #[test]
    fn what_could_not_be_stored_waits() {
        let counts = Counts::default();
        counts.add(&refused("192.0.2.1"));
        let (minute, taken_first) = counts.take(DateTime::UNIX_EPOCH);
        let ids: Vec<_> = taken_first.keys().map(|key| key.id(minute)).collect();
        counts.add(&refused("192.0.2.1"));
        counts.put_back(taken_first);
        let (minute, again) = counts.take(DateTime::UNIX_EPOCH);
        assert_eq!(again.keys().map(|key| key.id(minute)).collect::<Vec<_>>(), ids, "the same row");
        assert_eq!(again.values().map(|counted| counted.times).collect::<Vec<_>>(), [2]);
    }
}
