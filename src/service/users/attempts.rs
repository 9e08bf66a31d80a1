//! How often passwords may be tried: a wrong one slows the next ones down, and nobody is locked out.
//!
//! Wrong passwords are counted by address, by account and address, and by account alone; each count is forgiven as
//! time goes by. The last one, and those of wide networks, hold back a guesser who has many addresses. They would also
//! hold back the account's owner, so they do not count where that user is known: in a browser that is signed in as this
//! user, or at an address from which one of the user's logins still lives. Each server process counts for itself.
//!
//! An attempt is reserved at its beginning, so that no more of them are looked at at once than may be wrong, and only
//! the password's verdict charges it or gives it back. Who comes while all are reserved waits for the verdicts: an
//! honest user may come in on many devices at once.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, Semaphore};

use crate::domain::ids::{FamilyId, SignInSessionId, UserId};
use crate::domain::subject::SubjectKey;
use crate::domain::user::Username;
use crate::service::limit::{Count, Limiter, NoRoom};
use crate::service::network::Network;

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
    /// Attempts that may wait for the verdicts on others.
    pub waiting: usize,
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
    /// Logged in there, in this family: whoever has its access token.
    LoggedIn(FamilyId),
    /// Logged in from there.
    Known,
    /// Nobody knows.
    Unknown,
}

/// Whose password is tried, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempted<'a> {
    pub(crate) name: Option<&'a Username>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) owner: Owner,
}

/// A password may not be tried now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeldBack {
    /// Too many were wrong.
    TooMany {
        /// When it may.
        retry_after: Duration,
        /// Whether it might at once if the owner were known to be there.
        unless_known: bool,
    },
    /// So many are being looked at that only their verdicts can tell.
    UnderWay,
}

/// An attempt under way. When it is dropped it is given back, unless its password was wrong: whoever made it may have
/// gone by then.
#[derive(Debug)]
pub(crate) struct Attempt {
    attempts: Arc<Attempts>,
    counts: Vec<Count>,
    now: DateTime<Utc>,
}

impl Attempt {
    /// Somebody looked at the password, and it was not the right one.
    pub(crate) fn was_wrong(mut self) {
        self.attempts.limiter.charge_reserved(&std::mem::take(&mut self.counts), self.now);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.attempts.limiter.give_back(&self.counts);
        self.attempts.verdicts.notify_waiters();
    }
}

/// The counts of wrong passwords.
#[derive(Debug)]
pub struct Attempts {
    limits: AttemptLimits,
    limiter: Limiter,
    verdicts: Notify,
    places: Semaphore,
}

impl Attempts {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(limits: AttemptLimits, subjects: Arc<SubjectKey>) -> Self {
        Self {
            limits,
            limiter: Limiter::new("attempts", limits.window, subjects),
            verdicts: Notify::new(),
            places: Semaphore::new(limits.waiting),
        }
    }

