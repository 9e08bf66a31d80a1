//! What a crowd calls beside refreshes: whole code flows, the own logins, services that ask, the first pages.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::client::{Answer, Connection};
use crate::logins::{log_in, username};
use crate::now;
use crate::processes::{PASSWORD, Place, Server};

/// RFC 7636 Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const REDIRECT_URI: &str = "https%3A%2F%2Fapp.example%2Fcb";

/// Users who are signed in, each in a browser of an own.
const BROWSERS: usize = 32;

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    CodeFlow,
    Sessions,
    Userinfo,
    PushedRequest,
    SignInPage,
    Introspection,
    ClientCredentials,
    Discovery,
    KeySet,
}

impl Call {
    pub(crate) const ALL: [Self; 9] = [
        Self::CodeFlow,
        Self::Sessions,
        Self::Userinfo,
        Self::PushedRequest,
        Self::SignInPage,
        Self::Introspection,
        Self::ClientCredentials,
        Self::Discovery,
        Self::KeySet,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CodeFlow => "whole code flow, signed-in browser",
            Self::Sessions => "GET /sessions, one login",
            Self::Userinfo => "/oauth/userinfo",
            Self::PushedRequest => "/oauth/par",
            Self::SignInPage => "sign-in page",
            Self::Introspection => "introspection of a client's token",
            Self::ClientCredentials => "client_credentials",
            Self::Discovery => "discovery",
            Self::KeySet => "JWKS",
        }
    }
}

/// A server with an app, a service, and users who are signed in.
pub(crate) struct Site {
    pub(crate) server: Server,
    /// A `Cookie` header each.
    browsers: Vec<String>,
    own_login: String,
    for_userinfo: String,
    /// Of the service: `Authorization`, and a token that it was given.
    service: String,
    service_token: String,
    sign_in_page: String,
}

impl Site {
    /// Adds users, an app and a service, and signs the users in.
    pub(crate) async fn open(place: &Place) -> anyhow::Result<Self> {
        let server = place.serve()?;
        for number in 0..BROWSERS {
            place.run(&["user", "add", &username(number), "--password-stdin"], PASSWORD)?;
        }
        let app = [
            "client",
            "add",
            "app",
            "--public",
            "--first-party",
            "--scope",
            "openid profile email",
            "--redirect-uri",
            "https://app.example/cb",
        ];
        place.run(&app, "")?;
        let service = place.output(&["client", "add", "service", "--confidential", "--scope", "jobs"])?;
        let service: Value = serde_json::from_str(&service)?;
        let secret = service["client_secret"].as_str().context("no client_secret")?;
        let mut site = Self {
            browsers: Vec::new(),
            own_login: log_in(&reqwest::Client::new(), &server, &username(0)).await?.access_token,
            for_userinfo: String::new(),
            service: format!("Authorization: Basic {}", basic("service", secret)),
            service_token: String::new(),
            sign_in_page: String::new(),
            server,
        };
        let mut connection = Connection::open(&site.server.address).await?;
        for number in 0..BROWSERS {
            let browser = site.sign_in(&mut connection, &username(number)).await?;
            site.browsers.push(browser);
        }
        let tokens = site.code_flow(&mut connection, 0).await?;
        site.for_userinfo = access_token(&tokens)?;
        let tokens = site.client_credentials(&mut connection).await?.json()?;
        site.service_token = access_token(&tokens)?;
        Ok(site)
    }

    /// Calls until the time is over, on so many connections; gives the answers.
    pub(crate) async fn drive(
        &self,
        call: Call,
        connections: usize,
        lasting: Duration,
    ) -> anyhow::Result<u64> {
        let began = now();
        let answers = Cell::new(0);
        let one = async |number: usize| {
            let mut connection = Connection::open(&self.server.address).await?;
            while began.elapsed() < lasting {
                self.call(call, &mut connection, number).await.with_context(|| call.name())?;
                answers.set(answers.get() + 1);
            }
            anyhow::Ok(())
        };
        futures_util::future::try_join_all((0..connections).map(one)).await?;
        Ok(answers.get())
    }

