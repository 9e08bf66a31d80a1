//! Signing keys: parsed once, used for every token.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

/// The algorithms that access tokens can be signed with (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256: small, fast to sign, understood everywhere.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSA with 2,048 bits and SHA-256: for libraries that know nothing else.
    #[serde(rename = "RS256")]
    Rs256,
}

impl SigningAlgorithm {
    const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The name in headers and metadata.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    fn jwt(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
            Self::Rs256 => Algorithm::RS256,
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no algorithm that we sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing algorithm must be ES256, EdDSA or RS256")]
pub struct InvalidAlgorithm;

impl FromStr for SigningAlgorithm {
    type Err = InvalidAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or(InvalidAlgorithm)
    }
}

/// A key could not be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("signing key: {0}")]
pub struct KeyError(String);

impl KeyError {
    fn new(cause: impl fmt::Display) -> Self {
        Self(cause.to_string())
    }
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

/// A key pair that signs access tokens, with everything that can be computed beforehand.
pub struct SigningKey {
    kid: String,
    algorithm: SigningAlgorithm,
    pair: Pair,
    public: Jwk,
    verifying: DecodingKey,
    header: String,
    id_token_header: String,
}

/// Makes a private key (PKCS#8, to be sealed at once).
///
/// # Errors
/// [`KeyError`] when the library cannot.
pub fn generate(algorithm: SigningAlgorithm) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let random = SystemRandom::new();
    let pkcs8 = match algorithm {
        SigningAlgorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .map_err(KeyError::new)?
            .as_ref()
            .to_vec(),
        SigningAlgorithm::EdDsa => {
            Ed25519KeyPair::generate_pkcs8(&random).map_err(KeyError::new)?.as_ref().to_vec()
        }
        SigningAlgorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(KeyError::new)?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(KeyError::new)?;
            der.as_ref().to_vec()
        }
    };
    Ok(Zeroizing::new(pkcs8))
}

