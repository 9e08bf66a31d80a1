//! Building a verifier.

mod proofs;
mod source;
mod status_lists;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jsonwebtoken::Algorithm;

use crate::cache::Cache;
use crate::challenge::quotable;
use crate::clock::Clock;
use crate::resource::Described;
use crate::rules::Rules;
use crate::status::lists::Lists;
use crate::verifier::Verifier;
use proofs::Proofs;
use source::Source;
use status_lists::Following;

/// Collects what a [`Verifier`] needs: an issuer, an audience and a source of keys. All else has defaults.
///
/// ```no_run
/// # async fn example() -> Result<(), heirloom_verifier::BuildError> {
/// let verifier = heirloom_verifier::Verifier::builder("https://login.example.com")
///     .audience("https://api.example.com")
///     .jwks_url("https://login.example.com/.well-known/jwks.json")
///     .build()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Builder {
    rules: Rules,
    source: Source,
    following: Following,
    proofs: Proofs,
    cache_capacity: usize,
    described: Described,
}

/// A verifier that cannot be built.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use heirloom_verifier::BuildError;
///
/// let built = Verifier::builder("https://login.example.com").build().await;
/// assert!(matches!(built, Err(BuildError::NoAudience)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Without an audience, a token made for any other service would open yours.
    #[error("name the audience: tokens made for other services must not be accepted")]
    NoAudience,
    /// There is no source of keys.
    #[error("name a source of keys: a JWKS URL, file or text, or a PEM")]
    NoKeySource,
    /// The URL cannot be one.
    #[error("the JWKS URL is not a URL with http or https")]
    InvalidUrl,
    /// The given keys cannot be read, or none of them can verify tokens.
    #[error("there is no usable public key: ES256, EdDSA or RS256")]
    NoUsableKey,
    /// The resource's URL is no such thing as clients could compare (RFC 9728 §1.2).
    #[error("the resource is an http or https URL in its normal form, without query and fragment")]
    InvalidResource,
    /// The place of the status lists cannot be a URL.
    #[error("the URL for status lists is not a URL with http or https")]
    InvalidStatusListsUrl,
    /// The service's own URL cannot be one.
    #[error("the public URL is not a URL with http or https, or has a user, query or fragment")]
    InvalidPublicUrl,
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Http(#[from] reqwest::Error),
}

impl Builder {
    pub(crate) fn new(issuer: String) -> Self {
        Self {
            rules: Rules {
                issuer,
                audiences: Vec::new(),
                algorithms: vec![Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256],
                leeway: Duration::from_secs(5),
                scopes: Vec::new(),
                realm: "api".to_owned(),
                resource: None,
                clock: Clock::system(),
            },
            source: Source::default(),
            following: Following::default(),
            proofs: Proofs::default(),
            cache_capacity: 10_000,
            described: Described::default(),
        }
    }

