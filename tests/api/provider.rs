//! A provider of the tests' own: an OpenID provider, or a GitHub, that says whatever a test wants it to say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom::settings::{ProviderTables, Settings};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::browser::*;
use crate::harness::*;
use crate::remote::read;
use crate::signer::{Signer, changed};

pub const CLIENT: &str = "heirloom";
pub const SECRET: &str = "a secret of Heirloom's";

pub struct Provider {
    pub url: String,
    state: Arc<Mutex<ProviderState>>,
}

/// What it says from now on.
pub struct ProviderState {
    pub signer: Signer,
    pub jwks: Value,
    /// What changes of its metadata.
    pub metadata: Value,
    /// What an ID token says of the user.
    pub claims: Value,
    /// In the place of the ID token that it would sign.
    pub id_token: Option<String>,
    /// In the place of a code's whole answer.
    pub token: Option<(u16, Value)>,
    pub userinfo: Value,
    pub github_user: Value,
    pub github_emails: Value,
    /// How long it takes to give tokens.
    pub delay: Duration,
    /// What it was sent, by its paths.
    pub asked: Vec<(String, String)>,
}

/// Where a browser is sent.
pub struct Sent {
    pub place: String,
    pub parameters: BTreeMap<String, String>,
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let signer = Signer::new(Algorithm::ES256, "first");
        let state = Arc::new(Mutex::new(ProviderState {
            jwks: signer.jwks(),
            signer,
            metadata: json!({}),
            claims: json!({}),
            id_token: None,
            token: None,
            userinfo: json!({ "sub": "works-1", "email": "ana@works.example", "email_verified": true }),
            github_user: json!({ "id": 583_231, "login": "octo-ana", "name": "Ana Ortega" }),
            github_emails: json!([
                { "email": "old@works.example", "primary": false, "verified": true },
                { "email": "ana@works.example", "primary": true, "verified": true },
            ]),
            delay: Duration::ZERO,
            asked: Vec::new(),
        }));
        let (serving, own) = (Arc::clone(&state), url.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, own.clone(), Arc::clone(&serving)));
            }
        });
        Self { url, state }
    }

    pub fn state(&self) -> MutexGuard<'_, ProviderState> {
        self.state.lock().unwrap()
    }

    /// A server's settings with this as a provider, with changes of its table.
    pub fn configure(&self, settings: &mut Settings, changes: &Value) {
        let table = json!({
            "id": "works", "name": "Works & Sons", "issuer": self.url, "client_id": CLIENT, "client_secret": SECRET,
        });
        settings.sign_in.providers = ProviderTables::new(vec![changed(&table, changes)]);
        settings.outbound.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    }

    /// The claims of an ID token that is right, for a request; with changes.
    pub fn claims(&self, app: &TestApp, sent: &Sent, changes: &Value) -> Value {
        let now = app.clock.now().timestamp();
        let usual = json!({
            "iss": self.url, "aud": CLIENT, "sub": "works-1", "iat": now, "exp": now + 300,
            "nonce": sent.parameters.get("nonce"), "auth_time": now, "sid": "theirs",
        });
        changed(&usual, changes)
    }

    /// From now on it says this of whoever comes.
    pub fn say(&self, app: &TestApp, sent: &Sent, changes: &Value) {
        let claims = self.claims(app, sent, changes);
        self.state().claims = claims;
    }

    /// What was sent to a path so far, the last first.
    pub fn asked(&self, path: &str) -> Vec<String> {
        let asked = &self.state().asked;
        asked.iter().rev().filter(|(to, _)| to == path).map(|(_, what)| what.clone()).collect()
    }

    pub fn logout_token(&self, app: &TestApp, jti: &str, changes: &Value) -> String {
        let now = app.clock.now().timestamp();
        let usual = json!({
            "iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 120, "jti": jti, "sub": "works-1", "sid": "theirs",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        self.state().signer.sign_raw(
            &json!({ "alg": "ES256", "kid": "first", "typ": "logout+jwt" }),
            &changed(&usual, changes),
        )
    }
}

