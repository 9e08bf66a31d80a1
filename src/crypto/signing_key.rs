//! Signing keys: parsed once, used for every token.

use std::fmt;

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
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::domain::signing_algorithm::{EdDsaName, SigningAlgorithm};

/// A key could not be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("signing key: {0}")]
pub struct KeyError(String);

impl KeyError {
    pub(crate) fn new(cause: impl fmt::Display) -> Self {
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
    /// What the algorithm is called in its tokens and in the key set.
    name: &'static str,
    pair: Pair,
    public: Value,
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
        Self::from_pkcs8_called(EdDsaName::default(), algorithm, pkcs8)
    }

    /// The same, where `EdDSA` has this name.
    ///
    /// # Errors
    /// [`KeyError`] when the bytes are no such key.
    pub fn from_pkcs8_called(
        eddsa: EdDsaName,
        algorithm: SigningAlgorithm,
        pkcs8: &[u8],
    ) -> Result<Self, KeyError> {
        let name = match algorithm {
            SigningAlgorithm::EdDsa => eddsa.as_str(),
            SigningAlgorithm::Es256 | SigningAlgorithm::Rs256 => algorithm.as_str(),
        };
        let pair = match algorithm {
            SigningAlgorithm::Es256 => Pair::Es256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(KeyError::new)?,
            ),
            SigningAlgorithm::EdDsa => Pair::EdDsa(Ed25519KeyPair::from_pkcs8(pkcs8).map_err(KeyError::new)?),
            SigningAlgorithm::Rs256 => Pair::Rs256(RsaKeyPair::from_pkcs8(pkcs8).map_err(KeyError::new)?),
        };
        let verifying = pair.verifying();
        let mut public = Jwk::from_decoding_key(&verifying, Some(jwt(algorithm))).map_err(KeyError::new)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256).map_err(KeyError::new)?;
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        public.common.key_id = Some(kid.clone());
        let mut public = json!(public);
        if let Some(members) = public.as_object_mut() {
            // The library does not know the second name.
            members.insert("alg".to_owned(), json!(name));
        }
        let header = |typ| json!({ "typ": typ, "alg": name, "kid": kid }).to_string();
        let id_token_header = URL_SAFE_NO_PAD.encode(header("JWT"));
        let header = URL_SAFE_NO_PAD.encode(header("at+jwt"));
        Ok(Self { kid, algorithm, name, pair, public, verifying, header, id_token_header })
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

    /// What that is called in its tokens and in the key set: the same for the key's life.
    #[must_use]
    pub fn algorithm_name(&self) -> &'static str {
        self.name
    }

    /// The public half as a JSON Web Key (RFC 7517).
    #[must_use]
    pub fn public_jwk(&self) -> &Value {
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
        (&self.verifying, jwt(self.algorithm))
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
        let header = json!({ "typ": typ, "alg": self.name, "kid": self.kid }).to_string();
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

/// As the library calls it.
fn jwt(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::Es256 => Algorithm::ES256,
        SigningAlgorithm::EdDsa => Algorithm::EdDSA,
        SigningAlgorithm::Rs256 => Algorithm::RS256,
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
