//! Redirect URIs: compared character by character, never parsed first. What a parser would take for equal (another
//! case, an encoded dot, a tab) may lead a browser elsewhere.

use url::{Host, Url};

/// The hosts of the machine that the browser runs on.
const LOOPBACK: [&str; 3] = ["http://127.0.0.1", "http://[::1]", "http://localhost"];

/// Whether a browser may be sent to `presented`: it is one of those registered, or differs from a registered loopback
/// address in nothing but the port, which a native app takes from the system at each start (RFC 8252 §7.3).
#[must_use]
pub fn is_registered(presented: &str, registered: &[String]) -> bool {
    registered.iter().any(|it| it == presented || same_but_for_port(presented, it))
}

fn same_but_for_port(presented: &str, registered: &str) -> bool {
    LOOPBACK.iter().any(|host| {
        matches!((at_any_port(presented, host), at_any_port(registered, host)), (Some(one), Some(other)) if one == other)
    })
}

/// What stands behind host and port.
fn at_any_port<'a>(uri: &'a str, host: &str) -> Option<&'a str> {
    let rest = uri.strip_prefix(host)?;
    let digits = rest.strip_prefix(':').map_or(0, |port| port.bytes().take_while(u8::is_ascii_digit).count());
    let (port, path) = if digits > 0 { rest.split_at(digits + 1) } else { ("", rest) };
    let real = port.is_empty() || port.get(1..)?.parse::<u16>().is_ok_and(|port| port > 0);
    // `127.0.0.1.evil.example` and `127.0.0.1@evil.example` go on without one of these.
    (real && (path.is_empty() || path.starts_with(['/', '?']))).then_some(path)
}

/// Whether only its owner can receive what is sent there: not a port or a scheme that any program on the user's
/// machine may take (RFC 8252 §8.6).
#[must_use]
pub fn is_exclusive(uri: &str) -> bool {
    uri.starts_with("https://")
}

/// Whether what is sent there stays on the user's machine: by the loopback interface, or a scheme of a program's own.
#[must_use]
pub fn is_on_device(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| match url.scheme() {
        "https" => false,
        "http" => is_loopback(&url),
        _ => true,
    })
}

/// Whether a URL names the machine that reads it.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What a policy (CSP `form-action`, CORS) names it by: its origin, or its scheme where it has none.
#[must_use]
pub fn source_of(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let origin = url.origin();
    if origin.is_tuple() { Some(origin.ascii_serialization()) } else { Some(format!("{}:", url.scheme())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(presented: &str, registered: &str) -> bool {
        is_registered(presented, &[registered.to_owned()])
    }

    #[test]
    fn a_loopback_address_may_have_any_port() {
        for (presented, registered) in [
            ("http://127.0.0.1:51004/cb", "http://127.0.0.1/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:8000/cb"),
            ("http://[::1]:1/cb?a=b", "http://[::1]/cb?a=b"),
            ("http://localhost:65535", "http://localhost"),
        ] {
            assert!(accepted(presented, registered), "{presented}");
        }
    }

    #[test]
    fn nothing_else_may_differ() {
        for (presented, registered) in [
            ("http://127.0.0.1:51004/other", "http://127.0.0.1/cb"),
            ("http://127.0.0.1:0/cb", "http://127.0.0.1/cb"),
            ("http://127.0.0.1:65536/cb", "http://127.0.0.1/cb"),
            ("http://127.0.0.1:+80/cb", "http://127.0.0.1/cb"),
            ("http://127.0.0.1:/cb", "http://127.0.0.1/cb"),
            ("http://127.0.0.1:80@evil.example/cb", "http://127.0.0.1/cb"),
            ("http://127.0.0.1.evil.example/cb", "http://127.0.0.1/cb"),
            ("http://127.0.0.1@evil.example/", "http://127.0.0.1"),
            ("http://localhost:80/cb", "http://127.0.0.1/cb"),
            ("https://127.0.0.1:80/cb", "http://127.0.0.1/cb"),
            ("https://app.example:8443/cb", "https://app.example/cb"),
        ] {
            assert!(!accepted(presented, registered), "{presented}");
        }
    }

    #[test]
    fn what_stays_on_the_device_goes_by_loopback_or_a_programs_own_scheme() {
        for (uri, stays) in [
            ("http://127.0.0.1:51004/cb", true),
            ("http://[::1]/cb", true),
            ("http://localhost/cb", true),
            ("com.example.app:/cb", true),
            ("https://app.example/cb", false),
            ("https://localhost/cb", false),
            ("http://intranet/cb", false),
            ("http://127.0.0.1.evil.example/cb", false),
        ] {
            assert_eq!(is_on_device(uri), stays, "{uri}");
        }
    }

    #[test]
    fn a_source_is_an_origin_or_a_scheme() {
        assert_eq!(source_of("https://App.example/cb?x").as_deref(), Some("https://app.example"));
        assert_eq!(source_of("com.example.app:/cb").as_deref(), Some("com.example.app:"));
    }
}
