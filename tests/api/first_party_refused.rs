//! What the authorization challenge endpoint refuses, and with which words.

use heirloom::domain::client::{CodeProtection, Party};
use serde_json::json;

use crate::browser::*;
use crate::first_party::*;
use crate::harness::*;
use crate::registration::{open, web_app};

both_stores! {
    async fn only_who_is_marked_and_gets_codes_is_served(app) with open; {
        app.with_apps().await;
        app.add_client("bare", |it| it.party = Party::First).await;
        app.add_app("signing", |it| {
            it.party = Party::First;
            it.metadata.jwks_uri = Some("https://app.example/jwks".to_owned().try_into().unwrap());
            it.metadata.require_signed_request_object = true;
        }).await;
        let public = crate::signer::changed(&web_app(), &json!({
            "token_endpoint_auth_method": "none", "first_party": true, "party": "first",
        }));
        let registered = app.register(&public).await;
        for client in ["other", "heirloom", "bare", "signing", registered.text("client_id")] {
            let refused = app.challenge(&[("client_id", client), ("scope", "")]).await;
            assert_eq!(refused.code(), "400 unauthorized_client", "{client}");
        }
        for client in ["nobody", "", "https://client.example/metadata"] {
            assert_eq!(app.challenge(&[("client_id", client)]).await.code(), "401 invalid_client", "{client}");
        }
        assert_eq!((app.told("login"), app.number("SELECT COUNT(*) FROM authorization_codes").await), (0, 0));
        code(&app.challenge(&[]).await);
    }

    async fn every_bad_request_is_told_what_is_wrong_and_no_password_is_looked_at(app) {
        app.with_apps().await;
        let missing = |name: &str| format!("400 invalid_request The parameter {name} is missing.");
        for (changes, expected) in [
            ([("response_type", "")].as_slice(), missing("response_type")),
            (&[("response_type", "token")], "400 unsupported_response_type The response type must be code.".to_owned()),
            (&[("code_challenge", "")], missing("code_challenge")),
            (&[("code_challenge", ""), ("code_challenge_method", "")], missing("code_challenge")),
            (&[("code_challenge_method", "plain")], "400 invalid_request The code_challenge_method must be S256.".to_owned()),
            (&[("scope", "admin")], "400 invalid_scope".to_owned()),
            (&[("resource", "https://other.example")], "400 invalid_target".to_owned()),
            (&[("max_age", "soon")], "400 invalid_request The max_age is not a number of seconds.".to_owned()),
            (&[("redirect_uri", "https://evil.example/cb")],
                "400 invalid_request The redirect_uri is not registered for this client.".to_owned()),
            (&[("request", "e.y.j")],
                "400 invalid_request Request objects are taken where requests are pushed, not here.".to_owned()),
            (&[("request_uri", "urn:ietf:params:oauth:request_uri:x")], "400 request_uri_not_supported".to_owned()),
            (&[("dpop_jkt", "x")], "400 invalid_request The dpop_jkt is not the base64url of a SHA-256 thumbprint.".to_owned()),
            (&[("username", "")], missing("username")),
            (&[("password", "")], missing("password")),
            (&[("otp", "123456")], "400 invalid_request An otp or a recovery_code goes with an auth_session.".to_owned()),
            (&[("otp", "123456"), ("recovery_code", "x")], "400 invalid_request Send otp or recovery_code, not both.".to_owned()),
            (&[("auth_session", "x")],
                "400 invalid_request An auth_session has its user: username and password begin without it.".to_owned()),
            (&[("auth_session", "x"), ("username", ""), ("password", "")], "400 invalid_session".to_owned()),
            (&[("username", "a\0b")], "400 invalid_request A text holds the character U+0000.".to_owned()),
            (&[("scope", "openid"), ("scope", "openid")], "400 invalid_request A parameter is sent twice.".to_owned()),
        ] {
            let refused = app.challenge(changes).await;
            assert!(refused.refusal().starts_with(&expected), "{changes:?}: {refused:?}");
        }
        let nothing = app.challenge(&[("username", ""), ("password", "")]).await;
        assert_eq!(nothing.refusal(), "400 insufficient_authorization Send the user's username and password.");
        assert_eq!((&nothing.json["methods"], nothing.json.get("auth_session")), (&json!(["password"]), None));
        let by_json = app.post(CHALLENGE_PLACE, &json!({ "client_id": "app" })).await;
        assert_eq!(by_json.code(), "400 invalid_request");
        let looked = app.send(app.http.get(app.at(CHALLENGE_PLACE))).await;
        assert_eq!((looked.status.as_u16(), looked.header("allow")), (405, Some("POST")));
        assert_eq!(app.told("login"), 0);
        for (username, password) in [("ana", "wrong"), ("nobody", PASSWORD), ("ana", "\u{7}")] {
            let refused = app.challenge(&[("username", username), ("password", password)]).await;
            assert_eq!(refused.refusal(), "400 invalid_grant The username or the password is wrong.");
        }
        assert_eq!((app.told("login.refused"), app.number("SELECT COUNT(*) FROM authorization_codes").await), (3, 0));
    }

    async fn an_auth_session_is_for_its_client_for_ten_minutes_and_until_the_password_changes(app)
    with |it| it.limits.account_attempts = 1000; {
        let here = Browser::new(&app);
        let (authenticator, _) = app.ana_with_an_app(&here).await;
        app.add_app("own", |it| it.party = Party::First).await;
        let is_invalid = async |session: &str, client: &str| {
            let typed = authenticator.code(app.clock.now());
            let parameters = [("client_id", client), ("auth_session", session), ("otp", typed.as_str())];
            assert_eq!(app.form(CHALLENGE_PLACE, &parameters).await.code(), "400 invalid_session", "{client}");
        };
        let session = app.auth_session(&[]).await;
        is_invalid(&session, "own").await;
        // What is for another door opens nothing here, and the other way round.
        let token = app.log_in_as_ana().await.text("mfa_token").to_owned();
        is_invalid(&token, "app").await;
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "app" });
        let token = app.post("/login", &login).await.text("mfa_token").to_owned();
        is_invalid(&token, "app").await;
        let typed = authenticator.code(app.clock.now());
        let at_login = json!({ "mfa_token": session, "code": typed, "client_id": "app" });
        assert_eq!(app.post("/login/mfa", &at_login).await.code(), "401 invalid_grant");
        let hashed = app.number("SELECT COUNT(*) FROM sign_in_attempts WHERE login LIKE '%parameters%'").await;
        assert_eq!(hashed, 1);
        app.clock.advance(MINUTE * 10);
        is_invalid(&session, "app").await;
        let guessed = app.auth_session(&[]).await;
        for _ in 0..10 {
            app.goes_on(&guessed, &[("otp", "000000")]).await;
        }
        is_invalid(&guessed, "app").await;
        let session = app.auth_session(&[]).await;
        let page = here.get("/account/password").await;
        let new = "another battery horse staple";
        let typed = [("password", PASSWORD), ("new_password", new), ("repeated", new)];
        assert_eq!(here.sends(&page, &typed).await.status, 303);
        is_invalid(&session, "app").await;
    }

    async fn a_new_password_that_ends_other_logins_ends_the_codes_of_apps(app) {
        let here = Browser::new(&app);
        app.with_apps().await;
        here.ana_signs_in(&[]).await;
        let answer = app.challenge(&[]).await;
        let page = here.get("/account/password").await;
        let new = "another battery horse staple";
        let typed = [("password", PASSWORD), ("new_password", new), ("repeated", new), ("end_others", "on")];
        assert_eq!(here.sends(&page, &typed).await.status, 303);
        assert_eq!(app.exchange_own(code(&answer)).await.code(), "400 invalid_grant");
    }

    async fn wrong_passwords_and_wrong_codes_are_counted_together(app) with |it| it.limits.account_attempts = 4; {
        let here = Browser::new(&app);
        let (authenticator, _) = app.ana_with_an_app(&here).await;
        let wrong = [("password", "wrong")];
        let session = app.auth_session(&[]).await;
        let token = app.log_in_as_ana().await.text("mfa_token").to_owned();
        assert_eq!(app.challenge(&wrong).await.status, 400);
        assert_eq!(app.goes_on(&session, &[("otp", "000000")]).await.status, 400);
        let at_login = json!({ "username": "ana", "password": "wrong" });
        assert_eq!(app.post("/login", &at_login).await.status, 401);
        let at_mfa = json!({ "mfa_token": token, "code": "000000" });
        assert_eq!(app.post("/login/mfa", &at_mfa).await.status, 401);
        // All are spent, whichever was wrong and wherever: the right ones are not looked at either.
        let typed = authenticator.code(app.clock.now());
        for answer in [
            app.challenge(&[]).await,
            app.goes_on(&session, &[("otp", &typed)]).await,
            app.log_in_as_ana().await,
            app.post("/login/mfa", &json!({ "mfa_token": token, "code": typed })).await,
        ] {
            assert_eq!(answer.code(), "429 too_many_attempts");
            assert!(answer.header("retry-after").is_some());
        }
        assert_eq!((app.told("login.refused"), app.told("attempts.limited")), (4, 4));
        // A right password in between gives nothing back that a wrong code has cost.
        app.clock.advance(MINUTE * 15);
        let session = app.auth_session(&[]).await;
        for _ in 0..4 {
            assert_eq!(app.goes_on(&session, &[("otp", "000000")]).await.status, 400);
        }
        assert_eq!(app.challenge(&[]).await.code(), "429 too_many_attempts");
    }

    async fn where_apps_send_no_passwords_people_go_to_the_pages(app) with |it| it.passwords.simple_face = false; {
        app.with_apps().await;
        let bare = app.challenge(&[]).await;
        assert_eq!((bare.code().as_str(), bare.json.get("request_uri")), ("400 redirect_to_web", None));
        let whole = app.challenge(&[("redirect_uri", REDIRECT_URI), ("login_hint", "ana"), ("password", "wrong")]).await;
        assert_eq!(whole.code(), "400 redirect_to_web", "no password is looked at");
        let pairs = [("client_id", "app"), ("request_uri", whole.text("request_uri"))];
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let browser = Browser::new(&app);
        let page = browser.come(&query).await;
        assert!(page.body.contains("value=\"ana\""), "{page:?}");
        let seen = browser.sign_in(&page, "ana").await;
        app.exchange(&seen.code(), &[]).await.tokens();
        assert_eq!(app.told("login.refused"), 0);
        // Without PKCE no request waits: it would be pushed without PKCE.
        let secret = app.add_web_app("web", |it| {
            it.party = Party::First;
            it.code_protection = CodeProtection::Optional;
        }).await;
        let bare = challenge(&[("client_id", ""), ("redirect_uri", REDIRECT_URI), ("code_challenge", ""), ("code_challenge_method", "")]);
        let unprotected = app.form_as(CHALLENGE_PLACE, ("web", &secret), &bare).await;
        assert_eq!((unprotected.code().as_str(), unprotected.json.get("request_uri")), ("400 redirect_to_web", None));
        // Who may not ask at all is told that.
        assert_eq!(app.challenge(&[("client_id", "other")]).await.code(), "400 unauthorized_client");
    }

    async fn requests_that_wait_for_a_browser_are_counted(app) with |it| {
        it.passwords.simple_face = false;
        it.limits.waiting_requests = 3;
    }; {
        app.with_apps().await;
        let whole = [("redirect_uri", REDIRECT_URI)];
        for _ in 0..3 {
            assert_eq!(app.challenge(&whole).await.code(), "400 redirect_to_web");
        }
        assert_eq!(app.challenge(&whole).await.code(), "429 temporarily_unavailable");
        assert_eq!(app.challenge(&[]).await.code(), "400 redirect_to_web", "this one waits for nobody");
    }
}
