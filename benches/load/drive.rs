//! Driving a server: closed loop (each connection sends its next request when the last one was answered) and open loop
//! (requests leave on a schedule, whether or not the server keeps up, and latency counts from the scheduled time).

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use heirloom_verifier::Verifier;

use crate::chains::{Chains, Turn};
use crate::client::Connection;
use crate::now;
use crate::proofs::Proofs;

/// One of so many answers is verified as a resource service would.
const VERIFIED_ONE_IN: u64 = 500;

/// What to drive, and how.
#[derive(Clone, Copy)]
pub(crate) struct Load<'l> {
    /// `HOST:PORT`
    pub(crate) address: &'l str,
    /// Whose tokens.
    pub(crate) chains: &'l Chains,
    /// Checks access tokens that are bound to no key.
    pub(crate) verifier: &'l Verifier,
    /// What each request proves a key with, if it does.
    pub(crate) proofs: Option<&'l Proofs>,
    /// Requests under way at most.
    pub(crate) connections: usize,
    /// Whether a connection serves more than one request.
    pub(crate) reuse: Reuse,
    /// When requests leave.
    pub(crate) pace: Pace,
    /// Only the first so many chains.
    pub(crate) among: usize,
    /// For how long.
    pub(crate) lasting: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    KeepAlive,
    NewConnection,
}

#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as answers come.
    Closed,
    /// So many a second.
    Open(f64),
    /// Each token that was handed out and not presented yet, once.
    Confirm,
}

/// What came of it.
pub(crate) struct Driven {
    /// Good answers.
    pub(crate) answers: u64,
    /// Refusals, errors, wrong access tokens; and the first of them.
    pub(crate) failed: u64,
    pub(crate) first_failure: Option<String>,
    /// Access tokens that were verified.
    pub(crate) verified: u64,
    pub(crate) elapsed: Duration,
    /// Microseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Driven {
    pub(crate) fn per_second(&self) -> f64 {
        self.answers as f64 / self.elapsed.as_secs_f64()
    }

    /// A latency in milliseconds.
    pub(crate) fn quantile(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }
}

struct Shared<'l> {
    load: &'l Load<'l>,
    driven: RefCell<Driven>,
    began: Instant,
    /// The next place in the schedule, or the next chain to look at.
    next: Cell<usize>,
}

/// Drives until the time is over and every request has its answer.
pub(crate) async fn drive(load: &Load<'_>) -> Driven {
    let latency =
        Histogram::new_with_bounds(1, 60_000_000, 3).unwrap_or_else(|_| unreachable!("the bounds are fine"));
    let driven =
        Driven { answers: 0, failed: 0, first_failure: None, verified: 0, elapsed: Duration::ZERO, latency };
    let kept = match load.reuse {
        Reuse::KeepAlive => load.connections,
        Reuse::NewConnection => 0,
    };
    let mut opened =
        futures_util::future::join_all((0..kept).map(|_| Connection::open(load.address))).await.into_iter();
    // The server accepts them all before the first request is due.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let shared = Shared { load, driven: RefCell::new(driven), began: now(), next: Cell::new(0) };
    let drivers = (0..load.connections).map(|_| shared.one_connection(opened.next().and_then(Result::ok)));
    futures_util::future::join_all(drivers).await;
    let mut driven = shared.driven.into_inner();
    driven.elapsed = shared.began.elapsed();
    driven
}

impl<'l> Shared<'l> {
    async fn one_connection(&self, mut open: Option<Connection>) {
        while let Some((turn, due)) = self.next_turn().await {
            let reused = open.take_if(|_| self.load.reuse == Reuse::KeepAlive);
            open = self.present(reused, turn, due).await;
        }
    }

    /// The next token to present, and since when it should be under way.
    async fn next_turn(&self) -> Option<(Turn<'l>, Instant)> {
        let Load { chains, pace, lasting, among, .. } = self.load;
        match *pace {
            Pace::Closed => (self.began.elapsed() < *lasting).then(|| (chains.draw(*among), now())),
            Pace::Open(per_second) => {
                let place = self.next.replace(self.next.get() + 1);
                let due = Duration::from_secs_f64(place as f64 / per_second);
                if due >= *lasting {
                    return None;
                }
                tokio::time::sleep_until((self.began + due).into()).await;
                Some((chains.draw(*among), self.began + due))
            }
            Pace::Confirm => {
                if self.began.elapsed() >= *lasting {
                    return None;
                }
                let turn = chains.unconfirmed(self.next.get())?;
                self.next.set(turn.chain + 1);
                Some((turn, now()))
            }
        }
    }

    async fn present(&self, open: Option<Connection>, turn: Turn<'l>, due: Instant) -> Option<Connection> {
        let presented = async {
            let mut connection = match open {
                Some(open) => open,
                None => Connection::open(self.load.address).await?,
            };
            let proof = match self.load.proofs {
                Some(proofs) => Some(proofs.next().context("no proof is left")?),
                None => None,
            };
            let refreshed = connection.refresh(&turn.token, proof).await?;
            anyhow::Ok((connection, refreshed))
        };
        match presented.await {
            Ok((connection, refreshed)) => {
                let mut driven = self.driven.borrow_mut();
                driven
                    .latency
                    .saturating_record(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX).max(1));
                turn.succeeded(refreshed.token);
                driven.answers += 1;
                if self.load.proofs.is_none() && driven.answers.is_multiple_of(VERIFIED_ONE_IN) {
                    let verified = connection
                        .access_token(&refreshed)
                        .map(|token| self.load.verifier.verify_offline(token));
                    match verified {
                        Ok(Ok(_)) => driven.verified += 1,
                        wrong => driven.fail(format!("an access token does not verify: {wrong:?}")),
                    }
                }
                Some(connection)
            }
            Err(error) => {
                turn.failed();
                self.driven.borrow_mut().fail(format!("{error:#}"));
                // A server that refuses everything must not be hammered.
                tokio::time::sleep(Duration::from_millis(10)).await;
                None
            }
        }
    }
}

impl Driven {
    fn fail(&mut self, why: String) {
        self.failed += 1;
        self.first_failure.get_or_insert(why);
    }
}
