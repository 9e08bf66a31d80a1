//! The form of a signed token (RFC 7515 §3.1), and what its header must say.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;

use crate::error::VerifyError;

/// What matters of a JWS header (RFC 7515 §4.1).
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

/// A token taken apart, its header judged and its signature not yet.
pub(crate) struct Parts<'t> {
    pub(crate) kid: Option<String>,
    pub(crate) algorithm: Algorithm,
    /// What is signed.
    pub(crate) message: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Parts<'t> {
    pub(crate) fn of(token: &'t str, allowed: &[Algorithm]) -> Result<Self, VerifyError> {
        let (message, signature) = token.rsplit_once('.').ok_or(VerifyError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(VerifyError::Malformed)?;
        let header = decode(header).ok_or(VerifyError::Malformed)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| VerifyError::Malformed)?;
        // RFC 9068 §4: an ID token of the same issuer must not pass for an access token.
        let typ = header.typ.as_deref().unwrap_or_default();
        if !typ.eq_ignore_ascii_case("at+jwt") && !typ.eq_ignore_ascii_case("application/at+jwt") {
            return Err(VerifyError::WrongType);
        }
        // RFC 7515 §4.1.11: extensions that must be understood are not understood here.
        if header.crit.is_some() {
            return Err(VerifyError::Malformed);
        }
        let algorithm = named(&header.alg).parse().map_err(|_| VerifyError::WrongAlgorithm)?;
        if !allowed.contains(&algorithm) {
            return Err(VerifyError::WrongAlgorithm);
        }
        Ok(Self { kid: header.kid, algorithm, message, payload, signature })
    }

    /// The signature's bytes; `None` for what is no base64url.
    pub(crate) fn signature(&self) -> Option<Vec<u8>> {
        decode(self.signature)
    }

    /// The claims' bytes; `None` for what is no base64url.
    pub(crate) fn payload(&self) -> Option<Vec<u8>> {
        decode(self.payload)
    }
}

/// What jsonwebtoken calls the algorithm: it does not know the name that RFC 9864 §2.2 gives to Ed25519.
pub(crate) fn named(alg: &str) -> &str {
    if alg == "Ed25519" { "EdDSA" } else { alg }
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
