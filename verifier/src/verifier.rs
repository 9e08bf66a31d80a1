//! The verifier itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jsonwebtoken::Algorithm;

use crate::access_token::{AccessToken, Claims};
use crate::builder::Builder;
use crate::cache::{Cache, Seen, TokenHash};
use crate::clock::Clock;
use crate::error::VerifyError;
use crate::jws::Parts;
use crate::keys::KeySet;
use crate::remote::Remote;
use crate::resource::ResourceMetadata;

/// Longer than any access token that fits an HTTP header.
const LONGEST_TOKEN: usize = 16 * 1024;

/// Verifies access tokens of one issuer for one service. Cheap to clone: clones share keys and cache.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = sample().build().await?;
/// let another = verifier.clone();
/// assert_eq!(verifier.verify(TOKEN).await, another.verify(TOKEN).await);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Verifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: Rules,
    keys: Keys,
    /// `None` when it is turned off.
    cache: Option<Cache>,
}

/// What a token must be.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) leeway: Duration,
    pub(crate) scopes: Vec<String>,
    pub(crate) realm: String,
    pub(crate) resource: Option<ResourceMetadata>,
    pub(crate) clock: Clock,
}

#[derive(Debug)]
pub(crate) enum Keys {
    Fixed(Arc<KeySet>),
    Remote(Arc<Remote>),
}

impl Verifier {
    /// Begins to build a verifier for tokens of `issuer`: exactly the `iss` that they carry.
    ///
    /// ```
    /// let builder = heirloom_verifier::Verifier::builder("https://login.example.com");
    /// ```
    pub fn builder(issuer: impl Into<String>) -> Builder {
        Builder::new(issuer.into())
    }

    pub(crate) fn new(rules: Rules, keys: Keys, cache: Option<Cache>) -> Self {
        Self(Arc::new(Inner { rules, keys, cache }))
    }

    /// The realm for challenges.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use heirloom_verifier::VerifyError;
    ///
    /// let verifier = sample().realm("shop").build().await?;
    /// let challenge = VerifyError::Missing.challenge(verifier.realm());
    /// assert_eq!(challenge.as_deref(), Some(r#"Bearer realm="shop""#));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.0.rules.realm
    }

    /// What clients are told of the service; `None` unless [`Builder::resource`] named it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// assert!(sample().build().await?.resource_metadata().is_none());
    /// let verifier = sample().resource("https://api.example.com").build().await?;
    /// assert!(verifier.resource_metadata().is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn resource_metadata(&self) -> Option<&ResourceMetadata> {
        self.0.rules.resource.as_ref()
    }

    /// The `WWW-Authenticate` header for a refusal: [`VerifyError::challenge`] with the realm, the scopes that every
    /// token must have (RFC 6750 §3), and where clients find out how to get one (RFC 9728 §5.1). `None` where it is not
    /// the token's fault.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use heirloom_verifier::VerifyError;
    ///
    /// let verifier = sample().require_scope("orders:read").build().await?;
    /// let challenge = verifier.challenge(&VerifyError::Missing);
    /// assert_eq!(challenge.as_deref(), Some(r#"Bearer realm="api", scope="orders:read""#));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn challenge(&self, refusal: &VerifyError) -> Option<String> {
        self.challenge_for(refusal, &[])
    }

    /// The same for a place that needs more scopes.
    pub(crate) fn challenge_for(&self, refusal: &VerifyError, scopes: &[String]) -> Option<String> {
        let rules = &self.0.rules;
        let scopes: Vec<&str> = rules.scopes.iter().chain(scopes).map(String::as_str).collect();
        refusal.full_challenge(&rules.realm, &scopes, rules.resource.as_ref().map(ResourceMetadata::url))
    }

    /// Verifies a token. Asks the issuer for its keys if the token names one that is not known, at most once a
    /// cool-down; otherwise no I/O happens.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = sample().build().await?;
    /// match verifier.verify(TOKEN).await {
    ///     Ok(access) => assert_eq!(access.subject, "ana"),
    ///     Err(refusal) => panic!("{} {refusal}", refusal.status()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`VerifyError`], saying what is wrong.
    pub async fn verify(&self, token: &str) -> Result<AccessToken, VerifyError> {
        let mut keys = self.0.keys.current();
        let hash = self.0.hash(token)?;
        if let Some(judged) = self.0.recall(hash.as_ref(), &keys) {
            return judged;
        }
        let parts = Parts::of(token, &self.0.rules.algorithms)?;
        if let Keys::Remote(remote) = &self.0.keys
            && keys.find(parts.kid.as_deref()).is_none()
        {
            keys = remote.look_again(parts.kid.as_deref()).await;
        }
        self.0.verify_anew(parts, hash, &keys)
    }

    /// Verifies a token with the keys at hand: never any I/O.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = sample().build().await?;
    /// assert_eq!(verifier.verify_offline(TOKEN)?.subject, "ana");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`VerifyError`]; a key that is not at hand is [`VerifyError::UnknownKey`].
    pub fn verify_offline(&self, token: &str) -> Result<AccessToken, VerifyError> {
        let keys = self.0.keys.current();
        let hash = self.0.hash(token)?;
        if let Some(judged) = self.0.recall(hash.as_ref(), &keys) {
            return judged;
        }
        self.0.verify_anew(Parts::of(token, &self.0.rules.algorithms)?, hash, &keys)
    }

    /// How many tokens the cache holds: for a gauge. Some may have expired: once a minute, a token seen for the
    /// first time lets them go.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = sample().build().await?;
    /// verifier.verify(TOKEN).await?;
    /// verifier.verify(TOKEN).await?;
    /// assert_eq!(verifier.cached_tokens(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn cached_tokens(&self) -> usize {
        self.0.cache.as_ref().map_or(0, Cache::len)
    }
}