impl SigningKey {
    /// Reads a private key. Its `kid` is its thumbprint (RFC 7638): the same wherever it is computed.
    ///
    /// # Errors
    /// [`KeyError`] when the bytes are no such key.
    pub fn from_pkcs8(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = match algorithm {
            SigningAlgorithm::Es256 => Pair::Es256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(KeyError::new)?,
            ),
            SigningAlgorithm::EdDsa => Pair::EdDsa(Ed25519KeyPair::from_pkcs8(pkcs8).map_err(KeyError::new)?),
            SigningAlgorithm::Rs256 => Pair::Rs256(RsaKeyPair::from_pkcs8(pkcs8).map_err(KeyError::new)?),
        };
        let verifying = pair.verifying();
        let mut public = Jwk::from_decoding_key(&verifying, Some(algorithm.jwt())).map_err(KeyError::new)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256).map_err(KeyError::new)?;
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        public.common.key_id = Some(kid.clone());
        let header = |typ| json!({ "typ": typ, "alg": algorithm.as_str(), "kid": kid }).to_string();
        let id_token_header = URL_SAFE_NO_PAD.encode(header("JWT"));
        let header = URL_SAFE_NO_PAD.encode(header("at+jwt"));
        Ok(Self { kid, algorithm, pair, public, verifying, header, id_token_header })
    }

    /// The key's id.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The public half as a JSON Web Key (RFC 7517).
    #[must_use]
    pub fn public_jwk(&self) -> &Jwk {
        &self.public
    }

    /// The public half as PEM (RFC 7468 §13: `SubjectPublicKeyInfo`).
    ///
    /// # Errors
    /// [`KeyError`] when the library cannot write it.
    pub fn public_pem(&self) -> Result<String, KeyError> {
        let der = match &self.pair {
            Pair::Es256(pair) => pair.public_key().as_der().map_err(KeyError::new)?.as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.public_key().as_der().map_err(KeyError::new)?.as_ref().to_vec(),
            Pair::Rs256(pair) => pair.public_key().as_der().map_err(KeyError::new)?.as_ref().to_vec(),
        };
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        let mut body = STANDARD.encode(der);
        while !body.is_empty() {
            let rest = body.split_off(body.len().min(64));
            pem.push_str(&body);
            pem.push('\n');
            body = rest;
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        Ok(pem)
    }

    /// The key that checks its signatures, and the algorithm that must be named with it.
    #[must_use]
    pub fn verifying(&self) -> (&DecodingKey, Algorithm) {
        (&self.verifying, self.algorithm.jwt())
    }

    /// An access token (JWS compact serialization, RFC 7515 §7.1; `typ` per RFC 9068 §2.1) with these claims.
    ///
    /// # Errors
    /// [`KeyError`] when the library cannot sign.
    pub fn sign(&self, claims: &str) -> Result<String, KeyError> {
        self.sign_under(&self.header, claims)
    }

    /// An ID token with these claims: another `typ`, so that it never passes for an access token (RFC 8725 §3.11).
    ///
    /// # Errors
    /// [`KeyError`] when the library cannot sign.
    pub fn sign_id_token(&self, claims: &str) -> Result<String, KeyError> {
        self.sign_under(&self.id_token_header, claims)
    }

    /// A token of any other `typ` with these claims (RFC 8725 §3.11).
    ///
    /// # Errors
    /// [`KeyError`] when the library cannot sign.
    pub fn sign_as(&self, typ: &str, claims: &str) -> Result<String, KeyError> {
        let header = json!({ "typ": typ, "alg": self.algorithm.as_str(), "kid": self.kid }).to_string();
        self.sign_under(&URL_SAFE_NO_PAD.encode(header), claims)
    }

    fn sign_under(&self, header: &str, claims: &str) -> Result<String, KeyError> {
        let mut token = String::with_capacity(header.len() + claims.len() * 4 / 3 + 350);
        token.push_str(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let random = SystemRandom::new();
        let message = token.as_bytes();
        let signature = match &self.pair {
            Pair::Es256(pair) => pair.sign(&random, message).map_err(KeyError::new)?.as_ref().to_vec(),
            Pair::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(KeyError::new)?;
                signature
            }
        };
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl Pair {
    fn verifying(&self) -> DecodingKey {
        match self {
            Self::Es256(pair) => DecodingKey::from_ec_der(pair.public_key().as_ref()),
            Self::EdDsa(pair) => DecodingKey::from_ed_der(pair.public_key().as_ref()),
            Self::Rs256(pair) => DecodingKey::from_rsa_der(pair.public_key().as_ref()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {})", self.algorithm, self.kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_algorithm_signs_what_its_public_half_verifies() {
        for algorithm in SigningAlgorithm::ALL {
            let key = SigningKey::from_pkcs8(algorithm, &generate(algorithm).unwrap()).unwrap();
            let token = key.sign(r#"{"sub":"ana"}"#).unwrap();
            let (verifying, name) = key.verifying();
            let mut validation = jsonwebtoken::Validation::new(name);
            validation.required_spec_claims.clear();
            let read = jsonwebtoken::decode::<serde_json::Value>(&token, verifying, &validation).unwrap();
            assert_eq!(read.claims["sub"], "ana");
            assert_eq!(read.header.typ.as_deref(), Some("at+jwt"));
            assert_eq!(read.header.kid.as_deref(), Some(key.kid()));
            let pem = key.public_pem().unwrap();
            let from_pem = match algorithm {
                SigningAlgorithm::Es256 => DecodingKey::from_ec_pem(pem.as_bytes()),
                SigningAlgorithm::EdDsa => DecodingKey::from_ed_pem(pem.as_bytes()),
                SigningAlgorithm::Rs256 => DecodingKey::from_rsa_pem(pem.as_bytes()),
            };
            assert!(
                jsonwebtoken::decode::<serde_json::Value>(&token, &from_pem.unwrap(), &validation).is_ok()
            );
            let forged = format!("{}A{}", &token[..80], &token[81..]);
            assert!(jsonwebtoken::decode::<serde_json::Value>(&forged, verifying, &validation).is_err());
        }
    }
}
