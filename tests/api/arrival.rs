//! A request's time is that of its last byte: who holds a body back gets nothing that is over by then.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::browser::*;
use crate::device::GRANT;
use crate::harness::*;

const FORM: &str = "application/x-www-form-urlencoded";

/// A request whose head the server has, and whose body is still to come.
struct Begun {
    connection: TcpStream,
    body: String,
}

impl Begun {
    async fn new(app: &TestApp, path: &str, content_type: &str, headers: &str, body: &str) -> Self {
        let mut connection = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n{headers}\
             content-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        // So it is worked on from here.
        let mut told = [0; 25];
        connection.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { connection, body: body.to_owned() }
    }

    async fn form(app: &TestApp, path: &str, parameters: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        Self::new(app, path, FORM, "", &body).await
    }

    async fn json(app: &TestApp, path: &str, body: &Value) -> Self {
        Self::new(app, path, "application/json", "", &body.to_string()).await
    }

    /// Sends the body; gives the status, and what is answered.
    async fn end(mut self) -> (u16, Value) {
        self.connection.write_all(self.body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        self.connection.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    async fn refusal(self) -> String {
        let (status, json) = self.end().await;
        format!("{status} {}", json["error"].as_str().unwrap_or_else(|| panic!("{json}")))
    }
}

both_stores! {
    async fn a_code_lives_no_longer_for_a_body_that_is_slow(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let code = browser.ana_signs_in(&[]).await;
        let exchange = [
            ("grant_type", "authorization_code"), ("code", &code), ("client_id", "app"), ("code_verifier", VERIFIER),
        ];
        let begun = Begun::form(&app, "/oauth/token", &exchange).await;
        app.clock.advance(SECOND * 60);
        assert_eq!(begun.refusal().await, "400 invalid_grant");
        assert_eq!(app.number("SELECT COUNT(*) FROM families").await, 0);
    }

    async fn a_device_code_lives_no_longer_for_a_body_that_is_slow(app) {
        app.with_television().await;
        let device = app.device_waits(&[]).await;
        let poll = [("grant_type", GRANT), ("client_id", "tv"), ("device_code", device.text("device_code"))];
        let begun = Begun::form(&app, "/oauth/token", &poll).await;
        app.clock.advance(MINUTE * 10);
        assert_eq!(begun.refusal().await, "400 expired_token");
    }

    async fn a_pushed_request_waits_from_when_it_was_whole(app) {
        app.with_apps().await;
        let request = [
            ("response_type", "code"), ("client_id", "app"), ("redirect_uri", REDIRECT_URI), ("scope", "openid"),
            ("code_challenge", CHALLENGE), ("code_challenge_method", "S256"),
        ];
        let begun = Begun::form(&app, "/oauth/par", &request).await;
        app.clock.advance(SECOND * 89);
        let (status, pushed) = begun.end().await;
        assert_eq!(status, 201, "{pushed}");
        app.clock.advance(SECOND * 89);
        let place = format!("/oauth/authorize?client_id=app&request_uri={}", pushed["request_uri"].as_str().unwrap());
        assert_eq!(Browser::new(&app).get(&place).await.status, 303, "its 90 seconds are not over");
    }

    async fn a_login_begins_when_the_password_was_sent(app) {
        app.add_user("ana").await;
        let begun = Begun::json(&app, "/login", &json!({ "username": "ana", "password": PASSWORD })).await;
        app.clock.advance(MINUTE);
        let (status, tokens) = begun.end().await;
        assert_eq!(status, 200, "{tokens}");
        assert_eq!(claims(tokens["access_token"].as_str().unwrap())["iat"], app.clock.now().timestamp());
    }

    async fn a_sign_in_at_a_page_begins_when_the_password_was_sent(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.follow(browser.get("/account").await).await;
        let (csrf, cookie) = (page.hidden("csrf"), browser.cookie("heirloom-browser").unwrap());
        let name = of_issuer("heirloom-browser", app.core.issuer.as_str());
        let form = [("csrf", csrf.as_str()), ("username", "ana"), ("password", PASSWORD)];
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let cookies = format!("cookie: {name}={cookie}\r\n");
        let begun = Begun::new(&app, &page.action(), FORM, &cookies, &body).await;
        app.clock.advance(MINUTE);
        let (status, _) = begun.end().await;
        assert_eq!(status, 303);
        let query = match app.store {
            Store::Sqlite => "SELECT CAST(unixepoch(auth_time) AS INTEGER) FROM sign_in_sessions",
            Store::Postgres => "SELECT EXTRACT(EPOCH FROM auth_time)::BIGINT FROM sign_in_sessions",
        };
        assert!((app.number(query).await - app.clock.now().timestamp()).abs() <= 1);
    }

    async fn a_spent_token_is_judged_when_its_request_is_whole(app) {
        let first = app.ana_logged_in().await;
        let begun = Begun::json(&app, "/refresh", &json!({ "refresh_token": first.refresh })).await;
        app.clock.advance(SECOND);
        let second = app.rotate(&first).await;
        let third = app.rotate(&second).await;
        app.clock.advance(SECOND);
        // It came after both: nothing that waited in a queue here, but a token that somebody kept.
        assert_eq!(begun.refusal().await, "401 invalid_grant");
        assert_eq!(app.refresh(&third.refresh).await.refusal(), REUSED, "the login has ended by that");
    }

    async fn what_a_slow_body_asks_of_a_token_is_asked_when_it_is_whole(app) {
        let tokens = app.ana_logged_in().await;
        let secret = app.add_service("service", &[]).await;
        let form = [("token", tokens.access.as_str()), ("client_id", "service"), ("client_secret", &secret)];
        let introspect = Begun::form(&app, "/oauth/introspect", &form).await;
        let refresh = Begun::json(&app, "/refresh", &json!({ "refresh_token": tokens.refresh })).await;
        let userinfo = Begun::form(&app, "/oauth/userinfo", &[("access_token", &tokens.access)]).await;
        app.clock.advance(Duration::from_hours(24 * 7));
        assert_eq!(introspect.end().await, (200, json!({ "active": false })));
        assert_eq!(refresh.refusal().await, "401 invalid_grant");
        assert_eq!(userinfo.refusal().await, "401 invalid_token");
    }
}
