//! Where a server is that runs elsewhere.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// The URL that a server has: https, but on this machine. A token that is shown to it in the clear would be everybody's
/// on the way.
#[derive(Debug, Clone)]
pub(super) struct ServerUrl(Url);

#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum UnfitServerUrl {
    #[error("expected a URL such as https://id.example.com, without user, query and fragment")]
    NoUrl,
    #[error("http is for this machine alone (127.0.0.1, [::1], localhost): any other server needs https")]
    InTheClear,
}

/// RFC 3986 §5.2.4: these two lead elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("a URL cannot have the name {0} in it: this goes on the store alone")]
pub(super) struct NoSuchPlace(String);

impl ServerUrl {
    /// As an issuer is written: without a slash at the end (RFC 8414 §2).
    pub(super) fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// A place below it.
    pub(super) fn at(&self, names: &[&str]) -> Result<Url, NoSuchPlace> {
        if let Some(name) = names.iter().find(|name| matches!(**name, "." | "..")) {
            return Err(NoSuchPlace((*name).to_owned()));
        }
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(names);
        }
        Ok(url)
    }

    pub(super) fn is_in_the_clear(&self) -> bool {
        self.0.scheme() == "http"
    }
}

impl FromStr for ServerUrl {
    type Err = UnfitServerUrl;

    fn from_str(text: &str) -> Result<Self, UnfitServerUrl> {
        let url = Url::parse(text).map_err(|_| UnfitServerUrl::NoUrl)?;
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if !is_plain || url.password().is_some() {
            return Err(UnfitServerUrl::NoUrl);
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_this_machine(&url) => Ok(Self(url)),
            "http" => Err(UnfitServerUrl::InTheClear),
            _ => Err(UnfitServerUrl::NoUrl),
        }
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        text.parse().map(|url: ServerUrl| url.to_string()).map_err(|unfit| unfit.to_string())
    }

    #[test]
    fn a_token_leaves_this_machine_over_https_alone() {
        for url in [
            "https://id.example",
            "https://id.example/login",
            "http://127.0.0.1:8080",
            "http://127.9.9.9",
            "http://[::1]:8080",
            "http://localhost:8080",
        ] {
            assert_eq!(read(url).as_deref(), Ok(url));
            assert_eq!(read(&format!("{url}/")).as_deref(), Ok(url));
        }
        for url in [
            "http://id.example",
            "http://10.0.0.1",
            "http://0.0.0.0",
            "http://localhost.example",
            "http://127.0.0.1.example",
            "http://[2001:db8::1]",
        ] {
            assert!(read(url).unwrap_err().starts_with("http is for this machine alone"), "{url}");
        }
        for url in [
            "id.example",
            "ftp://id.example",
            "https://ana@id.example",
            "https://id.example?x",
            "https://id.example#x",
            "",
        ] {
            assert!(read(url).unwrap_err().starts_with("expected a URL"), "{url}");
        }
    }

    #[test]
    fn a_name_stays_one_name() {
        let server: ServerUrl = "https://id.example/login/".parse().unwrap();
        let at = |name: &str| server.at(&["clients", name]).unwrap().to_string();
        assert_eq!(at("ops"), "https://id.example/login/clients/ops");
        assert_eq!(
            at("https://a.example/b?c#d"),
            "https://id.example/login/clients/https:%2F%2Fa.example%2Fb%3Fc%23d"
        );
        assert_eq!(at("%2e"), "https://id.example/login/clients/%252e");
        assert!(server.at(&["clients", ".."]).is_err() && server.at(&["clients", "."]).is_err());
    }
}
