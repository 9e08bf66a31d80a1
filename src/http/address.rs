//! Where a request comes from.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HeaderMap, X_FORWARDED_FOR};
use ipnet::IpNet;

/// The proxies that are believed when they say whom they forward for.
#[derive(Debug)]
pub(crate) struct TrustedProxies {
    networks: Vec<IpNet>,
    /// Whether the log has it that they cannot be understood.
    told: AtomicBool,
}

/// The client's address: the peer's, or, as far as trusted proxies tell it, the one that they forward for.
pub(crate) fn of_client(request: &HttpRequest, trusted: &TrustedProxies) -> Option<IpAddr> {
    Some(trusted.client_behind(request.peer_addr()?.ip().to_canonical(), request.headers()))
}

impl TrustedProxies {
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self { networks, told: AtomicBool::new(false) }
    }

    /// Whether a request comes from one of them.
    pub(crate) fn has_sent(&self, request: &HttpRequest) -> bool {
        let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
        peer.is_some_and(|peer| self.networks.iter().any(|network| network.contains(&peer)))
    }

    /// Both headers are read from their end: each trusted proxy vouches for the entry that it added, so the last entry
    /// that is not a trusted proxy's is the nearest address that somebody trusted has seen.
    fn client_behind(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_trusted = |address: IpAddr| self.networks.iter().any(|network| network.contains(&address));
        if !is_trusted(peer) {
            // What a stranger says of others is not even read.
            return peer;
        }
        let mut address = peer;
        for entry in entries(headers).into_iter().rev() {
            if !is_trusted(address) {
                break;
            }
            let Some(forwarded) = entry else {
                self.tell_once(address);
                break;
            };
            address = forwarded;
        }
        address
    }

    /// Whoever comes by that proxy shares its address from here on, and what an address may do.
    fn tell_once(&self, proxy: IpAddr) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %proxy,
                "a trusted proxy does not say in a form that is understood whom it forwards for: all who come by it \
                 count as one address. Have it send X-Forwarded-For, or Forwarded (RFC 7239)"
            );
        }
    }
}

/// What each proxy says whom it forwards for, in their order; `None` where that is no address.
fn entries(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = |name| headers.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let usual = parse(lines(X_FORWARDED_FOR), node);
    // A client may send the header that its proxy does not touch: the usual one counts where there is one.
    if usual.is_empty() { parse(lines(FORWARDED), |element| node(forwarded_for(element)?)) } else { usual }
}

/// RFC 9110 §5.6.1: an empty entry is passed over. A quoted comma ends an entry as well: no address has one, and a
/// client could open a quote that swallows what proxies add.
fn parse<'a>(
    lines: impl Iterator<Item = Cow<'a, str>>,
    entry: impl Fn(&str) -> Option<IpAddr>,
) -> Vec<Option<IpAddr>> {
    let mut entries = Vec::new();
    for line in lines {
        entries.extend(line.split(',').map(str::trim).filter(|text| !text.is_empty()).map(&entry));
    }
    entries
}

/// RFC 7239 §4.
fn forwarded_for(element: &str) -> Option<&str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, value)| value.trim())
}

/// RFC 7239 §6: an address, which may be quoted, and have a port. IPv6 stands in brackets there, and elsewhere may not.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let (address, port) = match text.strip_prefix('[') {
        Some(text) => {
            let (address, rest) = text.split_once(']')?;
            let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
            (address.parse::<Ipv6Addr>().ok()?.into(), port)
        }
        None => match (text.parse::<IpAddr>(), text.split_once(':')) {
            (Ok(address), _) => (address, None),
            (Err(_), Some((address, port))) => (address.parse::<Ipv4Addr>().ok()?.into(), Some(port)),
            (Err(_), None) => return None,
        },
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok() || port.starts_with('_'));
    is_port.then(|| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_quoted_and_have_a_port() {
        for (text, address) in [
            ("198.51.100.7", "198.51.100.7"),
            ("198.51.100.7:51234", "198.51.100.7"),
            ("\"198.51.100.7\"", "198.51.100.7"),
            ("\"198.51.100.7:51234\"", "198.51.100.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:DB8::7]", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("\"[2001:db8::7]:_hidden\"", "2001:db8::7"),
            ("[::ffff:198.51.100.7]:1", "198.51.100.7"),
        ] {
            assert_eq!(node(text), Some(address.parse().unwrap()), "{text}");
        }
        for text in [
            "unknown",
            "_hidden",
            "",
            "\"",
            "198.51.100",
            "198.51.100.7:",
            "198.51.100.7:x",
            "198.51.100.7:65536",
            "[198.51.100.7]",
            "[2001:db8::7",
            "[2001:db8::7]443",
            "[2001:db8::7]:",
            "app.example",
        ] {
            assert_eq!(node(text), None, "{text}");
        }
    }
}
