//! A server with a user and with clients that may do different things.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::process::{PASSWORD, Place, Server};
use crate::remote::authority;

pub const REDIRECT_URI: &str = "https://app.example.com/callback";
pub const AFTERWARDS: &str = "https://app.example.com/bye";
pub const API: &str = "https://api.example.com";

/// RFC 8628 §3.4.
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const GRANTS: [&str; 8] = [
    "--grant",
    "authorization_code",
    "--grant",
    "refresh_token",
    "--grant",
    "client_credentials",
    "--grant",
    DEVICE_CODE,
];

/// How a client of the tests proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    None,
    Basic(String),
    Post(String),
    /// A private key: PKCS #8 in base64 (`private_key_jwt`, RFC 7523).
    Key(String),
}

#[derive(Debug, Clone)]
pub struct Registered {
    pub id: String,
    pub proof: Proof,
}

pub struct World {
    pub place: Place,
    pub server: Server,
}

impl World {
    pub fn new() -> Self {
        Self::with(Place::sqlite())
    }

    /// The server speaks https.
    pub fn secure() -> Self {
        Self::secured(Place::sqlite())
    }

    pub fn secured(place: Place) -> Self {
        let authority = authority();
        let [certificate, key] = authority.signed.each_ref().map(|file| file.to_str().unwrap());
        Self::with(place.with("HEIRLOOM_TLS__CERTIFICATE", certificate).with("HEIRLOOM_TLS__KEY", key))
    }

    pub fn with(place: Place) -> Self {
        let add = ["user", "add", "ana", "--password-stdin", "--email", "ana@example.com", "--role", "buyer"];
        place.ok(&["migrate"]);
        place.ok_with(&add, PASSWORD);
        let server = place.serve();
        Self { place, server }
    }

    /// Ana's identifier.
    pub fn subject(&self) -> String {
        self.place.json(&["user", "list", "--json"])[0]["id"].as_str().unwrap().to_owned()
    }

    pub fn browser(&self) -> Browser {
        Browser::new(&self.server.url)
    }

    /// An app of somebody else's, that asks for consent.
    pub fn register(&self, id: &str, kind: &str, more: &[&str]) -> Value {
        let usual = [
            "client",
            "add",
            id,
            kind,
            "--name",
            "The Shop",
            "--scope",
            "openid profile email roles orders:read",
            "--redirect-uri",
            REDIRECT_URI,
            "--redirect-uri",
            "http://127.0.0.1/callback",
            "--post-logout-redirect-uri",
            AFTERWARDS,
            "--audience",
            API,
        ];
        self.place.json(&[usual.as_slice(), more].concat())
    }

    pub fn public_client(&self) -> Registered {
        self.register(
            "phone",
            "--public",
            &["--grant", "authorization_code", "--grant", "refresh_token", "--grant", DEVICE_CODE],
        );
        Registered { id: "phone".to_owned(), proof: Proof::None }
    }

    /// A client that has a secret, and may have tokens of its own.
    pub fn confidential_client(&self, id: &str, proof: fn(String) -> Proof) -> Registered {
        let registered = self.register(id, "--confidential", &GRANTS);
        let secret = registered["client_secret"].as_str().unwrap().to_owned();
        Registered { id: id.to_owned(), proof: proof(secret) }
    }

    /// A client that the server knows a public key of.
    fn client_with_key(&self, id: &str) -> Registered {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|it| URL_SAFE_NO_PAD.encode(it));
        let key = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "k-1", "alg": "ES256" });
        let metadata = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [key] } });
        let metadata = metadata.to_string();
        let more = [GRANTS.as_slice(), &["--metadata", &metadata]].concat();
        self.register(id, "--confidential", &more);
        let secret = STANDARD.encode(pair.to_pkcs8v1().unwrap());
        Registered { id: id.to_owned(), proof: Proof::Key(secret) }
    }

    /// One client for each way to authenticate.
    pub fn clients(&self) -> Vec<Registered> {
        vec![
            self.public_client(),
            self.confidential_client("web", Proof::Basic),
            self.confidential_client("posting", Proof::Post),
            self.client_with_key("signing"),
        ]
    }
}
