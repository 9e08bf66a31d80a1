//! How often something may be done: so often in a window, once more by and by (GCRA). Processes count for themselves,
//! and tell each other a moment later.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Display;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::subject::SubjectKey;
use crate::service::Failure;
use crate::service::network::Network;

/// Counts that are remembered; the highest ones stay when there are more.
const CAPACITY: usize = 65_536;
/// Addresses are easily had: all together may do as much as so many of them.
const ADDRESSES: u32 = 10_000;

/// One count: whose, and what one more weighs there.
#[derive(Debug, Clone, Copy)]
pub struct Count {
    key: i64,
    each: TimeDelta,
}

/// What stands against a count.
#[derive(Debug, Clone, Copy)]
struct Debt {
    charged_at: DateTime<Utc>,
    /// When everything charged until now is forgiven.
    forgiven_at: DateTime<Utc>,
    /// What is under way: charged or given back when it ends.
    reserved: u32,
}

/// Why nothing could be reserved.
#[derive(Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// For each count the time until there is room for one more, if there is none now.
    Owed(Vec<Option<Duration>>),
    /// There is room if what is under way is given back.
    Reserved,
}

/// The counts that share a window.
#[derive(Debug)]
pub struct Limiter {
    /// What others know it by.
    name: &'static str,
    window: TimeDelta,
    subjects: Arc<SubjectKey>,
    debts: Mutex<HashMap<i64, Debt>>,
    /// What was charged here that others do not know of yet.
    untold: Mutex<HashMap<i64, TimeDelta>>,
}

impl Limiter {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(name: &'static str, window: Duration, subjects: Arc<SubjectKey>) -> Self {
        let window = TimeDelta::from_std(window).unwrap_or(TimeDelta::MAX);
        Self { name, window, subjects, debts: Mutex::default(), untold: Mutex::default() }
    }

    /// The count of `whose`, with room for `most` in the window. All processes know it by the same number, and nobody
    /// can tell from that whose it is.
    pub fn count(&self, whose: impl Display, most: u32) -> Count {
        let each = i32::try_from(most).map_or(TimeDelta::zero(), |most| self.window / most.max(1));
        Count { key: self.subjects.number_of_count(self.name, &whose.to_string()), each }
    }

    /// Charges one more to every count, or nothing to any and says when there is room.
    ///
    /// # Errors
    /// The time until then.
    pub fn take(&self, counts: &[Count], now: DateTime<Utc>) -> Result<(), Duration> {
        let mut debts = self.debts();
        match self.waits(&debts, counts, now).into_iter().flatten().max() {
            Some(wait) => return Err(wait),
            None => self.charge(&mut debts, counts, now),
        }
        Ok(())
    }

    /// Reserves one more of every count, or nothing of any. It ends by [`Limiter::charge_reserved`] or
    /// [`Limiter::give_back`].
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn reserve(&self, counts: &[Count], now: DateTime<Utc>) -> Result<(), NoRoom> {
        let mut debts = self.debts();
        let waits = self.waits(&debts, counts, now);
        if waits.iter().any(Option::is_some) {
            return Err(NoRoom::Owed(waits));
        }
        let is_full = |count: &Count| {
            let Some(debt) = debts.get(&count.key) else { return false };
            let under_way = count.each * i32::try_from(debt.reserved).unwrap_or(i32::MAX);
            self.charged(&debts, count, now) + under_way - now > self.window
        };
        if counts.iter().any(is_full) {
            return Err(NoRoom::Reserved);
        }
        self.see_to_room(&mut debts, counts, now);
        for count in counts {
            let fresh = Debt { charged_at: now, forgiven_at: now, reserved: 0 };
            debts.entry(count.key).or_insert(fresh).reserved += 1;
        }
        Ok(())
    }

    /// What was reserved of every count is charged.
    pub fn charge_reserved(&self, counts: &[Count], now: DateTime<Utc>) {
        let mut debts = self.debts();
        release(&mut debts, counts);
        self.charge(&mut debts, counts, now);
    }

    /// What was reserved of every count is free again.
    pub fn give_back(&self, counts: &[Count]) {
        release(&mut self.debts(), counts);
    }

    /// What others know it by.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// What was charged since it was last asked for: who asks tells the others.
    pub(crate) fn take_untold(&self) -> HashMap<i64, TimeDelta> {
        std::mem::take(&mut *self.untold())
    }

    /// That could not be told.
    pub(crate) fn put_back(&self, charged: HashMap<i64, TimeDelta>) {
        let mut untold = self.untold();
        for (key, each) in charged {
            add(&mut untold, key, each);
        }
    }

    /// What stands against a count in all processes, but for what they have not told yet.
    pub(crate) fn learn(
        &self,
        key: i64,
        (charged_at, forgiven_at): (DateTime<Utc>, DateTime<Utc>),
        now: DateTime<Utc>,
    ) {
        let mut debts = self.debts();
        let own = self.untold().get(&key).copied().unwrap_or_default();
        let reserved = debts.get(&key).map_or(0, |debt| debt.reserved);
        let debt = Debt { charged_at, forgiven_at: forgiven_at + own, reserved };
        if debts.contains_key(&key) || self.is_owed(&debt, now) {
            if debts.len() >= CAPACITY {
                self.make_room(&mut debts, now);
            }
            debts.insert(key, debt);
        }
    }

