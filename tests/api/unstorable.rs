//! U+0000, which PostgreSQL's texts cannot have, is refused exactly, wherever it comes in, on every store alike.

use heirloom::domain::client::Party;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::browser::*;
use crate::documents::{asks, documents, published};
use crate::harness::*;
use crate::registration::{open, web_app};
use crate::signer::{Signer, changed};

const HELD: &str = "A text holds the character U+0000.";
const REFUSED: &str = "400 invalid_request A text holds the character U+0000.";

/// The claims of a request object that asks for a code.
fn object(app: &TestApp, nonce: &str) -> Value {
    json!({
        "iss": "signs", "aud": app.url, "exp": app.clock.now().timestamp() + 60, "client_id": "signs",
        "redirect_uri": REDIRECT_URI, "response_type": "code", "scope": "openid", "nonce": nonce,
        "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    })
}

both_stores! {
    async fn a_form_holds_no_text_that_no_row_can_hold(app) {
        app.with_apps().await;
        for path in [
            "/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/par", "/oauth/device_authorization",
            "/oauth/userinfo",
        ] {
            for (name, value) in [("nonce", "a\0b"), ("unheard-of", "\0"), ("a\0b", "c")] {
                let told = app.form(path, &[("client_id", "app"), (name, value)]).await;
                assert_eq!(told.refusal(), REFUSED, "{path} {name:?}");
            }
        }
        let browser = Browser::new(&app);
        for path in ["/sign-in", "/consent", "/device", "/oauth/logout", "/account", "/account/password"] {
            let seen = browser.post(path, &[("x", "a\0b")]).await;
            assert!(seen.status == 400 && seen.body.contains(HELD), "{path} {seen:?}");
        }
    }

    async fn json_holds_no_text_that_no_row_can_hold(app) with open; {
        let ana = app.ana_logged_in().await;
        let login = json!({ "username": "ana", "password": PASSWORD });
        for (path, body) in [
            ("/login", changed(&login, &json!({ "device": "Ana's\0phone" }))),
            ("/login", changed(&login, &json!({ "unheard-of": [{ "a\0b": null }] }))),
            ("/login", json!({ "username": "a\0na", "password": PASSWORD })),
            ("/refresh", json!({ "refresh_token": "a\0b" })),
            ("/logout", json!({ "refresh_token": "a\0b" })),
            ("/oauth/register", changed(&web_app(), &json!({ "client_uri": "https://app.example/\0" }))),
            ("/oauth/register", changed(&web_app(), &json!({ "software_id": "a\0b" }))),
            ("/oauth/register", changed(&web_app(), &json!({ "contacts": ["a\0b"] }))),
        ] {
            assert_eq!(app.post(path, &body).await.refusal(), REFUSED, "{path} {body}");
        }
        let revoke = app.http.post(app.at("/sessions/revoke")).bearer_auth(&ana.access);
        let told = app.send(revoke.json(&json!({ "password": PASSWORD, "id": "a\0b" }))).await;
        assert_eq!(told.refusal(), REFUSED);
        let registered = app.register(&web_app()).await;
        assert_eq!(registered.status, 201, "{registered:?}");
        let told = app.manage("PUT", &registered, Some(&changed(&web_app(), &json!({ "software_id": "\0" })))).await;
        assert_eq!(told.refusal(), REFUSED);
        // What only speaks of the character holds none.
        let spoken = changed(&login, &json!({ "device": r"Ana's\u0000" }));
        assert_eq!(app.post("/login", &spoken).await.status, 200);
    }

    async fn a_client_hears_at_its_redirect_uri_what_no_row_can_hold(app) {
        app.with_apps().await;
        let signer = Signer::new(Algorithm::ES256, "k1");
        app.add_app("signs", |it| {
            it.party = Party::First;
            it.metadata.jwks = Some(serde_json::from_value(signer.jwks()).unwrap());
        })
        .await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let claims = r#"{"userinfo": {"email": {"value": "a\u0000b"}}}"#;
        // Consent comes after: it is not asked for what cannot be.
        for change in [("nonce", "a\0b"), ("state", "\0"), ("login_hint", "a\0"), ("claims", claims), ("x", "\0")] {
            let asked = query(&[("client_id", "other"), change]);
            let posted = app.http.post(app.at("/oauth/authorize")).body(asked.clone());
            let posted = posted.header("content-type", "application/x-www-form-urlencoded");
            for seen in [
                browser.get(&format!("/oauth/authorize?{asked}")).await,
                browser.follow(browser.send(posted).await).await,
            ] {
                let (to, answer) = seen.answer();
                let told = (answer["error"].as_str(), answer["error_description"].as_str());
                assert_eq!((to.as_str(), told), (REDIRECT_URI, ("invalid_request", HELD)), "{change:?}");
            }
        }
        let object_with = |nonce: &str| signer.sign(&object(&app, nonce));
        let by_value = [("client_id", "signs"), ("request", &object_with("a\0b"))];
        let (to, answer) = browser.get(&format!("/oauth/authorize?{}", query(&by_value))).await.answer();
        assert_eq!((to.as_str(), answer["error_description"].as_str()), (REDIRECT_URI, HELD));
        let told = app.form("/oauth/par", &[("client_id", "signs"), ("request", &object_with("a\0b"))]).await;
        assert_eq!(told.refusal(), REFUSED);
        let pushed = app.form("/oauth/par", &[("client_id", "signs"), ("request", &object_with("a-b"))]).await;
        assert_eq!(pushed.status, 201, "{pushed:?}");
    }

    async fn a_document_holds_no_text_that_no_row_can_hold(app) with documents; {
        let browser = Browser::new(&app);
        let (_remote, id) = published(&json!({ "software_id": "a\0b" })).await;
        assert_eq!(browser.authorize(&asks(&id)).await.status, 400);
        assert_eq!(app.number("SELECT COUNT(*) FROM client_documents").await, 0);
    }
}
