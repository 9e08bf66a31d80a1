//! Which lists are the issuer's own, and where they are asked for.

use reqwest::Url;

/// The issuer's URL, and the place that stands for it: a service may reach the issuer by another name than users do.
#[derive(Debug)]
pub(crate) struct Own {
    issuer: Url,
    base: Url,
}

impl Own {
    pub(crate) fn new(issuer: Url, base: Url) -> Self {
        Self { issuer, base }
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// The place to ask for a list; `None` for one that is not at the issuer's origin and below its path.
    pub(super) fn locate(&self, uri: &str) -> Option<Url> {
        let uri = Url::parse(uri).ok()?;
        let plain = uri.username().is_empty() && uri.password().is_none() && uri.fragment().is_none();
        let own = uri.origin() == self.issuer.origin() && matches!(uri.scheme(), "http" | "https");
        let below = uri.path().strip_prefix(self.issuer.path().trim_end_matches('/'))?;
        if !plain || !own || !below.starts_with('/') || below == "/" {
            return None;
        }
        let mut place = self.base.clone();
        place.set_path(&format!("{}{below}", self.base.path().trim_end_matches('/')));
        place.set_query(uri.query());
        Some(place)
    }
}
