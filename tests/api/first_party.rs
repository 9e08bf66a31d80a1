//! The authorization challenge of an operator's own apps (draft-ietf-oauth-first-party-apps-03): from what a user types
//! into an app to a code and its tokens.

use futures_util::future::join_all;
use heirloom::domain::client::{CodeProtection, Party};
use heirloom::domain::second_factor_policy::SecondFactorPolicy;
use heirloom::settings::Settings;
use serde_json::json;

use crate::authenticator::Authenticator as Passkey;
use crate::browser::*;
use crate::harness::*;
use crate::passkeys::{SITE, named};
use crate::prover::*;

pub const CHALLENGE_PLACE: &str = "/oauth/authorization_challenge";

/// The first request of an app, with changes: an empty value leaves a parameter out.
pub fn challenge<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [
        ("response_type", "code"),
        ("client_id", "app"),
        ("scope", "openid profile"),
        ("nonce", "n-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("username", "ana"),
        ("password", PASSWORD),
    ];
    let kept = usual.into_iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    kept.chain(changes.iter().copied()).filter(|(_, value)| !value.is_empty()).collect()
}

impl TestApp {
    pub async fn challenge(&self, changes: &[(&str, &str)]) -> Answer {
        self.form(CHALLENGE_PLACE, &challenge(changes)).await
    }

    /// What the app goes on with.
    pub async fn auth_session(&self, changes: &[(&str, &str)]) -> String {
        let wants = self.challenge(changes).await;
        assert_eq!(wants.code(), "400 insufficient_authorization", "{wants:?}");
        wants.text("auth_session").to_owned()
    }

    /// The second step.
    pub async fn goes_on(&self, session: &str, further: &[(&str, &str)]) -> Answer {
        let first = [("client_id", "app"), ("auth_session", session)];
        self.form(CHALLENGE_PLACE, &[&first, further].concat()).await
    }

    /// The tokens for a code that no redirect brought.
    pub async fn exchange_own(&self, code: &str) -> Answer {
        self.exchange(code, &[("redirect_uri", "")]).await
    }
}

pub fn code(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text("authorization_code")
}

