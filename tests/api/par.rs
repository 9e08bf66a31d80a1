//! Pushed authorization requests (RFC 9126), from the client's push to the code, through the pages.

use heirloom::domain::client::{Client, Party};
use heirloom::service::admin::janitor;
use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::browser::*;
use crate::harness::*;
use crate::signer::Signer;

const GONE: &str = "was used already or has expired";

fn pairs(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    form_urlencoded::parse(query(changes).as_bytes()).into_owned().collect()
}

impl TestApp {
    /// Pushes a request that is right, with changes.
    pub async fn push(&self, changes: &[(&str, &str)]) -> Answer {
        let pairs = pairs(changes);
        let all: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.form("/oauth/par", &all).await
    }

    /// The query that a client sends its browser with.
    pub async fn pushed(&self, changes: &[(&str, &str)]) -> String {
        let answer = self.push(changes).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let client = changes.iter().find(|(name, _)| *name == "client_id").map_or("app", |(_, id)| *id);
        let parameters = [("client_id", client), ("request_uri", answer.text("request_uri"))];
        form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
    }
}

impl Browser<'_> {
    /// Comes with a pushed request.
    pub async fn come(&self, query: &str) -> Seen {
        let seen = self.get(&format!("/oauth/authorize?{query}")).await;
        self.follow(seen).await
    }
}

fn must_push(client: &mut Client) {
    client.metadata.require_pushed_authorization_requests = true;
}

