//! How a client is told what to send (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1).

use crate::dpop::ALGORITHMS;
use crate::error::VerifyError;

/// What a place says of itself.
pub(crate) struct Challenge<'a> {
    pub(crate) realm: &'a str,
    /// Those that every request needs, besides those that a refusal names itself.
    pub(crate) scopes: Vec<&'a str>,
    pub(crate) resource_metadata: Option<&'a str>,
    pub(crate) schemes: &'static [Scheme],
}

/// A way to send a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Bearer,
    DPoP,
}

impl Challenge<'_> {
    /// One challenge a scheme, each whole in itself. `None` where it is not the token's fault.
    pub(crate) fn text(&self, refusal: &VerifyError) -> Option<String> {
        if refusal.status() == 503 {
            return None;
        }
        let challenges: Vec<String> = self.schemes.iter().map(|scheme| self.by(*scheme, refusal)).collect();
        Some(challenges.join(", "))
    }

    fn by(&self, scheme: Scheme, refusal: &VerifyError) -> String {
        let name = match scheme {
            Scheme::Bearer => "Bearer",
            Scheme::DPoP => "DPoP",
        };
        let mut parts = vec![format!("{name} realm=\"{}\"", quotable(self.realm))];
        // Who sends no proof is told nothing of what is wrong with one.
        if let Some(code) = refusal.code()
            && (scheme == Scheme::DPoP || !refusal.is_of_proof())
        {
            parts.push(format!("error=\"{code}\", error_description=\"{refusal}\""));
        }
        if let VerifyError::InsufficientUserAuthentication { acr_values, max_age } = refusal {
            if !acr_values.is_empty() {
                parts.push(format!("acr_values=\"{}\"", quotable(acr_values)));
            }
            if let Some(max_age) = max_age {
                parts.push(format!("max_age=\"{}\"", max_age.as_secs()));
            }
        }
        let scopes = self.scopes(refusal);
        // What is wrong with a malformed request, or with a proof, is not that it lacks a scope.
        if !scopes.is_empty() && refusal.status() != 400 && !refusal.is_of_proof() {
            parts.push(format!("scope=\"{}\"", quotable(&scopes.join(" "))));
        }
        if let Some(url) = self.resource_metadata {
            parts.push(format!("resource_metadata=\"{url}\""));
        }
        if scheme == Scheme::DPoP {
            parts.push(format!("algs=\"{}\"", ALGORITHMS.join(" ")));
        }
        parts.join(", ")
    }

    fn scopes<'s>(&'s self, refusal: &'s VerifyError) -> Vec<&'s str> {
        let own = match refusal {
            VerifyError::InsufficientScope { required } => required.as_str(),
            _ => "",
        };
        let mut all: Vec<&str> = Vec::new();
        for scope in self.scopes.iter().copied().chain(own.split(' ')) {
            if !scope.is_empty() && !all.contains(&scope) {
                all.push(scope);
            }
        }
        all
    }
}

impl VerifyError {
    /// The `WWW-Authenticate` header; `None` where it is not the token's fault.
    /// [`Verifier::challenge`](crate::Verifier::challenge) says more.
    ///
    /// ```
    /// use heirloom_verifier::VerifyError;
    ///
    /// assert_eq!(VerifyError::Missing.challenge("shop").as_deref(), Some("Bearer realm=\"shop\""));
    /// ```
    #[must_use]
    pub fn challenge(&self, realm: &str) -> Option<String> {
        let schemes: &[Scheme] = if self.is_of_proof() { &[Scheme::DPoP] } else { &[Scheme::Bearer] };
        Challenge { realm, scopes: Vec::new(), resource_metadata: None, schemes }.text(self)
    }
}

/// What can stand between quotes in a header (RFC 9110 §5.6.4): the rest is left out.
pub(crate) fn quotable(text: &str) -> String {
    text.chars().filter(|letter| !matches!(letter, '"' | '\\') && !letter.is_control()).collect()
}
