//! What guards the way to PostgreSQL.

use std::net::IpAddr;
use std::str::FromStr as _;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::store::StoreError;

/// What is between whoever is on the network and what is said to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// The server is on this machine.
    NotNeeded,
    /// The connection may go without TLS, or surely does.
    NotWanted,
    /// TLS, whoever the other end is: it reads what is said if it stands in between.
    WithAnybody,
    /// TLS with the server that the URL names.
    WithTheServer,
}

/// What a URL asks for, and libpq's variables where it asks for nothing.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn encryption(url: &str) -> Result<Encryption, StoreError> {
    let options = PgConnectOptions::from_str(url)?;
    let host = options.get_host();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_local =
        address.map_or(host == "localhost" || host.starts_with('/'), |address| address.is_loopback());
    if options.get_socket().is_some() || is_local {
        return Ok(Encryption::NotNeeded);
    }
    Ok(match options.get_ssl_mode() {
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer => Encryption::NotWanted,
        PgSslMode::Require | PgSslMode::VerifyCa => Encryption::WithAnybody,
        PgSslMode::VerifyFull => Encryption::WithTheServer,
    })
}
