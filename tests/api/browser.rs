//! A browser in the test's hand: it keeps cookies, fills in forms, and goes where it is sent when it is told to.

use std::cell::RefCell;
use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom::domain::client::{Client, ClientKind, GrantType, Party};
use heirloom::domain::opaque::OpaqueSecret;
use heirloom::domain::sign_in::SignInSession;
use heirloom::store::sign_in_sessions;
use reqwest::{RequestBuilder, StatusCode};

use crate::harness::*;

pub const REDIRECT_URI: &str = "https://app.example/cb";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What must be refused: the section that says so, what is changed, how it is refused.
pub type Refused<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

pub struct Browser<'a> {
    app: &'a TestApp,
    /// The listener that it talks to.
    url: String,
    cookies: RefCell<BTreeMap<String, String>>,
    headers: Vec<(&'static str, &'static str)>,
}

/// What a browser sees.
#[derive(Debug)]
pub struct Seen {
    pub status: StatusCode,
    headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// Where a redirect leads.
    #[track_caller]
    pub fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{self:?}");
        self.header("location")
    }

    /// The parameters that a client gets in the query, and where.
    #[track_caller]
    pub fn answer(&self) -> (String, BTreeMap<String, String>) {
        let (place, query) = self.location().split_once(['?', '#']).unwrap();
        (place.to_owned(), form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The answer's code.
    #[track_caller]
    pub fn code(&self) -> String {
        self.answer().1.remove("code").unwrap_or_else(|| panic!("{self:?}"))
    }

    /// The answer's error.
    #[track_caller]
    pub fn error(&self) -> String {
        self.answer().1.remove("error").unwrap_or_else(|| panic!("{self:?}"))
    }

    /// The value of a hidden field.
    #[track_caller]
    pub fn hidden(&self, name: &str) -> String {
        let field = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.body.split_once(&field).unwrap_or_else(|| panic!("{name} in {self:?}"));
        unescaped(rest.split_once('"').unwrap().0)
    }

    /// Where the last form leads, but for those that lead to a provider.
    pub fn action(&self) -> String {
        let actions =
            self.body.split("action=\"").skip(1).map(|rest| unescaped(rest.split('"').next().unwrap()));
        let own = actions.filter(|action| !action.contains("/sign-in/with/"));
        own.last().unwrap_or_else(|| panic!("a form in {self:?}"))
    }
}

/// The full name of a sign-in cookie; any other's stays as it is.
pub fn of_issuer(name: &str, issuer: &str) -> String {
    if !["session", "browser", "attempt"].iter().any(|what| name.ends_with(&format!("heirloom-{what}"))) {
        return name.to_owned();
    }
    let hash = digest::digest(&digest::SHA256, format!("{issuer}\0").as_bytes());
    format!("{name}-{}", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..12]))
}

pub fn unescaped(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&#x2f;", "/").replace("&#x27;", "'").replace("&amp;", "&")
}

