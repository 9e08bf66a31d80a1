//! The server's own signing key in a test's hand, and a stranger's: each signs whatever the test wants signed.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use heirloom::crypto::master_key::MasterKeys;
use heirloom::crypto::signing_key::{SigningKey, generate};
use heirloom::domain::signing_algorithm::SigningAlgorithm;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::process::{MASTER_KEY, Place};

pub struct Forge {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    pub public: Value,
    key: EncodingKey,
}

impl Forge {
    /// The key that the server at this place signs with.
    pub async fn of(place: &Place) -> Self {
        let file = place.folder.path().join("heirloom-data/heirloom.db");
        let (kid, algorithm, sealed) = newest_key(&file).await;
        let context = format!("heirloom signing key {kid}");
        let opened = MasterKeys::parse(MASTER_KEY).unwrap().open(&context, &sealed).unwrap();
        Self::new(algorithm.parse().unwrap(), &opened)
    }

    /// Somebody else's key.
    pub fn stranger(algorithm: SigningAlgorithm) -> Self {
        Self::new(algorithm, &generate(algorithm).unwrap())
    }

    fn new(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Self {
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(pkcs8));
        let key = match algorithm {
            SigningAlgorithm::Es256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            SigningAlgorithm::EdDsa => EncodingKey::from_ed_pem(pem.as_bytes()),
            SigningAlgorithm::Rs256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
        };
        let known = SigningKey::from_pkcs8(algorithm, pkcs8).unwrap();
        Self { kid: known.kid().to_owned(), algorithm, public: json!(known.public_jwk()), key: key.unwrap() }
    }

    /// The header of an access token; null takes a member away.
    pub fn header(&self, changes: &Value) -> Value {
        let usual = json!({ "typ": "at+jwt", "alg": self.algorithm.as_str(), "kid": self.kid });
        changed(&usual, changes)
    }

    /// A JWT with this header and these claims.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let algorithm = match self.algorithm {
            SigningAlgorithm::Es256 => Algorithm::ES256,
            SigningAlgorithm::EdDsa => Algorithm::EdDSA,
            SigningAlgorithm::Rs256 => Algorithm::RS256,
        };
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

async fn newest_key(file: &Path) -> (String, String, Vec<u8>) {
    const SQL: &str =
        "SELECT kid, algorithm, private_sealed FROM signing_keys ORDER BY position DESC LIMIT 1";
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query_as(SQL).fetch_one(&mut connection).await.unwrap()
}

/// The same with other members in their place; null takes one away.
pub fn changed(object: &Value, changes: &Value) -> Value {
    let mut object = object.as_object().unwrap().clone();
    object.extend(changes.as_object().unwrap().clone());
    object.retain(|_, value| !value.is_null());
    Value::Object(object)
}

pub fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}
