//! How often one address may register a client. Each process counts for itself.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

const HOUR: TimeDelta = TimeDelta::hours(1);
/// Addresses that are remembered at once; more than that are together one.
const CAPACITY: usize = 10_000;

#[derive(Debug)]
pub(super) struct Limit {
    per_hour: u32,
    counts: Mutex<HashMap<IpAddr, (DateTime<Utc>, u32)>>,
}

impl Limit {
    pub(super) fn new(per_hour: u32) -> Self {
        Self { per_hour, counts: Mutex::default() }
    }

    /// Counts one more, if there is room for it in this address's hour.
    pub(super) fn allows(&self, address: Option<IpAddr>, now: DateTime<Utc>) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = network(address);
        if counts.len() >= CAPACITY && !counts.contains_key(&key) {
            counts.retain(|_, (since, _)| (now - *since).abs() < HOUR);
            if counts.len() >= CAPACITY {
                key = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            }
        }
        let (since, count) = counts.entry(key).or_insert((now, 0));
        // A clock that was set back must not make an hour last.
        if (now - *since).abs() >= HOUR {
            (*since, *count) = (now, 0);
        }
        let fits = *count < self.per_hour;
        *count += u32::from(fits);
        fits
    }
}

/// Whoever has one IPv6 address has a /64 of them (RFC 6177 §2).
fn network(address: Option<IpAddr>) -> IpAddr {
    match address {
        None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        Some(IpAddr::V4(address)) => IpAddr::V4(address),
        Some(IpAddr::V6(address)) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_hour_and_a_network_counts_as_one() {
        let limit = Limit::new(2);
        let now = DateTime::UNIX_EPOCH;
        let from = |text: &str| Some(text.parse().unwrap());
        for (address, minutes, allowed) in [
            ("192.0.2.1", 0, true),
            ("192.0.2.1", 30, true),
            ("192.0.2.1", 59, false),
            ("192.0.2.2", 59, true),
            ("192.0.2.1", 60, true),
            ("2001:db8::1", 0, true),
            ("2001:db8::2", 0, true),
            ("2001:db8::3", 0, false),
            ("2001:db8:0:1::1", 0, true),
        ] {
            assert_eq!(limit.allows(from(address), now + TimeDelta::minutes(minutes)), allowed, "{address}");
        }
    }

    #[test]
    fn more_addresses_than_can_be_remembered_are_one_together() {
        let limit = Limit::new(1);
        let now = DateTime::UNIX_EPOCH;
        let nth = |n: usize| Some(IpAddr::from(u32::try_from(n).unwrap().to_be_bytes()));
        assert!((0..CAPACITY).all(|n| limit.allows(nth(n), now)));
        assert!(limit.allows(nth(CAPACITY), now) && !limit.allows(nth(CAPACITY + 1), now));
        assert!(limit.counts.lock().unwrap().len() <= CAPACITY + 1);
        assert!(limit.allows(nth(CAPACITY + 1), now + HOUR));
    }
}
