//! What others can cause in any number is counted: by its name, its account, where it came from and the minute. Each
//! server counts for itself in memory, and adds its counts to the rows of all every few seconds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::domain::event::EventRecord;
use crate::domain::ids::{FamilyId, UserId, uuid_v7};
use crate::service::network::Network;

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

/// What was counted in a minute that is over.
pub(super) type OfMinute = (DateTime<Utc>, CountKey, CountedEvent);

/// What was counted, and is not stored or told yet.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<CountsOfNow>);

#[derive(Debug, Default)]
struct CountsOfNow {
    waiting: HashMap<CountKey, CountedEvent>,
    /// The rows of this minute, with what of it is stored.
    rows: HashMap<CountKey, CountedEvent>,
    minute: DateTime<Utc>,
    /// The rows of minutes that are over.
    over: Vec<OfMinute>,
}

impl CountsOfNow {
    fn end_minute(&mut self) {
        let minute = self.minute;
        let stored = self.rows.drain().filter(|(_, counted)| counted.times > 0);
        self.over.extend(stored.map(|(key, counted)| (minute, key, counted)));
        self.over.truncate(2 * MOST);
    }
}

impl Counts {
    pub(super) fn add(&self, record: &EventRecord<'_>) {
        add(&mut self.of_now(), CountKey::of(record), CountedEvent { fields: record.fields(), times: 1 });
    }

    /// Takes what is to be stored, as of this minute.
    pub(super) fn take(&self, now: DateTime<Utc>) -> (DateTime<Utc>, HashMap<CountKey, CountedEvent>) {
        let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
        let mut counts = self.of_now();
        if counts.minute != minute {
            counts.end_minute();
            counts.minute = minute;
        }
        let waiting = std::mem::take(&mut counts.waiting);
        for (key, counted) in &waiting {
            let row = counts.rows.entry(key.clone());
            row.or_insert_with(|| CountedEvent { times: 0, ..counted.clone() }).times += counted.times;
        }
        (minute, waiting)
    }

    /// What could not be stored is stored another time.
    pub(super) fn put_back(&self, counted: HashMap<CountKey, CountedEvent>) {
        let mut counts = self.of_now();
        for (key, counted) in counted {
            if let Some(row) = counts.rows.get_mut(&key) {
                row.times -= counted.times;
            }
            add(&mut counts, key, counted);
        }
    }

    /// Takes the rows of minutes that are over.
    pub(super) fn take_over(&self) -> Vec<OfMinute> {
        std::mem::take(&mut self.of_now().over)
    }

    pub(super) fn put_back_over(&self, over: Vec<OfMinute>) {
        let mut counts = self.of_now();
        counts.over.extend(over);
        counts.over.truncate(2 * MOST);
    }

    /// This minute is over, for this server.
    pub(super) fn end_minute(&self) {
        self.of_now().end_minute();
    }

    fn of_now(&self) -> MutexGuard<'_, CountsOfNow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(now: &mut CountsOfNow, key: CountKey, more: CountedEvent) {
    let has_room = now.rows.contains_key(&key) || now.rows.len() < MOST;
    let (key, fields) = if has_room { (key, more.fields) } else { (CountKey::others(key.name), Map::new()) };
    now.rows.entry(key.clone()).or_insert_with(|| CountedEvent { fields: fields.clone(), times: 0 });
    now.waiting.entry(key).or_insert(CountedEvent { fields, times: 0 }).times += more.times;
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