impl Inner {
    /// What to find the token by in the cache; `None` when that is turned off.
    fn hash(&self, token: &str) -> Result<Option<TokenHash>, VerifyError> {
        if token.len() > LONGEST_TOKEN {
            return Err(VerifyError::Malformed);
        }
        Ok(self.cache.as_ref().map(|_| TokenHash::of(token)))
    }

    /// The verdict on a token whose signature is known to be right.
    fn recall(&self, hash: Option<&TokenHash>, keys: &KeySet) -> Option<Result<AccessToken, VerifyError>> {
        let access = self.cache.as_ref()?.get(hash?, keys)?;
        Some(self.rules.judge(access))
    }

    /// The verdict on a token that was taken apart, its signature included.
    fn verify_anew(
        &self,
        parts: Parts<'_>,
        hash: Option<TokenHash>,
        keys: &KeySet,
    ) -> Result<AccessToken, VerifyError> {
        if keys.is_empty() {
            return Err(VerifyError::KeysUnavailable);
        }
        let key = keys.find(parts.kid.as_deref()).ok_or(VerifyError::UnknownKey)?;
        if key.algorithm != parts.algorithm {
            return Err(VerifyError::WrongAlgorithm);
        }
        let signature = parts.signature().ok_or(VerifyError::BadSignature)?;
        if !key.signed(parts.message.as_bytes(), &signature) {
            return Err(VerifyError::BadSignature);
        }
        let payload = parts.payload().ok_or(VerifyError::Malformed)?;
        let access = AccessToken::read(&payload).ok_or(VerifyError::Malformed)?;
        let access = self.rules.judge(access)?;
        // Only what is good is kept: nobody fills the cache with forged tokens, or with those of other services.
        if let (Some(cache), Some(hash)) = (&self.cache, hash) {
            let seen = Seen { kid: parts.kid, key: Arc::clone(key), access: access.clone() };
            let now = self.rules.clock.now();
            cache.insert(hash, seen, now, |claims| self.rules.is_expired(claims, now));
        }
        Ok(access)
    }
}

impl Rules {
    /// Judges the claims of a token whose signature is right: on first sight, and each time that it comes again.
    fn judge(&self, access: AccessToken) -> Result<AccessToken, VerifyError> {
        if access.issuer != self.issuer {
            return Err(VerifyError::WrongIssuer);
        }
        if !access.audience.iter().any(|audience| self.audiences.contains(audience)) {
            return Err(VerifyError::WrongAudience);
        }
        let now = self.clock.now();
        if self.is_expired(&access, now) {
            return Err(VerifyError::Expired);
        }
        let early = access.not_before.and_then(|not_before| not_before.duration_since(now).ok());
        if early.is_some_and(|early| early > self.leeway) {
            return Err(VerifyError::NotYetValid);
        }
        access.require_scopes(&self.scopes)?;
        Ok(access)
    }

    /// Differences, not sums: a far time and a wide leeway must not overflow.
    fn is_expired(&self, claims: &Claims, now: SystemTime) -> bool {
        now.duration_since(claims.expires_at).is_ok_and(|late| late >= self.leeway)
    }
}

impl Keys {
    fn current(&self) -> Arc<KeySet> {
        match self {
            Self::Fixed(keys) => Arc::clone(keys),
            Self::Remote(remote) => remote.current(),
        }
    }
}
