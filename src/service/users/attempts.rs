//! How often passwords may be tried: a wrong one slows the next ones down, and nobody is locked out.
//!
//! Wrong passwords are counted by address, by account and address, and by account alone; each count is forgiven as
//! time goes by. The last one holds back a guesser who has many addresses. It would also hold back the account's owner,
//! so it does not count where that user is known: in a browser that is signed in as this user, or at an address from
//! which one of the user's logins still lives. Each server process counts for itself.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::ids::{SignInSessionId, UserId};
use crate::domain::user::Username;
use crate::service::limit::{Count, Limiter, network_of};

/// How many wrong passwords are forgiven in a while.
#[derive(Debug, Clone, Copy)]
pub struct AttemptLimits {
    /// For one account, from one address.
    pub account: u32,
    /// For one account, from everywhere.
    pub everywhere: u32,
    /// From one address.
    pub address: u32,
    /// In this time.
    pub window: Duration,
}

/// Where a password is typed.
#[derive(Debug, Clone, Copy, Default)]
pub struct AttemptSource {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The browser's session, and who is signed in there.
    pub session: Option<(SignInSessionId, UserId)>,
}

/// Whether the account's owner is known at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Signed in there, in this session.
    SignedIn(SignInSessionId),
    /// Logged in from there.
    Known,
    /// Nobody knows.
    Unknown,
}

/// A password may not be tried now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    /// When it may.
    pub(crate) retry_after: Duration,
    /// Whether it might at once if the owner were known to be there.
    pub(crate) of_account_only: bool,
}

/// An attempt under way. When it ends it is counted, even if whoever made it hung up, unless it was no wrong password.
/// It is not counted before: an honest user may come in on many devices at once, and a guesser who tries many at once
/// pays for each afterwards.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    limiter: &'a Limiter,
    counts: Vec<Count>,
    now: DateTime<Utc>,
}

impl Attempt<'_> {
    /// The password was right, or nobody could look at it.
    pub(crate) fn forget(mut self) {
        self.counts.clear();
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.limiter.charge(&self.counts, self.now);
    }
}

/// The counts of wrong passwords.
#[derive(Debug)]
pub struct Attempts {
    limits: AttemptLimits,
    limiter: Limiter,
}

impl Attempts {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(limits: AttemptLimits) -> Self {
        Self { limits, limiter: Limiter::new(limits.window) }
    }

    /// Lets a password be tried, unless too many were wrong.
    pub(crate) fn begin(
        &self,
        name: Option<&Username>,
        address: Option<IpAddr>,
        owner: Owner,
        now: DateTime<Utc>,
    ) -> Result<Attempt<'_>, TooMany> {
        let counts = self.counts(name, address, owner);
        let waits = self.limiter.look(&counts, now);
        if let Some(retry_after) = waits.iter().flatten().max().copied() {
            // The account's count is the last.
            let of_account_only = owner == Owner::Unknown && matches!(waits[..], [None, None, Some(_)]);
            return Err(TooMany { retry_after, of_account_only });
        }
        Ok(Attempt { limiter: &self.limiter, counts, now })
    }

    fn counts(&self, name: Option<&Username>, address: Option<IpAddr>, owner: Owner) -> Vec<Count> {
        let limits = self.limits;
        let name = name.map(Username::key);
        let network = address.map(network_of);
        let in_account = self.limiter.count(("account", &name, network), limits.account);
        let from_address = self.limiter.count(("address", network), limits.address);
        match owner {
            // Others at the same address must not stand in the way of who is signed in.
            Owner::SignedIn(session) => {
                vec![self.limiter.count(("session", &name, session), limits.account)]
            }
            Owner::Known => vec![in_account, from_address],
            Owner::Unknown => {
                let everywhere = self.limiter.count(("everywhere", &name), limits.everywhere);
                vec![in_account, from_address, everywhere]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AttemptLimits =
        AttemptLimits { account: 2, everywhere: 4, address: 6, window: Duration::from_mins(1) };

    #[expect(clippy::unnecessary_wraps, reason = "it is given as an option")]
    fn at(address: &str) -> Option<IpAddr> {
        Some(address.parse().unwrap())
    }

    fn later(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + seconds, 0).unwrap()
    }

    fn wait(result: Result<Attempt<'_>, TooMany>) -> Option<u64> {
        result.err().map(|it| it.retry_after.as_secs())
    }

    #[test]
    fn an_account_is_slowed_at_one_address_and_then_forgiven() {
        let attempts = Attempts::new(LIMITS);
        let ana: Username = "ana".parse().unwrap();
        let try_at = |address, now| wait(attempts.begin(Some(&ana), at(address), Owner::Unknown, later(now)));
        assert_eq!([try_at("192.0.2.1", 0), try_at("192.0.2.1", 0)], [None, None]);
        assert_eq!(try_at("192.0.2.1", 0), Some(30));
        assert_eq!(try_at("192.0.2.1", 29), Some(1));
        assert_eq!(try_at("192.0.2.1", 30), None);
        assert_eq!(try_at("192.0.2.2", 30), None, "another address goes on");
        let upper: Username = "ANA".parse().unwrap();
        assert_eq!(wait(attempts.begin(Some(&upper), at("192.0.2.1"), Owner::Unknown, later(30))), Some(30));
    }

    #[test]
    fn a_guesser_with_many_addresses_is_slowed_and_the_owner_is_not() {
        let attempts = Attempts::new(LIMITS);
        let ana: Username = "ana".parse().unwrap();
        for host in 1..=4 {
            let place = at(&format!("192.0.2.{host}"));
            assert!(attempts.begin(Some(&ana), place, Owner::Unknown, later(0)).is_ok());
        }
        let refused = attempts.begin(Some(&ana), at("192.0.2.9"), Owner::Unknown, later(0)).unwrap_err();
        assert_eq!(refused, TooMany { retry_after: Duration::from_secs(15), of_account_only: true });
        assert!(attempts.begin(Some(&ana), at("192.0.2.9"), Owner::Known, later(0)).is_ok());
        let ben: Username = "ben".parse().unwrap();
        assert!(attempts.begin(Some(&ben), at("192.0.2.9"), Owner::Unknown, later(0)).is_ok());
        let session = SignInSessionId(uuid::Uuid::nil());
        for expected in [true, true, false] {
            let charged = attempts.begin(Some(&ana), at("192.0.2.1"), Owner::SignedIn(session), later(0));
            assert_eq!(charged.is_ok(), expected, "a browser that was left open is slowed too");
        }
    }

    #[test]
    fn a_guesser_with_many_names_is_slowed() {
        let attempts = Attempts::new(LIMITS);
        let try_name = |name: String, address| {
            let name: Username = name.parse().unwrap();
            wait(attempts.begin(Some(&name), at(address), Owner::Unknown, later(0)))
        };
        for number in 0..6 {
            assert_eq!(try_name(format!("user{number}"), "2001:db8::1"), None);
        }
        assert_eq!(try_name("user6".to_owned(), "2001:db8::ffff"), Some(10), "the same /64");
        assert_eq!(try_name("user6".to_owned(), "2001:db8:0:1::1"), None);
    }

    #[test]
    fn a_right_password_is_not_counted() {
        let attempts = Attempts::new(LIMITS);
        let ana: Username = "ana".parse().unwrap();
        for _ in 0..20 {
            attempts.begin(Some(&ana), at("192.0.2.1"), Owner::Unknown, later(0)).unwrap().forget();
        }
    }
}
