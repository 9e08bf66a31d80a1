//! How long a login is left, as clients are told (draft-ietf-oauth-refresh-token-expiration-03).

use heirloom::domain::client::Client;
use heirloom::domain::family::RotationPolicy;
use heirloom::domain::lifetimes::LifetimeOverrides;
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;

/// For how many days the refresh token may lie unused, and how many are left until its login ends.
fn days_told(answer: &Value) -> (f64, f64) {
    let days =
        |member: &str| answer[member].as_f64().unwrap_or_else(|| panic!("{member} in {answer}")) / 86_400.0;
    (days("refresh_token_timeout"), days("authorization_expires_in"))
}

/// As the draft's own example has it: a refresh token may lie for 7 days, and its login lasts 30.
fn seven_of_thirty(it: &mut Client) {
    it.lifetimes =
        LifetimeOverrides { idle_ttl: Some(DAY * 7), absolute_ttl: Some(DAY * 30), ..it.lifetimes };
}

struct Web<'a> {
    app: &'a TestApp,
    secret: String,
}

impl<'a> Web<'a> {
    async fn new(app: &'a TestApp, rotation: RotationPolicy) -> Self {
        app.add_user("ana").await;
        let secret = app.add_web_app("web", |it| {
            seven_of_thirty(it);
            it.metadata.refresh_token_rotation = rotation;
        });
        Self { app, secret: secret.await }
    }

    async fn asked(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let answer = self.app.form_as(path, ("web", &self.secret), form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json
    }

    async fn signed_in(&self) -> Value {
        let browser = Browser::new(self.app);
        let page = browser.authorize(&[("client_id", "web")]).await;
        let consent = browser.sign_in(&page, "ana").await;
        let code =
            if consent.status == 200 { browser.decide(&consent, "allow").await } else { consent }.code();
        let verifier = ("code_verifier", VERIFIER);
        let form =
            [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT_URI), verifier];
        self.asked("/oauth/token", &form).await
    }

    async fn refreshed(&self, before: &Value) -> Value {
        let token = before["refresh_token"].as_str().unwrap();
        self.asked("/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn looked_at(&self, answer: &Value) -> Value {
        self.asked("/oauth/introspect", &[("token", answer["refresh_token"].as_str().unwrap())]).await
    }
}

both_stores! {
    async fn a_client_is_told_what_is_really_left(app) {
        let web = Web::new(&app, RotationPolicy::Always).await;
        let first = web.signed_in().await;
        assert_eq!(days_told(&first), (7.0, 30.0));
        app.clock.advance(DAY * 6);
        assert_eq!(days_told(&web.looked_at(&first).await), (1.0, 24.0), "looking changes nothing");
        let second = web.refreshed(&first).await;
        assert_eq!(days_told(&second), (7.0, 24.0));
        // The same grant once more has no more time than it had.
        app.clock.advance(SECOND * 10);
        let again = web.refreshed(&first).await;
        assert_eq!(again["refresh_token"], second["refresh_token"]);
        assert_eq!(again["refresh_token_timeout"], 7 * 86_400 - 10);
        assert_eq!(again["authorization_expires_in"], 24 * 86_400 - 10);
        // A token never outlives its login.
        let mut last = second;
        for _ in 0..3 {
            app.clock.advance(DAY * 6);
            last = web.refreshed(&last).await;
        }
        let left = 6 * 86_400 - 10;
        assert_eq!((&last["refresh_token_timeout"], &last["authorization_expires_in"]), (&json!(left), &json!(left)));
        assert_eq!(last["refresh_expires_in"], left, "by the older name too");
        let seen = web.looked_at(&last).await;
        assert_eq!((&seen["refresh_token_timeout"], &seen["authorization_expires_in"]), (&json!(left), &json!(left)));
    }

    async fn a_token_that_stays_has_less_time_at_each_use(app) {
        let web = Web::new(&app, RotationPolicy::Never).await;
        let first = web.signed_in().await;
        app.clock.advance(SECOND * 30);
        let kept = web.refreshed(&first).await;
        assert_eq!(kept["refresh_token"], first["refresh_token"]);
        assert_eq!(kept["refresh_token_timeout"], 7 * 86_400 - 30);
        app.clock.advance(MINUTE);
        assert_eq!(web.refreshed(&kept).await["refresh_token_timeout"], 7 * 86_400, "its use was noted");
    }

    async fn only_who_gets_a_refresh_token_is_told(app) {
        let service = app.add_service("service", &[]).await;
        let answer = app.form_as("/oauth/token", ("service", &service), &[("grant_type", "client_credentials")]).await;
        let own = app.form_as("/oauth/introspect", ("service", &service), &[("token", answer.text("access_token"))]).await;
        assert_eq!(own.json["active"], true);
        for answer in [answer, own] {
            for member in ["refresh_token_timeout", "authorization_expires_in"] {
                assert_eq!(answer.json.get(member), None, "{answer:?}");
            }
        }
        let metadata = app.send(app.http.get(app.at("/.well-known/oauth-authorization-server"))).await.json;
        assert_eq!(metadata["refresh_token_expiration_types_supported"], json!(["authorization", "token_timeout"]));
    }
}
