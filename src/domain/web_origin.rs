//! Origins of sites (RFC 6454), as browsers write them into the header `Origin`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::domain::redirect_rule::RedirectScheme;
use crate::domain::redirect_uri::is_loopback;

/// The origin of a site whose scripts are a client's, such as `https://app.example` or `capacitor://localhost`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebOrigin(String);

/// The text is not such an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an origin must be as browsers write it, such as https://app.example.com or capacitor://localhost: in lower case, \
     without a path, a usual port or a wildcard, and with http only for 127.0.0.1, [::1] and localhost"
)]
pub struct InvalidWebOrigin;

impl WebOrigin {
    /// As browsers write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WebOrigin {
    type Err = InvalidWebOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for WebOrigin {
    type Error = InvalidWebOrigin;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (scheme, host) = text.split_once("://").ok_or(InvalidWebOrigin)?;
        let fits = match scheme {
            "http" | "https" => Url::parse(&text).is_ok_and(|url| {
                let is_private = scheme == "https" || is_loopback(&url);
                is_private && !host.contains('*') && url.origin().ascii_serialization() == text
            }),
            // A web view's or a browser extension's: no standard says how its host is written.
            own => own.parse::<RedirectScheme>().is_ok() && is_plain_host(host),
        };
        if fits { Ok(Self(text)) } else { Err(InvalidWebOrigin) }
    }
}

fn is_plain_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    !name.is_empty() && name.bytes().all(is_name) && port.is_none_or(is_port)
}

impl From<WebOrigin> for String {
    fn from(origin: WebOrigin) -> Self {
        origin.0
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for origin in [
            "https://app.example",
            "https://app.example:8443",
            "https://[2001:db8::1]",
            "http://localhost",
            "http://127.0.0.1:5173",
            "capacitor://localhost",
            "ionic://localhost",
            "tauri://localhost:1420",
            "chrome-extension://aapocclcgogkmnckokdopfmhonfmgoek",
        ] {
            assert_eq!(origin.parse::<WebOrigin>().map(String::from).as_deref(), Ok(origin));
        }
    }

    #[test]
    fn what_is_not_the_origin_of_one_site_is_refused() {
        for (section, text) in [
            ("Fetch, CORS protocol: everybody", "*"),
            ("RFC 6454 §7.3: whoever hides", "null"),
            ("RFC 6454 §7.3: whoever hides", "null://"),
            ("RFC 6454 §6.2: no path", "https://app.example/"),
            ("RFC 6454 §6.2: no path", "https://app.example/cb"),
            ("RFC 6454 §6.2: no path", "capacitor://localhost/"),
            ("RFC 6454 §6.2: no usual port", "https://app.example:443"),
            ("RFC 6454 §6.2: lower case", "https://App.example"),
            ("RFC 6454 §6.2: lower case", "Capacitor://localhost"),
            ("RFC 6454 §6.2: ASCII", "https://äpp.example"),
            ("no wildcard", "https://*.app.example"),
            ("no wildcard", "capacitor://*"),
            ("no user", "https://ana@app.example"),
            ("no user", "capacitor://ana@localhost"),
            ("nobody on the way may change its scripts", "http://app.example"),
            ("nobody on the way may change its scripts", "http://192.168.0.7"),
            ("it runs or reads", "file://localhost"),
            ("it runs or reads", "data://x"),
            ("a host", "capacitor://"),
            ("a host", "https://"),
            ("a host", "capacitor:localhost"),
            ("a host", "app.example"),
            ("a port", "capacitor://localhost:x"),
            ("a port", "capacitor://localhost:+80"),
        ] {
            assert!(text.parse::<WebOrigin>().is_err(), "{section}: {text}");
        }
    }
}