    fn untold(&self) -> MutexGuard<'_, HashMap<i64, TimeDelta>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn debts(&self) -> MutexGuard<'_, HashMap<i64, Debt>> {
        self.debts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A clock that was set back must not make a debt last.
    fn is_owed(&self, debt: &Debt, now: DateTime<Utc>) -> bool {
        debt.forgiven_at > now && debt.charged_at - now < self.window
    }

    /// When a count is forgiven that is charged once more.
    fn charged(&self, debts: &HashMap<i64, Debt>, count: &Count, now: DateTime<Utc>) -> DateTime<Utc> {
        let debt = debts.get(&count.key).filter(|debt| self.is_owed(debt, now));
        debt.map_or(now, |debt| debt.forgiven_at) + count.each
    }

    /// For each count the time until there is room for one more, if there is none now.
    fn waits(
        &self,
        debts: &HashMap<i64, Debt>,
        counts: &[Count],
        now: DateTime<Utc>,
    ) -> Vec<Option<Duration>> {
        let over = |count| self.charged(debts, count, now) - now - self.window;
        let wait = |count| over(count).to_std().ok().filter(|wait| !wait.is_zero());
        counts.iter().map(wait).collect()
    }

    fn charge(&self, debts: &mut HashMap<i64, Debt>, counts: &[Count], now: DateTime<Utc>) {
        self.see_to_room(debts, counts, now);
        for count in counts {
            let forgiven_at = self.charged(debts, count, now);
            let reserved = debts.get(&count.key).map_or(0, |debt| debt.reserved);
            debts.insert(count.key, Debt { charged_at: now, forgiven_at, reserved });
            add(&mut self.untold(), count.key, count.each);
        }
    }

    fn see_to_room(&self, debts: &mut HashMap<i64, Debt>, counts: &[Count], now: DateTime<Utc>) {
        if debts.len() + counts.len() > CAPACITY {
            self.make_room(debts, now);
        }
    }

    /// Forgets what is forgiven, and if that is not enough, the half that is the nearest to it.
    fn make_room(&self, debts: &mut HashMap<i64, Debt>, now: DateTime<Utc>) {
        debts.retain(|_, debt| debt.reserved > 0 || self.is_owed(debt, now));
        if debts.len() > CAPACITY / 2 {
            let mut times: Vec<DateTime<Utc>> = debts.values().map(|debt| debt.forgiven_at).collect();
            let (_, median, _) = times.select_nth_unstable(debts.len() / 2);
            let median = *median;
            debts.retain(|_, debt| debt.reserved > 0 || debt.forgiven_at > median);
        }
    }
}

fn add(untold: &mut HashMap<i64, TimeDelta>, key: i64, each: TimeDelta) {
    // Who does nothing but charge for so long that it could not be told is far past any limit.
    if untold.len() < CAPACITY || untold.contains_key(&key) {
        let sum = untold.entry(key).or_default();
        *sum = sum.checked_add(&each).unwrap_or(TimeDelta::MAX);
    }
}

fn release(debts: &mut HashMap<i64, Debt>, counts: &[Count]) {
    for count in counts {
        let Entry::Occupied(mut entry) = debts.entry(count.key) else { continue };
        let debt = entry.get_mut();
        debt.reserved = debt.reserved.saturating_sub(1);
        if debt.reserved == 0 && debt.forgiven_at <= debt.charged_at {
            entry.remove();
        }
    }
}

/// What costs a row: so many in a window for each address.
#[derive(Debug)]
pub struct Limit {
    most: u32,
    limiter: Limiter,
}

impl Limit {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(name: &'static str, most: u32, window: Duration, subjects: Arc<SubjectKey>) -> Self {
        Self { most, limiter: Limiter::new(name, window, subjects) }
    }

