//! The issuer's public keys, parsed once.

use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use jsonwebtoken::DecodingKeyKind as Kind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use crate::jws;

type ReadPem = fn(&[u8]) -> jsonwebtoken::errors::Result<DecodingKey>;

/// One public key and the one algorithm that it verifies: a token cannot choose another (RFC 8725 §3.1).
#[derive(Debug)]
pub(crate) struct Key {
    /// `None` for a key from PEM: it has no id and answers to any.
    pub(crate) kid: Option<String>,
    pub(crate) algorithm: Algorithm,
    /// Parsed for good: jsonwebtoken would do it again for each token.
    verifying: ParsedPublicKey,
}

impl Key {
    fn new(kid: Option<String>, algorithm: Algorithm, key: &DecodingKey) -> Option<Arc<Self>> {
        let verifying = match (algorithm, key.kind()) {
            (Algorithm::ES256, Kind::SecretOrDer(point)) => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            }
            (Algorithm::EdDSA, Kind::SecretOrDer(bytes)) => ParsedPublicKey::new(&ED25519, bytes),
            (Algorithm::RS256, Kind::SecretOrDer(der)) => {
                ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der)
            }
            (Algorithm::RS256, Kind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            }
            _ => return None,
        };
        Some(Arc::new(Self { kid, algorithm, verifying: verifying.ok()? }))
    }

    /// Whether the signature of the message is this key's.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifying.verify_sig(message, signature).is_ok()
    }

    fn identity(&self) -> (Option<&str>, Algorithm, &[u8]) {
        (self.kid.as_deref(), self.algorithm, self.verifying.as_ref())
    }
}

/// The same key is read anew at each refresh: what counts is what it is, not when it was read.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Key {}

/// The keys at one reading.
#[derive(Debug, Default)]
pub(crate) struct KeySet(Vec<Arc<Key>>);

impl KeySet {
    /// Reads a JWK set (RFC 7517 §5). Keys that are not for verifying, or of a kind unknown here, are passed over, so
    /// that an issuer can introduce new kinds.
    pub(crate) fn from_jwks(json: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let set: Set = serde_json::from_slice(json)?;
        Ok(Self(
            set.keys
                .into_iter()
                .map(renamed)
                .filter_map(|key| serde_json::from_value(key).ok())
                .filter_map(from_jwk)
                .collect(),
        ))
    }

    /// Reads one public key (RFC 7468 §13) and finds out its kind.
    pub(crate) fn from_pem(pem: &[u8]) -> Option<Self> {
        // A private key or a certificate would be read too, and then verify nothing.
        if !std::str::from_utf8(pem).ok()?.contains("PUBLIC KEY-----") {
            return None;
        }
        let kinds: [(Algorithm, ReadPem); 3] = [
            (Algorithm::ES256, DecodingKey::from_ec_pem),
            (Algorithm::EdDSA, DecodingKey::from_ed_pem),
            (Algorithm::RS256, DecodingKey::from_rsa_pem),
        ];
        let (algorithm, key) =
            kinds.into_iter().find_map(|(algorithm, read)| Some((algorithm, read(pem).ok()?)))?;
        Some(Self(vec![Key::new(None, algorithm, &key)?]))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key that a token names; without a name, the only key there is.
    pub(crate) fn find(&self, kid: Option<&str>) -> Option<&Arc<Key>> {
        match (kid, self.0.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(kid), keys) => keys.iter().find(|key| key.kid.as_deref().is_none_or(|own| own == kid)),
        }
    }
}

/// A key whose algorithm has the name that jsonwebtoken knows.
fn renamed(mut key: serde_json::Value) -> serde_json::Value {
    if let Some(alg) = key.get_mut("alg")
        && let Some(name) = alg.as_str().map(jws::named)
    {
        *alg = name.to_owned().into();
    }
    key
}

fn from_jwk(jwk: Jwk) -> Option<Arc<Key>> {
    if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
        return None;
    }
    // RFC 7517 §4.3.
    if jwk.common.key_operations.as_ref().is_some_and(|may| !may.contains(&KeyOperations::Verify)) {
        return None;
    }
    let algorithm = match (&jwk.algorithm, jwk.common.key_algorithm) {
        (AlgorithmParameters::EllipticCurve(key), None | Some(KeyAlgorithm::ES256))
            if key.curve == EllipticCurve::P256 =>
        {
            Algorithm::ES256
        }
        (AlgorithmParameters::OctetKeyPair(key), None | Some(KeyAlgorithm::EdDSA))
            if key.curve == EllipticCurve::Ed25519 =>
        {
            Algorithm::EdDSA
        }
        (AlgorithmParameters::RSA(_), None | Some(KeyAlgorithm::RS256)) => Algorithm::RS256,
        _ => return None,
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Key::new(Some(jwk.common.key_id?), algorithm, &key)
}

#[cfg(test)]
pub(crate) mod vectors;
