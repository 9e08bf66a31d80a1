//! OpenID Connect: ID tokens, the user's claims, signing out; and which sites may read what.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom::domain::client::Party;
use heirloom::domain::signing_algorithm::SigningAlgorithm;
use reqwest::Method;
use serde_json::json;

use crate::browser::*;
use crate::harness::*;

#[track_caller]
fn half_hash(algorithm: &'static digest::Algorithm, token: &str) -> String {
    let hash = digest::digest(algorithm, token.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}

both_stores! {
    async fn an_id_token_says_who_signed_in_when_and_how(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let auth_time = app.clock.now().timestamp();
        app.clock.advance(MINUTE);
        let answer = app.exchange(&browser.authorize(&[]).await.code(), &[]).await;
        let (id_token, access) = (answer.text("id_token"), answer.tokens().claims());
        assert_eq!(jwt_header(id_token)["typ"], "JWT");
        assert_eq!(claims(id_token), json!({
            "iss": app.url,
            "sub": access["sub"],
            "aud": "app",
            "exp": access["exp"],
            "iat": app.clock.now().timestamp(),
            "auth_time": auth_time,
            "nonce": "n-1",
            "at_hash": half_hash(&digest::SHA256, &answer.tokens().access),
            "sid": access["sid"],
            "amr": ["pwd"],
            "acr": "1",
        }));
        // Services that want a better sign-in than this one see it in the access token, too (RFC 9470 §6).
        let acr = &claims(id_token)["acr"];
        let secret = app.add_service("service", &[app.url.as_str()]).await;
        let seen = app.form_as("/oauth/introspect", ("service", &secret), &[("token", answer.text("access_token"))]).await;
        assert_eq!(&seen.json["acr"], acr);
        assert_eq!(&access["acr"], acr);
        // OIDC Core §12.2: the same user and sign-in, no nonce.
        app.clock.advance(MINUTE);
        let form = [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", answer.text("refresh_token"))];
        let refreshed = app.form("/oauth/token", &form).await;
        let again = claims(refreshed.text("id_token"));
        assert_eq!(&refreshed.tokens().claims()["acr"], acr);
        assert_eq!((&again["sub"], &again["auth_time"], &again["nonce"]), (&access["sub"], &json!(auth_time), &json!(null)));
        assert_eq!(again["iat"], app.clock.now().timestamp());
        // An ID token is no access token (RFC 9068 §4).
        assert_eq!(app.get("/oauth/userinfo", id_token).await.code(), "401 invalid_token");
        let plain = app.exchange(&browser.authorize(&[("scope", "profile")]).await.code(), &[]).await;
        assert!(plain.json.get("id_token").is_none(), "{plain:?}");
    }

    async fn the_hash_goes_with_the_algorithm(app) with |settings| {
        settings.keys.algorithm = SigningAlgorithm::EdDsa;
    }; {
        app.with_apps().await;
        let answer = app.exchange(&Browser::new(&app).ana_signs_in(&[]).await, &[]).await;
        let at_hash = half_hash(&digest::SHA512, &answer.tokens().access);
        assert_eq!(claims(answer.text("id_token"))["at_hash"], at_hash);
    }

    async fn an_app_knows_of_its_user_what_its_scopes_open(app) {
        app.with_apps().await;
        app.sql("UPDATE users SET email = 'ana@example.com', email_verified = TRUE").await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let token = async |scope: &str| {
            app.exchange(&browser.authorize(&[("scope", scope)]).await.code(), &[]).await.tokens()
        };
        let all = token("openid profile email roles").await;
        let sub = all.claims()["sub"].clone();
        let expected = json!({
            "sub": sub, "preferred_username": "ana", "updated_at": app.clock.now().timestamp(), "email": "ana@example.com", "email_verified": true, "roles": ["editor"],
        });
        let answer = app.get("/oauth/userinfo", &all.access).await;
        assert_eq!((answer.json.clone(), answer.header("cache-control")), (expected.clone(), Some("no-store")));
        let posted = app.send(app.http.post(app.at("/oauth/userinfo")).bearer_auth(&all.access)).await;
        assert_eq!(posted.json, expected);
        let in_body = app.form("/oauth/userinfo", &[("access_token", &all.access)]).await;
        assert_eq!(in_body.json, expected);
        let least = token("openid").await;
        assert_eq!(app.get("/oauth/userinfo", &least.access).await.json, json!({ "sub": sub }));
        let without = app.get("/oauth/userinfo", &token("email").await.access).await;
        assert_eq!(without.code(), "403 insufficient_scope", "RFC 6750 §3.1");
        assert!(without.header("www-authenticate").unwrap().contains("scope=\"openid\""));
        let twice = app.http.post(app.at("/oauth/userinfo")).bearer_auth(&all.access);
        let twice = app.send(form(twice, &[("access_token", &all.access)])).await;
        assert_eq!(twice.code(), "400 invalid_request", "RFC 6750 §2");
        assert!(twice.header("www-authenticate").unwrap().contains("error=\"invalid_request\""), "RFC 6750 §3.1");
        // What is no form is not read (RFC 6750 §2.2), whatever a client says of it.
        for method in [Method::GET, Method::POST] {
            let asks = app.http.request(method.clone(), app.at("/oauth/userinfo")).bearer_auth(&all.access);
            let answer = app.send(asks.header("content-type", "application/json")).await;
            assert_eq!(answer.json, expected, "{method}");
        }
        let by_get = form(app.http.get(app.at("/oauth/userinfo")), &[("access_token", &all.access)]);
        assert_eq!(app.send(by_get).await.status, 401, "RFC 6750 §2.2: not by GET");
        let in_query = app.http.get(app.at(&format!("/oauth/userinfo?access_token={}", all.access)));
        assert_eq!(app.send(in_query).await.status, 401, "OAuth 2.1 §5.2");
        app.form("/oauth/revoke", &[("client_id", "app"), ("token", &all.refresh)]).await;
        assert_eq!(app.get("/oauth/userinfo", &all.access).await.code(), "401 invalid_token");
        let elsewhere = browser.authorize(&[("resource", "https://api.example")]).await.code();
        let elsewhere = app.exchange(&elsewhere, &[]).await.tokens();
        assert_eq!(app.get("/oauth/userinfo", &elsewhere.access).await.code(), "401 invalid_token");
    }

    async fn an_app_that_registered_for_it_is_told_of_its_user_in_a_signed_jwt(app) {
        app.with_apps().await;
        app.add_app("signed", |it| {
            it.party = heirloom::domain::client::Party::First;
            it.metadata = serde_json::from_value(json!({ "userinfo_signed_response_alg": "RS256" })).unwrap();
        }).await;
        let browser = Browser::new(&app);
        let code = browser.ana_signs_in(&[("client_id", "signed"), ("scope", "openid profile")]).await;
        let tokens = app.exchange(&code, &[("client_id", "signed")]).await.tokens();
        let request = app.http.get(app.at("/oauth/userinfo")).bearer_auth(&tokens.access);
        let answer = request.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()), (200, "application/jwt"));
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let jwt = answer.text().await.unwrap();
        assert_eq!(claims(&jwt), json!({
            "iss": app.url, "aud": "signed", "sub": tokens.claims()["sub"], "preferred_username": "ana",
            "updated_at": app.clock.now().timestamp(),
        }), "OIDC Core §5.3.2");
        let header = jwt_header(&jwt);
        assert_eq!((&header["typ"], &header["alg"]), (&json!("userinfo+jwt"), &json!("RS256")), "RFC 8725 §3.11");
        let jwks = app.get("/.well-known/jwks.json", "").await;
        let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_value(jwks.json).unwrap();
        let key = jsonwebtoken::DecodingKey::from_jwk(jwks.find(header["kid"].as_str().unwrap()).unwrap()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.set_audience(&["signed"]);
        validation.required_spec_claims.clear();
        assert!(jsonwebtoken::decode::<serde_json::Value>(&jwt, &key, &validation).is_ok());
        assert_eq!(app.get("/oauth/userinfo", &jwt).await.code(), "401 invalid_token", "it is no access token");
        let hinted = browser.authorize(&[("client_id", "signed"), ("prompt", "none"), ("id_token_hint", &jwt)]).await;
        assert_eq!(hinted.error(), "invalid_request", "it is no ID token");
    }

    async fn an_app_signs_its_user_out(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let first = app.exchange(&browser.ana_signs_in(&[]).await, &[]).await;
        let second = app.exchange(&browser.authorize(&[]).await.code(), &[]).await.tokens();
        let logout = format!(
            "/oauth/logout?id_token_hint={}&post_logout_redirect_uri=https://app.example/bye&state=a%26b",
            first.text("id_token")
        );
        app.clock.advance(DAY - MINUTE);
        let elsewhere = browser.get(&format!("{logout}&client_id=other")).await;
        assert_eq!((elsewhere.status.as_u16(), elsewhere.header("location")), (400, ""), "RP-Initiated Logout §2");
        let gone = browser.get(&logout).await;
        assert_eq!(gone.location(), "https://app.example/bye?state=a%26b", "an expired hint is a hint");
        assert_eq!(browser.cookie("heirloom-session"), None);
        assert_eq!(browser.authorize(&[("prompt", "none")]).await.error(), "login_required");
        assert_eq!(app.refresh_with("app", &first.tokens().refresh).await.refusal(), ENDED);
        assert_eq!(app.refresh_with("app", &second.refresh).await.status, 200, "another login goes on");
        assert_eq!(browser.get(&logout).await.location(), "https://app.example/bye?state=a%26b");
    }

    async fn an_app_ends_the_login_that_its_id_token_names_from_whichever_sign_in(app) {
        app.with_apps().await;
        app.add_user("ben").await;
        let browser = Browser::new(&app);
        let logout = |answer: &Answer| format!(
            "/oauth/logout?id_token_hint={}&post_logout_redirect_uri=https://app.example/bye", answer.text("id_token")
        );
        let first = app.exchange(&browser.ana_signs_in(&[]).await, &[]).await;
        let second = app.exchange(&browser.authorize(&[]).await.code(), &[]).await;
        let third = app.exchange(&browser.authorize(&[]).await.code(), &[]).await;
        let kept = app.exchange(&browser.authorize(&[]).await.code(), &[]).await;
        // What is no word of its client about its user ends nothing.
        for (member, value) in [("aud", "other"), ("sub", "ben"), ("sid", "00000000-0000-0000-0000-000000000000")] {
            let mut said = claims(kept.text("id_token"));
            said[member] = value.into();
            let made = app.core.keys.sign_id_token(crate::keys::ANY, |_| said.to_string(), app.clock.now()).unwrap();
            let seen = Browser::new(&app).get(&format!("/oauth/logout?id_token_hint={made}")).await;
            assert_eq!(seen.status, 200, "{seen:?}");
        }
        Browser::new(&app).get(&format!("{}x", logout(&kept).split('&').next().unwrap())).await;
        assert_eq!(app.live_families().await, 4);
        // Nobody is signed in where the app asks, and its token has expired.
        app.clock.advance(DAY - MINUTE);
        assert_eq!(Browser::new(&app).get(&logout(&first)).await.location(), "https://app.example/bye");
        assert_eq!(app.refresh_with("app", &first.tokens().refresh).await.refusal(), ENDED);
        browser.authorize(&[("prompt", "none")]).await.code();
        // The user has signed in anew.
        let anew = Browser::new(&app);
        anew.ana_signs_in(&[]).await;
        let page = anew.get(&logout(&second)).await;
        let done = anew.post(&page.action(), &[("csrf", &page.hidden("csrf"))]).await;
        assert_eq!(done.location(), "https://app.example/bye");
        assert_eq!(app.refresh_with("app", &second.tokens().refresh).await.refusal(), ENDED);
        assert_eq!(anew.authorize(&[("prompt", "none")]).await.error(), "login_required");
        // Somebody else has: whoever is there is asked first.
        let bens = Browser::new(&app);
        bens.sign_in(&bens.authorize(&[]).await, "ben").await.code();
        let page = bens.get(&logout(&third)).await;
        assert_eq!(app.refresh_with("app", &third.tokens().refresh).await.status, 200);
        let done = bens.post(&page.action(), &[("csrf", &page.hidden("csrf"))]).await;
        assert_eq!(done.location(), "https://app.example/bye");
        assert_eq!(app.live_families().await, 1);
        assert_eq!(app.refresh_with("app", &kept.tokens().refresh).await.status, 200, "nothing beside them ends");
        browser.authorize(&[("prompt", "none")]).await.code();
    }

    async fn without_a_hint_the_user_is_asked(app) {
        app.with_apps().await;
        app.add_user("ben").await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let ben = Browser::new(&app);
        let of_ben = ben.sign_in(&ben.authorize(&[]).await, "ben").await.code();
        let of_ben = app.exchange(&of_ben, &[]).await;
        let somebody_elses = format!("/oauth/logout?id_token_hint={}", of_ben.text("id_token"));
        for place in ["/oauth/logout", "/oauth/logout?id_token_hint=rubbish", &somebody_elses] {
            let page = browser.get(place).await;
            assert_eq!(page.status, 200);
            assert!(page.body.contains("Sign out?"), "{page:?}");
            browser.authorize(&[("prompt", "none")]).await.code();
        }
        let page = browser.get("/oauth/logout?client_id=app&post_logout_redirect_uri=https://app.example/bye").await;
        assert_eq!(browser.post(&page.action(), &[("csrf", "wrong")]).await.location(), page.action());
        assert_eq!(browser.get(&page.action()).await.body, page.body, "it asks once more");
        let csrf = page.hidden("csrf");
        let done = browser.post(&page.action(), &[("csrf", &csrf)]).await;
        assert_eq!(done.location(), "https://app.example/bye");
        assert_eq!(browser.authorize(&[("prompt", "none")]).await.error(), "login_required");
        let page = browser.get("/oauth/logout").await;
        assert!(page.body.contains("You are signed out"), "{page:?}");
        assert_eq!(app.live_families().await, 1, "Ben's is not Ana's to end");
        let posted = Browser::new(&app).post("/oauth/logout", &[("client_id", "app")]).await;
        assert_eq!(posted.location(), "/oauth/logout?client_id=app", "the Lax cookie is sent by GET only");
    }

    async fn a_sign_out_sends_nobody_astray(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        for query in [
            "client_id=app&post_logout_redirect_uri=https://evil.example/",
            "client_id=app&post_logout_redirect_uri=https://app.example/cb",
            "client_id=app&post_logout_redirect_uri=https://app.example/bye%3fa",
            "client_id=nobody&post_logout_redirect_uri=https://app.example/bye",
        ] {
            let seen = browser.get(&format!("/oauth/logout?{query}")).await;
            assert_eq!((seen.status.as_u16(), seen.header("location")), (400, ""), "{query}");
        }
        // No client, or a hint that says nothing, leads nowhere either, but the user can still sign out.
        for client in ["", "id_token_hint=rubbish&"] {
            let logout = format!("/oauth/logout?{client}post_logout_redirect_uri=https://app.example/bye");
            let seen = browser.get(&logout).await;
            assert_eq!((seen.status.as_u16(), seen.header("location")), (200, ""));
            assert!(!seen.body.contains("app.example"), "{seen:?}");
        }
    }

    async fn discovery_is_the_same_at_both_places_and_leads_to_what_is_there(app) {
        app.add_app("app", |it| it.party = Party::First).await;
        let openid = app.send(app.http.get(app.at("/.well-known/openid-configuration"))).await;
        let oauth = app.send(app.http.get(app.at("/.well-known/oauth-authorization-server"))).await;
        assert_eq!(openid.json, oauth.json);
        for (name, value) in openid.json.as_object().unwrap() {
            if name.ends_with("_endpoint") || name == "jwks_uri" {
                let answer = app.send(app.http.get(value.as_str().unwrap())).await;
                assert_ne!(answer.status, 404, "{name}");
            }
        }
    }
}
