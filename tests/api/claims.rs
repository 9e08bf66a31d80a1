//! What apps learn of their users: by scope, and claim by claim (OpenID Connect Core §5).

use heirloom::domain::client::Party;
use heirloom::domain::standard_claims::StandardClaims;
use heirloom::service::admin::users::{Change, Details};
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;

impl TestApp {
    /// Ana, of whom everything is known, and the two apps, which may ask for all of it.
    async fn ana_is_known(&self) -> Value {
        self.with_apps().await;
        for app in ["app", "other"] {
            self.sql(&format!(
                "UPDATE clients SET scopes = 'openid profile email phone address roles' WHERE id = '{app}'"
            ))
            .await;
        }
        let known = json!({
            "name": "Ana Äußerst", "given_name": "Ana", "family_name": "Äußerst", "middle_name": "M.",
            "nickname": "Anni", "profile": "https://people.example/ana", "picture": "https://ana.example/a.png",
            "gender": "female", "birthdate": "0000-02-29", "website": "https://ana.example", "locale": "de-AT", "zoneinfo": "Europe/Vienna",
            "phone_number": "+43 1 234 567", "phone_number_verified": true,
            "address": { "street_address": "Gasse 1", "locality": "Wien", "country": "Österreich" },
        });
        let claims: StandardClaims = serde_json::from_value(known.clone()).unwrap();
        let details = Details { email: Some("ana@example.com".to_owned()), email_verified: true, claims };
        let ana = heirloom::store::users::find_by_name(&self.core.db, &"ana".parse().unwrap())
            .await
            .unwrap()
            .unwrap();
        self.clock.advance(MINUTE);
        self.change_user(ana.id, Change::Details(Box::new(details))).await;
        // Caches turn over.
        self.clock.advance(SECOND * 5);
        known
    }
}

async fn userinfo(app: &TestApp, answer: &Answer) -> Value {
    let mut told = app.get("/oauth/userinfo", answer.text("access_token")).await.json;
    told.as_object_mut().unwrap().remove("sub").unwrap();
    told
}

