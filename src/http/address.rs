//! Where a request comes from.

use std::net::IpAddr;

use actix_web::HttpRequest;
use ipnet::IpNet;

/// The client's address: the peer's, or, as far as trusted proxies tell it, the one that they forward for.
///
/// `X-Forwarded-For` is read from its end: each trusted proxy vouches for the entry that it added, so the last entry
/// that is not a trusted proxy's is the nearest address that somebody trusted has seen.
pub(crate) fn of_client(request: &HttpRequest, trusted: &[IpNet]) -> Option<IpAddr> {
    let mut address = request.peer_addr()?.ip().to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let headers = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    let lines: Vec<&str> = headers.collect();
    for entry in lines.into_iter().rev().flat_map(|line| line.rsplit(',')) {
        if !is_trusted(address) {
            break;
        }
        match entry.trim().parse::<IpAddr>() {
            Ok(forwarded) => address = forwarded.to_canonical(),
            Err(_) => break,
        }
    }
    Some(address)
}
