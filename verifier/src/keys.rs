//! The issuer's public keys, parsed once.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

type ReadPem = fn(&[u8]) -> jsonwebtoken::errors::Result<DecodingKey>;

/// An uncompressed point of P-256 (SEC 1 §2.3.3); PEM may hold one of another curve.
const P256_POINT: usize = 65;

/// One public key and the one algorithm that it verifies: a token cannot choose another (RFC 8725 §3.1).
#[derive(Debug)]
pub(crate) struct Key {
    /// `None` for a key from PEM: it has no id and answers to any.
    pub(crate) kid: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) verifying: DecodingKey,
}

/// The keys at one reading.
#[derive(Debug, Default)]
pub(crate) struct KeySet(Vec<Key>);

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
        let (algorithm, verifying) =
            kinds.into_iter().find_map(|(algorithm, read)| Some((algorithm, read(pem).ok()?)))?;
        if algorithm == Algorithm::ES256 && verifying.try_get_as_bytes().ok()?.len() != P256_POINT {
            return None;
        }
        Some(Self(vec![Key { kid: None, algorithm, verifying }]))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key that a token names; without a name, the only key there is.
    pub(crate) fn find(&self, kid: Option<&str>) -> Option<&Key> {
        match (kid, self.0.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(kid), keys) => keys.iter().find(|key| key.kid.as_deref().is_none_or(|own| own == kid)),
        }
    }
}

fn from_jwk(jwk: Jwk) -> Option<Key> {
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
    let verifying = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key { kid: Some(jwk.common.key_id?), algorithm, verifying })
}
