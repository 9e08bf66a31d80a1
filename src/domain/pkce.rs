//! Proof Key for Code Exchange (RFC 7636), with `S256` only: `plain` protects from nobody who can read the request.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::secrets::SecretHash;

/// The challenge methods that are served.
pub const METHODS: [&str; 1] = ["S256"];

/// A `code_challenge`: the base64url of a SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeChallenge(String);

/// The text can be no challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an S256 code challenge must be 43 characters of unpadded base64url")]
pub struct InvalidChallenge;

impl CodeChallenge {
    /// The challenge as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `verifier` is what the challenge was made of (RFC 7636 §4.6).
    #[must_use]
    pub fn is_met_by(&self, verifier: &str) -> bool {
        // RFC 7636 §4.1: 43 to 128 unreserved characters.
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let well_formed = (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
        let challenge = URL_SAFE_NO_PAD.decode(&self.0).ok();
        let challenge = challenge.as_deref().and_then(SecretHash::from_stored);
        well_formed
            && challenge.is_some_and(|challenge| challenge.matches(&SecretHash::of(verifier.as_bytes())))
    }
}

impl FromStr for CodeChallenge {
    type Err = InvalidChallenge;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match URL_SAFE_NO_PAD.decode(text) {
            Ok(hash) if hash.len() == 32 => Ok(Self(text.to_owned())),
            Ok(_) | Err(_) => Err(InvalidChallenge),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_holds() {
        // RFC 7636 appendix B
        let challenge: CodeChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".parse().unwrap();
        assert!(challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"));
    }

    #[test]
    fn what_is_no_hash_is_no_challenge() {
        for text in
            ["", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"]
        {
            assert_eq!(text.parse::<CodeChallenge>(), Err(InvalidChallenge), "{text}");
        }
    }

    #[test]
    fn a_short_verifier_is_refused_even_if_it_fits() {
        let challenge = CodeChallenge(URL_SAFE_NO_PAD.encode(SecretHash::of(b"short").as_bytes()));
        assert!(!challenge.is_met_by("short"));
    }
}
