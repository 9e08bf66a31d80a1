//! Sign-in elsewhere: what the provider's word is worth here, and whose it is.

use heirloom::settings::ProviderTables;
use serde_json::{Value, json};

use crate::browser::*;
use crate::database::both_databases;
use crate::harness::*;
use crate::provider::*;

const LATE: &str = "/sign-in?to=/account";

fn ana() -> Value {
    json!({ "email": "ana@works.example", "email_verified": true, "preferred_username": "ana.works" })
}

async fn started(store: Store, url: &str, provider: &Provider, table: &Value) -> (TestApp, Stop) {
    let (app, stop) = start(store, url, TestClock::new(), |it| provider.configure(it, table)).await;
    app.with_apps().await;
    (app, stop)
}

impl Browser<'_> {
    /// Comes as somebody who is new here, and takes a name; gives what is answered to the app.
    async fn gets_an_account(&self, app: &TestApp, provider: &Provider, says: &Value) -> Seen {
        let page = self.authorize(&[]).await;
        let new = self.signs_in_at(app, provider, &page, says).await;
        let form = [("csrf", new.hidden("csrf")), ("username", "ana.works".to_owned())];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.follow(self.post(&new.action(), &form).await).await
    }

    /// Where it waits for an answer to the question of who it is here.
    fn waits_at(page: &Seen) -> String {
        let place = page.body.split("action=\"").map(|rest| unescaped(rest.split('"').next().unwrap()));
        place
            .filter(|it| it.starts_with("/sign-in/new?attempt="))
            .last()
            .unwrap_or_else(|| panic!("{page:?}"))
    }
}