    pub(crate) fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// Lets a password be tried, unless too many were wrong; waits for the verdicts on which that depends.
    ///
    /// # Errors
    /// [`HeldBack`]; that others are under way only when too many wait for that already.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        attempted: Attempted<'_>,
        now: DateTime<Utc>,
    ) -> Result<Attempt, HeldBack> {
        let mut place = None;
        loop {
            let mut verdict = pin!(self.verdicts.notified());
            verdict.as_mut().enable();
            match self.begin_at_once(attempted, now) {
                Err(HeldBack::UnderWay) => {}
                begun => return begun,
            }
            if place.is_none() {
                place = Some(self.places.try_acquire().map_err(|_| HeldBack::UnderWay)?);
            }
            verdict.await;
        }
    }

    fn begin_at_once(
        self: &Arc<Self>,
        attempted: Attempted<'_>,
        now: DateTime<Utc>,
    ) -> Result<Attempt, HeldBack> {
        let (own, shared) = self.counts(attempted);
        let counts = [own.as_slice(), &shared].concat();
        match self.limiter.reserve(&counts, now) {
            Ok(()) => Ok(Attempt { attempts: Arc::clone(self), counts, now }),
            Err(NoRoom::Reserved) => Err(HeldBack::UnderWay),
            Err(NoRoom::Owed(waits)) => Err(HeldBack::TooMany {
                retry_after: waits.iter().flatten().max().copied().unwrap_or_default(),
                unless_known: waits.iter().take(own.len()).all(Option::is_none),
            }),
        }
    }

    /// Those that always count, and those that others may have filled who are elsewhere.
    fn counts(&self, Attempted { name, address, owner }: Attempted<'_>) -> (Vec<Count>, Vec<Count>) {
        let limits = self.limits;
        // One count for all ways to write it: blanks would give as many tries as there are.
        let name = name.map_or_else(|| "nobody".to_owned(), |name| format!("of {}", name.meant_key()));
        let of_network = |network: Network| {
            [
                self.limiter.count(format_args!("account {network} {name}"), network.share(limits.account)),
                self.limiter.count(format_args!("address {network}"), network.share(limits.address)),
            ]
        };
        let own = of_network(Network::of(address)).to_vec();
        match owner {
            // Others at the same address must not stand in the way of who is signed in.
            Owner::SignedIn(session) => (
                vec![self.limiter.count(format_args!("session {} {name}", session.0), limits.account)],
                Vec::new(),
            ),
            // Nor others at all. One who has such a token can get more of them, but no more attempts.
            Owner::LoggedIn(family) => {
                let everywhere = self.limiter.count(format_args!("logins {name}"), limits.everywhere);
                (
                    vec![
                        self.limiter.count(format_args!("login {family} {name}"), limits.account),
                        everywhere,
                    ],
                    Vec::new(),
                )
            }
            Owner::Known => (own, Vec::new()),
            Owner::Unknown => {
                let wide = Network::all_of(address).skip(1).flat_map(of_network);
                let everywhere = self.limiter.count(format_args!("everywhere {name}"), limits.everywhere);
                (own, wide.chain([everywhere]).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::task::Poll;

    use super::*;

    const LIMITS: AttemptLimits =
        AttemptLimits { account: 2, everywhere: 4, address: 6, window: Duration::from_mins(1), waiting: 1 };

    fn attempts() -> Arc<Attempts> {
        Arc::new(Attempts::new(LIMITS, Arc::new(SubjectKey::new(&[7; 32]))))
    }

    fn later(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + seconds, 0).unwrap()
    }

    fn begin(
        attempts: &Arc<Attempts>,
        (name, address, owner): (&str, &str, Owner),
        seconds: i64,
    ) -> Result<Attempt, HeldBack> {
        let (name, address) = (name.parse().unwrap(), Some(address.parse().unwrap()));
        attempts.begin_at_once(Attempted { name: Some(&name), address, owner }, later(seconds))
    }

    /// Tries a wrong password; gives the time to wait if it is not looked at.
    fn guess(attempts: &Arc<Attempts>, who: (&str, &str, Owner), seconds: i64) -> Option<u64> {
        match begin(attempts, who, seconds) {
            Ok(attempt) => {
                attempt.was_wrong();
                None
            }
            Err(HeldBack::TooMany { retry_after, .. }) => Some(retry_after.as_secs()),
            Err(HeldBack::UnderWay) => panic!("nothing is under way"),
        }
    }

    #[test]
    fn an_account_is_slowed_at_one_address_and_then_forgiven() {
        let attempts = attempts();
        let try_at = |address, seconds| guess(&attempts, ("ana", address, Owner::Unknown), seconds);
        assert_eq!([try_at("192.0.2.1", 0), try_at("192.0.2.1", 0)], [None, None]);
        assert_eq!(try_at("192.0.2.1", 0), Some(30));
        assert_eq!(try_at("192.0.2.1", 29), Some(1));
        assert_eq!(try_at("192.0.2.1", 30), None);
        assert_eq!(try_at("192.0.2.2", 30), None, "another address goes on");
        assert_eq!(guess(&attempts, ("ANA", "192.0.2.1", Owner::Unknown), 30), Some(30));
    }

    #[test]
    fn a_guesser_with_many_addresses_is_slowed_and_the_owner_is_not() {
        let attempts = attempts();
        for host in 1..=4 {
            assert_eq!(guess(&attempts, ("ana", &format!("192.0.2.{host}"), Owner::Unknown), 0), None);
        }
        let refused = begin(&attempts, ("ana", "192.0.2.9", Owner::Unknown), 0).unwrap_err();
        assert_eq!(refused, HeldBack::TooMany { retry_after: Duration::from_secs(15), unless_known: true });
        assert!(begin(&attempts, ("ana", "192.0.2.9", Owner::Known), 0).is_ok());
        assert!(begin(&attempts, ("ben", "192.0.2.9", Owner::Unknown), 0).is_ok());
        let session = SignInSessionId(uuid::Uuid::nil());
        for expected in [None, None, Some(30)] {
            let waits = guess(&attempts, ("ana", "192.0.2.1", Owner::SignedIn(session)), 0);
            assert_eq!(waits, expected, "a browser that was left open is slowed too");
        }
    }

    #[test]
    fn a_guesser_with_many_names_is_slowed() {
        let attempts = attempts();
        let try_name = |name: &str, address| guess(&attempts, (name, address, Owner::Unknown), 0);
        for number in 0..6 {
            assert_eq!(try_name(&format!("user{number}"), "2001:db8::1"), None);
        }
        assert_eq!(try_name("user6", "2001:db8::ffff"), Some(10), "the same /64");
        assert_eq!(try_name("user6", "2001:db8:0:1::1"), None);
    }

    #[test]
    fn a_right_password_is_not_counted() {
        let attempts = attempts();
        for _ in 0..20 {
            drop(begin(&attempts, ("ana", "192.0.2.1", Owner::Unknown), 0).unwrap());
        }
    }

    #[test]
    fn no_more_are_looked_at_at_once_than_may_be_wrong() {
        let attempts = attempts();
        let ana = ("ana", "192.0.2.1", Owner::Unknown);
        let under_way = [begin(&attempts, ana, 0).unwrap(), begin(&attempts, ana, 0).unwrap()];
        assert_eq!(begin(&attempts, ana, 0).unwrap_err(), HeldBack::UnderWay);
        for attempt in under_way {
            attempt.was_wrong();
        }
        assert_eq!(guess(&attempts, ana, 0), Some(30));
    }

    async fn poll<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
    }

    #[tokio::test]
    async fn who_comes_meanwhile_waits_for_the_verdicts_and_few_do() {
        let attempts = attempts();
        let who = ("ana", "192.0.2.1", Owner::Unknown);
        let (first, second) = (begin(&attempts, who, 0).unwrap(), begin(&attempts, who, 0).unwrap());
        let (name, address) = ("ana".parse().unwrap(), "192.0.2.1".parse().unwrap());
        let ana = Attempted { name: Some(&name), address: Some(address), owner: Owner::Unknown };
        let mut waiting = pin!(attempts.begin(ana, later(0)));
        assert!(poll(waiting.as_mut()).await.is_pending());
        assert_eq!(
            attempts.begin(ana, later(0)).await.unwrap_err(),
            HeldBack::UnderWay,
            "there is one place"
        );
        drop(first);
        let third = waiting.await.unwrap();
        let mut waiting = pin!(attempts.begin(ana, later(0)));
        assert!(poll(waiting.as_mut()).await.is_pending());
        second.was_wrong();
        third.was_wrong();
        let retry_after = Duration::from_secs(30);
        assert_eq!(waiting.await.unwrap_err(), HeldBack::TooMany { retry_after, unless_known: false });
    }
}
