//! A client's key pair in a test's hand: it signs whatever the test wants signed.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use heirloom::crypto::signing_key::{SigningKey, generate};
use heirloom::domain::signing_algorithm::SigningAlgorithm;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

pub struct Signer {
    pub kid: String,
    algorithm: Algorithm,
    key: EncodingKey,
    public: Value,
}

impl Signer {
    /// A new key for `ES256`, `EdDSA`, `RS256` or `PS256`.
    pub fn new(algorithm: Algorithm, kid: &str) -> Self {
        let made = match algorithm {
            Algorithm::ES256 => SigningAlgorithm::Es256,
            Algorithm::EdDSA => SigningAlgorithm::EdDsa,
            _ => SigningAlgorithm::Rs256,
        };
        let pkcs8 = generate(made).unwrap();
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&*pkcs8));
        let key = match made {
            SigningAlgorithm::Es256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            SigningAlgorithm::EdDsa => EncodingKey::from_ed_pem(pem.as_bytes()),
            SigningAlgorithm::Rs256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
        };
        let mut public = json!(SigningKey::from_pkcs8(made, &pkcs8).unwrap().public_jwk());
        public["kid"] = json!(kid);
        // It would say RS256 of itself.
        public.as_object_mut().unwrap().remove("alg");
        Self { kid: kid.to_owned(), algorithm, key: key.unwrap(), public }
    }

    /// Signs with another's key in another way that it is good for.
    pub fn with_key_of(other: &Self, algorithm: Algorithm) -> Self {
        Self { kid: other.kid.clone(), algorithm, key: other.key.clone(), public: other.public() }
    }

    pub fn public(&self) -> Value {
        self.public.clone()
    }

    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.public] })
    }

    pub fn header(&self) -> Header {
        Header { kid: Some(self.kid.clone()), ..Header::new(self.algorithm) }
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_under(&self.header(), claims)
    }

    pub fn sign_under(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.key).unwrap()
    }

    /// The same with a header that the library would not write.
    pub fn sign_raw(&self, header: &Value, claims: &Value) -> String {
        let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

/// `claims` with others in their place; null takes one away.
pub fn changed(claims: &Value, changes: &Value) -> Value {
    let mut claims = claims.as_object().unwrap().clone();
    claims.extend(changes.as_object().unwrap().clone());
    claims.retain(|_, value| !value.is_null());
    Value::Object(claims)
}
