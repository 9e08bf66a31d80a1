//! Where the issuer's keys come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::builder::{BuildError, Builder};
use crate::keys::KeySet;
use crate::remote::{Keys, Pace, Place, Remote};

/// The keys' place, and how it is asked.
#[derive(Debug)]
pub(super) struct Source {
    given: Option<Given>,
    pace: Pace,
    pub(super) fetch_timeout: Duration,
}

#[derive(Debug)]
enum Given {
    Url(String),
    File(PathBuf),
    Json(String),
    Pem(Vec<u8>),
}

impl Default for Source {
    fn default() -> Self {
        Self {
            given: None,
            pace: Pace { refresh_every: Duration::from_mins(1), cooldown: Duration::from_secs(10) },
            fetch_timeout: Duration::from_secs(5),
        }
    }
}

impl Builder {
    /// Fetches the keys from the issuer, and again from time to time.
    ///
    /// ```
    /// let builder = heirloom_verifier::Verifier::builder("https://login.example.com")
    ///     .audience("https://api.example.com")
    ///     .jwks_url("https://login.example.com/.well-known/jwks.json");
    /// ```
    #[must_use]
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.source.given = Some(Given::Url(url.into()));
        self
    }

    /// Reads the keys from a file, and again from time to time.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/jwks.json");
    /// let verifier = sample().jwks_file(path).build().await?;
    /// assert!(verifier.verify(TOKEN).await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn jwks_file(mut self, path: impl AsRef<Path>) -> Self {
        self.source.given = Some(Given::File(path.as_ref().to_owned()));
        self
    }

    /// Takes the keys from a JWK set's text.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = sample().jwks_json(JWKS).build().await?;
    /// assert!(verifier.verify(TOKEN).await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn jwks_json(mut self, json: impl Into<String>) -> Self {
        self.source.given = Some(Given::Json(json.into()));
        self
    }

    /// Takes one public key from PEM.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/public_key.pem");
    /// let verifier = sample().pem(std::fs::read(path)?).build().await?;
    /// assert!(verifier.verify(TOKEN).await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.source.given = Some(Given::Pem(pem.as_ref().to_owned()));
        self
    }

    /// How often keys are fetched in the background; every minute unless set, and never more often than every 10 ms.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let builder = heirloom_verifier::Verifier::builder("https://login.example.com");
    /// let builder = builder.refresh_every(Duration::from_mins(5));
    /// ```
    #[must_use]
    pub fn refresh_every(mut self, interval: Duration) -> Self {
        self.source.pace.refresh_every = interval;
        self
    }

    /// How often at most a token with an unknown key makes the keys be fetched; every 10 seconds unless set, and never
    /// more often than every 10 ms. What is fetched in the background does not count.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let builder = heirloom_verifier::Verifier::builder("https://login.example.com");
    /// let builder = builder.cooldown(Duration::from_secs(30));
    /// ```
    #[must_use]
    pub fn cooldown(mut self, cooldown: Duration) -> Self {
        self.source.pace.cooldown = cooldown;
        self
    }

    /// How long a fetch of keys or of a status list may take, and how long a token waits for a list that no token named
    /// before; 5 seconds unless set.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let builder = heirloom_verifier::Verifier::builder("https://login.example.com");
    /// let builder = builder.fetch_timeout(Duration::from_secs(2));
    /// ```
    #[must_use]
    pub fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.source.fetch_timeout = timeout;
        self
    }
}

impl Source {
    /// Where the keys come from, if that is the network.
    pub(super) fn url(&self) -> Option<&str> {
        match &self.given {
            Some(Given::Url(url)) => Some(url),
            Some(Given::File(_) | Given::Json(_) | Given::Pem(_)) | None => None,
        }
    }

    /// Reads the keys, or begins to follow them.
    pub(super) async fn open(self) -> Result<Keys, BuildError> {
        Ok(match self.given.ok_or(BuildError::NoKeySource)? {
            Given::Json(json) => fixed(KeySet::from_jwks(json.as_bytes()).ok())?,
            Given::Pem(pem) => fixed(KeySet::from_pem(&pem))?,
            Given::File(path) => Keys::Remote(Remote::start(Place::File(path), self.pace).await),
            Given::Url(url) => {
                let url = reqwest::Url::parse(&url).map_err(|_| BuildError::InvalidUrl)?;
                if !matches!(url.scheme(), "http" | "https") {
                    return Err(BuildError::InvalidUrl);
                }
                let client = client(url.scheme(), self.fetch_timeout)?;
                Keys::Remote(Remote::start(Place::Url(client, url), self.pace).await)
            }
        })
    }
}

fn fixed(keys: Option<KeySet>) -> Result<Keys, BuildError> {
    let keys = keys.filter(|keys| !keys.is_empty()).ok_or(BuildError::NoUsableKey)?;
    Ok(Keys::Fixed(Arc::new(keys)))
}

pub(super) fn client(scheme: &str, timeout: Duration) -> reqwest::Result<reqwest::Client> {
    // Keys and lists come from where you said, not from where somebody sends us.
    let redirects = reqwest::redirect::Policy::none();
    let builder = reqwest::Client::builder().timeout(timeout).redirect(redirects);
    // A slim container has no root certificates: plain HTTP must not fail for want of what it never uses.
    if scheme == "http" { builder.tls_certs_only([]).build() } else { builder.build() }
}