both_stores! {
    async fn a_name_and_a_password_become_a_code_and_its_tokens(app) {
        app.with_apps().await;
        let answer = app.challenge(&[]).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.json.as_object().unwrap().len(), 1, "{answer:?}");
        let tokens = app.exchange_own(code(&answer)).await;
        let told = claims(tokens.text("id_token"));
        assert_eq!((&told["nonce"], &told["amr"], &told["acr"]), (&json!("n-1"), &json!(["pwd"]), &json!("1")));
        assert_eq!(claims(tokens.text("access_token"))["scope"], "openid profile");
        assert_eq!((app.told("login.succeeded"), app.told("login.refused"), app.told("sign_in")), (1, 0, 0));
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_sessions").await, 0, "no browser signed in");
        assert_eq!(app.number("SELECT COUNT(*) FROM consents").await, 0, "nobody was asked");
        let refreshed = app.rotate_with("app", &tokens.tokens()).await;
        // RFC 6749 §4.1.2: a code that comes again ends what it gave, unless it comes at once.
        assert_eq!(app.exchange_own(code(&answer)).await.code(), "400 invalid_grant");
        app.rotate_with("app", &refreshed).await;
        app.clock.advance(MINUTE);
        app.exchange_own(code(&answer)).await;
        assert_eq!(app.live_families().await, 0);
    }

    async fn a_code_is_for_its_client_its_verifier_its_redirect_uri_and_a_minute(app) {
        app.with_apps().await;
        app.add_app("own", |it| it.party = Party::First).await;
        let bare = app.challenge(&[]).await;
        let with_uri = app.challenge(&[("redirect_uri", REDIRECT_URI)]).await;
        for (answer, changes) in [
            (&bare, [("redirect_uri", ""), ("client_id", "own")].as_slice()),
            (&bare, &[("redirect_uri", ""), ("code_verifier", &"x".repeat(43))]),
            (&bare, &[("redirect_uri", ""), ("code_verifier", "")]),
            (&bare, &[("redirect_uri", REDIRECT_URI)]),
            (&with_uri, &[("redirect_uri", "https://app.example/other")]),
        ] {
            assert_eq!(app.exchange(code(answer), changes).await.code(), "400 invalid_grant", "{changes:?}");
        }
        app.exchange(code(&with_uri), &[]).await.tokens();
        app.clock.advance(MINUTE);
        assert_eq!(app.exchange_own(code(&bare)).await.code(), "400 invalid_grant");
    }

    async fn a_confidential_app_proves_itself_and_needs_no_pkce_where_its_operator_says_so(app) {
        app.add_user("ana").await;
        let secret = app.add_web_app("web", |it| {
            it.party = Party::First;
            it.code_protection = CodeProtection::Optional;
            it.redirect_uris = Vec::new();
        }).await;
        let bare = challenge(&[("client_id", ""), ("code_challenge", ""), ("code_challenge_method", "")]);
        let wrong = app.form_as(CHALLENGE_PLACE, ("web", "wrong"), &bare).await;
        assert_eq!(wrong.code(), "401 invalid_client");
        assert_eq!(app.challenge(&[("client_id", "web")]).await.code(), "401 invalid_client");
        assert_eq!(app.told("login"), 0, "no password was looked at");
        let answer = app.form_as(CHALLENGE_PLACE, ("web", &secret), &bare).await;
        let parameters = [("grant_type", "authorization_code"), ("code", code(&answer))];
        app.form_as("/oauth/token", ("web", &secret), &parameters).await.tokens();
    }

    async fn a_second_factor_is_asked_for_and_ends_it(app) {
        let here = Browser::new(&app);
        let (authenticator, codes) = app.ana_with_an_app(&here).await;
        let wants = app.challenge(&[]).await;
        assert_eq!((wants.code().as_str(), app.live_families().await), ("400 insufficient_authorization", 0));
        assert_eq!((&wants.json["methods"], wants.header("cache-control")), (&json!(["totp", "recovery_code"]), Some("no-store")));
        assert!(wants.json.get("authorization_code").is_none() && wants.json.get("expires_in").is_none(), "{wants:?}");
        let session = wants.text("auth_session").to_owned();
        for (name, wrong) in [("otp", "000000"), ("recovery_code", "x")] {
            let refused = app.goes_on(&session, &[(name, wrong)]).await;
            assert_eq!(refused.refusal(), "400 invalid_grant The code is wrong, or it was used before.");
        }
        // Without a proof it says once more what is missing; the same parameters are as good as none.
        let again = app.goes_on(&session, &[("scope", "openid profile"), ("response_type", "code")]).await;
        assert_eq!((again.code().as_str(), again.text("auth_session")), ("400 insufficient_authorization", session.as_str()));
        let answer = app.goes_on(&session, &[("otp", &authenticator.code(app.clock.now()))]).await;
        let told = claims(app.exchange_own(code(&answer)).await.text("id_token"));
        assert_eq!((&told["amr"], &told["acr"], &told["nonce"]), (&json!(["pwd", "otp", "mfa"]), &json!("2"), &json!("n-1")));
        assert_eq!((app.told("login.refused"), app.told("login.succeeded")), (2, 1));
        let spent = app.goes_on(&session, &[("recovery_code", &codes[0])]).await;
        assert_eq!(spent.refusal(), "400 invalid_session The auth_session is unknown, has expired or was used. \
            Please begin anew without it.");
        let session = app.auth_session(&[]).await;
        let answer = app.goes_on(&session, &[("recovery_code", &codes[0])]).await;
        app.exchange_own(code(&answer)).await.tokens();
        assert_eq!(app.told("recovery_code.used"), 1);
    }

    async fn of_many_who_go_on_at_once_one_gets_a_code(app) with |it| it.limits.account_attempts = 1000; {
        let here = Browser::new(&app);
        let (authenticator, codes) = app.ana_with_an_app(&here).await;
        let session = app.auth_session(&[]).await;
        let typed = authenticator.code(app.clock.now());
        let proofs: Vec<[(&str, &str); 1]> =
            std::iter::once([("otp", typed.as_str())]).chain(codes.iter().take(7).map(|it| [("recovery_code", it.as_str())])).collect();
        let answers = join_all(proofs.iter().map(|proof| app.goes_on(&session, proof))).await;
        let given = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!((given, app.number("SELECT COUNT(*) FROM authorization_codes WHERE sign_in_session IS NULL").await), (1, 1));
        assert!(answers.iter().all(|answer| answer.status == 200 || answer.status == 400), "{answers:?}");
        let left = app.number("SELECT COUNT(*) FROM recovery_codes").await;
        assert!(left >= 9, "who was too late has lost no code: {left}");
        app.clock.advance(MINUTE);
        let typed = authenticator.code(app.clock.now());
        let mut sessions = Vec::new();
        for _ in 0..8 {
            sessions.push(app.auth_session(&[]).await);
        }
        let proof = [("otp", typed.as_str())];
        let answers = join_all(sessions.iter().map(|session| app.goes_on(session, &proof))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "one code of the app, once");
    }

    async fn an_app_that_proves_a_key_holds_it_all_the_way(app) {
        let here = Browser::new(&app);
        let (authenticator, _) = app.ana_with_an_app(&here).await;
        let (key, other) = (Prover::new(), Prover::new());
        let first = app.form_proving(CHALLENGE_PLACE, &key.posting(&app, CHALLENGE_PLACE), &challenge(&[])).await;
        let session = first.text("auth_session").to_owned();
        let typed = authenticator.code(app.clock.now());
        let proof = [("client_id", "app"), ("auth_session", session.as_str()), ("otp", typed.as_str())];
        let stolen = app.form(CHALLENGE_PLACE, &proof).await;
        assert_eq!(stolen.refusal(), "400 invalid_dpop_proof A DPoP proof is missing.");
        let stolen = app.form_proving(CHALLENGE_PLACE, &other.posting(&app, CHALLENGE_PLACE), &proof).await;
        assert_eq!(stolen.code(), "400 invalid_dpop_proof");
        let answer = app.form_proving(CHALLENGE_PLACE, &key.posting(&app, CHALLENGE_PLACE), &proof).await;
        let given = code(&answer).to_owned();
        for wrong in [None, Some(&other)] {
            let refused = match wrong {
                None => app.exchange_own(&given).await,
                Some(key) => app.exchange_proving(&key.posting(&app, "/oauth/token"), &given, &[("redirect_uri", "")]).await,
            };
            assert_eq!(refused.code(), "400 invalid_dpop_proof");
        }
        let right = key.posting(&app, "/oauth/token");
        let tokens = app.exchange_proving(&right, &given, &[("redirect_uri", "")]).await;
        assert_eq!(bound_to(tokens.text("access_token")), Some(key.thumbprint()));
        let thumbprint = other.thumbprint();
        let named = [("dpop_jkt", thumbprint.as_str())];
        let two = app.form_proving(CHALLENGE_PLACE, &key.posting(&app, CHALLENGE_PLACE), &challenge(&named)).await;
        assert_eq!(two.code(), "400 invalid_dpop_proof", "one key is named and another proved");
    }

    async fn what_an_app_cannot_ask_for_is_asked_for_at_the_pages(app)
    with |it: &mut Settings| { named(it); it.sign_in.second_factor = SecondFactorPolicy::Required; }; {
        app.with_apps().await;
        app.add_user("bea").await;
        let whole = [("redirect_uri", REDIRECT_URI), ("state", "s&t")];
        // Bea has nothing yet.
        let asks = [whole.as_slice(), &[("username", "bea")]].concat();
        let enrol = app.challenge(&asks).await;
        assert_eq!((enrol.code().as_str(), &enrol.json["expires_in"]), ("400 redirect_to_web", &json!(90)));
        assert!(enrol.json.get("auth_session").is_none(), "{enrol:?}");
        let query = |answer: &Answer| {
            let pairs = [("client_id", "app"), ("request_uri", answer.text("request_uri"))];
            form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
        };
        let browser = Browser::new(&app);
        let page = browser.come(&query(&enrol)).await;
        let page = browser.sign_in(&page, "bea").await;
        assert!(page.body.contains("a password alone is not enough"), "{page:?}");
        // Wrong passwords learn nothing of that.
        let wrong = app.challenge(&[asks.as_slice(), &[("password", "not hers")]].concat()).await;
        assert_eq!(wrong.code(), "400 invalid_grant");
        assert_eq!(app.told("login.refused"), 1);
        let bare = app.challenge(&[("username", "bea")]).await;
        assert_eq!((bare.code().as_str(), bare.json.get("request_uri")), ("400 redirect_to_web", None));
        assert_eq!(app.number("SELECT COUNT(*) FROM pushed_requests").await, 1);
    }

    async fn a_passkey_is_shown_at_the_pages(app) with named; {
        app.with_apps().await;
        Browser::new(&app).gives_passkey("ana", &Passkey::new(SITE)).await;
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "app" });
        code(&app.challenge(&[]).await);
        app.post("/login", &login).await.tokens();
        for asked in ["2", "phr", "urn:x:gold phr"] {
            let answer = app.challenge(&[("acr_values", asked)]).await;
            assert_eq!(answer.code(), "400 redirect_to_web", "{asked}: a passkey alone is enough for that");
        }
        app.require_second_factor("app").await;
        assert_eq!(app.challenge(&[]).await.code(), "400 redirect_to_web");
        let refused = app.post("/login", &login).await;
        assert_eq!((refused.code().as_str(), &refused.json["methods"]), ("403 mfa_required", &json!(["passkey"])));
        assert_eq!(refused.json.get("mfa_token"), None, "there is nothing to go on with");
        assert_eq!(refused.refusal(), "403 mfa_required This account has passkeys, and a password alone is not enough \
            here. Please sign in at this server's pages.");
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_attempts").await, 0);
    }

    async fn a_request_that_waits_may_ask_for_more_and_for_nothing_else(app) with named; {
        let here = Browser::new(&app);
        let (authenticator, _) = app.ana_with_an_app(&here).await;
        let session = app.auth_session(&[]).await;
        let typed = authenticator.code(app.clock.now());
        let proof = ("otp", typed.as_str());
        for other in [("scope", "openid email"), ("nonce", "n-2"), ("code_challenge", "x"), ("response_type", "token")] {
            let refused = app.goes_on(&session, &[other, proof]).await;
            assert_eq!(refused.refusal(), "400 invalid_request The auth_session is of a request with other parameters. \
                Leave them out, or begin anew.", "{other:?}");
        }
        let essential = r#"{"id_token": {"acr": {"essential": true, "values": ["phr"]}}}"#;
        let refused = app.goes_on(&session, &[("claims", essential), proof]).await;
        assert_eq!(refused.code(), "400 unmet_authentication_requirements", "she has no passkey");
        let refused = app.goes_on(&session, &[("resource", "https://other.example"), proof]).await;
        assert_eq!(refused.code(), "400 invalid_target");
        let answer = app.goes_on(&session, &[("resource", "https://api.example"), ("max_age", "0"), proof]).await;
        let tokens = app.exchange_own(code(&answer)).await;
        assert_eq!(claims(tokens.text("access_token"))["aud"], "https://api.example");
    }

    async fn the_user_whom_the_app_names_is_the_one_who_signs_in(app) {
        app.with_apps().await;
        app.add_user("bea").await;
        let tokens = app.exchange_own(code(&app.challenge(&[]).await)).await;
        let hint = tokens.text("id_token").to_owned();
        code(&app.challenge(&[("id_token_hint", &hint)]).await);
        let other = app.challenge(&[("id_token_hint", &hint), ("username", "bea")]).await;
        assert_eq!(other.code(), "400 login_required");
        let unreachable = r#"{"id_token": {"acr": {"essential": true, "values": ["2"]}}}"#;
        let refused = app.challenge(&[("claims", unreachable)]).await;
        assert_eq!(refused.code(), "400 unmet_authentication_requirements");
    }

    async fn a_scope_that_there_is_not_is_passed_over(app) {
        app.with_apps().await;
        let tokens = app.exchange_own(code(&app.challenge(&[("scope", "openid admin")]).await)).await;
        assert_eq!(tokens.text("scope"), "openid", "RFC 6749 §3.3");
    }

    async fn both_documents_say_where_it_is(app) {
        for place in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
            let told = app.send(app.http.get(app.at(place))).await;
            let expected = format!("{}{CHALLENGE_PLACE}", told.text("issuer"));
            assert_eq!(told.text("authorization_challenge_endpoint"), expected);
        }
    }
}
