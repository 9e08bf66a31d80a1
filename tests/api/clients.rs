//! Clients of every kind with families: who may refresh what, and where.

use std::time::Duration;

use heirloom::domain::client::{Client, GrantType, Party};
use heirloom::domain::ids::ClientId;
use heirloom::domain::lifetimes::LifetimeOverrides;
use heirloom::service::admin;
use serde_json::json;

use crate::harness::*;
use crate::rotation::token_of_client;

/// Ana's family in the hands of a confidential client, and its first refresh token: sign-in at pages comes later.
async fn service_with_family(app: &TestApp) -> (String, String) {
    let secret = app.add_service("service", &[]).await;
    app.ana_logged_in().await;
    app.sql("UPDATE families SET client_id = 'service', scope = 'read'").await;
    (secret, token_of_client(app, "service", 1).await)
}

fn refresh(token: &str) -> [(&str, &str); 2] {
    [("grant_type", "refresh_token"), ("refresh_token", token)]
}

async fn update(app: &TestApp, change: impl FnOnce(&mut Client)) {
    let mut client = admin::clients::built_in(app.clock.now());
    change(&mut client);
    admin::clients::update(&app.core, &client, app.clock.now()).await.unwrap();
    // Until the caches have turned over.
    app.clock.advance(SECOND * 2);
}