fn pick(known: &Value, names: &[&str]) -> Value {
    names
        .iter()
        .map(|name| ((*name).to_owned(), known[*name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

both_stores! {
    async fn each_scope_opens_its_claims(app) {
        let known = app.ana_is_known().await;
        let changed = app.clock.now().timestamp() - 5;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let mut profile = pick(&known, &[
            "name", "given_name", "family_name", "middle_name", "nickname", "profile", "picture", "website", "gender",
            "birthdate", "locale", "zoneinfo",
        ]);
        profile["preferred_username"] = json!("ana");
        profile["updated_at"] = json!(changed);
        for (scope, told) in [
            ("openid", json!({})),
            ("openid profile", profile),
            ("openid phone", pick(&known, &["phone_number", "phone_number_verified"])),
            ("openid address", pick(&known, &["address"])),
            ("openid email", json!({ "email": "ana@example.com", "email_verified": true })),
        ] {
            let answer = app.exchange(&browser.authorize(&[("scope", scope)]).await.code(), &[]).await;
            assert_eq!(userinfo(&app, &answer).await, told, "OIDC Core §5.4: {scope}");
            assert!(claims(answer.text("id_token")).get("email").is_none(), "OIDC Core §5.4: {scope}");
        }
    }

    async fn an_app_asks_claim_by_claim(app) {
        let known = app.ana_is_known().await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let asked = r#"{
            "userinfo": {"given_name": {"essential": true}, "phone_number": null, "shoe_size": null, "sub": null,
                         "email": {"value": "ben@example.com"}, "locale": {"values": ["de-AT", "de"]}},
            "id_token": {"email": null, "address": {"essential": true}, "auth_time": {"essential": true},
                         "zoneinfo": {"values": ["Europe/Paris"]}, "acr": {"values": ["urn:x:gold"]}}
        }"#;
        let changes = [("scope", "openid"), ("claims", asked)];
        let answer = app.exchange(&browser.authorize(&changes).await.code(), &[]).await;
        assert_eq!(answer.json["scope"], "openid", "a claim is no scope");
        // OIDC Core §5.5.1: what is not there, or not of the value that is asked for, is left out.
        assert_eq!(userinfo(&app, &answer).await, pick(&known, &["given_name", "phone_number", "locale"]));
        let id_token = claims(answer.text("id_token"));
        assert_eq!((&id_token["email"], &id_token["address"]), (&json!("ana@example.com"), &known["address"]));
        assert_eq!(id_token["acr"], "1", "what was reached, not what was asked for");
        for absent in ["zoneinfo", "given_name", "phone_number", "email_verified"] {
            assert!(id_token.get(absent).is_none(), "{absent}");
        }
        // What was asked for at the userinfo endpoint lasts as long as the login.
        let next = app.refresh_with("app", answer.text("refresh_token")).await;
        assert_eq!(userinfo(&app, &next).await, pick(&known, &["given_name", "phone_number", "locale"]));
        let asked = [("acr_values", "urn:x:gold urn:x:silver"), ("prompt", "none")];
        browser.authorize(&asked).await.code();
    }

    async fn a_claim_opens_no_more_than_its_scope_may(app) {
        app.ana_is_known().await;
        app.sql("UPDATE clients SET scopes = 'openid profile' WHERE id = 'app'").await;
        app.clock.advance(SECOND * 5);
        let browser = Browser::new(&app);
        let changes = [("scope", "openid"), ("claims", r#"{"userinfo": {"email": null, "name": null}, "id_token": {"email": null}}"#)];
        let code = browser.ana_signs_in(&changes).await;
        let answer = app.exchange(&code, &[]).await;
        assert_eq!(userinfo(&app, &answer).await, json!({ "name": "Ana Äußerst" }));
        assert!(claims(answer.text("id_token")).get("email").is_none());
    }

    async fn a_user_is_asked_about_claims_as_about_scopes(app) {
        app.ana_is_known().await;
        let browser = Browser::new(&app);
        let plain = [("client_id", "other"), ("scope", "openid")];
        let page = browser.authorize(&plain).await;
        let consent = browser.sign_in(&page, "ana").await;
        browser.decide(&consent, "allow").await.code();
        browser.authorize(&plain).await.code();
        let more = [plain[0], plain[1], ("claims", r#"{"id_token": {"phone_number": null}}"#)];
        let page = browser.authorize(&more).await;
        assert!(page.body.contains("See your telephone number"), "{page:?}");
        browser.decide(&page, "allow").await.code();
        browser.authorize(&more).await.code();
        let other = [plain[0], plain[1], ("claims", r#"{"userinfo": {"address": null}}"#)];
        assert!(browser.authorize(&other).await.body.contains("See your postal address"));
    }

    async fn an_app_may_name_its_user(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let answer = app.exchange(&browser.ana_signs_in(&[]).await, &[]).await;
        let sub = answer.tokens().claims()["sub"].as_str().unwrap().to_owned();
        let named = |sub: &str| format!(r#"{{"id_token": {{"sub": {{"value": "{sub}"}}}}}}"#);
        browser.authorize(&[("claims", &named(&sub)), ("prompt", "none")]).await.code();
        // OIDC Core §5.5.1: no answer about anybody else.
        let (ana, somebody) = (named(&sub), named("018f0000-0000-7000-8000-000000000000"));
        assert_eq!(browser.authorize(&[("claims", &somebody), ("prompt", "none")]).await.error(), "login_required");
        assert!(browser.authorize(&[("claims", &somebody)]).await.body.contains("password"), "somebody else has to sign in");
        app.add_user("ben").await;
        let ben = Browser::new(&app);
        let page = ben.authorize(&[("claims", &ana)]).await;
        assert_eq!(ben.sign_in(&page, "ben").await.error(), "login_required", "Ben is not Ana");
        let hint = answer.text("id_token");
        assert_eq!(browser.authorize(&[("claims", &somebody), ("id_token_hint", hint)]).await.error(), "invalid_request");
        browser.authorize(&[("claims", &ana), ("id_token_hint", hint), ("prompt", "none")]).await.code();
        let reached = r#"{"id_token": {"acr": {"essential": true, "values": ["urn:x:gold", "1"]}}}"#;
        browser.authorize(&[("claims", reached), ("prompt", "none")]).await.code();
        app.add_app("third", |it| it.party = Party::Third).await;
        assert_eq!(browser.authorize(&[("client_id", "third"), ("claims", &somebody), ("prompt", "none")]).await.error(), "login_required");
    }
}
