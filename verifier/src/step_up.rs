//! How a user must have signed in for what a service guards (RFC 9470).

use std::time::{Duration, SystemTime};

use crate::access_token::Claims;
use crate::error::VerifyError;

/// How a user must have signed in for something that a good token alone is too little for: by a class of authentication
/// (`acr`), a short while ago, or both. A client whose user did not is told by the challenge what to ask the
/// authorization server for (RFC 9470 §3), and comes back with a token that says so. A token that a client has for
/// itself says neither, and does not meet it.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use heirloom_verifier::StepUp;
///
/// let verifier = sample().build().await?;
/// let refusal = verifier.require_step_up(&sample_access().await, &StepUp::two_factors()).unwrap_err();
/// assert_eq!((refusal.status(), refusal.code()), (401, Some("insufficient_user_authentication")));
/// assert!(verifier.challenge(&refusal).unwrap().contains(r#"acr_values="2 phr""#));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepUp {
    acr_values: Vec<String>,
    max_age: Option<Duration>,
}

impl StepUp {
    /// One of these classes (`acr`), as the issuer calls them, the one to ask for first.
    ///
    /// ```
    /// use heirloom_verifier::StepUp;
    ///
    /// assert_eq!(StepUp::acr_values(["2", "phr"]), StepUp::two_factors());
    /// ```
    #[must_use]
    pub fn acr_values<S: Into<String>>(values: impl IntoIterator<Item = S>) -> Self {
        Self { acr_values: values.into_iter().map(Into::into).collect(), max_age: None }
    }

    /// Two factors, as Heirloom calls them: `2`, or `phr`, which is more.
    ///
    /// ```
    /// let step_up = heirloom_verifier::StepUp::two_factors();
    /// ```
    #[must_use]
    pub fn two_factors() -> Self {
        Self::acr_values(["2", "phr"])
    }

    /// What no other site can get out of the user, such as a passkey: `phr` (OpenID Connect EAP ACR Values 1.0 §2).
    ///
    /// ```
    /// let step_up = heirloom_verifier::StepUp::phishing_resistant();
    /// ```
    #[must_use]
    pub fn phishing_resistant() -> Self {
        Self::acr_values(["phr"])
    }

    /// Whatever the class, signed in no longer ago than this, in whole seconds.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let step_up = heirloom_verifier::StepUp::within(Duration::from_secs(300));
    /// ```
    #[must_use]
    pub fn within(max_age: Duration) -> Self {
        Self { acr_values: Vec::new(), max_age: Some(max_age) }
    }

    /// Signed in no longer ago than this, too.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let step_up = heirloom_verifier::StepUp::two_factors().and_within(Duration::from_secs(300));
    /// ```
    #[must_use]
    pub fn and_within(self, max_age: Duration) -> Self {
        Self { max_age: Some(max_age), ..self }
    }

    /// Judges how the token's user signed in; `age` says how long ago a time is.
    pub(crate) fn judge(
        &self,
        claims: &Claims,
        age: impl Fn(SystemTime) -> Duration,
    ) -> Result<(), VerifyError> {
        let acr = claims.acr.as_ref();
        let is_of_class = self.acr_values.is_empty() || acr.is_some_and(|acr| self.acr_values.contains(acr));
        let is_recent =
            self.max_age.is_none_or(|max_age| claims.auth_time.is_some_and(|at| age(at) <= max_age));
        if is_of_class && is_recent {
            return Ok(());
        }
        Err(VerifyError::InsufficientUserAuthentication {
            acr_values: self.acr_values.join(" "),
            max_age: self.max_age,
        })
    }
}
