//! An issuer: real keys of every kind, and a server that publishes them and counts who asks.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses what it needs of this")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, IF_NONE_MATCH};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

pub const ISSUER: &str = "https://login.example.com";
pub const AUDIENCE: &str = "https://api.example.com";
pub const NOW: u64 = 1_900_000_000;

pub fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "client_id": "app", "iat": NOW - 10, "exp": NOW + 60,
        "jti": "id", "scope": "orders:read profile", "sid": "family", "auth_time": NOW - 10, "roles": ["admin"],
    })
}

pub struct Key {
    kid: String,
    algorithm: Algorithm,
    private: EncodingKey,
    public: Value,
    der: Vec<u8>,
    pkcs8: Vec<u8>,
}

impl Key {
    pub fn new(algorithm: Algorithm, kid: &str) -> Self {
        let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let random = SystemRandom::new();
        let (private, public, der, pkcs8) = match algorithm {
            Algorithm::ES256 => {
                let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
                let pair =
                    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
                let (x, y) = pair.public_key().as_ref().split_at(1).1.split_at(32);
                let public = json!({ "kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y) });
                (
                    EncodingKey::from_ec_der(pkcs8.as_ref()),
                    public,
                    der(pair.public_key().as_der().unwrap().as_ref()),
                    der(pkcs8.as_ref()),
                )
            }
            Algorithm::EdDSA => {
                let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
                let public =
                    json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key().as_ref()) });
                (
                    EncodingKey::from_ed_der(pkcs8.as_ref()),
                    public,
                    der(pair.public_key().as_der().unwrap().as_ref()),
                    der(pkcs8.as_ref()),
                )
            }
            _ => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
                let parts: PublicKeyComponents<Vec<u8>> = pair.public_key().into();
                let public = json!({ "kty": "RSA", "n": base64(&parts.n), "e": base64(&parts.e) });
                (
                    EncodingKey::from_rsa_pem(pem("PRIVATE", pkcs8.as_ref()).as_bytes()).unwrap(),
                    public,
                    der(pair.public_key().as_der().unwrap().as_ref()),
                    der(pkcs8.as_ref()),
                )
            }
        };
        Self { kid: kid.to_owned(), algorithm, private, public, der, pkcs8 }
    }

    pub fn header(&self) -> Value {
        json!({ "typ": "at+jwt", "alg": self.algorithm, "kid": self.kid })
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(&self.header(), claims)
    }

    /// Signs with this key whatever the header says; a null member is left out.
    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let mut header = header.clone();
        header.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let message = message(&header, claims);
        let signature = crypto::sign(message.as_bytes(), &self.private, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }

    /// Signs what is no JSON, or JSON that the library would not write.
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = crypto::sign(message.as_bytes(), &self.private, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }

    pub fn pem(&self) -> String {
        pem("PUBLIC", &self.der)
    }

    pub fn private_pem(&self) -> String {
        pem("PRIVATE", &self.pkcs8)
    }

    pub fn jwk(&self) -> Value {
        let mut public = self.public.clone();
        let members = public.as_object_mut().unwrap();
        members.extend([
            ("kid".to_owned(), json!(self.kid)),
            ("use".to_owned(), json!("sig")),
            ("alg".to_owned(), json!(self.algorithm)),
        ]);
        public
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    format!("-----BEGIN {kind} KEY-----\n{}\n-----END {kind} KEY-----\n", STANDARD.encode(der))
}

fn der(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

fn message(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// Polls until it holds: for what happens in the background.
pub async fn eventually(mut holds: impl FnMut() -> bool) {
    let patience = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), patience).await.unwrap();
}

/// The classic confusion: an HMAC whose secret is the public key.
pub fn hs256_with_public_key(key: &Key) -> String {
    let message = message(&json!({ "typ": "at+jwt", "alg": "HS256", "kid": key.kid }), &claims());
    let secret = EncodingKey::from_secret(key.pem().as_bytes()).unwrap();
    let signature = crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

/// A public key on a curve that no accepted algorithm uses.
pub fn p384_pem() -> String {
    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    pem("PUBLIC", pair.public_key().as_der().unwrap().as_ref())
}

pub fn jwks(keys: &[&Key]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

#[derive(Default)]
struct State {
    answer: Mutex<(u16, String)>,
    requests: AtomicUsize,
    not_modified: AtomicUsize,
    held: AtomicBool,
}

/// Serves this at some port; gives its URL.
pub fn serve(configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> (String, ServerHandle) {
    let server = HttpServer::new(move || App::new().configure(configure.clone()));
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.addrs().first().unwrap());
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    (url, handle)
}

pub struct Server {
    url: String,
    state: Arc<State>,
    handle: ServerHandle,
}

impl Server {
    pub fn start(keys: &[&Key]) -> Self {
        let state = Arc::new(State::default());
        let shared = web::Data::from(Arc::clone(&state));
        let (url, handle) = serve(move |app| {
            app.app_data(shared.clone()).default_service(web::to(answer));
        });
        let server = Self { url: format!("{url}/.well-known/jwks.json"), state, handle };
        server.publish(keys);
        server
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn publish(&self, keys: &[&Key]) {
        self.answer(200, &jwks(keys));
    }

    pub fn answer(&self, status: u16, body: &str) {
        *self.state.answer.lock().unwrap() = (status, body.to_owned());
    }

    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    pub fn not_modified(&self) -> usize {
        self.state.not_modified.load(Ordering::SeqCst)
    }

    /// Lets those who ask wait for [`Self::release`].
    pub fn hold(&self) {
        self.state.held.store(true, Ordering::SeqCst);
    }

    pub fn release(&self) {
        self.state.held.store(false, Ordering::SeqCst);
    }

    /// Waits until so many more requests were answered.
    pub async fn wait_for_more(&self, count: usize) {
        let until = self.requests() + count;
        let patience = async {
            while self.requests() < until {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // The answer is under way: let it arrive.
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        tokio::time::timeout(Duration::from_secs(10), patience).await.unwrap();
    }

    pub async fn stop(&self) {
        self.handle.stop(false).await;
    }
}

async fn answer(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    state.requests.fetch_add(1, Ordering::SeqCst);
    while state.held.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (status, body) = state.answer.lock().unwrap().clone();
    let etag = format!("\"{}\"", body.len());
    if status == 200 && request.headers().get(IF_NONE_MATCH).is_some_and(|known| known == etag.as_str()) {
        state.not_modified.fetch_add(1, Ordering::SeqCst);
        return HttpResponse::NotModified().finish();
    }
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap());
    response.insert_header((ETAG, etag)).insert_header(("location", "/elsewhere")).body(body)
}
