//! What a token may say and open: no more than was asked for, granted, and is its client's now.

use std::time::Duration;

use heirloom::domain::client::{Client, ClientMetadata, GrantType, Party};
use heirloom::domain::family::RotationPolicy;
use heirloom::domain::ids::ClientId;
use heirloom::domain::lifetimes::LifetimeOverrides;
use heirloom::service::admin;
use heirloom::store::clients;
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;

const API: &str = "https://api.example";
const SECOND_API: &str = "https://second.example";

impl TestApp {
    /// Changes a client as an operator does, and waits until the caches have turned over.
    async fn change_client(&self, id: &str, change: impl FnOnce(&mut Client)) {
        let id: ClientId = id.parse().unwrap();
        let mut client = clients::find(&self.core.db, &id, self.clock.now()).await.unwrap().unwrap();
        change(&mut client);
        admin::clients::update(&self.core, &client, self.clock.now()).await.unwrap();
        self.clock.advance(SECOND * 2);
    }

    /// Ana, and a client of our own that may name two services.
    async fn with_shop(&self, change: impl FnOnce(&mut Client)) {
        self.add_user("ana").await;
        self.add_client("shop", |it| {
            it.scopes = "openid profile orders:read".parse().unwrap();
            it.audiences = audiences(&[API, SECOND_API]);
            change(it);
        })
        .await;
    }

    async fn ana_shops(&self, services: &[&str]) -> Answer {
        let login =
            json!({ "username": "ana", "password": PASSWORD, "client_id": "shop", "resource": services });
        self.post("/login", &login).await
    }

    async fn refresh_shop(&self, token: &str, changes: &[(&str, &str)]) -> Answer {
        let usual = [("grant_type", "refresh_token"), ("client_id", "shop"), ("refresh_token", token)];
        self.form("/oauth/token", &[&usual, changes].concat()).await
    }
}

fn audiences(names: &[&str]) -> Vec<heirloom::domain::audience::Audience> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn scopes(scopes: &'static str) -> impl FnOnce(&mut Client) {
    move |it| it.scopes = scopes.parse().unwrap()
}

