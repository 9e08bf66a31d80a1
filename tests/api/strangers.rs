//! Where clients lead that nobody answers for: those that registered themselves, and those whose id is a document.

use std::collections::BTreeMap;

use heirloom::settings::Settings;
use serde_json::json;

use crate::browser::*;
use crate::documents::{CALLBACK, documents, published};
use crate::harness::*;

const BYE: &str = "https://app.example/bye";

fn strangers(settings: &mut Settings) {
    documents(settings);
    crate::registration::open(settings);
}

impl Seen {
    /// The place that a page's only link leads to, and what is told there: nobody is sent there without it.
    #[track_caller]
    pub fn linked(&self) -> (String, BTreeMap<String, String>) {
        assert_eq!(self.header("location"), "", "{self:?}");
        let (_, rest) = self.body.split_once("<a ").unwrap_or_else(|| panic!("a link in {self:?}"));
        let (_, rest) = rest.split_once("href=\"").unwrap();
        let link = unescaped(rest.split_once('"').unwrap().0);
        assert!(!self.body.contains("onward.js") && !self.body.contains("submit.js"), "{self:?}");
        assert_eq!(self.body.matches("<a ").count(), 1, "{self:?}");
        let (place, query) = link.split_once(['?', '#']).unwrap();
        (place.to_owned(), form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }
}

impl TestApp {
    /// A web application that registered itself.
    async fn stranger(&self) -> String {
        let members = json!({
            "redirect_uris": [REDIRECT_URI], "post_logout_redirect_uris": [BYE], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"], "scope": "openid profile",
        });
        self.register(&members).await.text("client_id").to_owned()
    }
}

/// A request made by this browser with what real ones say of it.
async fn fetch(app: &TestApp, browser: &Browser<'_>, changes: &[(&str, &str)], destination: &str) -> Seen {
    let request = app.http.get(app.at(&format!("/oauth/authorize?{}", query(changes))));
    browser.send(request.header("sec-fetch-dest", destination)).await
}

both_stores! {
    async fn a_request_that_fails_leads_to_a_strangers_place_by_a_link_only(app) with strangers; {
        app.with_apps().await;
        let registered = app.stranger().await;
        let (_remote, document) = published(&json!({})).await;
        let browser = Browser::new(&app);
        for (id, uri, place) in [(&registered, REDIRECT_URI, "https://app.example"), (&document, CALLBACK, "http://127.0.0.1:3000")] {
            let own = [("client_id", id.as_str()), ("redirect_uri", uri)];
            let rows: &[Refused<'_>] = &[
                ("RFC 6749 §4.1.2.1", &[("response_type", "bogus")], "unsupported_response_type"),
                ("RFC 6749 §4.1.2.1", &[("scope", "admin")], "invalid_scope"),
                ("RFC 6749 §4.1.2.1", &[("code_challenge", "")], "invalid_request"),
                ("RFC 9101 §6.2", &[("request", "x.y.z")], "invalid_request_object"),
                ("Multiple Response Types §2.1", &[("response_type", "bogus"), ("response_mode", "fragment")], "unsupported_response_type"),
            ];
            for (section, changes, error) in rows {
                for page in ["/oauth/authorize", "/sign-in", "/consent"] {
                    let seen = browser.get(&format!("{page}?{}", query(&[&own[..], changes].concat()))).await;
                    let (to, told) = seen.linked();
                    assert_eq!((seen.status.as_u16(), to.as_str(), told["error"].as_str()), (400, uri, *error), "{section} {page}");
                    assert_eq!((told["state"].as_str(), &told["iss"]), ("s&t", &app.url), "RFC 9207 §2");
                    assert!(unescaped(&seen.body).contains(&format!("Go to {place}")), "{seen:?}");
                }
            }
            let changes = [&own[..], &[("response_type", "bogus"), ("response_mode", "form_post")]].concat();
            let seen = browser.authorize(&changes).await;
            assert_eq!((seen.status.as_u16(), seen.action().as_str(), seen.hidden("error").as_str()), (400, uri, "unsupported_response_type"));
            assert!(!seen.body.contains("submit.js") && unescaped(&seen.body).contains(&format!("Go to {place}")), "{seen:?}");
        }
        // An operator's client is told at once.
        assert_eq!(browser.authorize(&[("client_id", "other"), ("response_type", "bogus")]).await.error(), "unsupported_response_type");
    }

    async fn a_user_who_says_no_to_a_stranger_is_not_sent_there(app) with strangers; {
        app.with_apps().await;
        let registered = app.stranger().await;
        let browser = Browser::new(&app);
        for mode in ["query", "form_post"] {
            let mut page = browser.authorize(&[("client_id", &registered), ("response_mode", mode)]).await;
            if page.body.contains("name=\"password\"") {
                page = browser.sign_in(&page, "ana").await;
            }
            let seen = browser.decide(&page, "deny").await;
            assert!(seen.body.contains("Access not allowed"), "{seen:?}");
            match mode {
                "query" => assert_eq!(seen.linked().1["error"], "access_denied"),
                _ => assert_eq!(seen.hidden("error"), "access_denied"),
            }
        }
        let page = browser.authorize(&[("client_id", &registered)]).await;
        browser.decide(&page, "allow").await.code();
        let page = browser.authorize(&[("client_id", "other")]).await;
        assert_eq!(browser.decide(&page, "deny").await.error(), "access_denied", "an operator's client is told at once");
    }

    async fn a_stranger_that_asks_in_silence_is_told_at_once_but_in_the_window_of_nobody_it_is_not(app) with strangers; {
        app.with_apps().await;
        let registered = app.stranger().await;
        let browser = Browser::new(&app);
        let silent = [("client_id", registered.as_str()), ("prompt", "none")];
        // Browsers that say nothing of it, and other programs.
        assert_eq!(browser.authorize(&silent).await.error(), "login_required");
        for destination in ["iframe", "empty"] {
            assert_eq!(fetch(&app, &browser, &silent, destination).await.error(), "login_required", "{destination}");
        }
        let (to, told) = fetch(&app, &browser, &silent, "document").await.linked();
        assert_eq!((to.as_str(), told["error"].as_str()), (REDIRECT_URI, "login_required"));
        let by_ours = [("client_id", "other"), ("prompt", "none")];
        assert_eq!(fetch(&app, &browser, &by_ours, "document").await.error(), "login_required", "an operator's client");
        browser.ana_signs_in(&[]).await;
        assert_eq!(fetch(&app, &browser, &silent, "document").await.error(), "consent_required");
        let page = browser.authorize(&silent[..1]).await;
        browser.decide(&page, "allow").await.code();
        fetch(&app, &browser, &silent, "document").await.code();
    }

    async fn a_sign_out_leads_to_a_strangers_place_by_a_link_only(app) with strangers; {
        app.with_apps().await;
        let registered = app.stranger().await;
        let browser = Browser::new(&app);
        let logout = format!("/oauth/logout?client_id={registered}&post_logout_redirect_uri={BYE}&state=s");
        let seen = browser.get(&logout).await;
        let (to, told) = seen.linked();
        assert_eq!((seen.status.as_u16(), to.as_str(), told["state"].as_str()), (200, BYE, "s"));
        assert!(unescaped(&seen.body).contains("Go to https://app.example"), "{seen:?}");
        browser.ana_signs_in(&[]).await;
        let page = browser.get(&logout).await;
        let seen = browser.post(&page.action(), &[("csrf", &page.hidden("csrf"))]).await;
        assert_eq!(seen.linked().0, BYE, "who signs out from a link of anybody's");
        // Not so where its user let it in, in this very browser.
        let page = browser.authorize(&[("client_id", &registered)]).await;
        let page = browser.sign_in(&page, "ana").await;
        let code = browser.decide(&page, "allow").await.code();
        let answer = app.exchange(&code, &[("client_id", &registered)]).await;
        let page = browser.get(&format!("{logout}&id_token_hint={}", answer.text("id_token"))).await;
        let seen = browser.post(&page.action(), &[("csrf", &page.hidden("csrf"))]).await;
        assert_eq!(seen.location(), format!("{BYE}?state=s"));
    }
}
