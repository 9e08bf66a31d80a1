//! Where the server listens and what it calls itself.

use std::{
    fmt, io,
    net::{SocketAddr, ToSocketAddrs},
    str::FromStr,
    vec,
};

use url::Url;

/// `host:port`, where the host is a name, an IPv4 address or an IPv6 address in brackets. Resolves when bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listen {
    host: String,
    port: u16,
}

impl Listen {
    /// The host in a URL's form: lower case, an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 lets the system choose one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn as_https_url(&self, port: u16) -> HttpsUrl {
        HttpsUrl(self.as_issuer("https", port))
    }

    pub(super) fn as_issuer(&self, scheme: &str, port: u16) -> Issuer {
        let host = match self.host.as_str() {
            "0.0.0.0" => "127.0.0.1",
            "[::]" => "[::1]",
            host => host,
        };
        let usual = if scheme == "https" { 443 } else { 80 };
        Issuer(if port == usual { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") })
    }
}

impl FromStr for Listen {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let (host, port) = text.rsplit_once(':').ok_or(NotAnAddress)?;
        let port = port.parse().map_err(|_| NotAnAddress)?;
        let is_bracketed = host.starts_with('[') && host.ends_with(']');
        if host.contains(['/', '\\', '?', '#', '@']) || (host.contains(':') && !is_bracketed) {
            return Err(NotAnAddress);
        }
        let url = Url::parse(&format!("http://{host}")).map_err(|_| NotAnAddress)?;
        Ok(Self { host: url.host_str().ok_or(NotAnAddress)?.to_owned(), port })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}:{}", self.host, self.port)
    }
}

impl ToSocketAddrs for Listen {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        self.to_string().to_socket_addrs()
    }
}

/// The issuer identifier (RFC 8414 §2), kept as written: clients compare it byte by byte.
///
/// A slash at the end is refused rather than cut off, as is every other form that a URL parser would change:
/// so there is one way to write an issuer, and what is configured is what stands in the tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issuer(String);

impl Issuer {
    /// The whole identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path under which everything is served: empty, or with a slash in front and none at the end.
    #[must_use]
    pub fn path(&self) -> &str {
        let after_scheme = self.0.split_once("://").map_or("", |(_, rest)| rest);
        after_scheme.find('/').and_then(|at| after_scheme.get(at..)).unwrap_or("")
    }
}

impl FromStr for Issuer {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let url = Url::parse(text).map_err(|_| NotAnAddress)?;
        let normal = url.as_str();
        let is_normal = text == normal.strip_suffix('/').unwrap_or(normal);
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if !is_normal || !is_plain || url.password().is_some() || !matches!(url.scheme(), "http" | "https") {
            return Err(NotAnAddress);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

/// An https URL in the form of an issuer's, below which there are places.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpsUrl(Issuer);

impl HttpsUrl {
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for HttpsUrl {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if text.starts_with("https://") { text.parse().map(Self) } else { Err(NotAnAddress) }
    }
}

/// Where a collector takes traces: the whole URL, kept as a URL parser writes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CollectorUrl(Url);

impl CollectorUrl {
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for CollectorUrl {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let url = Url::parse(text).map_err(|_| NotAnAddress)?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        let is_plain = !has_user && url.query().is_none() && url.fragment().is_none();
        if is_plain && matches!(url.scheme(), "http" | "https") { Ok(Self(url)) } else { Err(NotAnAddress) }
    }
}

impl fmt::Display for CollectorUrl {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(to)
    }
}

impl fmt::Display for HttpsUrl {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(to)
    }
}

/// The text is no such address.
#[derive(Debug, thiserror::Error)]
#[error("it is not an address of this kind")]
pub struct NotAnAddress;
