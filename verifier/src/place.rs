//! Where a service is, as those outside see it.

use reqwest::Url;

/// What stands before the path of each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place(String);

impl Place {
    /// `None` for what is no http or https URL that a path can follow.
    pub(crate) fn at(url: &str) -> Option<Self> {
        let url = parsed(url)?;
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        plain.then(|| Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// The host alone, whatever path the URL has.
    pub(crate) fn host_of(url: &str) -> Option<Self> {
        Some(Self(parsed(url)?.origin().ascii_serialization()))
    }

    #[cfg(any(feature = "actix", feature = "tower"))]
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

fn parsed(url: &str) -> Option<Url> {
    Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}
