//! The verifier itself.

use std::sync::Arc;

use crate::access_token::AccessToken;
use crate::binding::Binding;
use crate::builder::Builder;
use crate::cache::{Cache, Seen, TokenHash};
use crate::challenge::Challenge;
use crate::error::VerifyError;
use crate::jws::Parts;
use crate::keys::KeySet;
use crate::presented::Presented;
use crate::remote::Keys;
use crate::resource::ResourceMetadata;
use crate::rules::Rules;
use crate::status::StatusLists;
use crate::status::lists::Lists;
use crate::step_up::StepUp;

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
    rules: Arc<Rules>,
    binding: Binding,
    keys: Keys,
    /// `None` when it is turned off.
    cache: Option<Cache>,
    /// `None` when they are not followed.
    lists: Option<Arc<Lists>>,
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

    pub(crate) fn new(
        rules: Arc<Rules>,
        binding: Binding,
        keys: Keys,
        cache: Option<Cache>,
        lists: Option<Arc<Lists>>,
    ) -> Self {
        Self(Arc::new(Inner { rules, binding, keys, cache, lists }))
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

    /// Where clients see this path; `None` if nobody can say.
    #[cfg(any(feature = "actix", feature = "tower"))]
    pub(crate) fn url(&self, path: &str) -> Option<String> {
        Some(self.0.binding.place.as_ref()?.url(path))
    }

    /// Whether it is this one, or a clone.
    #[cfg(any(feature = "actix", feature = "tower"))]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The `WWW-Authenticate` header for a refusal: [`VerifyError::challenge`] with the realm, the scopes that every
    /// token must have (RFC 6750 §3), and where clients find out how to get one (RFC 9728 §5.1). `None` where it is not
    /// the token's fault. A service that takes proofs ([`Builder::public_url`]) says so by a second challenge, with the
    /// algorithms for them (RFC 9449 §7.1).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use heirloom_verifier::VerifyError;
    ///
    /// let verifier = sample().require_scope("orders:read").build().await?;
    /// let challenge = verifier.challenge(&VerifyError::Missing).unwrap();
    /// let (bearer, dpop) = challenge.split_once(", DPoP ").unwrap();
    /// assert_eq!(bearer, r#"Bearer realm="api", scope="orders:read""#);
    /// assert!(dpop.contains(r#"algs="ES256 EdDSA "#));
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
        let challenge = Challenge {
            realm: &rules.realm,
            scopes: rules.scopes.iter().chain(scopes).map(String::as_str).collect(),
            resource_metadata: rules.resource.as_ref().map(ResourceMetadata::url),
            schemes: self.0.binding.schemes(),
        };
        challenge.text(refusal)
    }

    /// Refuses a good token whose user signed in by too little for this, or too long ago, give or take the leeway.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use heirloom_verifier::StepUp;
    ///
    /// let verifier = sample().build().await?;
    /// let just_now = StepUp::within(Duration::from_secs(60));
    /// assert_eq!(verifier.require_step_up(&sample_access().await, &just_now), Ok(()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`VerifyError::InsufficientUserAuthentication`], naming what is required.
    pub fn require_step_up(&self, access: &AccessToken, step_up: &StepUp) -> Result<(), VerifyError> {
        let rules = &self.0.rules;
        let now = rules.clock.now();
        step_up.judge(access, |at| rules.age(at, now))
    }

    /// Verifies a token that came alone: one that is bound to a key is refused ([`VerifyError::BoundToken`]). Asks the
    /// issuer for its keys if the token names one that is not known, at most once a cool-down, and waits for a status
    /// list that no token named before; otherwise no I/O happens.
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
    pub fn verify(&self, token: &str) -> impl Future<Output = Result<AccessToken, VerifyError>> {
        self.verify_shown(Presented::bearer(token))
    }

    /// Verifies a token, and that whoever shows it holds the key that it is bound to, if it is. A proof is good once:
    /// ask once a request. Waits as [`Self::verify`] does.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use heirloom_verifier::{Presented, VerifyError};
    ///
    /// let verifier = sample().build().await?;
    /// let presented = Presented::with_proof(BOUND_TOKEN, PROOF, "GET", "https://api.example.com/orders");
    /// assert_eq!(verifier.verify_presented(&presented).await?.subject, "ana");
    /// assert_eq!(verifier.verify_presented(&presented).await, Err(VerifyError::ReplayedProof));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`VerifyError`], saying what is wrong.
    pub fn verify_presented(
        &self,
        presented: &Presented<'_>,
    ) -> impl Future<Output = Result<AccessToken, VerifyError>> {
        self.verify_shown(presented.clone())
    }

    /// One future, and a small one: most tokens came before, and what passes from one to another costs as much as the
    /// rest of what is done for them, beside the hash. So what is rarely waited for stands apart.
    async fn verify_shown(&self, presented: Presented<'_>) -> Result<AccessToken, VerifyError> {
        let token = presented.token;
        let hash = self.0.hash(token)?;
        let seen = match self.0.recall(hash.as_ref(), &self.0.keys.current()) {
            Some(seen) => seen,
            None => Box::pin(self.0.meet(token, hash)).await?,
        };
        if let (Some(lists), Some(entry)) = (&self.0.lists, &seen.entry) {
            lists.first_word_on(entry).await;
        }
        self.0.judge(&seen, &presented)
    }

    /// Verifies a token that came alone, with the keys and status lists at hand: it waits for no I/O. A list that no
    /// token named before is followed from then on, in the background.
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
    /// [`VerifyError`]; a key that is not at hand is [`VerifyError::UnknownKey`], a status list that is not
    /// [`VerifyError::StatusUnavailable`].
    pub fn verify_offline(&self, token: &str) -> Result<AccessToken, VerifyError> {
        self.verify_presented_offline(&Presented::bearer(token))
    }

    /// [`Self::verify_presented`] with the keys and status lists at hand, as [`Self::verify_offline`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use heirloom_verifier::Presented;
    ///
    /// let verifier = sample().build().await?;
    /// let presented = Presented::with_proof(BOUND_TOKEN, PROOF, "GET", "https://api.example.com/orders");
    /// assert_eq!(verifier.verify_presented_offline(&presented)?.subject, "ana");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::verify_offline`].
    pub fn verify_presented_offline(&self, presented: &Presented<'_>) -> Result<AccessToken, VerifyError> {
        let token = presented.token;
        let keys = self.0.keys.current();
        let hash = self.0.hash(token)?;
        let seen = match self.0.recall(hash.as_ref(), &keys) {
            Some(seen) => seen,
            None => self.0.verify_anew(self.0.parts(token)?, hash, &keys)?,
        };
        self.0.judge(&seen, presented)
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

    /// How the status lists fare that are followed: for gauges and counters.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = sample().build().await?;
    /// assert_eq!(verifier.status_lists().followed, 0); // no token named one
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn status_lists(&self) -> StatusLists {
        self.0.lists.as_ref().map(|lists| lists.told()).unwrap_or_default()
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

    fn parts<'t>(&self, token: &'t str) -> Result<Parts<'t>, VerifyError> {
        // RFC 9068 §4: an ID token of the same issuer must not pass for an access token.
        Ok(Parts::of(token, "at+jwt", &self.rules.algorithms)?)
    }

    /// A token whose signature is known to be right.
    fn recall(&self, hash: Option<&TokenHash>, keys: &KeySet) -> Option<Arc<Seen>> {
        self.cache.as_ref()?.get(hash?, keys)
    }

    /// A token that is not known: its key may have to be asked for.
    async fn meet(&self, token: &str, hash: Option<TokenHash>) -> Result<Arc<Seen>, VerifyError> {
        let parts = self.parts(token)?;
        let keys = self.keys.with(parts.kid.as_deref()).await;
        self.verify_anew(parts, hash, &keys)
    }

    /// A token that was taken apart, its signature and claims judged.
    fn verify_anew(
        &self,
        parts: Parts<'_>,
        hash: Option<TokenHash>,
        keys: &KeySet,
    ) -> Result<Arc<Seen>, VerifyError> {
        let (payload, key) = parts.signed_by(keys)?;
        let access = AccessToken::read(&payload).ok_or(VerifyError::Malformed)?;
        let now = self.rules.clock.now();
        self.rules.judge(&access, now)?;
        // Only now: a token that is no good makes nobody ask for its list.
        let entry = match (&self.lists, &access.status) {
            (Some(lists), Some(status)) => Some(lists.entry(status, access.expires_at)?),
            _ => None,
        };
        let seen = Arc::new(Seen { kid: parts.kid, key: Arc::clone(key), access, entry });
        // Only what is good is kept: nobody fills the cache with forged tokens, or with those of other services.
        if let (Some(cache), Some(hash)) = (&self.cache, hash) {
            cache.insert(hash, &seen, now, |claims| self.rules.is_expired(claims, now));
        }
        Ok(seen)
    }

    /// The verdict on a token whose signature is right.
    fn judge(&self, seen: &Seen, presented: &Presented<'_>) -> Result<AccessToken, VerifyError> {
        let now = self.rules.clock.now();
        self.rules.judge(&seen.access, now)?;
        if let (Some(lists), Some(entry)) = (&self.lists, &seen.entry) {
            lists.judge(entry, now)?;
        }
        // Last: this spends a proof.
        self.binding.judge(&seen.access, presented, now)?;
        Ok(seen.access.clone())
    }
}
