//! The code flow through the pages, as browsers and clients live it.

use heirloom::domain::client::Party;
use heirloom::domain::secrets::Password;
use heirloom::service::admin::users::Change;
use serde_json::json;

use crate::browser::*;
use crate::harness::*;

both_stores! {
    async fn a_person_signs_in_and_the_app_gets_tokens(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[]).await;
        assert_eq!(page.status, 200);
        let back = browser.sign_in(&page, "ana").await;
        let (place, answer) = back.answer();
        assert_eq!(place, REDIRECT_URI);
        assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("s&t", app.url.as_str()));
        let tokens = app.exchange(&answer["code"], &[]).await;
        assert_eq!(tokens.header("cache-control"), Some("no-store"));
        let claims = tokens.tokens().claims();
        assert_eq!((claims["client_id"].as_str(), claims["scope"].as_str()), (Some("app"), Some("openid profile")));
        let refreshed = app.refresh_with("app", &tokens.tokens().refresh).await;
        assert_eq!(refreshed.tokens().generation(), 2);
        // Single sign-on: nobody is asked again.
        let again = browser.authorize(&[("state", "")]).await;
        assert!(!again.answer().1.contains_key("state"));
        assert_eq!(app.exchange(&again.code(), &[]).await.status, 200);
    }

    async fn somebody_elses_app_gets_in_when_its_user_agrees(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let asked = [("client_id", "other"), ("resource", "https://api.example")];
        let page = browser.authorize(&asked).await;
        let consent = browser.sign_in(&page, "ana").await;
        assert!(consent.body.contains("Give Other &amp; Sons access?"), "{consent:?}");
        for text in ["ana", "Recognise you", "See your profile, such as your username, name and picture", "api.example", "app.example"] {
            assert!(consent.body.contains(text), "{text}: {consent:?}");
        }
        assert_eq!(browser.decide(&consent, "deny").await.error(), "access_denied");
        let back = browser.decide(&browser.authorize(&asked).await, "allow").await;
        let tokens = app.exchange(&back.code(), &[("client_id", "other")]).await.tokens();
        assert_eq!(tokens.claims()["aud"], "https://api.example");
        // It is remembered, until more is asked for.
        assert_eq!(browser.authorize(&asked).await.status, 303);
        let elsewhere = browser.authorize(&[("client_id", "other")]).await;
        assert_eq!(elsewhere.status, 200, "another audience");
        browser.decide(&elsewhere, "allow").await.code();
        assert_eq!(browser.authorize(&asked).await.status, 303, "beside what was agreed to before");
        let more = [asked[0], asked[1], ("scope", "openid profile email")];
        let page = browser.authorize(&more).await;
        assert_eq!(page.status, 200);
        browser.decide(&page, "allow").await.code();
        assert_eq!(browser.authorize(&asked).await.status, 303);
        assert_eq!(browser.authorize(&[asked[0], asked[1], ("prompt", "consent")]).await.status, 200);
    }

    async fn a_native_app_is_asked_for_each_time(app) {
        app.with_apps().await;
        app.add_app("native", |it| {
            it.party = Party::First;
            it.redirect_uris = vec!["http://127.0.0.1/cb".to_owned()];
        }).await;
        let browser = Browser::new(&app);
        for _ in 0..2 {
            let changes = [("client_id", "native"), ("redirect_uri", "http://127.0.0.1:54321/cb")];
            let mut page = browser.authorize(&changes).await;
            if page.body.contains("password") && !page.body.contains("decision") {
                page = browser.sign_in(&page, "ana").await;
            }
            let back = browser.decide(&page, "allow").await;
            assert!(back.location().starts_with("http://127.0.0.1:54321/cb?code="), "{back:?}");
        }
    }

    async fn the_answer_comes_as_the_client_wants_it(app) {
        app.with_apps().await;
        app.add_app("query", |it| {
            it.party = Party::First;
            it.redirect_uris = vec!["https://app.example/cb?a=b".to_owned()];
        }).await;
        let browser = Browser::new(&app);
        let code = browser.ana_signs_in(&[("response_mode", "fragment")]).await;
        assert_eq!(app.exchange(&code, &[]).await.status, 200);
        let fragment = browser.authorize(&[("response_mode", "fragment")]).await;
        assert!(fragment.location().starts_with("https://app.example/cb#code="), "{fragment:?}");
        let with_query = [("client_id", "query"), ("redirect_uri", "https://app.example/cb?a=b")];
        let query = browser.authorize(&with_query).await;
        assert!(query.location().starts_with("https://app.example/cb?a=b&code="), "{query:?}");
        let posted = browser.authorize(&[("response_mode", "form_post")]).await;
        assert_eq!((posted.status.as_u16(), posted.action().as_str()), (200, REDIRECT_URI));
        assert_eq!((posted.hidden("state").as_str(), posted.hidden("iss")), ("s&t", app.url.clone()));
        let form = [("client_id", "app"), ("redirect_uri", REDIRECT_URI), ("code_verifier", VERIFIER)];
        assert_eq!(app.exchange(&posted.hidden("code"), &form).await.status, 200);
    }

    async fn prompts_and_ages_are_heeded(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        assert_eq!(browser.authorize(&[("prompt", "none")]).await.error(), "login_required");
        browser.ana_signs_in(&[]).await;
        browser.authorize(&[("prompt", "none")]).await.code();
        let other = [("client_id", "other"), ("prompt", "none")];
        assert_eq!(browser.authorize(&other).await.error(), "consent_required");
        // A sign-in meets what asked for it, once.
        browser.ana_signs_in(&[("prompt", "login")]).await;
        app.clock.advance(MINUTE);
        browser.authorize(&[("max_age", "60")]).await.code();
        assert_eq!(browser.authorize(&[("max_age", "59"), ("prompt", "none")]).await.error(), "login_required");
        browser.ana_signs_in(&[("max_age", "0")]).await;
        let chooser = browser.authorize(&[("prompt", "select_account")]).await;
        assert!(chooser.body.contains("Continue as ana"), "{chooser:?}");
        let csrf = chooser.hidden("csrf");
        let form = [("csrf", csrf.as_str()), ("go_on", "yes")];
        browser.follow(browser.post(&chooser.action(), &form).await).await.code();
        let both = browser.authorize(&[("prompt", "login select_account")]).await;
        assert!(!both.body.contains("Continue as ana"), "a password was asked for");
        let form = [("csrf", csrf.as_str()), ("go_on", "yes")];
        let skipped = browser.follow(browser.post(&both.action(), &form).await).await;
        assert_eq!(skipped.status, 200, "going on is no sign-in");
    }

    async fn a_long_state_comes_back_through_all_pages(app) {
        app.with_apps().await;
        let state = "ö&".repeat(2730);
        let browser = Browser::new(&app);
        let page = browser.authorize(&[("client_id", "other"), ("state", &state)]).await;
        let consent = browser.sign_in(&page, "ana").await;
        assert_eq!(browser.decide(&consent, "allow").await.answer().1["state"], state);
    }

    async fn only_what_runs_on_the_users_machine_is_said_to(app) {
        app.with_apps().await;
        let [loopback, scheme, inside] = ["http://127.0.0.1:8080/cb", "com.example.app:/cb", "http://intranet/cb"];
        for (id, uri) in [("tool", loopback), ("phone", scheme), ("wiki", inside)] {
            app.add_app(id, |it| it.redirect_uris = vec![uri.to_owned()]).await;
        }
        app.add_web_app("backend", |it| it.redirect_uris = vec![loopback.to_owned()]).await;
        for (id, uri, told) in [
            ("tool", loopback, true),
            ("phone", scheme, true),
            ("wiki", inside, false),
            ("backend", loopback, false),
            ("other", REDIRECT_URI, false),
        ] {
            let browser = Browser::new(&app);
            let page = browser.authorize(&[("client_id", id), ("redirect_uri", uri)]).await;
            let consent = browser.sign_in(&page, "ana").await;
            assert!(consent.body.contains("value=\"allow\""), "{id}: {consent:?}");
            assert_eq!(consent.body.contains("runs on this device"), told, "{id}: {consent:?}");
        }
    }

    async fn a_hint_about_somebody_else_asks_for_a_sign_in(app) {
        app.with_apps().await;
        app.add_user("ben").await;
        let (ana, ben) = (Browser::new(&app), Browser::new(&app));
        let tokens = app.exchange(&ana.ana_signs_in(&[]).await, &[]).await;
        let hint = ("id_token_hint", tokens.text("id_token"));
        ana.authorize(&[hint, ("prompt", "none")]).await.code();
        ben.sign_in(&ben.authorize(&[]).await, "ben").await.code();
        assert_eq!(ben.authorize(&[hint, ("prompt", "none")]).await.error(), "login_required");
        // OIDC Core §3.1.2.1: whoever signs in instead of the one that was meant, the client gets an error.
        let subject = json!({ "id_token": { "sub": { "value": tokens.tokens().claims()["sub"] } } }).to_string();
        for asked in [hint, ("claims", &subject)] {
            let elsewhere = Browser::new(&app);
            let page = elsewhere.authorize(&[asked]).await;
            assert_eq!(elsewhere.sign_in(&page, "ben").await.error(), "login_required", "{asked:?}");
            elsewhere.authorize(&[("prompt", "none")]).await.code();
            let page = elsewhere.authorize(&[asked]).await;
            elsewhere.sign_in(&page, "ana").await.code();
        }
        let forged = ana.authorize(&[("id_token_hint", &tokens.tokens().access)]).await;
        assert_eq!(forged.error(), "invalid_request");
        // A server whose issuer has changed may have its keys still.
        let mut said = claims(tokens.text("id_token"));
        said["iss"] = "https://old.example".into();
        let foreign = app.core.keys.sign_id_token(crate::keys::ANY, |_| said.to_string(), app.clock.now()).unwrap();
        assert_eq!(ana.authorize(&[("id_token_hint", &foreign)]).await.error(), "invalid_request", "another issuer's word");
        let elsewhere = ana.authorize(&[("client_id", "other"), hint, ("prompt", "none")]).await;
        assert_eq!(elsewhere.error(), "invalid_request", "another client's word");
    }

    async fn a_post_from_another_site_finds_the_session(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        // A cross-site POST comes without the Lax cookie, so the session must not be judged by it.
        let parameters = query(&[]);
        let parameters: Vec<_> = form_urlencoded::parse(parameters.as_bytes()).into_owned().collect();
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let elsewhere = Browser::new(&app);
        let sent = elsewhere.post("/oauth/authorize", &parameters).await;
        assert!(sent.location().starts_with("/oauth/authorize?"), "{sent:?}");
        assert_eq!(sent.set_cookies(), Vec::<&str>::new());
        browser.follow(sent).await.code();
    }

    async fn a_sign_in_lasts_no_longer_than_it_may(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        for _ in 0..13 {
            app.clock.advance(DAY - SECOND);
            browser.authorize(&[]).await.code();
        }
        app.clock.advance(DAY / 2);
        browser.authorize(&[]).await.code();
        app.clock.advance(DAY / 2 + MINUTE);
        assert_eq!(browser.authorize(&[]).await.status, 200, "14 days old");
        browser.ana_signs_in(&[]).await;
        app.clock.advance(DAY);
        assert_eq!(browser.authorize(&[]).await.status, 200, "idle for a day");
    }

    async fn what_ends_a_users_logins_ends_the_sign_ins_too(app) {
        app.with_apps().await;
        let user = app.add_user("ben").await;
        let password = Password::new(PASSWORD.to_owned()).unwrap();
        for change in [Change::Disable, Change::Password(password)] {
            let browser = Browser::new(&app);
            let page = browser.authorize(&[]).await;
            let code = browser.sign_in(&page, "ben").await.code();
            app.change_user(user, change).await;
            app.change_user(user, Change::Enable).await;
            assert_eq!(browser.authorize(&[("prompt", "none")]).await.error(), "login_required");
            assert_eq!(app.exchange(&code, &[]).await.code(), "400 invalid_grant");
        }
    }
}
