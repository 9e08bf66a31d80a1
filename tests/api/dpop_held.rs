//! Bound tokens where they are shown: at our own protected resources, and at introspection and revocation (RFC 9449 §6,
//! §7).

use heirloom::domain::client::Party;
use reqwest::Method;
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;
use crate::prover::*;

const INVALID: &str = "401 invalid_token The access token is invalid or expired.";
const ALGS: &str = r#"DPoP algs="ES256 EdDSA Ed25519 ES384 PS256 RS256""#;

/// Every challenge of an answer.
async fn challenges(request: reqwest::RequestBuilder) -> (u16, Vec<String>) {
    let response = request.send().await.unwrap();
    let headers = response.headers().get_all("www-authenticate");
    let all = headers.iter().map(|value| value.to_str().unwrap().to_owned()).collect();
    (response.status().as_u16(), all)
}

both_stores! {
    async fn a_bound_token_opens_with_its_key_alone(app) {
        app.with_apps().await;
        let (key, thief, browser) = (Prover::new(), Prover::new(), Browser::new(&app));
        let code = browser.ana_signs_in(&[]).await;
        let token = app.exchange_proving(&key.posting(&app, "/oauth/token"), &code, &[]).await.tokens().access;
        for method in [Method::GET, Method::POST] {
            let answer = app.send(app.holding(&key, method.clone(), "/oauth/userinfo", &token)).await;
            assert_eq!((answer.status.as_u16(), answer.text("preferred_username")), (200, "ana"), "{method}");
            assert_eq!(answer.header("dpop-nonce"), None);
            let stolen = app.send(app.holding(&thief, method, "/oauth/userinfo", &token)).await;
            assert_eq!(stolen.refusal(), INVALID);
        }
        // RFC 9449 §7.2: never as a plain token, in the header or in a form.
        assert_eq!(app.get("/oauth/userinfo", &token).await.refusal(), INVALID);
        assert_eq!(app.form("/oauth/userinfo", &[("access_token", &token)]).await.refusal(), INVALID);
        let bearer = app.holding(&key, Method::GET, "/oauth/userinfo", &token).header("x", "y");
        let mut bearer = bearer.build().unwrap();
        bearer.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        assert_eq!(app.http.execute(bearer).await.unwrap().status(), 401, "whatever else is proved");
        // The scheme's name has no case, as all have none.
        let proof = key.with_token(&app, "GET", "/oauth/userinfo", &token);
        let request = app.http.get(app.at("/oauth/userinfo")).header("authorization", format!("dpop {token}"));
        assert_eq!(app.send(request.header("dpop", proof)).await.status, 200);
        // One that is bound to no key is none to show with a proof.
        let plain = app.exchange(&browser.authorize(&[]).await.code(), &[]).await.tokens().access;
        assert_eq!(app.send(app.holding(&key, Method::GET, "/oauth/userinfo", &plain)).await.refusal(), INVALID);
        assert_eq!(app.get("/oauth/userinfo", &plain).await.status, 200);
    }

    async fn a_users_own_logins_are_managed_with_a_bound_token(app) {
        app.add_user("ana").await;
        let (key, thief) = (Prover::new(), Prover::new());
        let tokens = app.ana_bound_to(&key).await;
        app.clock.advance(SECOND);
        let other = app.log_in("ana").await;
        assert_eq!(app.get("/sessions", &tokens.access).await.refusal(), INVALID);
        assert_eq!(app.send(app.holding(&thief, Method::GET, "/sessions", &tokens.access)).await.refusal(), INVALID);
        let listed = app.send(app.holding(&key, Method::GET, "/sessions?limit=10", &tokens.access)).await;
        let bound = |it: &Value| (it["current"] == json!(true), it["bound"] == json!(true));
        let listed: Vec<_> = listed.json["sessions"].as_array().unwrap().iter().map(bound).collect();
        assert_eq!(listed, [(false, false), (true, true)]);
        let place = format!("/sessions/{}", other.family());
        assert_eq!(app.delete(&place, &tokens.access).await.refusal(), INVALID);
        assert_eq!(app.live_families().await, 2);
        assert_eq!(app.send(app.holding(&key, Method::DELETE, &place, &tokens.access)).await.status, 204);
        app.log_in("ana").await;
        let revoke = app.holding(&key, Method::POST, "/sessions/revoke", &tokens.access);
        assert_eq!(app.send(revoke.json(&json!({ "password": PASSWORD }))).await.status, 204);
        app.log_in("ana").await;
        assert_eq!(app.send(app.holding(&key, Method::DELETE, "/sessions", &tokens.access)).await.status, 204);
        assert_eq!(app.live_families().await, 1);
    }

    async fn each_way_to_show_a_token_has_its_challenge(app) {
        app.add_user("ana").await;
        let key = Prover::new();
        let login = json!({ "username": "ana", "password": PASSWORD, "scope": "profile" });
        let bound = app.post_proving("/login", &key, &login).await.tokens().access;
        let plain = app.log_in("ana").await.access;
        let bearer = r#"Bearer realm="heirloom""#;
        let invalid = r#", error="invalid_token", error_description="The access token is invalid or expired.""#;
        for place in ["/oauth/userinfo", "/sessions"] {
            let get = || app.http.get(app.at(place));
            let rows = [
                ("RFC 6750 §3.1: nothing was shown", get(), vec![bearer.to_owned(), ALGS.to_owned()]),
                ("RFC 9449 §7.2: bound, shown as plain", get().bearer_auth(&bound), vec![format!("{bearer}{invalid}"), ALGS.to_owned()]),
                ("RFC 9449 §7.1: plain, shown as bound", app.holding(&key, Method::GET, place, &plain), vec![format!("{ALGS}{invalid}"), bearer.to_owned()]),
                ("RFC 9449 §7.1: no proof", get().header("authorization", format!("DPoP {bound}")), vec![format!(r#"{ALGS}, error="invalid_dpop_proof""#), bearer.to_owned()]),
            ];
            for (section, request, expected) in rows {
                assert_eq!(challenges(request).await, (401, expected), "{section}: {place}");
            }
        }
        // RFC 6750 §3.1, RFC 9470: what else a good token may lack.
        let userinfo = app.holding(&key, Method::GET, "/oauth/userinfo", &bound);
        let lacks = format!(r#"{ALGS}, error="insufficient_scope", scope="openid""#);
        assert_eq!(challenges(userinfo).await, (403, vec![lacks, bearer.to_owned()]));
        app.clock.advance(MINUTE * 6);
        let stale = challenges(app.holding(&key, Method::DELETE, "/sessions", &bound)).await;
        assert!(stale.0 == 401 && stale.1[0].starts_with(ALGS) && stale.1[0].ends_with(r#"max_age="300""#), "{stale:?}");
        let told = app.get("/.well-known/openid-configuration", "").await;
        assert_eq!(told.json["dpop_signing_alg_values_supported"], json!(["ES256", "EdDSA", "Ed25519", "ES384", "PS256", "RS256"]));
    }

    async fn introspection_and_revocation_know_of_the_key_and_ask_for_no_proof(app) {
        app.with_apps().await;
        let secret = app.add_service("api", &["https://api.example"]).await;
        let web = app.add_web_app("web", |it| it.party = Party::First).await;
        let (api, web, key) = (("api", secret.as_str()), ("web", web.as_str()), Prover::new());
        let look = async |client: (&str, &str), token: &str| app.form_as("/oauth/introspect", client, &[("token", token)]).await.json;
        let browser = Browser::new(&app);
        let named = [("resource", "https://api.example")];
        let code = browser.ana_signs_in(&named).await;
        let tokens = app.exchange_proving(&key.posting(&app, "/oauth/token"), &code, &[]).await.tokens();
        let seen = look(api, &tokens.access).await;
        assert_eq!((&seen["token_type"], &seen["cnf"]), (&json!("DPoP"), &json!({ "jkt": key.thumbprint() })), "RFC 9449 §6.2");
        let code = browser.authorize(&named).await.code();
        let plain = look(api, &app.exchange(&code, &[]).await.tokens().access).await;
        assert_eq!((&plain["token_type"], &plain["cnf"]), (&json!("Bearer"), &Value::Null));
        // Of a refresh token: a client that authenticates has none that is bound.
        let code = browser.authorize(&[("client_id", "web")]).await.code();
        let exchange = code_exchange(&code, &[("client_id", "")]);
        let own = app.form_proving_as(web, &key.posting(&app, "/oauth/token"), &exchange).await.tokens();
        assert_eq!(look(web, &own.refresh).await["cnf"], Value::Null);
        // RFC 7009: who gives a token up need prove nothing.
        let revoke = [("client_id", "app"), ("token", tokens.refresh.as_str())];
        assert_eq!(app.form("/oauth/revoke", &revoke).await.status, 200);
        assert_eq!(look(api, &tokens.access).await, json!({ "active": false }));
        let login = app.ana_bound_to(&key).await;
        assert_eq!(app.post("/logout", &json!({ "refresh_token": login.refresh })).await.status, 204);
        assert_eq!(app.refresh_proving(&key, &login.refresh).await.refusal(), ENDED);
    }

    async fn an_account_shows_which_device_is_bound(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let note = "Bound to a key of the device";
        browser.ana_signs_in(&[]).await;
        app.log_in("ana").await;
        assert!(!browser.get("/account").await.body.contains(note));
        app.ana_bound_to(&Prover::new()).await;
        assert_eq!(browser.get("/account").await.body.matches(note).count(), 1);
        let german = Browser::new(&app).with_header("accept-language", "de");
        let page = german.authorize(&[]).await;
        german.sign_in(&page, "ana").await;
        assert_eq!(german.get("/account").await.body.matches("An einen Schlüssel des Geräts gebunden").count(), 1);
    }
}