    async fn call(&self, call: Call, connection: &mut Connection, number: usize) -> anyhow::Result<()> {
        let bearer = |token: &str| format!("Authorization: Bearer {token}");
        match call {
            Call::CodeFlow => drop(self.code_flow(connection, number).await?),
            Call::Sessions => drop(connection.get("/sessions", &bearer(&self.own_login)).await?.ok()?),
            Call::Userinfo => {
                drop(connection.get("/oauth/userinfo", &bearer(&self.for_userinfo)).await?.ok()?);
            }
            Call::PushedRequest => {
                let answer = connection.post("/oauth/par", "", &request()).await?;
                ensure!(answer.status == 201, "status {}: {}", answer.status, answer.text());
            }
            Call::SignInPage => drop(connection.get(&self.sign_in_page, "").await?.ok()?),
            Call::Introspection => {
                let token = format!("token={}", self.service_token);
                let answer = connection.post("/oauth/introspect", &self.service, &token).await?.ok()?;
                ensure!(answer.text().contains("\"active\":true"), "{}", answer.text());
            }
            Call::ClientCredentials => drop(self.client_credentials(connection).await?),
            Call::Discovery => drop(connection.get("/.well-known/openid-configuration", "").await?.ok()?),
            Call::KeySet => drop(connection.get("/.well-known/jwks.json", "").await?.ok()?),
        }
        Ok(())
    }

    async fn client_credentials(&self, connection: &mut Connection) -> anyhow::Result<Answer> {
        connection.post("/oauth/token", &self.service, "grant_type=client_credentials").await?.ok()
    }

    /// From the app's request to its tokens.
    async fn code_flow(&self, connection: &mut Connection, number: usize) -> anyhow::Result<Value> {
        let browser = format!("Cookie: {}", self.browsers[number % BROWSERS]);
        let sent = connection.get(&format!("/oauth/authorize?{}", request()), &browser).await?;
        let location = sent.header("location").context("no redirect")?;
        let (_, code) = location.split_once("code=").with_context(|| format!("no code in {location}"))?;
        let code = code.split('&').next().unwrap_or_default();
        let exchange = format!(
            "grant_type=authorization_code&client_id=app&redirect_uri={REDIRECT_URI}&code_verifier={VERIFIER}&code={code}"
        );
        connection.post("/oauth/token", "", &exchange).await?.ok()?.json()
    }

    /// Fills in the sign-in page; gives the cookies.
    async fn sign_in(&mut self, connection: &mut Connection, name: &str) -> anyhow::Result<String> {
        let mut cookies: Vec<(String, String)> = Vec::new();
        let mut place = format!("/oauth/authorize?{}", request());
        let mut page = self.visit(connection, &place, &mut cookies).await?;
        while let Some(next) = page.header("location") {
            place = next.to_owned();
            page = self.visit(connection, &place, &mut cookies).await?;
        }
        place.clone_into(&mut self.sign_in_page);
        let text = page.text();
        let csrf = between(&text, "name=\"csrf\" value=\"", "\"").context("no csrf on the sign-in page")?;
        let action = between(&text, "action=\"", "\"").context("no form on the sign-in page")?;
        let action = action.replace("&amp;", "&").replace("&#x2f;", "/");
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("csrf", csrf), ("username", name), ("password", PASSWORD)])
            .finish();
        let header = format!("Cookie: {}", joined(&cookies));
        let answer = connection.post(&action, &header, &form).await?;
        ensure!(answer.status == 303, "signing in: status {}: {}", answer.status, answer.text());
        keep(&answer, &mut cookies);
        Ok(joined(&cookies))
    }

    async fn visit(
        &self,
        connection: &mut Connection,
        place: &str,
        cookies: &mut Vec<(String, String)>,
    ) -> anyhow::Result<Answer> {
        let header = if cookies.is_empty() { String::new() } else { format!("Cookie: {}", joined(cookies)) };
        let answer = connection.get(place, &header).await?;
        keep(&answer, cookies);
        Ok(answer)
    }
}

fn access_token(answer: &Value) -> anyhow::Result<String> {
    Ok(answer["access_token"].as_str().context("no access_token")?.to_owned())
}

/// An app's request.
fn request() -> String {
    format!(
        "client_id=app&redirect_uri={REDIRECT_URI}&response_type=code&scope=openid%20profile&state=s&\
         code_challenge={CHALLENGE}&code_challenge_method=S256"
    )
}

fn basic(id: &str, secret: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"))
}

fn keep(answer: &Answer, cookies: &mut Vec<(String, String)>) {
    for cookie in answer.headers("set-cookie") {
        let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) else {
            continue;
        };
        cookies.retain(|(known, _)| known != name);
        if !value.is_empty() {
            cookies.push((name.to_owned(), value.to_owned()));
        }
    }
}

fn joined(cookies: &[(String, String)]) -> String {
    cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

fn between<'t>(text: &'t str, begin: &str, end: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(begin)?;
    rest.split_once(end).map(|(inner, _)| inner)
}