both_stores! {
    async fn a_pushed_request_goes_through_sign_in_and_consent_to_its_code(app) {
        app.with_apps().await;
        let changes = [("client_id", "other"), ("prompt", "login"), ("login_hint", "ana")];
        let pushed = app.push(&changes).await;
        assert_eq!((pushed.status.as_u16(), &pushed.json["expires_in"]), (201, &json!(90)));
        assert_eq!(pushed.header("cache-control"), Some("no-store"));
        let uri = pushed.text("request_uri");
        assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:"), "{uri}");
        let query = app.pushed(&changes).await;
        let browser = Browser::new(&app);
        app.clock.advance(SECOND * 89);
        let page = browser.come(&query).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert!(page.body.contains("value=\"ana\"") && !page.action().contains("redirect_uri"), "{page:?}");
        // The browser that came has time, and may look again.
        app.clock.advance(MINUTE * 20);
        assert_eq!(browser.get(&page.action()).await.status, 200);
        let consent = browser.sign_in(&page, "ana").await;
        assert!(consent.body.contains("Other &amp; Sons"), "{consent:?}");
        assert!(browser.get(&consent.action()).await.body.contains("Other &amp; Sons"));
        assert!(browser.come(&query).await.body.contains("Other &amp; Sons"), "signed in as was asked");
        let seen = browser.decide(&consent, "allow").await;
        let (to, answer) = seen.answer();
        assert_eq!((to.as_str(), answer["state"].as_str()), (REDIRECT_URI, "s&t"));
        let tokens = app.exchange(&answer["code"], &[("client_id", "other")]).await;
        assert_eq!(claims(tokens.text("id_token"))["nonce"], "n-1");
        // With the code it is gone.
        for place in ["/oauth/authorize", "/sign-in", "/consent"] {
            let again = browser.get(&format!("{place}?{query}")).await;
            assert_eq!((again.status.as_u16(), again.body.contains(GONE)), (400, true), "{place} {again:?}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM pushed_requests").await, 1, "only the one that nobody opened");
    }

    async fn a_pushed_request_is_one_browsers_and_has_its_time(app) {
        app.with_apps().await;
        let (browser, other) = (Browser::new(&app), Browser::new(&app));
        let query = app.pushed(&[]).await;
        let page = browser.come(&query).await;
        let stolen = other.come(&query).await;
        assert!(stolen.body.contains(GONE), "{stolen:?}");
        assert_eq!(other.post(&page.action(), &[("username", "ana"), ("password", PASSWORD)]).await.status, 400);
        browser.sign_in(&page, "ana").await.code();
        let late = app.pushed(&[]).await;
        app.clock.advance(SECOND * 90);
        assert!(browser.come(&late).await.body.contains(GONE));
        let page = Browser::new(&app).come(&app.pushed(&[]).await).await;
        let begun = app.pushed(&[("prompt", "login")]).await;
        browser.come(&begun).await;
        app.clock.advance(MINUTE * 30);
        assert!(browser.come(&begun).await.body.contains(GONE));
        assert_eq!(browser.get(&page.action()).await.status, 400);
        janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM pushed_requests").await, 0);
    }

    async fn what_was_pushed_cannot_be_changed_on_the_way(app) {
        app.with_apps().await;
        let query = app.pushed(&[("scope", "openid")]).await;
        let browser = Browser::new(&app);
        let more = format!("{query}&scope=openid+email&redirect_uri=https://evil.example&state=x&prompt=none&nonce=x");
        let page = browser.come(&more).await;
        let (to, answer) = browser.sign_in(&page, "ana").await.answer();
        assert_eq!((to.as_str(), answer["state"].as_str()), (REDIRECT_URI, "s&t"));
        let tokens = app.exchange(&answer["code"], &[]).await;
        assert_eq!((&tokens.json["scope"], &claims(tokens.text("id_token"))["nonce"]), (&json!("openid"), &json!("n-1")));
    }

    async fn two_tabs_get_one_code_from_one_pushed_request(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let query = app.pushed(&[]).await;
        let place = format!("/oauth/authorize?{query}");
        let (one, other) = futures_util::future::join(browser.get(&place), browser.get(&place)).await;
        let codes = [&one, &other].iter().filter(|seen| seen.header("location").contains("code=")).count();
        assert_eq!(codes, 1, "{one:?} {other:?}");
    }

    async fn somebody_else_may_sign_in_for_a_pushed_request(app) {
        app.with_apps().await;
        app.add_user("bob").await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        let consent = browser.come(&app.pushed(&[("client_id", "other")]).await).await;
        let (_, rest) = consent.body.split_once("\"/sign-in?").unwrap_or_else(|| panic!("{consent:?}"));
        let query = rest.split('"').next().unwrap().replace("&amp;", "&");
        let page = browser.get(&format!("/sign-in?{query}")).await;
        assert!(page.body.contains("name=\"password\""), "{page:?}");
        let consent = browser.sign_in(&page, "bob").await;
        assert!(consent.body.contains("bob"), "{consent:?}");
        assert_eq!(browser.decide(&consent, "deny").await.error(), "access_denied");
        assert_eq!(app.number("SELECT COUNT(*) FROM pushed_requests").await, 0);
    }

    async fn a_pushed_request_is_spent_when_somebody_signs_in_who_was_not_meant(app) {
        app.with_apps().await;
        app.add_user("ben").await;
        let ana = Browser::new(&app);
        let of_ana = app.exchange(&ana.ana_signs_in(&[]).await, &[]).await;
        let query = app.pushed(&[("id_token_hint", of_ana.text("id_token"))]).await;
        let browser = Browser::new(&app);
        let page = browser.come(&query).await;
        assert_eq!(browser.sign_in(&page, "ben").await.error(), "login_required");
        assert_eq!(app.number("SELECT COUNT(*) FROM pushed_requests").await, 0);
        assert!(browser.come(&query).await.body.contains(GONE));
    }

    async fn a_client_pushes_as_it_authenticates_at_the_token_endpoint(app) {
        app.with_apps().await;
        let secret = app.add_web_app("web", |it| it.party = Party::First).await;
        let signer = Signer::new(Algorithm::ES256, "k1");
        app.add_web_app_with_keys("keyed", &signer).await;
        let id = ("client_id", "web");
        let parameters = pairs(&[id]);
        let parameters: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let unnamed: Vec<(&str, &str)> =
            parameters.iter().copied().filter(|(name, _)| *name != "client_id").collect();
        assert_eq!(app.form("/oauth/par", &parameters).await.code(), "401 invalid_client");
        assert_eq!(app.form_as("/oauth/par", ("web", "wrong"), &parameters).await.code(), "401 invalid_client");
        assert_eq!(app.form_as("/oauth/par", ("web", &secret), &parameters).await.status, 201);
        assert_eq!(app.form_as("/oauth/par", ("web", &secret), &unnamed).await.status, 201, "named by the header");
        let posted = app.push(&[id, ("client_secret", &secret)]).await;
        assert_eq!(posted.status, 201);
        assert_eq!(app.number("SELECT COUNT(*) FROM pushed_requests WHERE parameters LIKE '%secret%'").await, 0);
        let changed = [("client_id", "keyed")];
        let parameters = pairs(&changed);
        let parameters: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let assertion = app.assertion("keyed", "1");
        let asserted = app.form_asserted("/oauth/par", &signer.sign(&assertion), &parameters).await;
        assert_eq!(asserted.status, 201, "{asserted:?}");
        let here = crate::signer::changed(&app.assertion("keyed", "2"), &json!({ "aud": app.at("/oauth/par") }));
        let asserted = app.form_asserted("/oauth/par", &signer.sign(&here), &parameters).await;
        assert_eq!(asserted.code(), "401 invalid_client", "RFC 10070 §5: {asserted:?}");
    }

    async fn every_push_that_is_wrong_is_refused(app) {
        app.with_apps().await;
        app.add_app("signs", |it| {
            it.metadata.jwks_uri = Some("https://app.example/jwks".to_owned().try_into().unwrap());
            it.metadata.require_signed_request_object = true;
        }).await;
        let rows: &[Refused<'_>] = &[
            ("RFC 9126 §2.1", &[("request_uri", "urn:ietf:params:oauth:request_uri:x")], "400 invalid_request"),
            ("RFC 9126 §2.1", &[("request_uri", "https://app.example/r")], "400 invalid_request"),
            ("RFC 9126 §2", &[("client_id", "nobody")], "401 invalid_client"),
            ("RFC 9126 §2", &[("client_id", "")], "401 invalid_client"),
            ("RFC 9126 §2.3", &[("redirect_uri", "")], "400 invalid_request"),
            ("RFC 9126 §2.3", &[("redirect_uri", "https://evil.example/cb")], "400 invalid_request"),
            ("RFC 9126 §2.3", &[("response_type", "token")], "400 unsupported_response_type"),
            ("RFC 9126 §2.3", &[("response_type", "")], "400 invalid_request"),
            ("RFC 9126 §2.3", &[("scope", "admin")], "400 invalid_scope"),
            ("RFC 9126 §2.3", &[("resource", "https://elsewhere.example")], "400 invalid_target"),
            ("RFC 9126 §2.3", &[("code_challenge", "")], "400 invalid_request"),
            ("RFC 9126 §2.3", &[("code_challenge_method", "plain")], "400 invalid_request"),
            ("RFC 9126 §2.3", &[("response_mode", "web_message")], "400 invalid_request"),
            ("RFC 9126 §2.3", &[("prompt", "none login")], "400 invalid_request"),
            ("RFC 9126 §3", &[("request", "x.y.z")], "400 invalid_request_object"),
            ("RFC 9101 §10.5", &[("client_id", "signs")], "400 invalid_request"),
        ];
        for (section, changes, code) in rows {
            assert_eq!(app.push(changes).await.code(), *code, "{section} {changes:?}");
        }
        let twice = app.form("/oauth/par", &[("client_id", "app"), ("client_id", "app")]).await;
        assert_eq!(twice.code(), "400 invalid_request", "RFC 6749 §3.1");
        let get = app.send(app.http.get(app.at("/oauth/par"))).await;
        assert_eq!(get.status, 405, "RFC 9126 §2.3");
        let long = "x".repeat(70_000);
        assert_eq!(app.push(&[("state", &long)]).await.status, 413, "RFC 9126 §2.3");
        assert_eq!(app.number("SELECT COUNT(*) FROM pushed_requests").await, 0, "nothing was kept");
    }

    async fn every_browser_that_comes_with_a_wrong_request_uri_is_refused(app) {
        app.with_apps().await;
        app.add_app("pushes", must_push).await;
        let browser = Browser::new(&app);
        let query = app.pushed(&[]).await;
        let uri = "urn:ietf:params:oauth:request_uri:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let pages = [
            ("RFC 9126 §4: another client's", query.replace("client_id=app", "client_id=other")),
            ("RFC 9126 §4: no client", query.replace("client_id=app", "")),
            ("RFC 9126 §4: unknown", format!("client_id=app&request_uri={uri}")),
            ("RFC 9101 §5: both", format!("{query}&request=x.y.z")),
            ("RFC 6749 §3.1: twice", format!("{query}&request_uri={uri}")),
        ];
        for (section, query) in &pages {
            for place in ["/oauth/authorize", "/sign-in", "/consent"] {
                let seen = browser.get(&format!("{place}?{query}")).await;
                assert_eq!((seen.status.as_u16(), seen.header("location")), (400, ""), "{section} {place} {seen:?}");
            }
        }
        let page = browser.come(&query).await;
        assert_eq!(page.status, 200, "none of these opened it: {page:?}");
        for place in ["/oauth/authorize", "/sign-in", "/consent"] {
            let changes = [("client_id", "pushes")];
            let seen = browser.get(&format!("{place}?{}", crate::browser::query(&changes))).await;
            assert_eq!(seen.error(), "invalid_request", "RFC 9126 §6: {place}");
        }
        let page = browser.come(&app.pushed(&[("client_id", "pushes")]).await).await;
        assert!(browser.sign_in(&page, "ana").await.body.contains("pushes"));
    }
}
