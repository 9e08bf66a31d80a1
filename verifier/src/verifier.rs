//! The verifier itself.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, crypto};
use serde::Deserialize;

use crate::access_token::{AccessToken, Claims, time};
use crate::builder::Builder;
use crate::clock::Clock;
use crate::error::VerifyError;
use crate::keys::KeySet;
use crate::remote::Remote;

/// Longer than any access token that fits an HTTP header.
const LONGEST_TOKEN: usize = 16 * 1024;

/// Verifies access tokens of one issuer for one service. Cheap to clone: clones share keys.
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
    pub(crate) clock: Clock,
}

#[derive(Debug)]
pub(crate) enum Keys {
    Fixed(Arc<KeySet>),
    Remote(Arc<Remote>),
}

/// What matters of a JWS header (RFC 7515 §4.1).
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

/// A token taken apart, its header judged and its signature not yet.
struct Parts<'t> {
    kid: Option<String>,
    algorithm: Algorithm,
    message: &'t str,
    payload: &'t str,
    signature: &'t str,
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

    pub(crate) fn new(rules: Rules, keys: Keys) -> Self {
        Self(Arc::new(Inner { rules, keys }))
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

    /// Verifies a token. Asks the issuer for its keys if the token names one that is not known, at most once a cool-down;
    /// otherwise no I/O happens.
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
        let parts = self.take_apart(token)?;
        let mut keys = self.0.keys.current();
        if let Keys::Remote(remote) = &self.0.keys
            && keys.find(parts.kid.as_deref()).is_none()
        {
            keys = remote.look_again(parts.kid.as_deref()).await;
        }
        self.verify_with(&parts, &keys)
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
        self.verify_with(&self.take_apart(token)?, &self.0.keys.current())
    }

    fn take_apart<'t>(&self, token: &'t str) -> Result<Parts<'t>, VerifyError> {
        if token.len() > LONGEST_TOKEN {
            return Err(VerifyError::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(VerifyError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(VerifyError::Malformed)?;
        let header: Header = decode(header)?;
        // RFC 9068 §4: an ID token of the same issuer must not pass for an access token.
        let typ = header.typ.as_deref().unwrap_or_default();
        if !typ.eq_ignore_ascii_case("at+jwt") && !typ.eq_ignore_ascii_case("application/at+jwt") {
            return Err(VerifyError::WrongType);
        }
        // RFC 7515 §4.1.11: extensions that must be understood are not understood here.
        if header.crit.is_some() {
            return Err(VerifyError::Malformed);
        }
        let algorithm = header.alg.parse().map_err(|_| VerifyError::WrongAlgorithm)?;
        if !self.0.rules.algorithms.contains(&algorithm) {
            return Err(VerifyError::WrongAlgorithm);
        }
        Ok(Parts { kid: header.kid, algorithm, message, payload, signature })
    }

    fn verify_with(&self, parts: &Parts<'_>, keys: &KeySet) -> Result<AccessToken, VerifyError> {
        if keys.is_empty() {
            return Err(VerifyError::KeysUnavailable);
        }
        let key = keys.find(parts.kid.as_deref()).ok_or(VerifyError::UnknownKey)?;
        if key.algorithm != parts.algorithm {
            return Err(VerifyError::WrongAlgorithm);
        }
        match crypto::verify(parts.signature, parts.message.as_bytes(), &key.verifying, key.algorithm) {
            Ok(true) => {}
            Ok(false) | Err(_) => return Err(VerifyError::BadSignature),
        }
        self.judge(decode(parts.payload)?)
    }

    /// Judges the claims of a token whose signature is right.
    fn judge(&self, claims: Claims) -> Result<AccessToken, VerifyError> {
        let rules = &self.0.rules;
        if claims.iss != rules.issuer {
            return Err(VerifyError::WrongIssuer);
        }
        if !claims.aud.iter().any(|audience| rules.audiences.contains(audience)) {
            return Err(VerifyError::WrongAudience);
        }
        let now = rules.clock.now();
        let expires_at = time(claims.exp).ok_or(VerifyError::Malformed)?;
        // Differences, not sums: a far time and a wide leeway must not overflow.
        if now.duration_since(expires_at).is_ok_and(|late| late >= rules.leeway) {
            return Err(VerifyError::Expired);
        }
        let not_before = claims.nbf.map(|nbf| time(nbf).ok_or(VerifyError::Malformed)).transpose()?;
        let early = not_before.and_then(|not_before| not_before.duration_since(now).ok());
        if early.is_some_and(|early| early > rules.leeway) {
            return Err(VerifyError::NotYetValid);
        }
        let token = claims.into_token(expires_at);
        token.require_scopes(&rules.scopes)?;
        Ok(token)
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

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, VerifyError> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| VerifyError::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| VerifyError::Malformed)
}
