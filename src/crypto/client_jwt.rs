//! What clients signed: checked with their public keys.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::de::DeserializeOwned;

use crate::crypto::jws::Jws;
use crate::domain::client::{JwtAlgorithm, PublicJwks};

/// The longest JWT that is read: one that holds an authorization request with the longest `state`, `nonce` and `claims`
/// is shorter.
const LONGEST: usize = 32_768;

/// A JWT whose signature is good; who reads it judges its claims.
#[derive(Debug)]
pub struct Signed<T> {
    /// What kind of token it says it is, in lower case, without `application/` (RFC 7515 §4.1.9).
    pub typ: Option<String>,
    /// What it says.
    pub claims: T,
}

/// Reads a JWT that one of `keys` signed with one of the algorithms `allowed`.
#[must_use]
pub fn read_jwt<T: DeserializeOwned>(
    jwt: &str,
    keys: &PublicJwks,
    allowed: &[JwtAlgorithm],
) -> Option<Signed<T>> {
    let jws = Jws::parse(jwt).filter(|_| jwt.len() <= LONGEST)?;
    let algorithm = JwtAlgorithm::named(&jws.alg).filter(|named| allowed.contains(named))?;
    let claims = keys.candidates(algorithm, jws.kid.as_deref()).find_map(|key| {
        let key: Jwk = serde_json::from_value(key.clone()).ok()?;
        jws.claims_signed_by(&DecodingKey::from_jwk(&key).ok()?, jwt_algorithm(algorithm))
    })?;
    Some(Signed { typ: jws.typ, claims })
}

fn jwt_algorithm(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::Es256 => Algorithm::ES256,
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
        JwtAlgorithm::Ps256 => Algorithm::PS256,
        JwtAlgorithm::Rs256 => Algorithm::RS256,
    }
}