impl<'a> Browser<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        Self { app, url: app.url.clone(), cookies: RefCell::default(), headers: Vec::new() }
    }

    /// The same browser at another listener of this host: cookies know no ports.
    pub fn at(mut self, url: &str) -> Self {
        url.clone_into(&mut self.url);
        self
    }

    pub fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A cookie that is of the issuer alone.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(&of_issuer(name, self.app.core.issuer.as_str())).cloned()
    }

    pub fn set_cookie(&self, name: &str, value: &str) {
        let name = of_issuer(name, self.app.core.issuer.as_str());
        self.cookies.borrow_mut().insert(name, value.to_owned());
    }

    pub async fn send(&self, request: RequestBuilder) -> Seen {
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
        let response = request.header("cookie", cookies.join("; ")).send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let seen = Seen { status, headers, body: response.text().await.unwrap() };
        for cookie in seen.set_cookies() {
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if value.is_empty() {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
            }
        }
        seen
    }

    pub async fn get(&self, place: &str) -> Seen {
        self.send(self.app.http.get(format!("{}{place}", self.url))).await
    }

    pub async fn post(&self, place: &str, parameters: &[(&str, &str)]) -> Seen {
        self.send(form(self.app.http.post(format!("{}{place}", self.url)), parameters)).await
    }

    /// Follows redirects as long as they stay here.
    pub async fn follow(&self, mut seen: Seen) -> Seen {
        for _ in 0..10 {
            if seen.status != 303 || !seen.header("location").starts_with('/') {
                return seen;
            }
            seen = self.get(seen.header("location")).await;
        }
        panic!("it goes in circles: {seen:?}");
    }

    pub async fn authorize(&self, changes: &[(&str, &str)]) -> Seen {
        let seen = self.get(&format!("/oauth/authorize?{}", query(changes))).await;
        self.follow(seen).await
    }

    /// Its session, if somebody is signed in.
    pub async fn session(&self, app: &TestApp) -> SignInSession {
        let cookies = self.cookies.borrow().clone();
        for secret in cookies.values().filter_map(|value| OpaqueSecret::presented(value)) {
            if let Some(session) = sign_in_sessions::find(&app.core.db, &secret.hash()).await.unwrap() {
                return session;
            }
        }
        panic!("nobody is signed in: {cookies:?}");
    }

    /// Fills in the sign-in page.
    pub async fn sign_in(&self, page: &Seen, name: &str) -> Seen {
        let form =
            [("csrf", page.hidden("csrf")), ("username", name.to_owned()), ("password", PASSWORD.to_owned())];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        let seen = self.post(&page.action(), &form).await;
        self.follow(seen).await
    }

    /// Answers the consent page.
    pub async fn decide(&self, page: &Seen, decision: &str) -> Seen {
        let csrf = page.hidden("csrf");
        let seen = self.post(&page.action(), &[("csrf", csrf.as_str()), ("decision", decision)]).await;
        self.follow(seen).await
    }

    /// The code that Ana gets, who signs in.
    pub async fn ana_signs_in(&self, changes: &[(&str, &str)]) -> String {
        let page = self.authorize(changes).await;
        self.sign_in(&page, "ana").await.code()
    }
}

/// An authorization request that is right, with changes: an empty value leaves a parameter out.
pub fn query(changes: &[(&str, &str)]) -> String {
    let usual = [
        ("client_id", "app"),
        ("redirect_uri", REDIRECT_URI),
        ("response_type", "code"),
        ("scope", "openid profile"),
        ("state", "s&t"),
        ("nonce", "n-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let kept = usual.into_iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    let all = kept.chain(changes.iter().copied().filter(|(_, value)| !value.is_empty()));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish()
}

impl TestApp {
    /// Ana, a first-party app, and one of somebody else's.
    pub async fn with_apps(&self) {
        self.add_user("ana").await;
        self.add_app("app", |it| it.party = Party::First).await;
        self.add_app("other", |it| it.name = Some("Other & Sons".to_owned())).await;
    }

    pub async fn add_app(&self, id: &str, change: impl FnOnce(&mut Client)) -> Option<String> {
        let secret = self.add_client(id, |it| {
            it.party = Party::Third;
            it.redirect_uris = vec![REDIRECT_URI.to_owned()];
            it.post_logout_redirect_uris = vec!["https://app.example/bye".to_owned()];
            it.grants = [GrantType::AuthorizationCode, GrantType::RefreshToken].into();
            it.scopes = "openid profile email roles".parse().unwrap();
            it.audiences = vec!["https://api.example".parse().unwrap()];
            change(it);
        });
        secret.await.map(|secret| secret.expose().to_owned())
    }

    /// A confidential app; gives its secret.
    pub async fn add_web_app(&self, id: &str, change: impl FnOnce(&mut Client)) -> String {
        let confidential = |it: &mut Client| {
            it.kind = ClientKind::Confidential(Vec::new());
            change(it);
        };
        self.add_app(id, confidential).await.unwrap()
    }

    pub async fn exchange(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        self.form("/oauth/token", &code_exchange(code, changes)).await
    }
}

/// The parameters of a code's exchange, with changes: an empty value leaves one out.
pub fn code_exchange<'a>(code: &'a str, changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
        ("code", code),
    ];
    let kept = usual.into_iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    kept.chain(changes.iter().copied().filter(|(_, value)| !value.is_empty())).collect()
}

/// A JWT's header.
pub fn jwt_header(token: &str) -> serde_json::Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}
