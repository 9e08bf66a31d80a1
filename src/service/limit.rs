//! How often one address may do what costs a row. Each process counts for itself.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::service::Failure;
use crate::service::users::attempts::network_of;

/// Addresses that are remembered at once; more than that are together one.
const CAPACITY: usize = 10_000;

/// So many in a window for each address.
#[derive(Debug)]
pub struct Limit {
    most: u32,
    window: TimeDelta,
    counts: Mutex<HashMap<IpAddr, (DateTime<Utc>, u32)>>,
}

impl Limit {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(most: u32, window: Duration) -> Self {
        let window = TimeDelta::from_std(window).unwrap_or(TimeDelta::MAX);
        Self { most, window, counts: Mutex::default() }
    }

    /// Counts one more, if there is room for it in this address's window.
    ///
    /// # Errors
    /// [`Failure::TooMany`], which says when there is room again.
    pub(crate) fn count(&self, address: Option<IpAddr>, now: DateTime<Utc>) -> Result<(), Failure> {
        const ANYBODY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = address.map_or(ANYBODY, network_of);
        if counts.len() >= CAPACITY && !counts.contains_key(&key) {
            counts.retain(|_, (since, _)| (now - *since).abs() < self.window);
            if counts.len() >= CAPACITY {
                key = ANYBODY;
            }
        }
        let (since, count) = counts.entry(key).or_insert((now, 0));
        // A clock that was set back must not make a window last.
        if (now - *since).abs() >= self.window {
            (*since, *count) = (now, 0);
        }
        if *count >= self.most {
            let wait = *since + self.window - now;
            return Err(Failure::TooMany(wait.to_std().unwrap_or_default()));
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn an_address_has_its_window_and_a_network_counts_as_one() {
        let limit = Limit::new(2, HOUR);
        let now = DateTime::UNIX_EPOCH;
        let from = |text: &str| Some(text.parse().unwrap());
        for (address, minutes, wait) in [
            ("192.0.2.1", 0, None),
            ("192.0.2.1", 30, None),
            ("192.0.2.1", 59, Some(60)),
            ("::ffff:192.0.2.1", 59, Some(60)),
            ("192.0.2.2", 59, None),
            ("192.0.2.1", 60, None),
            ("2001:db8::1", 0, None),
            ("2001:db8::2", 0, None),
            ("2001:db8::3", 0, Some(3600)),
            ("2001:db8:0:1::1", 0, None),
        ] {
            let counted = limit.count(from(address), now + TimeDelta::minutes(minutes));
            let waits = counted.err().map(|failure| match failure {
                Failure::TooMany(wait) => wait.as_secs(),
                other => panic!("{other}"),
            });
            assert_eq!(waits, wait, "{address}");
        }
    }

    #[test]
    fn more_addresses_than_can_be_remembered_are_one_together() {
        let limit = Limit::new(1, HOUR);
        let now = DateTime::UNIX_EPOCH;
        let nth = |n: usize| Some(IpAddr::from(u32::try_from(n).unwrap().to_be_bytes()));
        assert!((0..CAPACITY).all(|n| limit.count(nth(n), now).is_ok()));
        assert!(limit.count(nth(CAPACITY), now).is_ok() && limit.count(nth(CAPACITY + 1), now).is_err());
        assert!(limit.counts.lock().unwrap().len() <= CAPACITY + 1);
        assert!(limit.count(nth(CAPACITY + 1), now + HOUR).is_ok());
    }
}
