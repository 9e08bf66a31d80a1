//! How often something may be done: so often in a window, once more by and by (GCRA). Each process counts for itself.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::service::Failure;

/// Counts that are remembered; the highest ones stay when there are more.
const CAPACITY: usize = 65_536;
/// Addresses are easily had: all together may do as much as so many of them.
const ADDRESSES: u32 = 10_000;

/// One count: whose, and what one more weighs there.
#[derive(Debug, Clone, Copy)]
pub struct Count {
    key: u64,
    each: TimeDelta,
}

/// When everything charged until now is forgiven.
#[derive(Debug)]
struct Debt {
    charged_at: DateTime<Utc>,
    forgiven_at: DateTime<Utc>,
}

/// The counts of this process that share a window.
#[derive(Debug)]
pub struct Limiter {
    window: TimeDelta,
    hasher: RandomState,
    debts: Mutex<HashMap<u64, Debt>>,
}

impl Limiter {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        let window = TimeDelta::from_std(window).unwrap_or(TimeDelta::MAX);
        Self { window, hasher: RandomState::new(), debts: Mutex::default() }
    }

    /// The count of `whose`, with room for `most` in the window.
    pub fn count(&self, whose: impl Hash, most: u32) -> Count {
        let each = i32::try_from(most).map_or(TimeDelta::zero(), |most| self.window / most.max(1));
        Count { key: self.hasher.hash_one(whose), each }
    }

    /// Charges one more to every count, or nothing to any and says when there is room.
    ///
    /// # Errors
    /// The time until then.
    pub fn take(&self, counts: &[Count], now: DateTime<Utc>) -> Result<(), Duration> {
        let mut debts = self.debts();
        match self.waits(&debts, counts, now).into_iter().flatten().max() {
            Some(wait) => return Err(wait),
            None => self.add(&mut debts, counts, now),
        }
        Ok(())
    }

    /// For each count the time until there is room for one more, if there is none now.
    pub fn look(&self, counts: &[Count], now: DateTime<Utc>) -> Vec<Option<Duration>> {
        self.waits(&self.debts(), counts, now)
    }

    /// Charges one more to every count, whether there is room or not.
    pub fn charge(&self, counts: &[Count], now: DateTime<Utc>) {
        self.add(&mut self.debts(), counts, now);
    }

    /// Takes back what was charged once to every count.
    pub fn give_back(&self, counts: &[Count]) {
        let mut debts = self.debts();
        for count in counts {
            if let Some(debt) = debts.get_mut(&count.key) {
                debt.forgiven_at -= count.each;
            }
        }
    }

    fn debts(&self) -> MutexGuard<'_, HashMap<u64, Debt>> {
        self.debts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A clock that was set back must not make a debt last.
    fn is_owed(&self, debt: &Debt, now: DateTime<Utc>) -> bool {
        debt.forgiven_at > now && debt.charged_at - now < self.window
    }

    /// When a count is forgiven that is charged once more.
    fn charged(&self, debts: &HashMap<u64, Debt>, count: &Count, now: DateTime<Utc>) -> DateTime<Utc> {
        let debt = debts.get(&count.key).filter(|debt| self.is_owed(debt, now));
        debt.map_or(now, |debt| debt.forgiven_at) + count.each
    }

    fn waits(
        &self,
        debts: &HashMap<u64, Debt>,
        counts: &[Count],
        now: DateTime<Utc>,
    ) -> Vec<Option<Duration>> {
        let over = |count| self.charged(debts, count, now) - now - self.window;
        let wait = |count| over(count).to_std().ok().filter(|wait| !wait.is_zero());
        counts.iter().map(wait).collect()
    }

    fn add(&self, debts: &mut HashMap<u64, Debt>, counts: &[Count], now: DateTime<Utc>) {
        if debts.len() + counts.len() > CAPACITY {
            self.make_room(debts, now);
        }
        for count in counts {
            let forgiven_at = self.charged(debts, count, now);
            debts.insert(count.key, Debt { charged_at: now, forgiven_at });
        }
    }

    /// Forgets what is forgiven, and if that is not enough, the half that is the nearest to it.
    fn make_room(&self, debts: &mut HashMap<u64, Debt>, now: DateTime<Utc>) {
        debts.retain(|_, debt| self.is_owed(debt, now));
        if debts.len() > CAPACITY / 2 {
            let mut times: Vec<DateTime<Utc>> = debts.values().map(|debt| debt.forgiven_at).collect();
            let (_, median, _) = times.select_nth_unstable(debts.len() / 2);
            let median = *median;
            debts.retain(|_, debt| debt.forgiven_at > median);
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
    pub fn new(most: u32, window: Duration) -> Self {
        Self { most, limiter: Limiter::new(window) }
    }

    /// Counts one more, if there is room for it.
    ///
    /// # Errors
    /// [`Failure::TooMany`], which says when there is room again.
    pub(crate) fn count(&self, address: Option<IpAddr>, now: DateTime<Utc>) -> Result<(), Failure> {
        let of_address = self.limiter.count(("address", address.map(network_of)), self.most);
        let of_all = self.limiter.count("all addresses", self.most.saturating_mul(ADDRESSES));
        self.limiter.take(&[of_address, of_all], now).map_err(Failure::TooMany)
    }
}

/// Whose an address is: in IPv6 everybody has at least a whole /64 (RFC 6177 §2).
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn wait(limit: &Limit, address: IpAddr, now: DateTime<Utc>) -> Option<Duration> {
        limit.count(Some(address), now).err().map(|failure| match failure {
            Failure::TooMany(wait) => wait,
            other => panic!("{other}"),
        })
    }

    #[test]
    fn an_address_has_so_many_and_one_more_by_and_by_and_a_network_counts_as_one() {
        let limit = Limit::new(2, HOUR);
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
    fn all_addresses_together_are_limited_too() {
        let limit = Limit::new(1, HOUR);
        let now = DateTime::UNIX_EPOCH;
        let nth = |n: u32| IpAddr::from(n.to_be_bytes());
        assert!((0..ADDRESSES).all(|n| wait(&limit, nth(n), now).is_none()));
        assert_eq!(wait(&limit, nth(ADDRESSES), now), Some(HOUR / ADDRESSES));
        assert_eq!(wait(&limit, nth(ADDRESSES), now + HOUR / ADDRESSES), None);
    }

    #[test]
    fn what_is_given_back_may_be_taken_again() {
        let limiter = Limiter::new(HOUR);
        let now = DateTime::UNIX_EPOCH;
        let counts = [limiter.count("ana", 1), limiter.count("all", 2)];
        assert_eq!(limiter.take(&counts, now), Ok(()));
        assert_eq!(limiter.take(&counts, now), Err(HOUR));
        assert_eq!(limiter.look(&counts, now), [Some(HOUR), None], "nothing was taken from either");
        limiter.give_back(&counts);
        assert_eq!(limiter.take(&counts, now), Ok(()));
        limiter.charge(&counts, now);
        assert_eq!(limiter.look(&counts, now), [Some(HOUR * 2), Some(HOUR / 2)]);
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_the_worst() {
        let limiter = Limiter::new(HOUR);
        let now = DateTime::UNIX_EPOCH;
        let worst = [limiter.count("worst", 2)];
        limiter.charge(&worst, now);
        limiter.charge(&worst, now);
        for number in 0..2 * CAPACITY {
            limiter.charge(&[limiter.count(number, 2)], now);
        }
        assert!(limiter.debts().len() <= CAPACITY);
        assert!(limiter.take(&worst, now).is_err());
    }
}