both_stores! {
    async fn roles_are_told_only_with_the_scope_roles(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        for (scope, roles) in [("openid profile", Value::Null), ("openid roles", json!(["editor"]))] {
            let first = app.exchange(&browser.authorize(&[("scope", scope)]).await.code(), &[]).await.tokens();
            let next = app.refresh_with("app", &first.refresh).await.tokens();
            assert_eq!((&first.claims()["roles"], &next.claims()["roles"]), (&roles, &roles), "{scope}");
            let narrowed = [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", &next.refresh), ("scope", "openid")];
            assert_eq!(app.form("/oauth/token", &narrowed).await.tokens().claims()["roles"], Value::Null);
        }
        assert_eq!(app.log_in("ana").await.claims()["roles"], json!(["editor"]), "the built-in client has the scope");
        let least = json!({ "username": "ana", "password": PASSWORD, "scope": "profile" });
        assert_eq!(app.post("/login", &least).await.tokens().claims()["roles"], Value::Null);
    }

    async fn a_token_that_is_exchanged_for_a_narrower_one_loses_its_roles(app) {
        app.add_user("ana").await;
        app.add_client("app", |it| it.audiences = audiences(&[API])).await;
        let secret = app.add_web_app("service", |it| {
            it.grants = [GrantType::TokenExchange].into();
            it.metadata = serde_json::from_value(json!({ "token_exchange": { "impersonation": true } })).unwrap();
            it.serves = audiences(&[API]);
        }).await;
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "app", "resource": API });
        let ana = app.post("/login", &login).await.tokens();
        for (scope, roles) in [("openid", Value::Null), ("openid roles", json!(["editor"]))] {
            let swapped = app.swap(("service", &secret), &ana.access, &[("scope", scope)]).await;
            assert_eq!(claims(swapped.text("access_token"))["roles"], roles, "{scope}");
        }
    }

    async fn what_is_taken_from_a_client_leaves_its_logins_at_the_next_refresh(app) {
        app.with_shop(|_| ()).await;
        let login = app.ana_shops(&[API, SECOND_API]).await;
        assert_eq!(login.json["scope"], "openid orders:read profile");
        app.change_client("shop", |it| {
            it.scopes = "openid profile".parse().unwrap();
            it.audiences = audiences(&[SECOND_API]);
        }).await;
        let less = app.refresh_shop(&login.tokens().refresh, &[]).await;
        assert_eq!(less.json["scope"], "openid profile", "RFC 6749 §3.3: the answer tells");
        assert_eq!((&less.tokens().claims()["aud"], &less.tokens().claims()["scope"]), (&json!(SECOND_API), &json!("openid profile")));
        let token = less.tokens().refresh;
        for (name, value, code) in [("scope", "orders:read", "400 invalid_scope"), ("resource", API, "400 invalid_target")] {
            assert_eq!(app.refresh_shop(&token, &[(name, value)]).await.code(), code, "RFC 6749 §6, RFC 8707 §2.2");
        }
        // A login without any scope is one all the same.
        app.change_client("shop", scopes("email")).await;
        let none = app.refresh_shop(&token, &[]).await;
        assert_eq!((&none.json["scope"], none.tokens().claims().get("scope")), (&json!(""), None));
        assert!(none.json.get("id_token").is_none(), "without openid");
        // What is given back is there again: its user agreed to it.
        app.change_client("shop", |it| {
            it.scopes = "openid orders:read".parse().unwrap();
            it.audiences = audiences(&[API, SECOND_API]);
        }).await;
        let again = app.refresh_shop(&none.tokens().refresh, &[]).await.tokens();
        assert_eq!((&again.claims()["aud"], &again.claims()["scope"]), (&json!([API, SECOND_API]), &json!("openid orders:read")));
    }

    async fn a_login_whose_audiences_are_all_gone_gets_no_token_for_the_issuer_instead(app) {
        app.with_shop(|_| ()).await;
        let rotations = [RotationPolicy::Always, "every:1h".parse().unwrap()];
        for (rotation, wait) in rotations.into_iter().flat_map(|it| [(it, Duration::ZERO), (it, MINUTE * 2)]) {
            let login = app.ana_shops(&[API]).await;
            app.change_client("shop", |it| {
                it.audiences = Vec::new();
                it.metadata = ClientMetadata { refresh_token_rotation: rotation, ..ClientMetadata::default() };
            }).await;
            let token = login.tokens().refresh;
            for _ in 0..3 {
                assert_eq!(app.refresh_shop(&token, &[]).await.code(), "400 invalid_target", "{rotation:?}");
                assert_eq!(app.refresh_with("shop", &token).await.code(), "400 invalid_target", "{rotation:?}");
                app.clock.advance(wait);
            }
            let issuer = app.url.clone();
            assert_eq!(app.refresh_shop(&token, &[("resource", &issuer)]).await.code(), "400 invalid_target");
            // The same token is good again with what it is for.
            app.change_client("shop", |it| it.audiences = audiences(&[API])).await;
            assert_eq!(app.refresh_shop(&token, &[]).await.tokens().claims()["aud"], API, "{rotation:?}");
        }
        assert_eq!(app.told("family.reused"), 0);
    }

    async fn a_strict_clients_token_is_not_spent_by_a_refusal_for_want_of_an_audience(app) {
        let strict = LifetimeOverrides { leeway: Some(Duration::ZERO), ..LifetimeOverrides::default() };
        app.with_shop(|it| it.lifetimes = strict).await;
        let login = app.ana_shops(&[API]).await;
        app.change_client("shop", |it| it.audiences = Vec::new()).await;
        let token = login.tokens().refresh;
        for _ in 0..2 {
            assert_eq!(app.refresh_shop(&token, &[]).await.code(), "400 invalid_target");
        }
        app.change_client("shop", |it| it.audiences = audiences(&[API])).await;
        assert_eq!(app.refresh_shop(&token, &[]).await.tokens().generation(), 2, "it was never used");
    }

    async fn introspection_tells_of_a_refresh_token_what_a_refresh_would_give(app) {
        app.with_apps().await;
        let secret = app.add_web_app("web", |it| it.party = Party::First).await;
        let browser = Browser::new(&app);
        let code = browser.ana_signs_in(&[("client_id", "web"), ("resource", API)]).await;
        let web = ("web", secret.as_str());
        let code = [("grant_type", "authorization_code"), ("code", &code), ("code_verifier", VERIFIER)];
        let token = app.form_as("/oauth/token", web, &code).await.tokens().refresh;
        let look = async || app.form_as("/oauth/introspect", web, &[("token", &token)]).await.json;
        assert_eq!(look().await["scope"], "openid profile");
        app.change_client("web", scopes("openid")).await;
        assert_eq!(look().await["scope"], "openid");
        app.change_client("web", |it| it.audiences = Vec::new()).await;
        assert_eq!(look().await, json!({ "active": false }));
    }

    async fn a_claim_that_was_asked_for_by_name_goes_with_its_scope(app) {
        app.with_apps().await;
        app.sql("UPDATE users SET email = 'ana@example.com'").await;
        let asked = [("scope", "openid"), ("claims", r#"{"userinfo": {"email": null, "roles": null}}"#)];
        let tokens = app.exchange(&Browser::new(&app).ana_signs_in(&asked).await, &[]).await.tokens();
        let told = async || app.get("/oauth/userinfo", &tokens.access).await.json;
        assert_eq!((&told().await["email"], &told().await["roles"]), (&json!("ana@example.com"), &json!(["editor"])));
        app.change_client("app", scopes("openid roles")).await;
        assert_eq!((&told().await["email"], &told().await["roles"]), (&Value::Null, &json!(["editor"])));
    }

    async fn a_scope_that_cannot_be_had_is_passed_over_and_the_answer_tells(app) {
        app.with_television().await;
        let browser = Browser::new(&app);
        // OpenID Connect Core §3.1.2.1, RFC 6749 §3.3: unknown, and known but not this client's.
        let asked = ("scope", "openid groups address offline_access");
        let page = browser.authorize(&[("client_id", "other"), asked]).await;
        let consent = browser.sign_in(&page, "ana").await;
        assert!(!consent.body.contains("Use the permission") && !consent.body.contains("postal address"), "{consent:?}");
        let code = browser.decide(&consent, "allow").await.code();
        // Some libraries name them here once more.
        let other = app.exchange(&code, &[("client_id", "other"), asked]).await;
        assert_eq!((other.status.as_u16(), &other.json["scope"]), (200, &json!("openid")), "{other:?}");
        assert_eq!(other.tokens().claims()["scope"], "openid");
        let pushed = browser.come(&app.pushed(&[asked]).await).await.code();
        assert_eq!(app.exchange(&pushed, &[]).await.json["scope"], "openid");
        let waits = app.device_waits(&[asked]).await;
        let page = browser.enter(&browser.get("/device").await, waits.text("user_code")).await;
        browser.answer_device(&page, "allow").await;
        let device = app.poll(waits.text("device_code"), &[asked]).await;
        assert_eq!((device.status.as_u16(), &device.json["scope"]), (200, &json!("openid")), "{device:?}");
        // Nothing is left.
        for scope in ["groups", "groups address", "offline_access"] {
            let named = [("scope", scope)];
            assert_eq!(browser.authorize(&named).await.error(), "invalid_scope", "{scope}");
            assert_eq!(app.push(&named).await.code(), "400 invalid_scope", "{scope}");
            assert_eq!(app.device_waits(&named).await.code(), "400 invalid_scope", "{scope}");
        }
        // Who refreshes knows what was granted, and who acts for itself what it is registered for.
        let refresh = [("grant_type", "refresh_token"), ("client_id", "other"), ("refresh_token", other.text("refresh_token"))];
        for scope in ["openid groups", "openid address"] {
            let named = [&refresh[..], &[("scope", scope)]].concat();
            assert_eq!(app.form("/oauth/token", &named).await.code(), "400 invalid_scope", "RFC 6749 §6: {scope}");
        }
        let secret = app.add_service("service", &[]).await;
        let own = [("grant_type", "client_credentials"), ("scope", "read groups")];
        assert_eq!(app.form_as("/oauth/token", ("service", &secret), &own).await.code(), "400 invalid_scope");
    }
}