both_databases! {
    async fn two_factors_elsewhere_count_where_the_settings_say_so(store, url) {
        let provider = Provider::start().await;
        for (place, amr, acr) in [
            ("there", json!(["pwd", "mfa"]), "2"), ("there", json!(["pwd"]), "1"), ("here", json!(["pwd", "mfa"]), "1"),
        ] {
            let (app, stop) = start(store, &url, TestClock::new(), |it| {
                provider.configure(it, &json!({ "create": true, "second_factor": place }));
            }).await;
            if app.number("SELECT COUNT(*) FROM users").await == 0 {
                app.with_apps().await;
            }
            let browser = Browser::new(&app);
            let at = app.clock.now().timestamp() - 60;
            let says = crate::signer::changed(&ana(), &json!({ "amr": amr, "auth_time": at }));
            let page = browser.authorize(&[]).await;
            let seen = browser.signs_in_at(&app, &provider, &page, &says).await;
            let seen = if seen.status == 200 {
                Browser::new(&app).gets_an_account(&app, &provider, &says).await;
                let page = browser.authorize(&[]).await;
                browser.signs_in_at(&app, &provider, &page, &says).await
            } else {
                seen
            };
            let told = claims(app.exchange(&seen.code(), &[]).await.text("id_token"));
            assert_eq!((&told["acr"], &told["auth_time"]), (&json!(acr), &json!(at)), "{place} {amr}");
            assert_eq!(told["amr"].as_array().unwrap().contains(&json!("mfa")), acr == "2", "{told}");
            stop.end().await;
        }
    }

    async fn an_address_is_as_sure_here_as_it_is_there(store, url) {
        let provider = Provider::start().await;
        for (verified, expected) in [(json!(false), 0), (json!(null), 0), (json!("true"), 1), (json!("false"), 0)] {
            let (app, stop) = started(store, &url, &provider, &json!({ "create": true })).await;
            let says = crate::signer::changed(&ana(), &json!({ "email_verified": verified }));
            provider.state().userinfo = json!({ "sub": "works-1" });
            Browser::new(&app).gets_an_account(&app, &provider, &says).await.code();
            let sure = "SELECT COUNT(*) FROM users WHERE email = 'ana@works.example' AND email_verified";
            assert_eq!(app.number(sure).await, expected, "{verified}");
            for table in ["upstream_links", "sign_in_sessions", "clients", "users"] {
                app.sql(&format!("DELETE FROM {table}")).await;
            }
            stop.end().await;
        }
    }

    async fn a_name_that_is_too_long_to_be_one_lets_nobody_in(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = started(store, &url, &provider, &json!({ "create": true })).await;
        for (length, fits) in [(255, true), (256, false)] {
            let sub = "s".repeat(length);
            provider.state().userinfo = json!({ "sub": sub });
            let browser = Browser::new(&app);
            let page = browser.authorize(&[]).await;
            let seen = browser.signs_in_at(&app, &provider, &page, &json!({ "sub": sub })).await;
            assert_eq!(seen.body.contains("You are new here"), fits, "{length}: {seen:?}");
        }
        assert_eq!(app.told("upstream.refused provider=works reason=malformed"), 1);
        stop.end().await;
    }

    async fn who_waits_does_so_in_one_browser_and_not_for_long(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = started(store, &url, &provider, &json!({ "create": true })).await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[]).await;
        let new = browser.signs_in_at(&app, &provider, &page, &ana()).await;
        let place = Browser::waits_at(&new);
        let stranger = Browser::new(&app);
        stranger.authorize(&[]).await;
        assert_eq!(stranger.get(&place).await.location(), LATE, "another browser's");
        assert_eq!(stranger.post(&place, &[("username", "eve")]).await.location(), LATE);
        // Loaded again it is still there.
        assert_eq!(browser.get(&place).await.status, 200);
        app.clock.advance(10 * MINUTE);
        assert_eq!(browser.get(&place).await.location(), LATE, "ten minutes");
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, 1);
        stop.end().await;
    }

    async fn an_answer_of_one_provider_is_not_anothers(store, url) {
        let (provider, other) = (Provider::start().await, Provider::start().await);
        other.state().metadata = json!({ "authorization_response_iss_parameter_supported": null });
        let table = |id: &str, it: &Provider| json!({
            "id": id, "issuer": it.url, "client_id": CLIENT, "client_secret": SECRET, "create": true,
        });
        let tables = vec![table("works", &provider), table("other", &other)];
        let (app, stop) = start(store, &url, TestClock::new(), move |it| {
            it.sign_in.providers = ProviderTables::new(tables);
            it.outbound.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
        }).await;
        app.with_apps().await;
        let browser = Browser::new(&app);
        let sent = browser.sets_out(&browser.authorize(&[]).await).await;
        // RFC 9700 §4.4: the browser set out for the one, and is sent back as if from the other.
        let back = format!("/sign-in/back/other?code=c-1&state={}", sent.get("state"));
        let seen = browser.follow(browser.get(&back).await).await;
        assert!(seen.body.contains("cannot be trusted"), "{seen:?}");
        assert_eq!(app.told("upstream.refused provider=other reason=issuer"), 1);
        assert_eq!(other.asked("/token").len() + provider.asked("/token").len(), 0, "no code goes anywhere");
        stop.end().await;
    }

    async fn a_link_is_of_who_asked_for_it_and_made_once(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = started(store, &url, &provider, &json!({})).await;
        app.add_user("ben").await;
        let browser = Browser::new(&app);
        let page = browser.sign_in(&browser.follow(browser.get("/account/links").await).await, "ana").await;
        let asked = browser.post("/account/links", &[("csrf", &page.hidden("csrf")), ("link", "works")]).await;
        let sent = Sent::of(&asked);
        provider.say(&app, &sent, &json!({}));
        // By the time that she comes back, the browser is Ben's.
        let again = browser.follow(browser.get("/sign-in?to=/account&prompt=login").await).await;
        browser.sign_in(&again, "ben").await;
        let back = browser.comes_back(&provider, &sent).await;
        assert_eq!(back.location(), "/sign-in?to=/account/links");
        assert_eq!(app.number("SELECT COUNT(*) FROM upstream_links").await, 0);
        // Two clicks on what is offered: one link, and what waited is used up.
        let page = browser.get("/sign-in?to=/account&prompt=login").await;
        let offer = browser.signs_in_at(&app, &provider, &page, &ana()).await;
        assert!(offer.body.contains("Link to ben"), "{offer:?}");
        let place = Browser::waits_at(&offer);
        let form = [("csrf", offer.hidden("csrf")), ("link", "yes".to_owned())];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        let (one, two) = tokio::join!(browser.post(&place, &form), browser.post(&place, &form));
        for seen in [one, two] {
            let seen = browser.follow(seen).await;
            assert!(seen.body.contains("You are signed in as ben."), "{seen:?}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM upstream_links").await, 1);
        assert_eq!(app.number("SELECT COUNT(*) FROM upstream_attempts").await, 0);
        assert_eq!(app.told("user.changed change=linked"), 1);
        stop.end().await;
    }

    async fn a_provider_that_takes_secrets_in_bodies_alone_gets_it_there(store, url) {
        let provider = Provider::start().await;
        provider.state().metadata = json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] });
        let (app, stop) = started(store, &url, &provider, &json!({ "create": true })).await;
        Browser::new(&app).gets_an_account(&app, &provider, &ana()).await.code();
        let asked = provider.asked("/token").remove(0);
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        assert!(!head.to_lowercase().contains("\nauthorization:"), "{head}");
        assert!(body.contains("client_id=heirloom&client_secret=a+secret+of+Heirloom%27s"), "{body}");
        stop.end().await;
    }

    async fn an_address_that_github_did_not_verify_is_not_verified_here(store, url) {
        let provider = Provider::start().await;
        provider.state().github_emails = json!([
            { "email": "sure@works.example", "primary": false, "verified": true },
            { "email": "ana@works.example", "primary": true, "verified": false },
        ]);
        let table = json!({ "kind": "github", "api": format!("{}/api", provider.url), "create": true });
        let (app, stop) = started(store, &url, &provider, &table).await;
        let browser = Browser::new(&app);
        let sent = browser.sets_out(&browser.authorize(&[]).await).await;
        let new = browser.follow(browser.comes_back_with(&[("code", "c-1"), ("state", sent.get("state"))]).await).await;
        let form = [("csrf", new.hidden("csrf")), ("username", "ana.works".to_owned())];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        browser.follow(browser.post(&new.action(), &form).await).await.code();
        let unsure = "SELECT COUNT(*) FROM users WHERE email = 'ana@works.example' AND NOT email_verified";
        assert_eq!(app.number(unsure).await, 1);
        stop.end().await;
    }

    async fn where_browsers_are_handed_over_every_form_may_lead_there(store, url) {
        let provider = Provider::start().await;
        let (app, stop) = started(store, &url, &provider, &json!({ "hand_over": true })).await;
        let browser = Browser::new(&app);
        let page = browser.get("/sign-in?to=/account/data&prompt=login").await;
        let data = browser.sign_in(&page, "ana").await;
        // A browser holds redirects after a form to this; and whoever is signed out meanwhile is sent there.
        assert!(!data.header("content-security-policy").contains("form-action"), "{data:?}");
        app.sql("DELETE FROM sign_in_sessions").await;
        let sent = browser.post("/account/data", &[("csrf", &data.hidden("csrf"))]).await;
        assert_eq!(Sent::of(&browser.follow(sent).await).get("prompt"), "none");
        stop.end().await;
    }
}
