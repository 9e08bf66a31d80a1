//! The form of a signed token (RFC 7515 §3.1), what its header must say, and whose signature it bears.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;

use crate::keys::{Key, KeySet};

/// What can be wrong with a signed token before its claims are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Malformed,
    WrongType,
    WrongAlgorithm,
    /// There are no keys at all yet.
    KeysUnavailable,
    UnknownKey,
    BadSignature,
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
pub(crate) struct Parts<'t> {
    pub(crate) kid: Option<String>,
    algorithm: Algorithm,
    /// What is signed.
    message: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Parts<'t> {
    /// `typ` is what the token must say that it is: a token of the same issuer for another purpose must not pass for it
    /// (RFC 8725 §3.11).
    pub(crate) fn of(token: &'t str, typ: &str, allowed: &[Algorithm]) -> Result<Self, Fault> {
        let (message, signature) = token.rsplit_once('.').ok_or(Fault::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(Fault::Malformed)?;
        let header = decode(header).ok_or(Fault::Malformed)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| Fault::Malformed)?;
        if !is_type(header.typ.as_deref().unwrap_or_default(), typ) {
            return Err(Fault::WrongType);
        }
        // RFC 7515 §4.1.11: extensions that must be understood are not understood here.
        if header.crit.is_some() {
            return Err(Fault::Malformed);
        }
        let algorithm = named(&header.alg).parse().map_err(|_| Fault::WrongAlgorithm)?;
        if !allowed.contains(&algorithm) {
            return Err(Fault::WrongAlgorithm);
        }
        Ok(Self { kid: header.kid, algorithm, message, payload, signature })
    }

    /// The claims' bytes and the key that signed them.
    pub(crate) fn signed_by<'k>(&self, keys: &'k KeySet) -> Result<(Vec<u8>, &'k Arc<Key>), Fault> {
        if keys.is_empty() {
            return Err(Fault::KeysUnavailable);
        }
        let key = keys.find(self.kid.as_deref()).ok_or(Fault::UnknownKey)?;
        if key.algorithm != self.algorithm {
            return Err(Fault::WrongAlgorithm);
        }
        let signature = decode(self.signature).ok_or(Fault::BadSignature)?;
        if !key.signed(self.message.as_bytes(), &signature) {
            return Err(Fault::BadSignature);
        }
        Ok((decode(self.payload).ok_or(Fault::Malformed)?, key))
    }
}

/// RFC 7515 §4.1.9: `application/` may be left out, and is.
pub(crate) fn is_type(typ: &str, wanted: &str) -> bool {
    let bare = match typ.split_once('/') {
        Some((kind, bare)) if kind.eq_ignore_ascii_case("application") => bare,
        _ => typ,
    };
    bare.eq_ignore_ascii_case(wanted)
}

/// What jsonwebtoken calls the algorithm: it does not know the name that RFC 9864 §2.2 gives to Ed25519.
pub(crate) fn named(alg: &str) -> &str {
    if alg == "Ed25519" { "EdDSA" } else { alg }
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
