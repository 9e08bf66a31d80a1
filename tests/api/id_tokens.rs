//! What ID tokens tell, and that a refreshed one tells no less (OpenID Connect Core §12.2).

use std::time::Duration;

use heirloom::domain::client::Party;
use heirloom::domain::family::RotationPolicy;
use heirloom::domain::standard_claims::StandardClaims;
use heirloom::domain::user::Username;
use heirloom::service::admin::users::{Change, Details};
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;

const ASKED: &str =
    r#"{"id_token": {"email": null, "name": {"essential": true}, "auth_time": {"essential": true}}}"#;

impl TestApp {
    async fn ana_has(&self, email: &str, name: &str) {
        let claims: StandardClaims = serde_json::from_value(json!({ "name": name })).unwrap();
        let details = Details { email: Some(email.to_owned()), email_verified: true, claims };
        let name: Username = "ana".parse().unwrap();
        let ana = heirloom::store::users::find_by_name(&self.core.db, &name).await.unwrap().unwrap();
        self.change_user(ana.id, Change::Details(Box::new(details))).await;
    }
}

/// An ID token without what changes from one to the next.
fn lasting(answer: &Answer) -> Value {
    let mut told = claims(answer.text("id_token"));
    for changing in ["nonce", "iat", "exp", "at_hash"] {
        told.as_object_mut().unwrap().remove(changing);
    }
    told
}

async fn refresh(app: &TestApp, client: &str, token: &str) -> Answer {
    app.form(
        "/oauth/token",
        &[("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)],
    )
    .await
}

async fn userinfo(app: &TestApp, answer: &Answer) -> Value {
    app.get("/oauth/userinfo", answer.text("access_token")).await.json
}

both_stores_both_ways! {
    async fn a_refreshed_id_token_tells_all_that_the_first_one_told(app) {
        app.with_apps().await;
        app.ana_has("ana@example.com", "Ana A.").await;
        app.add_app("strict", |it| {
            it.party = Party::First;
            it.lifetimes.leeway = Some(Duration::ZERO);
        })
        .await;
        let browser = Browser::new(&app);
        let secret = app
            .add_web_app("kept", |it| {
                it.party = Party::First;
                it.metadata.refresh_token_rotation = RotationPolicy::Never;
            })
            .await;
        browser.ana_signs_in(&[]).await;
        for client in ["app", "strict", "kept"] {
            let changes = [("client_id", client), ("scope", "openid profile"), ("claims", ASKED)];
            let code = browser.authorize(&changes).await.code();
            let proof = ("client_secret", if client == "kept" { secret.as_str() } else { "" });
            let first = app.exchange(&code, &[("client_id", client), proof]).await;
            let told = lasting(&first);
            assert_eq!((&told["email"], &told["name"]), (&json!("ana@example.com"), &json!("Ana A.")), "{client}");
            assert_eq!((&told["amr"], &told["acr"]), (&json!(["pwd"]), &json!("1")));
            let mut token = first.text("refresh_token").to_owned();
            // Rotated, and answered again where that may be.
            for turn in 0..3 {
                app.clock.advance(SECOND * 2);
                let form = [("grant_type", "refresh_token"), ("refresh_token", &token), ("client_id", client), proof];
                let form: Vec<_> = form.into_iter().filter(|(_, value)| !value.is_empty()).collect();
                let refreshed = app.form("/oauth/token", &form).await;
                assert_eq!(lasting(&refreshed), told, "{client} {turn}");
                assert!(claims(refreshed.text("id_token")).get("nonce").is_none(), "OIDC Core §12.2");
                if turn > 0 || client != "app" {
                    refreshed.text("refresh_token").clone_into(&mut token);
                }
            }
        }
    }

    async fn a_theft_ends_the_login_although_nothing_can_be_read_of_its_user(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let code = browser.ana_signs_in(&[("scope", "openid profile"), ("claims", ASKED)]).await;
        let first = app.exchange(&code, &[]).await;
        let second = refresh(&app, "app", first.text("refresh_token")).await;
        refresh(&app, "app", second.text("refresh_token")).await.tokens();
        app.sql("ALTER TABLE users RENAME TO elsewhere").await;
        let stolen = refresh(&app, "app", first.text("refresh_token")).await;
        assert_eq!(stolen.code(), "400 invalid_grant");
        assert_eq!((app.live_families().await, app.told("family.reused")), (0, 1));
    }

    async fn id_tokens_tell_what_scopes_open_to_clients_that_read_nothing_else(app) {
        app.with_apps().await;
        app.ana_has("ana@example.com", "Ana A.").await;
        app.add_app("dashboards", |it| {
            it.party = Party::First;
            it.metadata.scope_claims_in_id_token = true;
        })
        .await;
        let browser = Browser::new(&app);
        let changes = [("client_id", "dashboards"), ("scope", "openid profile email roles")];
        let code = browser.ana_signs_in(&changes).await;
        let answer = app.exchange(&code, &[("client_id", "dashboards")]).await;
        let told = lasting(&answer);
        let all = json!({
            "email": "ana@example.com", "email_verified": true, "name": "Ana A.", "preferred_username": "ana",
            "roles": ["editor"],
        });
        for (name, value) in all.as_object().unwrap() {
            assert_eq!(&told[name], value, "{name}");
        }
        for (name, value) in userinfo(&app, &answer).await.as_object().unwrap() {
            assert_eq!(&told[name], value, "{name} is what the userinfo endpoint tells");
        }
        // A refresh tells what is so by then, and no more than its own scope opens.
        app.ana_has("new@example.com", "Ana A.").await;
        let refreshed = refresh(&app, "dashboards", answer.text("refresh_token")).await;
        assert_eq!(claims(refreshed.text("id_token"))["email"], "new@example.com");
        let form = [
            ("grant_type", "refresh_token"), ("client_id", "dashboards"), ("scope", "openid email"),
            ("refresh_token", refreshed.text("refresh_token")),
        ];
        let narrowed = claims(app.form("/oauth/token", &form).await.text("id_token"));
        assert_eq!((&narrowed["email"], narrowed.get("name")), (&json!("new@example.com"), None));
        // A client that is not registered so is told nothing.
        let plain = app.exchange(&browser.authorize(&changes[1..]).await.code(), &[]).await;
        assert!(claims(plain.text("id_token")).get("email").is_none());
    }

    async fn a_user_who_cannot_be_read_costs_no_login(app) {
        app.with_apps().await;
        for (id, leeway) in [("lenient", SECOND * 30), ("strict", Duration::ZERO)] {
            app.add_app(id, |it| {
                it.party = Party::First;
                it.lifetimes.leeway = Some(leeway);
                it.metadata.scope_claims_in_id_token = true;
            })
            .await;
        }
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        for client in ["lenient", "strict"] {
            let code = browser.authorize(&[("client_id", client)]).await.code();
            let first = app.exchange(&code, &[("client_id", client)]).await;
            app.sql("ALTER TABLE users RENAME TO away").await;
            let failed = refresh(&app, client, first.text("refresh_token")).await;
            assert_eq!(failed.code(), "500 server_error", "{client}");
            app.sql("ALTER TABLE away RENAME TO users").await;
            let again = refresh(&app, client, first.text("refresh_token")).await;
            assert_eq!(claims(again.text("id_token"))["preferred_username"], "ana", "{client}");
            assert_eq!(refresh(&app, client, again.text("refresh_token")).await.status, 200, "{client}");
        }
    }
}
