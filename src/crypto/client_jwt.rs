//! What clients signed: checked with their public keys.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::de::DeserializeOwned;

use crate::domain::client::{JwtAlgorithm, PublicJwks};

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
    let header = decode_header(jwt).ok()?;
    let algorithm = allowed.iter().copied().find(|algorithm| jwt_algorithm(*algorithm) == header.alg)?;
    let mut validation = Validation::new(header.alg);
    // The library would ask the system's clock; we have our own.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let claims = keys.candidates(algorithm, header.kid.as_deref()).find_map(|key| {
        let key: Jwk = serde_json::from_value(key.clone()).ok()?;
        let key = DecodingKey::from_jwk(&key).ok()?;
        Some(decode::<T>(jwt, &key, &validation).ok()?.claims)
    })?;
    let typ = header.typ.map(|typ| typ.to_ascii_lowercase());
    let typ = typ.map(|typ| typ.strip_prefix("application/").map(ToOwned::to_owned).unwrap_or(typ));
    Some(Signed { typ, claims })
}

fn jwt_algorithm(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::Es256 => Algorithm::ES256,
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
        JwtAlgorithm::Ps256 => Algorithm::PS256,
        JwtAlgorithm::Rs256 => Algorithm::RS256,
    }
}
