//! What this server itself fetches and calls: addresses that other people chose, so none of them is trusted; and the
//! mail server, which the operator did.
//!
//! A request goes to a public address, or to a network that the operator named; the address that is checked is the
//! one that is connected to. It follows no redirect, uses no proxy, takes a bounded time and reads a bounded answer.
//! Documents are remembered as long as their headers say, within bounds.
//!
//! There are two ways out that share nothing, places and memory least of all: one for what operators' clients named,
//! one for what strangers did. So a stranger reaches no network of the operator's, learns nothing of it, and keeps
//! nobody's keys from being fetched.

mod addresses;
mod budget;
mod checked_names;
mod collector;
mod freshness;
mod headers;
pub mod mail;
mod no_answer;
mod remembered;
mod traced;
mod way;

use std::time::Duration;

use ipnet::IpNet;
use reqwest::Certificate;

use crate::domain::client::Origin;
use crate::outbound::way::{Bounds, Tells};

pub use budget::{Budget, TakenPlace};
pub(crate) use collector::Collector;
pub use no_answer::{NoAnswer, NotTaken};
pub use way::WayOut;
pub(crate) use way::{Call, host_of};

/// What an operator chooses.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Networks that may be reached although they are not public, by `http`, too: an operator's own services.
    pub allowed_networks: Vec<IpNet>,
    /// The same for what clients named that no operator added.
    pub strangers_networks: Vec<IpNet>,
    /// From the beginning of a request to the end of its answer.
    pub timeout: Duration,
    /// The longest answer that is read, in bytes.
    pub body_limit: usize,
}

/// Why nothing can be fetched at all.
#[derive(Debug, thiserror::Error)]
pub enum NoWayOut {
    /// The list of certificate authorities is empty.
    #[error("there are no certificates")]
    NoCertificates,
    /// A certificate is none.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

/// So many hosts that do not answer take all places for calls.
pub(crate) const FULL_HOSTS: usize = 4;

/// The ways out of this server.
#[derive(Debug)]
pub struct Outbound {
    operators: WayOut,
    strangers: WayOut,
}

impl Outbound {
    /// Ways out, with the certificate authorities of this machine and those of `extra_ca`, in PEM.
    ///
    /// # Errors
    /// [`NoWayOut`].
    pub fn new(limits: Limits, extra_ca: Option<&[u8]>) -> Result<Self, NoWayOut> {
        let extra = extra_ca.map(Certificate::from_pem_bundle).transpose()?;
        if extra.as_ref().is_some_and(Vec::is_empty) {
            return Err(NoWayOut::NoCertificates);
        }
        let Limits { allowed_networks, strangers_networks, timeout, body_limit } = limits;
        let operators = Bounds {
            networks: allowed_networks,
            timeout,
            body_limit,
            fetches: (64, 16),
            calls: (32, 32 / FULL_HOSTS),
            tells: Tells::Plainly,
        };
        let strangers = Bounds {
            networks: strangers_networks,
            fetches: (64, 8),
            calls: (16, 16 / FULL_HOSTS),
            tells: Tells::Nothing,
            ..operators.clone()
        };
        let extra = extra.as_deref();
        Ok(Self { operators: WayOut::new(operators, extra)?, strangers: WayOut::new(strangers, extra)? })
    }

    /// The way to what a client named that came so.
    #[must_use]
    pub fn for_clients(&self, origin: Origin) -> &WayOut {
        if origin.is_vouched_for() { &self.operators } else { &self.strangers }
    }
}
