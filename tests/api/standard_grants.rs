//! The standard face: what is granted and looked at.

use heirloom::domain::client::Client;
use heirloom::service::admin;
use heirloom::service::admin::client_changes::ClientChanges;
use serde_json::{Value, json};

use crate::harness::*;
use crate::rotation::token_of_client;

const API: &str = "https://api.example.com";
const OTHER: &str = "https://other.example.com";

fn with_audiences(client: &mut Client) {
    client.audiences = vec![API.parse().unwrap(), OTHER.parse().unwrap()];
}

async fn narrow(app: &TestApp, token: &str, more: &[(&str, &str)]) -> Answer {
    let form =
        [&[("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "app")], more].concat();
    app.form("/oauth/token", &form).await
}

async fn introspect(app: &TestApp, client: (&str, &str), token: &str) -> Value {
    let answer = app.form_as("/oauth/introspect", client, &[("token", token)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json
}

both_stores! {
    async fn client_credentials_give_a_token_for_the_client_itself(app) {
        let secret = app.add_service("service", &[API]).await;
        let client = ("service", secret.as_str());
        let grant = ("grant_type", "client_credentials");
        let answer = app.form_as("/oauth/token", client, &[grant, ("scope", "read"), ("resource", API)]).await;
        assert_eq!(answer.status, 200);
        assert_eq!((&answer.json["scope"], &answer.json["refresh_token"]), (&json!("read"), &Value::Null));
        let now = app.clock.now().timestamp();
        let claims = claims(answer.text("access_token"));
        assert_eq!(claims, json!({
            "iss": app.url, "sub": "service", "aud": API, "client_id": "service", "iat": now, "exp": now + 900,
            "jti": claims["jti"], "scope": "read",
        }));
        let default = app.form_as("/oauth/token", client, &[grant]).await;
        assert_eq!(self::claims(default.text("access_token"))["aud"], app.url.as_str());
        let beyond = app.form_as("/oauth/token", client, &[grant, ("scope", "admin")]).await;
        assert_eq!(beyond.code(), "400 invalid_scope");
        let unknown = app.form_as("/oauth/token", client, &[grant, ("resource", OTHER)]).await;
        assert_eq!(unknown.code(), "400 invalid_target");
    }

    async fn a_narrowed_request_is_not_remembered(app) {
        app.add_client("app", with_audiences).await;
        app.add_user("ana").await;
        let first = app.log_in_with("app", "ana").await;
        let narrowed = narrow(&app, &first.refresh, &[("scope", "profile"), ("resource", API)]).await;
        let tokens = narrowed.tokens();
        assert_eq!((tokens.generation(), &narrowed.json["scope"]), (2, &json!("profile")));
        assert_eq!((&tokens.claims()["aud"], &tokens.claims()["scope"]), (&json!(API), &json!("profile")));
        let same = narrow(&app, &first.refresh, &[("scope", "profile"), ("resource", API)]).await.tokens();
        assert_eq!((same.claims(), &same.refresh), (tokens.claims(), &tokens.refresh), "the same request, the same grant");
        let wide = narrow(&app, &first.refresh, &[]).await.tokens();
        assert_eq!(wide.refresh, tokens.refresh);
        assert_eq!(wide.claims()["scope"], "email openid profile roles");
        assert_ne!(wide.claims()["jti"], tokens.claims()["jti"], "other content, another id");
        let both = narrow(&app, &wide.refresh, &[("resource", API), ("resource", OTHER)]).await.tokens();
        assert_eq!(both.claims()["aud"], json!([API, OTHER]));
    }

    async fn a_refusal_of_scope_or_resource_consumes_nothing(app) {
        app.add_client("app", with_audiences).await;
        app.add_user("ana").await;
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "app", "resource": API,
            "scope": "profile email" });
        let tokens = app.post("/login", &login).await.tokens();
        for (parameter, value, code) in [
            ("scope", "openid", "400 invalid_scope"),
            ("scope", "profile \"", "400 invalid_scope"),
            ("resource", OTHER, "400 invalid_target"),
            ("resource", "https://unknown.example.com", "400 invalid_target"),
            ("resource", "rela tive", "400 invalid_target"),
        ] {
            assert_eq!(narrow(&app, &tokens.refresh, &[(parameter, value)]).await.code(), code, "{value}");
        }
        assert_eq!(app.number("SELECT generation FROM families").await, 1);
        assert_eq!(narrow(&app, &tokens.refresh, &[]).await.tokens().generation(), 2);
    }

    async fn a_service_sees_access_tokens_that_are_its_own_or_meant_for_it(app) {
        let service = app.add_service("service", &[API]).await;
        let other = app.add_service("other", &[OTHER]).await;
        let (service, other) = (("service", service.as_str()), ("other", other.as_str()));
        app.add_client("app", with_audiences).await;
        let user = app.add_user("ana").await.to_string();
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "app", "resource": API });
        let tokens = app.post("/login", &login).await.tokens();
        let seen = introspect(&app, service, &tokens.access).await;
        let claims = tokens.claims();
        assert_eq!(seen, json!({
            "active": true, "token_type": "Bearer", "iss": app.url, "sub": user, "aud": [API], "client_id": "app",
            "exp": claims["exp"], "iat": claims["iat"], "jti": claims["jti"], "scope": "email openid profile roles",
            "sid": claims["sid"], "auth_time": claims["auth_time"], "acr": "1", "roles": ["editor"],
        }));
        let inactive = json!({ "active": false });
        assert_eq!(introspect(&app, other, &tokens.access).await, inactive);
        assert_eq!(introspect(&app, service, &tokens.refresh).await, inactive, "another client's refresh token");
        for forged in ["rubbish", "hrt1_x", "a.b.c", &format!("{}x", tokens.access)] {
            assert_eq!(introspect(&app, service, forged).await, inactive);
        }
        let own = app.form_as("/oauth/token", other, &[("grant_type", "client_credentials")]).await;
        assert_eq!(introspect(&app, other, own.text("access_token")).await["sub"], "other");
        assert_eq!(introspect(&app, service, own.text("access_token")).await, inactive);
        app.form("/oauth/revoke", &[("token", &tokens.refresh), ("client_id", "app")]).await;
        assert_eq!(introspect(&app, service, &tokens.access).await, inactive, "its family is over");
    }

    async fn who_may_call_a_service_is_not_that_service(app) with crate::registration::open; {
        let api = app.settings.registration.audiences[0].to_string();
        let audience = || vec![api.parse().unwrap()];
        app.add_client("app", |it| it.audiences = audience()).await;
        app.add_user("ana").await;
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "app", "resource": api });
        let token = app.post("/login", &login).await.tokens().access;

        let stranger = app.register(&crate::registration::web_app()).await;
        let stranger = (stranger.text("client_id"), stranger.text("client_secret"));
        let caller_secret = app.add_service("caller", &[]).await;
        let service = app.add_service("service", &[]).await;
        let changes = |audiences, serves| ClientChanges { audiences, serves, ..ClientChanges::default() };
        let (id, now) = ("caller".parse().unwrap(), app.clock.now());
        admin::clients::change(&app.core, &id, changes(Some(audience()), None), now).await.unwrap();
        let id = "service".parse().unwrap();
        admin::clients::change(&app.core, &id, changes(None, Some(audience())), now).await.unwrap();
        for caller in [stranger, ("caller", caller_secret.as_str())] {
            assert_eq!(introspect(&app, caller, &token).await, json!({ "active": false }), "RFC 7662 §4: {caller:?}");
        }
        let service = ("service", service.as_str());
        assert_eq!(introspect(&app, service, &token).await["client_id"], "app");
        // To be a service does not mean to call it.
        let named = [("grant_type", "client_credentials"), ("resource", api.as_str())];
        assert_eq!(app.form_as("/oauth/token", service, &named).await.code(), "400 invalid_target");
        assert_eq!(app.form_as("/oauth/token", ("caller", &caller_secret), &named).await.status, 200);

        admin::clients::change(&app.core, &id, changes(None, Some(Vec::new())), now).await.unwrap();
        app.clock.advance(SECOND * 2);
        assert_eq!(introspect(&app, service, &token).await, json!({ "active": false }));
    }

    async fn a_client_sees_its_own_refresh_token_while_it_would_be_served(app) {
        let secret = app.add_service("service", &[]).await;
        let client = ("service", secret.as_str());
        app.ana_logged_in().await;
        app.sql("UPDATE families SET client_id = 'service'").await;
        let current = token_of_client(&app, "service", 1).await;
        let seen = introspect(&app, client, &current).await;
        assert_eq!((&seen["active"], &seen["client_id"]), (&json!(true), &json!("service")));
        assert_eq!(seen["exp"], app.clock.now().timestamp() + 7 * 86_400);
        let again = introspect(&app, client, &current).await;
        assert_eq!(again, seen, "looking has no side effect");
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", current.as_str())];
        assert_eq!(app.form_as("/oauth/token", client, &refresh).await.tokens().generation(), 2);
        let without_secret = [&refresh[..], &[("client_id", "service")]].concat();
        assert_eq!(app.form("/oauth/token", &without_secret).await.code(), "401 invalid_client");
        assert_eq!(introspect(&app, client, &current).await["active"], true, "a lost response would be given again");
        let next = token_of_client(&app, "service", 2).await;
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", next.as_str())];
        app.form_as("/oauth/token", client, &refresh).await.tokens();
        assert_eq!(introspect(&app, client, &current).await, json!({ "active": false }), "spent");
        assert_eq!(app.live_families().await, 1);
    }

    async fn introspection_is_for_confidential_clients(app) {
        let tokens = app.ana_logged_in().await;
        let form = [("token", tokens.access.as_str()), ("client_id", "heirloom")];
        assert_eq!(app.form("/oauth/introspect", &form).await.code(), "401 invalid_client");
        let secret = app.add_service("service", &[]).await;
        let nothing = app.form_as("/oauth/introspect", ("service", &secret), &[]).await;
        assert_eq!(nothing.code(), "400 invalid_request");
    }
}