    /// Your service's name in tokens. May be called more than once: a token for any of them is accepted.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = sample().audience("https://other.example.com").build().await?;
    /// assert!(verifier.verify(TOKEN).await.is_ok()); // it is for one of the two
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.rules.audiences.push(audience.into());
        self
    }

    /// Your service's URL: the audience of its tokens, as with [`Self::audience`], and what clients find it by. From
    /// then on challenges name a document that says where to get a token (RFC 9728); the features `actix` and `tower`
    /// serve it. Write the URL as clients call it: they compare it character by character. Call it once.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = sample().resource("https://mcp.example.com/mcp").build().await?;
    /// let challenge = verifier.challenge(&heirloom_verifier::VerifyError::Missing).unwrap();
    /// assert!(challenge.contains(
    ///     r#"resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp""#
    /// ));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn resource(mut self, url: impl Into<String>) -> Self {
        self.described.resource = Some(url.into());
        self
    }

    /// The scopes that are of use at the [`Self::resource`], for clients that do not know which to ask for. Name the
    /// least that does; challenges name what a place needs.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = sample().resource("https://mcp.example.com/mcp").scopes_supported(["tools:call"]);
    /// let verifier = builder.build().await?;
    /// assert!(verifier.resource_metadata().unwrap().json().contains(r#""scopes_supported":["tools:call"]"#));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn scopes_supported<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.described.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// What people are told that the [`Self::resource`] is called.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder = sample().resource("https://mcp.example.com/mcp").resource_name("The Shop's tools");
    /// let verifier = builder.build().await?;
    /// assert!(verifier.resource_metadata().unwrap().json().contains(r#""resource_name":"The Shop's tools""#));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn resource_name(mut self, name: impl Into<String>) -> Self {
        self.described.name = Some(name.into());
        self
    }

    /// The algorithms to accept, instead of ES256, `EdDSA` and RS256. A key only ever verifies its own.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use heirloom_verifier::{Algorithm, VerifyError};
    ///
    /// let verifier = sample().algorithms([Algorithm::ES256]).build().await?;
    /// assert_eq!(verifier.verify(TOKEN).await, Err(VerifyError::WrongAlgorithm)); // it is EdDSA
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.rules.algorithms = algorithms.into_iter().collect();
        self
    }

    /// How far clocks may be apart: for expiry and not-before. 5 seconds unless set.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let late = now() + Duration::from_secs(902); // two seconds after the token's expiry
    /// assert!(sample().clock(move || late).build().await?.verify(TOKEN).await.is_ok());
    ///
    /// let strict = sample().leeway(Duration::ZERO);
    /// assert!(strict.clock(move || late).build().await?.verify(TOKEN).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.rules.leeway = leeway;
        self
    }

    /// A scope that every token must have. May be called more than once.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = sample().require_scope("orders:write").build().await?;
    /// assert_eq!(verifier.verify(TOKEN).await.unwrap_err().status(), 403);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn require_scope(mut self, scope: impl Into<String>) -> Self {
        self.rules.scopes.push(scope.into());
        self
    }

    /// The realm in challenges; `api` unless set. Quotes and backslashes are left out.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = sample().realm("shop").build().await?;
    /// assert_eq!(verifier.realm(), "shop");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        self.rules.realm = quotable(realm);
        self
    }

    /// About how many verified tokens to remember, so that one that comes again costs no signature check; 10,000 unless
    /// set, 0 for none. Each takes a kilobyte or two. Expiry, audience, scopes and the issuer's keys count each time
    /// all the same.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let forgetful = sample().cache_capacity(0).build().await?;
    /// assert!(forgetful.verify(TOKEN).await.is_ok());
    /// assert_eq!(forgetful.cached_tokens(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn cache_capacity(mut self, tokens: usize) -> Self {
        self.cache_capacity = tokens;
        self
    }

    /// Where to ask for the time, instead of the machine's clock: for tests.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use heirloom_verifier::VerifyError;
    ///
    /// let tomorrow = now() + Duration::from_hours(24);
    /// let verifier = sample().clock(move || tomorrow).build().await?;
    /// assert_eq!(verifier.verify(TOKEN).await, Err(VerifyError::Expired));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.rules.clock = Clock::new(now);
        self
    }

    /// Builds the verifier. Call it within a tokio runtime: fetching goes on in the background. An issuer that does not
    /// answer yet is no error; until it does, tokens are refused with [`VerifyError::KeysUnavailable`].
    ///
    /// [`VerifyError::KeysUnavailable`]: crate::VerifyError::KeysUnavailable
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use heirloom_verifier::BuildError;
    ///
    /// assert!(matches!(sample().jwks_json("rubbish").build().await, Err(BuildError::NoUsableKey)));
    /// assert!(sample().build().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`BuildError`].
    pub async fn build(mut self) -> Result<Verifier, BuildError> {
        if let Some(resource) = self.described.resource.take() {
            let metadata = self.described.metadata(&resource, &self.rules.issuer, self.proofs.demand);
            self.rules.resource = Some(metadata.ok_or(BuildError::InvalidResource)?);
            self.rules.audiences.insert(0, resource);
        }
        if self.rules.audiences.is_empty() {
            return Err(BuildError::NoAudience);
        }
        let binding = self.proofs.binding(self.rules.audiences.iter().map(String::as_str))?;
        let provider = self.following.provider(&self.rules.issuer, &self.source)?;
        let (rules, keys) = (Arc::new(self.rules), self.source.open().await?);
        let cache = (self.cache_capacity > 0).then(|| Cache::new(self.cache_capacity));
        let policy = self.following.policy;
        let lists = provider.map(|it| Lists::new(it, policy, Arc::clone(&rules), keys.clone()));
        Ok(Verifier::new(rules, binding, keys, cache, lists))
    }
}
