//! Whether status lists are followed, where, and how far they are trusted.

use std::time::Duration;

use reqwest::Url;

use crate::builder::source::{self, Source};
use crate::builder::{BuildError, Builder};
use crate::status::StatusListEvent;
use crate::status::lists::{Listener, Policy, Provider, WhenStale};
use crate::status::own::Own;

#[derive(Debug)]
pub(super) struct Following {
    from: From,
    pub(super) policy: Policy,
}

#[derive(Debug)]
enum From {
    /// From where the keys come from; who has the keys at hand has no network, and follows nothing.
    Keys,
    Url(String),
    Nowhere,
}

impl Default for Following {
    fn default() -> Self {
        let policy = Policy { max_staleness: None, when_stale: WhenStale::Refuse, listener: None };
        Self { from: From::Keys, policy }
    }
}

impl Builder {
    /// Where the issuer's status lists are, if this service reaches the issuer by another URL than the issuer's own, or
    /// takes its keys from a file and follows lists all the same: what stands in place of the issuer's URL.
    ///
    /// Without this, lists are followed if the keys come from a [`Self::jwks_url`]: one that ends in
    /// `/.well-known/jwks.json` stands for the issuer's URL, and with any other the lists are asked for where tokens
    /// say. Only lists at the issuer's origin and below its path are followed; a token that names another is refused
    /// ([`VerifyError::ForeignStatusList`](crate::VerifyError::ForeignStatusList)).
    ///
    /// ```
    /// let builder = heirloom_verifier::Verifier::builder("https://login.example.com")
    ///     .audience("https://api.example.com")
    ///     .jwks_file("/etc/heirloom/jwks.json")
    ///     .status_lists_url("http://heirloom:8080");
    /// ```
    #[must_use]
    pub fn status_lists_url(mut self, url: impl Into<String>) -> Self {
        self.following.from = From::Url(url.into());
        self
    }

    /// Follows no status list: a token is good until it expires, whatever became of its login.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = sample().ignore_status_lists().build().await?;
    /// assert!(verifier.verify(TOKEN).await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn ignore_status_lists(mut self) -> Self {
        self.following.from = From::Nowhere;
        self
    }

    /// For how long a status list is trusted that the issuer did not confirm again: after that, its tokens are refused
    /// with [`VerifyError::StatusUnavailable`](crate::VerifyError::StatusUnavailable) (503). Unless set, until the list
    /// expires (`exp`), which is also the most, or for an hour if it does not say when. A list is asked for at least
    /// twice in this time, but no more often than once a second.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let builder = heirloom_verifier::Verifier::builder("https://login.example.com");
    /// let builder = builder.max_staleness(Duration::from_mins(1));
    /// ```
    #[must_use]
    pub fn max_staleness(mut self, staleness: Duration) -> Self {
        self.following.policy.max_staleness = Some(staleness);
        self
    }

    /// Accepts tokens whose status list is too old, or never came: whoever can keep this service from reaching the
    /// issuer keeps a revoked token alive until it expires. One that is known to be revoked stays so.
    ///
    /// ```
    /// let builder = heirloom_verifier::Verifier::builder("https://login.example.com");
    /// let builder = builder.accept_stale_status();
    /// ```
    #[must_use]
    pub fn accept_stale_status(mut self) -> Self {
        self.following.policy.when_stale = WhenStale::Accept;
        self
    }

    /// Calls this each time that a status list was asked for, from a task in the background: it must not block. The
    /// last one counts. [`Verifier::status_lists`](crate::Verifier::status_lists) has the sums.
    ///
    /// ```
    /// use heirloom_verifier::StatusListEvent;
    ///
    /// let builder = heirloom_verifier::Verifier::builder("https://login.example.com");
    /// let builder = builder.on_status_list(|event| {
    ///     if let StatusListEvent::Failed { uri, error, .. } = event {
    ///         eprintln!("{uri}: {error}");
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn on_status_list(mut self, listener: impl Fn(&StatusListEvent) + Send + Sync + 'static) -> Self {
        self.following.policy.listener = Some(Listener(Box::new(listener)));
        self
    }
}

impl Following {
    /// Whom to ask for lists; `None` if nobody is asked.
    pub(super) fn provider(&self, issuer: &str, keys: &Source) -> Result<Option<Provider>, BuildError> {
        let base = match (&self.from, keys.url()) {
            (From::Nowhere, _) | (From::Keys, None) => return Ok(None),
            (From::Url(url), _) => {
                let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
                Some(url.ok_or(BuildError::InvalidStatusListsUrl)?)
            }
            (From::Keys, Some(url)) => {
                let base = url.strip_suffix("/.well-known/jwks.json").unwrap_or(issuer);
                Url::parse(base).ok()
            }
        };
        let own = base.zip(Url::parse(issuer).ok()).map(|(base, issuer)| Own::new(issuer, base));
        let patience = keys.fetch_timeout;
        let scheme = own.as_ref().map_or("http", |own| own.base().scheme());
        let client = source::client(scheme, patience)?;
        Ok(Some(Provider { own, client, patience }))
    }
}
