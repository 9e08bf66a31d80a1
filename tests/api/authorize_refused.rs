//! What `/oauth/authorize` must refuse, and where it must never send a browser.

use heirloom::domain::client::{CodeProtection, GrantType, Party};

use crate::browser::*;
use crate::harness::*;

/// An error page: nobody is sent anywhere.
#[track_caller]
fn is_page(seen: &Seen, what: &str) {
    assert_eq!(seen.status, 400, "{what}: {seen:?}");
    assert_eq!(seen.header("location"), "", "{what}");
    assert!(seen.body.contains("This did not work"), "{what}: {seen:?}");
}

both_stores! {
    async fn every_request_that_is_wrong_is_refused_to_the_client(app) {
        app.with_apps().await;
        app.add_app("no-code", |it| it.grants = [GrantType::RefreshToken].into()).await;
        let (long_nonce, long_state) = ("x".repeat(2049), "x".repeat(8193));
        let (long_nonce, long_state) = (long_nonce.as_str(), long_state.as_str());
        let long_claims = format!(r#"{{"userinfo": {{"{}": null}}}}"#, "x".repeat(4096));
        let long_claims = long_claims.as_str();
        let none = "";
        let rows: &[Refused<'_>] = &[
            ("RFC 6749 §4.1.1", &[("response_type", none)], "invalid_request"),
            ("RFC 6749 §4.1.2.1", &[("response_type", "token")], "unsupported_response_type"),
            ("OIDC Core §3.2", &[("response_type", "code id_token")], "unsupported_response_type"),
            ("RFC 6749 §4.1.2.1", &[("client_id", "no-code")], "unauthorized_client"),
            ("RFC 6749 §3.3", &[("scope", "admin")], "invalid_scope"),
            ("RFC 6749 §3.3", &[("scope", "a\"b")], "invalid_scope"),
            ("RFC 8707 §2", &[("resource", "https://elsewhere.example")], "invalid_target"),
            ("RFC 8707 §2", &[("resource", "https://api.example#x")], "invalid_target"),
            ("RFC 7636 §4.4.1", &[("code_challenge", none)], "invalid_request"),
            ("RFC 7636 §4.4.1", &[("code_challenge", none), ("code_challenge_method", none)], "invalid_request"),
            ("RFC 7636 §4.3", &[("code_challenge_method", none)], "invalid_request"),
            ("RFC 7636 §4.3", &[("code_challenge_method", "plain")], "invalid_request"),
            ("RFC 7636 §4.2", &[("code_challenge", "short")], "invalid_request"),
            ("OIDC Core §3.1.2.1", &[("prompt", "none login")], "invalid_request"),
            ("OIDC Core §3.1.2.1", &[("prompt", "sometimes")], "invalid_request"),
            ("OIDC Core §3.1.2.1", &[("max_age", "-1")], "invalid_request"),
            ("OIDC Core §3.1.2.1", &[("max_age", "+1")], "invalid_request"),
            ("OIDC Core §3.1.2.1", &[("id_token_hint", "x.y.z")], "invalid_request"),
            ("Multiple Response Types §2.1", &[("response_mode", "web_message")], "invalid_request"),
            ("RFC 9101 §6.2", &[("request", "x.y.z")], "invalid_request_object"),
            ("OIDC Core §6.2", &[("request_uri", "https://app.example/r")], "request_uri_not_supported"),
            ("OIDC Core §7.2.1", &[("registration", "{}")], "registration_not_supported"),
            ("OIDC Core §5.5", &[("claims", "x")], "invalid_request"),
            ("OIDC Core §5.5", &[("claims", "[]")], "invalid_request"),
            ("OIDC Core §5.5", &[("claims", r#"{"userinfo": {"email": 1}}"#)], "invalid_request"),
            ("no claims are that long", &[("claims", long_claims)], "invalid_request"),
            ("OIDC Core §5.5.1: sub", &[("claims", r#"{"id_token": {"sub": {"value": 7}}}"#)], "invalid_request"),
            (
                "OIDC Core §5.5.1.1: essential acr",
                &[("claims", r#"{"id_token": {"acr": {"essential": true, "values": ["urn:x:gold"]}}}"#)],
                "unmet_authentication_requirements",
            ),
            ("no nonce is that long", &[("nonce", long_nonce)], "invalid_request"),
            ("no state is that long", &[("state", long_state)], "invalid_request"),
            ("no row can hold it", &[("nonce", "a\0b")], "invalid_request"),
        ];
        let browser = Browser::new(&app);
        for (section, changes, error) in rows {
            for place in ["/oauth/authorize", "/sign-in", "/consent"] {
                let seen = browser.get(&format!("{place}?{}", query(changes))).await;
                let (to, answer) = seen.answer();
                assert_eq!(to, REDIRECT_URI, "{section} {changes:?}");
                assert_eq!(answer["error"], *error, "{section} {changes:?}");
                assert_eq!(answer["iss"], app.url, "RFC 9207 §2: {changes:?}");
                assert_eq!(answer.contains_key("state"), changes.iter().all(|(name, _)| *name != "state"));
                assert!(!answer.contains_key("code"), "{section} {changes:?}");
            }
        }
    }

    async fn whoever_is_not_trusted_sends_nobody_anywhere(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let rows: &[(&str, &[(&str, &str)])] = &[
            ("RFC 6749 §4.1.2.1", &[("client_id", "")]),
            ("RFC 6749 §4.1.2.1", &[("client_id", "nobody")]),
            ("RFC 6749 §4.1.2.1", &[("client_id", "a b")]),
            ("OIDC Core §3.1.2.1", &[("redirect_uri", "")]),
            // Of whatever else is wrong, the client is not told.
            ("RFC 6749 §4.1.2.1", &[("redirect_uri", "https://evil.example"), ("response_type", "token")]),
        ];
        for (section, changes) in rows {
            for place in ["/oauth/authorize", "/sign-in", "/consent"] {
                is_page(&browser.get(&format!("{place}?{}", query(changes))).await, section);
            }
        }
        for name in ["client_id", "redirect_uri", "state", "scope", "nonce", "code_challenge"] {
            let twice = format!("/oauth/authorize?{}&{name}=again", query(&[]));
            is_page(&browser.get(&twice).await, "RFC 6749 §3.1: repeated");
        }
        let posted = browser.post("/oauth/authorize", &[("client_id", "app"), ("client_id", "app")]).await;
        is_page(&posted, "RFC 6749 §3.1: repeated");
    }

    async fn redirect_tricks_end_at_an_error_page(app) {
        app.with_apps().await;
        app.add_app("native", |it| it.redirect_uris = vec!["http://127.0.0.1/cb".to_owned()]).await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        for uri in [
            "https://app.example.evil.example/cb",
            "https://app.example@evil.example/cb",
            "https://evil.example/cb?https://app.example/cb",
            "https://evil.example\\@app.example/cb",
            "https://app.example\\.evil.example/cb",
            "https://app.example/cb/../evil",
            "https://app.example/cb/%2e%2e/evil",
            "https://app.example/%63b",
            "https://app.example%2fcb",
            "https://app.example%00/cb",
            "https://APP.example/cb",
            "HTTPS://app.example/cb",
            "https://app.example/CB",
            "https://app.example/cb\t",
            "https://app.\texample/cb",
            "https://app.example/cb\r\nSet-Cookie: a=b",
            " https://app.example/cb",
            "https://app.example/cb#fragment",
            "https://app.example/cb?added=query",
            "https://app.example/cb?",
            "https://app.example/cb/",
            "https://app.example:443/cb",
            "https://app.example./cb",
            "https://app\u{ff0e}example/cb",
            "https://app\u{3002}example/cb",
            "https://аpp.example/cb",
            "http://app.example/cb",
            "//app.example/cb",
            "/cb",
            "javascript:alert(1)",
            "data:text/html,x",
        ] {
            for prompt in ["", "none"] {
                let seen = browser.authorize(&[("redirect_uri", uri), ("prompt", prompt)]).await;
                is_page(&seen, uri);
                assert!(seen.body.contains("<code>redirect_uri="), "{uri} is said to its developer");
                let mut links = seen.body.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
                assert!(links.all(|link| !link.contains("evil")), "no link leads to {uri}: {seen:?}");
            }
        }
        for uri in [
            "http://127.0.0.1:80@evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1:8080/cb/../x",
            "http://127.0.0.1:8080/cb?x",
            "http://127.0.0.1:99999/cb",
            "http://127.1:8080/cb",
            "http://localhost:8080/cb",
            "http://[::1]:8080/cb",
        ] {
            is_page(&browser.authorize(&[("client_id", "native"), ("redirect_uri", uri)]).await, uri);
        }
    }

    async fn only_a_confidential_client_may_have_a_nonce_instead_of_pkce(app) {
        app.with_apps().await;
        let with = |protection| move |it: &mut heirloom::domain::client::Client| {
            it.party = Party::First;
            it.code_protection = protection;
        };
        let secret = app.add_web_app("web", with(CodeProtection::PkceOrNonce)).await;
        app.add_app("public", with(CodeProtection::PkceOrNonce)).await;
        app.add_web_app("strict", |it| it.party = Party::First).await;
        let bare = [("code_challenge", ""), ("code_challenge_method", "")];
        let browser = Browser::new(&app);
        let code = browser.ana_signs_in(&[bare[0], bare[1], ("client_id", "web")]).await;
        let secret = ("client_secret", secret.as_str());
        // RFC 9700 §4.8.2: a verifier without a challenge is a downgrade.
        let downgraded = app.exchange(&code, &[("client_id", "web"), secret]).await;
        assert_eq!(downgraded.code(), "400 invalid_grant");
        let unsaid = [("client_id", "web"), secret, ("code_verifier", ""), ("redirect_uri", "")];
        assert_eq!(app.exchange(&code, &unsaid).await.code(), "400 invalid_grant", "RFC 6749 §4.1.3");
        let good = app.exchange(&code, &[("client_id", "web"), secret, ("code_verifier", "")]).await;
        assert_eq!(good.status, 200, "{good:?}");
        for (client, nonce) in [("public", "n"), ("strict", "n"), ("web", "")] {
            let seen = browser.authorize(&[bare[0], bare[1], ("client_id", client), ("nonce", nonce)]).await;
            assert_eq!(seen.error(), "invalid_request", "OAuth 2.1 §4.1.1: {client}");
        }
    }

    async fn only_a_confidential_client_may_protect_its_codes_by_its_authentication_alone(app) {
        app.with_apps().await;
        let free = |it: &mut heirloom::domain::client::Client| {
            it.party = Party::First;
            it.code_protection = CodeProtection::Optional;
        };
        let secret = app.add_web_app("web", free).await;
        app.add_app("public", free).await;
        let bare = [("code_challenge", ""), ("code_challenge_method", ""), ("nonce", "")];
        let browser = Browser::new(&app);
        // OpenID Connect Core §3.1.2.1: in the code flow both are the client's to choose.
        let code = browser.ana_signs_in(&[bare[0], bare[1], bare[2], ("client_id", "web")]).await;
        let unauthenticated = app.exchange(&code, &[("client_id", "web"), ("code_verifier", "")]).await;
        assert_eq!(unauthenticated.code(), "401 invalid_client");
        let own = [("client_id", "web"), ("client_secret", secret.as_str())];
        let downgraded = app.exchange(&code, &own).await;
        assert_eq!(downgraded.code(), "400 invalid_grant", "RFC 9700 §4.8.2");
        let good = app.exchange(&code, &[own[0], own[1], ("code_verifier", "")]).await;
        assert_eq!(good.status, 200, "{good:?}");
        assert!(claims(good.text("id_token")).get("nonce").is_none());
        let seen = browser.authorize(&[bare[0], bare[1], ("client_id", "public")]).await;
        assert_eq!(seen.error(), "invalid_request", "OAuth 2.1 §4.1.1");
    }
}
