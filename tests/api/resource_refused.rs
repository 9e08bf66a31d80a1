//! What must be refused of a `resource` (RFC 8707), wherever it may stand.

use heirloom::domain::client::{ClientKind, GrantType, Party};

use crate::browser::*;
use crate::device::GRANT;
use crate::harness::*;

const API: &str = "https://api.example";
const SECOND_API: &str = "https://second.example";

/// What a `resource` must not be: the section that says so, and the values.
const ROWS: [(&str, &[&str]); 9] = [
    ("RFC 8707 §2: no fragment", &["https://api.example#x"]),
    ("RFC 8707 §2: no fragment, even an empty one", &["https://api.example#"]),
    ("RFC 8707 §2: a URI has no space", &["https://api.example /"]),
    ("RFC 8707 §2: a URI is ASCII", &["https://api.example/ä"]),
    ("RFC 8707 §2: unknown", &["https://evil.example"]),
    ("RFC 8707 §2: compared character by character", &["https://API.example"]),
    ("RFC 8707 §2: compared character by character", &["https://api.example/"]),
    ("RFC 8707 §2: below what is registered", &["https://api.example/deeper"]),
    ("RFC 8707 §2: one of two", &[API, "https://evil.example"]),
];

fn resources<'a>(values: &[&'a str]) -> Vec<(&'static str, &'a str)> {
    values.iter().map(|value| ("resource", *value)).collect()
}

both_stores! {
    async fn no_endpoint_takes_a_resource_that_may_not_be_chosen(app) {
        app.with_apps().await;
        let secret = app.add_web_app("service", |it| {
            it.kind = ClientKind::Confidential(Vec::new());
            it.grants = [GrantType::ClientCredentials].into();
        }).await;
        app.add_app("tv", |it| it.grants = [GrantType::DeviceCode].into()).await;
        let browser = Browser::new(&app);
        for (section, values) in ROWS {
            let named = resources(values);
            let seen = browser.authorize(&named).await;
            assert_eq!(seen.error(), "invalid_target", "{section}: authorize");
            let waits = app.form("/oauth/device_authorization", &[&[("client_id", "tv")], &named[..]].concat()).await;
            assert_eq!(waits.code(), "400 invalid_target", "{section}: device");
            let own = [&[("grant_type", "client_credentials")], &named[..]].concat();
            let own = app.form_as("/oauth/token", ("service", &secret), &own).await;
            assert_eq!(own.code(), "400 invalid_target", "{section}: client credentials");
        }
    }

    async fn a_token_request_takes_no_resource_that_was_not_granted(app) {
        app.with_apps().await;
        for client in ["app", "tv"] {
            let change = |it: &mut heirloom::domain::client::Client| {
                it.party = Party::First;
                it.audiences = [API, SECOND_API].map(|audience| audience.parse().unwrap()).to_vec();
                if client == "tv" {
                    it.grants = [GrantType::DeviceCode, GrantType::RefreshToken].into();
                }
            };
            app.add_app(&format!("{client}-2"), change).await;
        }
        let (app_2, tv_2) = (("client_id", "app-2"), ("client_id", "tv-2"));
        let browser = Browser::new(&app);
        let code = browser.ana_signs_in(&[app_2, ("resource", API)]).await;
        let waits = app.form("/oauth/device_authorization", &[tv_2, ("resource", API)]).await;
        let page = browser.get("/device").await;
        let consent = browser.enter(&page, waits.text("user_code")).await;
        browser.answer_device(&consent, "allow").await;
        let device = [tv_2, ("grant_type", GRANT), ("device_code", waits.text("device_code"))];
        // RFC 8707 §2.2: a subset of what was granted, though the client may choose more in another request.
        let not_granted: (&str, &[&str]) = ("RFC 8707 §2.2: registered, not granted", &[SECOND_API]);
        let refused = || ROWS.into_iter().chain([not_granted]);
        for (section, values) in refused() {
            let named = resources(values);
            let answer = app.exchange(&code, &[&[app_2], &named[..]].concat()).await;
            assert_eq!(answer.code(), "400 invalid_target", "{section}: code");
            let answer = app.form("/oauth/token", &[&device, &named[..]].concat()).await;
            assert_eq!(answer.code(), "400 invalid_target", "{section}: device code");
        }
        assert_eq!(app.live_families().await, 0, "nothing was consumed");
        let tokens = app.exchange(&code, &[app_2]).await.tokens();
        assert_eq!(app.form("/oauth/token", &device).await.tokens().claims()["aud"], API);
        let refresh = [app_2, ("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)];
        for (section, values) in refused() {
            let answer = app.form("/oauth/token", &[&refresh, &resources(values)[..]].concat()).await;
            assert_eq!(answer.code(), "400 invalid_target", "{section}: refresh");
        }
        let next = app.form("/oauth/token", &refresh).await.tokens();
        assert_eq!((next.generation(), &next.claims()["aud"]), (2, &serde_json::json!(API)), "nothing was consumed");
    }
}