    pub(crate) fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// Counts one more, if there is room for it.
    ///
    /// # Errors
    /// [`Failure::TooMany`], which says when there is room again.
    pub(crate) fn count(&self, address: Option<IpAddr>, now: DateTime<Utc>) -> Result<(), Failure> {
        let of_network = |network: Network| {
            self.limiter.count(format_args!("address {network}"), network.share(self.most))
        };
        let mut counts: Vec<Count> = Network::all_of(address).map(of_network).collect();
        counts.push(self.limiter.count("all addresses", self.most.saturating_mul(ADDRESSES)));
        self.limiter.take(&counts, now).map_err(Failure::TooMany)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn limiter() -> Limiter {
        Limiter::new("test", HOUR, Arc::new(SubjectKey::new(&[7; 32])))
    }

    fn limit_of(most: u32) -> Limit {
        Limit::new("test", most, HOUR, Arc::new(SubjectKey::new(&[7; 32])))
    }

    fn wait(limit: &Limit, address: IpAddr, now: DateTime<Utc>) -> Option<Duration> {
        limit.count(Some(address), now).err().map(|failure| match failure {
            Failure::TooMany(wait) => wait,
            other => panic!("{other}"),
        })
    }

    #[test]
    fn an_address_has_so_many_and_one_more_by_and_by_and_a_network_counts_as_one() {
        let limit = limit_of(2);
        for (address, minutes, expected) in [
            ("192.0.2.1", 0, None),
            ("192.0.2.1", 0, None),
            ("192.0.2.1", 0, Some(1800)),
            ("192.0.2.1", 29, Some(60)),
            ("::ffff:192.0.2.1", 29, Some(60)),
            ("192.0.2.2", 29, None),
            ("192.0.2.1", 30, None),
            ("192.0.2.1", 30, Some(1800)),
            ("192.0.2.1", -30, None),
            ("2001:db8::1", 0, None),
            ("2001:db8::2", 0, None),
            ("2001:db8::3", 0, Some(1800)),
            ("2001:db8:0:1::1", 0, None),
        ] {
            let now = DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
            let waits = wait(&limit, address.parse().unwrap(), now);
            assert_eq!(waits, expected.map(Duration::from_secs), "{address} {minutes}");
        }
    }

    #[test]
    fn a_wide_network_does_a_few_times_as_much_as_an_address() {
        let done_by = |address: fn(u16) -> String| {
            let limit = limit_of(10);
            let allowed =
                |number| wait(&limit, address(number).parse().unwrap(), DateTime::UNIX_EPOCH).is_none();
            (0..100).filter(|number| allowed(*number)).count()
        };
        assert_eq!(done_by(|number| format!("2001:db8::{number:x}")), 10, "a /64");
        assert_eq!(done_by(|number| format!("2001:db8:0:{number:x}::1")), 20, "a /56");
        assert_eq!(done_by(|number| format!("2001:db8:0:{number:x}00::1")), 40, "a /48");
        assert_eq!(done_by(|number| format!("2001:db8:{number:x}::1")), 100);
        assert_eq!(done_by(|number| format!("192.0.2.{number}")), 100);
    }

    #[test]
    fn all_addresses_together_are_limited_too() {
        let limit = limit_of(1);
        let now = DateTime::UNIX_EPOCH;
        let nth = |n: u32| IpAddr::from(n.to_be_bytes());
        assert!((0..ADDRESSES).all(|n| wait(&limit, nth(n), now).is_none()));
        assert_eq!(wait(&limit, nth(ADDRESSES), now), Some(HOUR / ADDRESSES));
        assert_eq!(wait(&limit, nth(ADDRESSES), now + HOUR / ADDRESSES), None);
    }

    #[test]
    fn what_is_given_back_may_be_taken_again() {
        let limiter = limiter();
        let now = DateTime::UNIX_EPOCH;
        let counts = [limiter.count("ana", 1), limiter.count("all", 2)];
        assert_eq!(limiter.take(&counts, now), Ok(()));
        assert_eq!(limiter.take(&counts, now), Err(HOUR));
        let owed = NoRoom::Owed(vec![Some(HOUR), None]);
        assert_eq!(limiter.reserve(&counts, now), Err(owed), "nothing was taken from either");
        let now = now + HOUR;
        assert_eq!(limiter.reserve(&counts, now), Ok(()));
        assert_eq!(limiter.reserve(&counts, now), Err(NoRoom::Reserved));
        limiter.give_back(&counts);
        assert_eq!(limiter.reserve(&counts, now), Ok(()));
        limiter.charge_reserved(&counts, now);
        assert_eq!(limiter.reserve(&counts, now), Err(NoRoom::Owed(vec![Some(HOUR), None])));
    }

    #[test]
    fn what_is_given_back_leaves_no_trace_and_forgives_nobody() {
        let limiter = limiter();
        let now = DateTime::UNIX_EPOCH;
        let counts = [limiter.count("ana", 2)];
        limiter.reserve(&counts, now).unwrap();
        limiter.give_back(&counts);
        assert!(limiter.debts().is_empty());
        limiter.reserve(&counts, now).unwrap();
        let later = now + HOUR;
        assert_eq!([limiter.take(&counts, later), limiter.take(&counts, later)], [Ok(()); 2]);
        limiter.give_back(&counts);
        assert_eq!(limiter.take(&counts, later), Err(HOUR / 2), "however long it was under way");
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_the_worst() {
        let limiter = limiter();
        let now = DateTime::UNIX_EPOCH;
        let worst = [limiter.count("worst", 2)];
        limiter.take(&worst, now).unwrap();
        limiter.take(&worst, now).unwrap();
        for number in 0..2 * CAPACITY {
            limiter.take(&[limiter.count(number, 2)], now).unwrap();
        }
        assert!(limiter.debts().len() <= CAPACITY);
        assert!(limiter.take(&worst, now).is_err());
    }
}
