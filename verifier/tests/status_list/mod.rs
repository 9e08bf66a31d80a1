//! A status provider: it publishes keys and lists as it is told, and counts who asks.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses what it needs of this")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom_verifier::{Algorithm, Builder, StatusListError, StatusListEvent, Verifier, VerifyError};
use serde_json::{Value, json};

use crate::issuer::{self, AUDIENCE, ISSUER, Key, NOW, eventually};

pub const REVOKED: VerifyError = VerifyError::Revoked { status: 1 };

/// A key, its provider with a list of 16 entries of which the second is revoked, a clock, and what was told.
pub struct World {
    pub key: Key,
    pub provider: Provider,
    now: Arc<AtomicU64>,
    events: Arc<Mutex<Vec<StatusListEvent>>>,
}

impl World {
    pub fn new() -> Self {
        let key = Key::new(Algorithm::ES256, "one");
        let provider = Provider::start(&[&key]);
        let world = Self { key, provider, now: Arc::new(AtomicU64::new(NOW)), events: Arc::default() };
        world.publish(&document(&[2, 0]));
        world
    }

    pub fn publish(&self, document: &Value) {
        self.provider.publish(signed(&self.key, document));
    }

    /// Without keys.
    pub fn bare(&self) -> Builder {
        let (now, events) = (Arc::clone(&self.now), Arc::clone(&self.events));
        Verifier::builder(ISSUER)
            .audience(AUDIENCE)
            .clock(move || UNIX_EPOCH + Duration::from_secs(now.load(Ordering::Relaxed)))
            .on_status_list(move |event| events.lock().unwrap().push(event.clone()))
    }

    pub fn builder(&self) -> Builder {
        self.bare().jwks_url(self.provider.jwks_url())
    }

    pub async fn verifier(&self) -> Verifier {
        self.builder().build().await.unwrap()
    }

    /// A token that outlives the list.
    pub fn token(&self, index: u64) -> String {
        self.token_until(NOW + 100_000, index)
    }

    pub fn token_until(&self, exp: u64, index: u64) -> String {
        let mut claims = claims(index);
        claims["exp"] = json!(exp);
        self.key.sign(&claims)
    }

    /// Moves the clock.
    pub fn is(&self, second: u64) {
        self.now.store(second, Ordering::Relaxed);
    }

    pub fn events(&self) -> Vec<StatusListEvent> {
        self.events.lock().unwrap().clone()
    }

    /// The next thing that happens.
    pub async fn next(&self) -> StatusListEvent {
        let before = self.events().len();
        eventually(|| self.events().len() > before).await;
        self.events().pop().unwrap()
    }

    /// Why the last answer was no use.
    pub fn error(&self) -> Option<StatusListError> {
        match self.events().pop() {
            Some(StatusListEvent::Failed { error, .. }) => Some(error),
            _ => None,
        }
    }

    /// The lists, not the keys.
    pub fn goes_down(&self) {
        self.provider.publish(Answer { status: 503, content_type: None, body: String::new() });
    }
}

/// The path of a list.
pub const LIST: &str = "/status-lists/1";

pub fn uri() -> String {
    format!("{ISSUER}{LIST}")
}

/// The claims of a token with this entry of the list.
pub fn claims(index: u64) -> Value {
    claims_of(&uri(), index)
}

pub fn claims_of(uri: &str, index: u64) -> Value {
    let mut claims = issuer::claims();
    claims["status"] = json!({ "status_list": { "idx": index, "uri": uri } });
    claims
}

/// `lst` of these bytes.
pub fn packed(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(miniz_oxide::deflate::compress_to_vec_zlib(bytes, 9))
}

/// The claims of a good document: a list of one bit each.
pub fn document(bytes: &[u8]) -> Value {
    json!({
        "sub": uri(), "iat": NOW - 600, "exp": NOW + 900, "ttl": 1,
        "status_list": { "bits": 1, "lst": packed(bytes) },
    })
}

pub fn header(key: &Key) -> Value {
    let mut header = key.header();
    header["typ"] = json!("statuslist+jwt");
    header
}

pub fn signed(key: &Key, document: &Value) -> Answer {
    Answer::good(key.sign_as(&header(key), document))
}

#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub content_type: Option<&'static str>,
    pub body: String,
}

impl Answer {
    pub fn good(body: String) -> Self {
        Self { status: 200, content_type: Some("application/statuslist+jwt"), body }
    }
}

#[derive(Default)]
struct State {
    keys: Mutex<String>,
    answers: Mutex<HashMap<String, Answer>>,
    /// Path with query, and what was accepted.
    asked: Mutex<Vec<(String, String)>>,
    not_modified: Mutex<usize>,
    held: AtomicBool,
}

pub struct Provider {
    url: String,
    state: Arc<State>,
    handle: ServerHandle,
}

impl Provider {
    pub fn start(keys: &[&Key]) -> Self {
        let state = Arc::new(State::default());
        let shared = web::Data::from(Arc::clone(&state));
        let (url, handle) = issuer::serve(move |app| {
            app.app_data(shared.clone()).default_service(web::to(answer));
        });
        let provider = Self { url, state, handle };
        provider.publish_keys(keys);
        provider
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn jwks_url(&self) -> String {
        format!("{}/.well-known/jwks.json", self.url)
    }

    pub fn publish_keys(&self, keys: &[&Key]) {
        *self.state.keys.lock().unwrap() = issuer::jwks(keys);
    }

    pub fn publish(&self, answer: Answer) {
        self.publish_at(LIST, answer);
    }

    pub fn publish_at(&self, path: &str, answer: Answer) {
        self.state.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// How many times lists were asked for, whichever.
    pub fn requests(&self) -> usize {
        self.state.asked.lock().unwrap().len()
    }

    /// Path with query, and what was accepted.
    pub fn asked(&self) -> Vec<(String, String)> {
        self.state.asked.lock().unwrap().clone()
    }

    pub fn not_modified(&self) -> usize {
        *self.state.not_modified.lock().unwrap()
    }

    /// Lets those who ask for lists wait for [`Self::release`].
    pub fn hold(&self) {
        self.state.held.store(true, Ordering::SeqCst);
    }

    pub fn release(&self) {
        self.state.held.store(false, Ordering::SeqCst);
    }

    pub async fn stop(&self) {
        self.handle.stop(false).await;
    }
}

async fn answer(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    if request.path().ends_with("/.well-known/jwks.json") {
        return HttpResponse::Ok().body(state.keys.lock().unwrap().clone());
    }
    let accepted = request.headers().get(ACCEPT).map(|accept| accept.to_str().unwrap().to_owned());
    state.asked.lock().unwrap().push((request.uri().to_string(), accepted.unwrap_or_default()));
    while state.held.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let Some(answer) = state.answers.lock().unwrap().get(request.path()).cloned() else {
        return HttpResponse::NotFound().finish();
    };
    // The tag is of the whole text: a signature ends it.
    let etag = format!("\"{}\"", answer.body.get(answer.body.len().saturating_sub(40)..).unwrap_or_default());
    if answer.status == 304
        || request.headers().get(IF_NONE_MATCH).is_some_and(|known| known == etag.as_str())
    {
        *state.not_modified.lock().unwrap() += 1;
        return HttpResponse::NotModified().finish();
    }
    let mut response = HttpResponse::build(StatusCode::from_u16(answer.status).unwrap());
    response.insert_header((ETAG, etag)).insert_header(("location", LIST));
    if let Some(content_type) = answer.content_type {
        response.insert_header((CONTENT_TYPE, content_type));
    }
    response.body(answer.body)
}
