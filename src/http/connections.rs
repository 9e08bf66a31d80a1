//! How many connections there are, and how many of them are one address's.
//!
//! Each costs an open file, whatever it is used for: one that says nothing as much as any other. So an address may hold
//! a share of them, counted before a byte is read or a hand shaken. Proxies that are trusted speak for many, and may
//! hold all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::dev::{Service, ServiceFactory, forward_ready};
use futures_util::future::LocalBoxFuture;
use ipnet::IpNet;
use tokio::net::TcpStream;

use crate::clock::Stopwatch;
use crate::service::network::Network;

/// An address may hold one of so many connections.
const SHARES: u32 = 4;

/// How often it is told that somebody had no more, in seconds.
const TOLD_EVERY: u64 = 60;

/// The connections of a server.
#[derive(Debug)]
pub(crate) struct Connections {
    /// All that there may be.
    most: u32,
    trusted: Vec<IpNet>,
    open: Mutex<HashMap<Network, u32>>,
    running: Stopwatch,
    /// When it may be told again, in seconds since the start.
    told_again_at: AtomicU64,
}

/// One connection's place among its address's. It is free when this is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPlace {
    connections: Arc<Connections>,
    networks: Vec<Network>,
}

impl Connections {
    /// None is open yet of `most`, all of which may be those of the networks that are `trusted`.
    pub(crate) fn new(most: u32, trusted: Vec<IpNet>) -> Arc<Self> {
        let (open, told_again_at) = (Mutex::default(), AtomicU64::new(0));
        Arc::new(Self { most, trusted, open, running: Stopwatch::start(), told_again_at })
    }

    /// A place for a connection from this address, if it has one left.
    fn take(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionPlace> {
        let address = address.to_canonical();
        if self.trusted.iter().any(|network| network.contains(&address)) {
            return Some(ConnectionPlace { connections: Arc::clone(self), networks: Vec::new() });
        }
        let networks: Vec<Network> = Network::all_of(Some(address)).collect();
        let mut open = self.open();
        let is_full = |network: &Network| open.get(network).is_some_and(|open| *open >= self.share(*network));
        if networks.iter().any(is_full) {
            drop(open);
            self.tell();
            return None;
        }
        for network in &networks {
            *open.entry(*network).or_default() += 1;
        }
        drop(open);
        Some(ConnectionPlace { connections: Arc::clone(self), networks })
    }

    /// What a network may hold: others live in a wide one, too, but never all.
    fn share(&self, network: Network) -> u32 {
        network.share(self.most.div_ceil(SHARES)).min(self.most.div_ceil(2))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Network, u32>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        let now = self.running.elapsed().as_secs();
        let due = |at| (now >= at).then_some(now + TOLD_EVERY);
        if self.told_again_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok() {
            tracing::warn!(
                share = self.most.div_ceil(SHARES),
                "an address holds its share of the connections, and more of it are closed; if it is a proxy's, name it \
                 in http.trusted_proxies"
            );
        }
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        for network in &self.networks {
            let left = open.get(network).map_or(0, |open| open.saturating_sub(1));
            if left == 0 {
                open.remove(network);
            } else {
                open.insert(*network, left);
            }
        }
    }
}

/// Serves connections that have a place, and closes the others at once.
#[derive(Debug)]
pub(crate) struct Counted<S> {
    inner: S,
    connections: Arc<Connections>,
}

impl<S> Counted<S> {
    pub(crate) fn new(inner: S, connections: Arc<Connections>) -> Self {
        Self { inner, connections }
    }
}

impl<F> ServiceFactory<TcpStream> for Counted<F>
where
    F: ServiceFactory<TcpStream, Config = (), Response = ()>,
    F::Error: 'static,
    F::Future: 'static,
    F::Service: 'static,
{
    type Response = ();
    type Error = F::Error;
    type Config = ();
    type Service = Counted<F::Service>;
    type InitError = F::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, F::InitError>>;

    fn new_service(&self, config: ()) -> Self::Future {
        let (made, connections) = (self.inner.new_service(config), Arc::clone(&self.connections));
        Box::pin(async move { Ok(Counted::new(made.await?, connections)) })
    }
}

impl<S> Service<TcpStream> for Counted<S>
where
    S: Service<TcpStream, Response = ()>,
    S::Error: 'static,
    S::Future: 'static,
{
    type Response = ();
    type Error = S::Error;
    type Future = LocalBoxFuture<'static, Result<(), S::Error>>;

    forward_ready!(inner);

    fn call(&self, stream: TcpStream) -> Self::Future {
        let place = stream.peer_addr().ok().and_then(|peer| self.connections.take(peer.ip()));
        let Some(place) = place else { return Box::pin(std::future::ready(Ok(()))) };
        let served = self.inner.call(stream);
        Box::pin(async move {
            let served = served.await;
            drop(place);
            served
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(trusted: &[&str]) -> Arc<Connections> {
        Connections::new(16, trusted.iter().map(|network| network.parse().unwrap()).collect())
    }

    fn held(connections: &Arc<Connections>, address: impl Fn(u16) -> String) -> Vec<ConnectionPlace> {
        (0..100).filter_map(|number| connections.take(address(number).parse().unwrap())).collect()
    }

    #[test]
    fn an_address_holds_a_share_and_has_it_back() {
        let connections = connections(&[]);
        let mut first = held(&connections, |_| "192.0.2.1".to_owned());
        assert_eq!(first.len(), 4);
        assert_eq!(held(&connections, |_| "::ffff:192.0.2.1".to_owned()).len(), 0, "the same");
        assert_eq!(held(&connections, |_| "192.0.2.2".to_owned()).len(), 4);
        drop(first.pop());
        assert_eq!(held(&connections, |_| "192.0.2.1".to_owned()).len(), 1);
        drop(first);
        assert!(connections.open().is_empty(), "nothing is remembered of who is gone");
    }

    #[test]
    fn in_ipv6_a_network_has_one() {
        let places = |address: fn(u16) -> String| held(&connections(&[]), address).len();
        assert_eq!(places(|number| format!("2001:db8::{number:x}")), 4, "a /64");
        assert_eq!(places(|number| format!("2001:db8:0:{number:x}::1")), 8, "a /56");
        assert_eq!(places(|number| format!("2001:db8:0:{number:x}00::1")), 8, "a /48");
        assert_eq!(places(|number| format!("2001:db8:{number:x}::1")), 100);
    }

    #[test]
    fn a_proxy_that_is_trusted_speaks_for_many() {
        let connections = connections(&["192.0.2.0/28"]);
        assert_eq!(held(&connections, |_| "192.0.2.15".to_owned()).len(), 100);
        assert_eq!(held(&connections, |_| "192.0.2.16".to_owned()).len(), 4);
    }

    #[test]
    fn few_connections_have_shares_too() {
        let connections = Connections::new(1, Vec::new());
        let place = connections.take(IpAddr::from([192, 0, 2, 1]));
        assert!(place.is_some());
    }
}