both_stores! {
    async fn a_confidential_client_refreshes_with_its_secret_and_in_no_other_way(app) {
        let (secret, token) = service_with_family(&app).await;
        let named = [&refresh(&token)[..], &[("client_id", "service")]].concat();
        let wrong = [&named[..], &[("client_secret", "wrong")]].concat();
        for answer in [
            app.form("/oauth/token", &named).await,
            app.form("/oauth/token", &wrong).await,
            app.form_as("/oauth/token", ("service", "wrong"), &refresh(&token)).await,
        ] {
            assert_eq!(answer.code(), "401 invalid_client");
        }
        let at_simple_face = json!({ "refresh_token": token, "client_id": "service" });
        assert_eq!(app.post("/refresh", &at_simple_face).await.code(), "400 unauthorized_client");
        assert_eq!(app.post("/logout", &at_simple_face).await.code(), "400 unauthorized_client");
        assert_eq!(app.number("SELECT generation FROM families").await, 1, "nothing was consumed");
        let second = app.form_as("/oauth/token", ("service", &secret), &refresh(&token)).await;
        assert_eq!(second.tokens().generation(), 2);
        let posted = [&named[..], &[("client_secret", secret.as_str())]].concat();
        assert_eq!(app.form("/oauth/token", &posted).await.tokens().refresh, second.tokens().refresh);
    }

    async fn another_clients_secret_opens_nothing_and_ends_nothing(app) {
        let (_, token) = service_with_family(&app).await;
        let other = app.add_service("other", &[]).await;
        let answer = app.form_as("/oauth/token", ("other", &other), &refresh(&token)).await;
        assert_eq!(answer.refusal(), "400 invalid_grant The refresh token is invalid.");
        assert_eq!(app.form_as("/oauth/revoke", ("other", &other), &[("token", &token)]).await.status, 200);
        assert_eq!(app.live_families().await, 1);
    }

    async fn a_confidential_client_revokes_with_its_secret_only(app) {
        let (secret, token) = service_with_family(&app).await;
        let named = [("token", token.as_str()), ("client_id", "service")];
        assert_eq!(app.form("/oauth/revoke", &named).await.code(), "401 invalid_client");
        assert_eq!(app.live_families().await, 1);
        assert_eq!(app.form_as("/oauth/revoke", ("service", &secret), &[("token", &token)]).await.status, 200);
        let answer = app.form_as("/oauth/token", ("service", &secret), &refresh(&token)).await;
        assert_eq!(answer.refusal(), "400 invalid_grant This login has been ended. Please log in again.");
    }

    async fn either_secret_refreshes_while_they_overlap(app) {
        let (old, token) = service_with_family(&app).await;
        let id: ClientId = "service".parse().unwrap();
        let new = admin::clients::rotate_secret(&app.core, &id, MINUTE, app.clock.now()).await.unwrap();
        app.clock.advance(SECOND * 2);
        let second = app.form_as("/oauth/token", ("service", &old), &refresh(&token)).await.tokens();
        let third = app.form_as("/oauth/token", ("service", new.expose()), &refresh(&second.refresh)).await.tokens();
        app.clock.advance(MINUTE);
        let late = app.form_as("/oauth/token", ("service", &old), &refresh(&third.refresh)).await;
        assert_eq!(late.code(), "401 invalid_client");
        app.form_as("/oauth/token", ("service", new.expose()), &refresh(&third.refresh)).await.tokens();
    }

    async fn a_third_partys_app_refreshes_at_the_standard_face_only(app) {
        app.ana_logged_in().await;
        app.add_client("app", |it| it.party = Party::Third).await;
        app.sql("UPDATE families SET client_id = 'app'").await;
        let token = token_of_client(&app, "app", 1).await;
        assert_eq!(app.refresh_with("app", &token).await.code(), "400 unauthorized_client");
        let named = [&refresh(&token)[..], &[("client_id", "app")]].concat();
        let tokens = app.form("/oauth/token", &named).await.tokens();
        assert_eq!(app.get("/sessions", &tokens.access).await.code(), "401 invalid_token");
    }

    async fn a_public_client_has_no_secret_and_leaves_it_out_or_empty(app) {
        let tokens = app.ana_logged_in().await;
        let named = [&refresh(&tokens.refresh)[..], &[("client_id", "heirloom")]].concat();
        let secret = |secret| [&named[..], &[("client_secret", secret)]].concat();
        assert_eq!(app.form("/oauth/token", &secret("guessed")).await.code(), "401 invalid_client");
        assert_eq!(app.number("SELECT generation FROM families").await, 1);
        // RFC 6749 §3.2: a parameter without a value counts as left out.
        let empty = [&secret("")[..], &[("scope", ""), ("resource", "")]].concat();
        assert_eq!(app.form("/oauth/token", &empty).await.tokens().generation(), 2);
    }

    async fn a_client_that_may_not_refresh_consumes_nothing(app) {
        let tokens = app.ana_logged_in().await;
        update(&app, |it| it.grants = [GrantType::AuthorizationCode].into()).await;
        assert_eq!(app.refresh(&tokens.refresh).await.code(), "400 unauthorized_client");
        update(&app, |it| it.grants = [GrantType::RefreshToken].into()).await;
        assert_eq!(app.rotate(&tokens).await.generation(), 2);
    }

    async fn changed_lifetimes_hold_for_living_families_once_the_caches_have_turned_over(app) {
        let tokens = app.ana_logged_in().await;
        let hour = Duration::from_hours(1);
        let short = LifetimeOverrides { idle_ttl: Some(hour), ..LifetimeOverrides::default() };
        update(&app, |it| it.lifetimes = short).await;
        let tokens = app.rotate(&tokens).await;
        app.clock.advance(hour - SECOND);
        let tokens = app.rotate(&tokens).await;
        app.clock.advance(hour);
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), EXPIRED);
        assert_eq!(app.get("/sessions", &tokens.access).await.code(), "401 invalid_token");
    }

    async fn a_family_keeps_the_scope_of_its_login_when_its_client_is_given_more(app) {
        let tokens = app.ana_logged_in().await;
        update(&app, |it| it.scopes = "openid profile email roles admin".parse().unwrap()).await;
        assert_eq!(app.rotate(&tokens).await.claims()["scope"], "email openid profile roles");
        assert_eq!(app.log_in("ana").await.claims()["scope"], "admin email openid profile roles");
    }

    async fn a_clock_that_is_set_back_does_not_make_an_old_registration_last(app) {
        app.add_client("app", |_| ()).await;
        app.add_user("ana").await;
        app.log_in_with("app", "ana").await;
        app.clock.turn_back(DAY);
        let id: ClientId = "app".parse().unwrap();
        admin::clients::remove(&app.core, &id, 10, app.clock.now()).await.unwrap();
        app.clock.advance(SECOND * 2);
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "app" });
        assert_eq!(app.post("/login", &login).await.code(), "401 invalid_client");
    }

    async fn a_refresh_token_that_would_not_be_honoured_is_not_active(app) {
        let (secret, token) = service_with_family(&app).await;
        let active = async || {
            app.form_as("/oauth/introspect", ("service", &secret), &[("token", &token)]).await.json["active"].clone()
        };
        assert_eq!(active().await, true);
        app.clock.advance(DAY * 7 - SECOND);
        assert_eq!(active().await, true);
        app.clock.advance(SECOND);
        assert_eq!(active().await, false, "idle for too long");
        app.clock.turn_back(DAY);
        assert_eq!(active().await, true);
        assert_eq!(app.form_as("/oauth/revoke", ("service", &secret), &[("token", &token)]).await.status, 200);
        assert_eq!(active().await, false, "ended");
    }
}