impl ProviderState {
    /// New keys: the ones before sign nothing any more.
    pub fn rotate(&mut self, kid: &str) {
        self.signer = Signer::new(Algorithm::ES256, kid);
        self.jwks = self.signer.jwks();
    }

    fn answer(&self, url: &str, path: &str) -> (u16, Value) {
        match path {
            "/.well-known/openid-configuration" => {
                let usual = json!({
                    "issuer": url,
                    "authorization_endpoint": format!("{url}/authorize"),
                    "token_endpoint": format!("{url}/token"),
                    "jwks_uri": format!("{url}/jwks"),
                    "userinfo_endpoint": format!("{url}/userinfo"),
                    "authorization_response_iss_parameter_supported": true,
                });
                (200, changed(&usual, &self.metadata))
            }
            "/jwks" => (200, self.jwks.clone()),
            "/token" => self.token.clone().unwrap_or_else(|| {
                let token = self.id_token.clone().unwrap_or_else(|| self.signer.sign(&self.claims));
                (200, json!({ "access_token": "at", "token_type": "Bearer", "id_token": token }))
            }),
            "/userinfo" => (200, self.userinfo.clone()),
            "/login/oauth/access_token" => {
                (200, self.token.clone().map_or(json!({ "access_token": "gho" }), |(_, answer)| answer))
            }
            "/api/user" => (200, self.github_user.clone()),
            "/api/user/emails" => (200, self.github_emails.clone()),
            _ => (404, json!({})),
        }
    }
}

async fn serve(mut stream: TcpStream, url: String, state: Arc<Mutex<ProviderState>>) {
    let request = read(&mut stream).await;
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let ((status, answer), delay) = {
        let mut state = state.lock().unwrap();
        state.asked.push((path.clone(), request));
        let delay = if path == "/token" { state.delay } else { Duration::ZERO };
        (state.answer(&url, &path), delay)
    };
    tokio::time::sleep(delay).await;
    let body = answer.to_string();
    let head = format!(
        "HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // Whoever asks may have hung up.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.shutdown().await;
}

impl Browser<'_> {
    /// Presses a provider's button on a sign-in page.
    pub async fn sets_out_for(&self, page: &Seen, provider: &str) -> Seen {
        let beginning = format!("/sign-in/with/{provider}?");
        let actions =
            page.body.split("action=\"").skip(1).map(|rest| unescaped(rest.split('"').next().unwrap()));
        let mut actions = actions.filter(|action| action.contains(&beginning));
        let action = actions.next().unwrap_or_else(|| panic!("{provider} in {page:?}"));
        self.post(&action, &[("csrf", &page.hidden("csrf"))]).await
    }

    /// The same, and lets itself be sent to the provider.
    pub async fn sets_out(&self, page: &Seen) -> Sent {
        Sent::of(&self.sets_out_for(page, "works").await)
    }

    /// Comes back with a code.
    pub async fn comes_back(&self, provider: &Provider, sent: &Sent) -> Seen {
        let state = sent.parameters.get("state").map_or("", String::as_str);
        self.comes_back_with(&[("code", "c-1"), ("state", state), ("iss", &provider.url)]).await
    }

    pub async fn comes_back_with(&self, parameters: &[(&str, &str)]) -> Seen {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        self.get(&format!("/sign-in/back/works?{query}")).await
    }

    /// Signs in at a provider that says this of its user.
    pub async fn signs_in_at(&self, app: &TestApp, provider: &Provider, page: &Seen, says: &Value) -> Seen {
        let sent = self.sets_out(page).await;
        provider.say(app, &sent, says);
        let seen = self.comes_back(provider, &sent).await;
        self.follow(seen).await
    }
}

impl Sent {
    #[track_caller]
    pub fn of(seen: &Seen) -> Self {
        let (place, parameters) = seen.answer();
        Self { place, parameters }
    }

    pub fn get(&self, name: &str) -> &str {
        self.parameters.get(name).unwrap_or_else(|| panic!("{name} in {:?}", self.parameters))
    }
}

/// What a JWT says when nobody signed it.
pub fn unsigned(claims: &Value) -> String {
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.", encoded(&json!({ "alg": "none" })), encoded(claims))
}
