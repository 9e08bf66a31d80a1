//! What anybody may cause costs no more than it must: requests that wait, questions of devices, documents to fetch.

use std::time::Duration;

use heirloom::domain::registration::Mode;
use heirloom::service::admin::registration_tokens;
use heirloom::settings::Settings;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::browser::*;
use crate::documents::{CALLBACK, asks, documents, let_in, published};
use crate::harness::*;
use crate::registration::{open, to_be_changed};
use crate::remote::Remote;
use crate::signer::{Signer, changed};

const PENDING: &str = "400 authorization_pending";
const SLOW_DOWN: &str = "400 slow_down";
const TOO_MANY: &str = "429 temporarily_unavailable";

fn two_fetches(settings: &mut Settings) {
    documents(settings);
    open(settings);
    settings.limits.fetches = 2;
    settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
}

impl TestApp {
    /// Who asks at an endpoint with a client's id alone, from an address.
    async fn names(&self, path: &str, id: &str, address: &str) -> Answer {
        let request = self.http.post(self.at(path)).header("x-forwarded-for", address);
        let code = [
            ("grant_type", "authorization_code"),
            ("code", "x"),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.send(form(request, &[&code[..], &[("client_id", id)]].concat())).await
    }

    /// Something that grows with every write to the only device's row, or to any.
    async fn last_write_of_devices(&self) -> i64 {
        self.number(match self.store {
            Store::Sqlite => "SELECT total_changes()",
            Store::Postgres => "SELECT xmin::TEXT::BIGINT FROM device_codes",
        })
        .await
    }
}

/// A device that waits, and its user's browser at the page that asks for consent.
async fn device_before_consent(app: &TestApp) -> (Answer, Browser<'_>, Seen) {
    app.with_television().await;
    let waits = app.device_waits(&[]).await;
    let browser = Browser::new(app);
    let page = browser.ana_at_device_page().await;
    let consent = browser.enter(&page, waits.text("user_code")).await;
    (waits, browser, consent)
}

both_stores! {
    async fn what_nobody_reads_of_a_pushed_request_is_not_kept(app) {
        app.with_apps().await;
        let long = "é".repeat(2500);
        let unknown: Vec<(String, String)> = (0..3).map(|number| (format!("unknown_{number}"), long.clone())).collect();
        let unknown: Vec<(&str, &str)> = unknown.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let query = app.pushed(&unknown).await;
        let kept = "SELECT CAST(MAX(LENGTH(parameters)) AS BIGINT) FROM pushed_requests";
        assert!(app.number(kept).await < 600, "{}", app.number(kept).await);
        let browser = Browser::new(&app);
        let page = browser.come(&query).await;
        browser.sign_in(&page, "ana").await.code();
        // A long state is kept, whatever it is made of; what is still too long is told (RFC 9126 §2.3).
        let state = "é".repeat(4096);
        let query = app.pushed(&[("state", &state)]).await;
        let long = app.push(&[("state", &state), ("login_hint", &"é".repeat(2048))]).await;
        assert_eq!(long.code(), "413 invalid_request");
        assert!((24_000..32_000).contains(&app.number(kept).await));
        assert_eq!(browser.come(&query).await.answer().1["state"], state);
    }

    async fn what_nobody_reads_of_a_request_object_is_not_kept(app) {
        app.with_apps().await;
        let signer = Signer::new(Algorithm::ES256, "k1");
        let keys = serde_json::from_value(json!({ "jwks": signer.jwks() })).unwrap();
        app.add_app("signing", |it| it.metadata = keys).await;
        let object = |changes: &Value| signer.sign(&changed(&json!({
            "iss": "signing", "aud": app.url, "client_id": "signing", "redirect_uri": REDIRECT_URI,
            "response_type": "code", "scope": "openid", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        }), changes));
        let kept = "SELECT CAST(MAX(LENGTH(parameters)) AS BIGINT) FROM pushed_requests";
        let jwt = object(&json!({ "unknown": "x".repeat(10_000) }));
        let browser = Browser::new(&app);
        assert_eq!(browser.authorize(&[("client_id", "signing"), ("request", &jwt)]).await.status, 200);
        assert_eq!(app.form("/oauth/par", &[("client_id", "signing"), ("request", &jwt)]).await.status, 201);
        assert!(app.number(kept).await < 600, "{}", app.number(kept).await);
        let jwt = object(&json!({ "login_hint": "é".repeat(8000) }));
        assert_eq!(app.form("/oauth/par", &[("client_id", "signing"), ("request", &jwt)]).await.code(), "413 invalid_request");
    }

    async fn a_device_that_asks_has_nothing_written(app) {
        let (waits, browser, consent) = device_before_consent(&app).await;
        let code = waits.text("device_code");
        let before = app.last_write_of_devices().await;
        assert_eq!(app.poll(code, &[]).await.code(), PENDING);
        for _ in 0..20 {
            assert_eq!(app.poll(code, &[]).await.code(), SLOW_DOWN);
        }
        app.clock.advance(MINUTE);
        assert_eq!(app.poll(code, &[]).await.code(), PENDING, "nobody waits for longer than a minute");
        assert_eq!(app.last_write_of_devices().await, before);
        // Its user may just have said yes: a few questions too early do no harm.
        app.poll(code, &[]).await;
        browser.answer_device(&consent, "allow").await;
        assert_eq!(app.poll(code, &[]).await.status, 200);
    }

    async fn a_device_that_asks_all_the_time_is_not_even_looked_up(app) {
        let (waits, browser, consent) = device_before_consent(&app).await;
        let code = waits.text("device_code");
        assert_eq!(app.poll(code, &[]).await.code(), PENDING);
        for _ in 0..10 {
            assert_eq!(app.poll(code, &[]).await.code(), SLOW_DOWN);
        }
        browser.answer_device(&consent, "allow").await;
        for _ in 0..5 {
            assert_eq!(app.poll(code, &[]).await.code(), SLOW_DOWN, "RFC 8628 §3.5");
            app.clock.advance(Duration::from_millis(900));
        }
        // But now and then, or it would never get in.
        app.clock.advance(Duration::from_millis(500));
        assert_eq!(app.poll(code, &[]).await.status, 200);
    }

    async fn one_address_has_so_many_documents_fetched(app) with two_fetches; {
        let (one, here, elsewhere) = (published(&json!({})).await, "192.0.2.1", "192.0.2.2");
        let (two, three) = (published(&json!({})).await, published(&json!({})).await);
        let known = "400 invalid_grant";
        for id in [&one.1, &two.1] {
            assert_eq!(app.names("/oauth/token", id, here).await.code(), known);
        }
        let refused = app.names("/oauth/token", &three.1, here).await;
        assert_eq!((refused.code().as_str(), refused.header("retry-after")), (TOO_MANY, Some("1800")));
        for path in ["/oauth/par", "/oauth/device_authorization", "/oauth/introspect"] {
            assert_eq!(app.names(path, &three.1, here).await.code(), TOO_MANY, "{path}");
        }
        let browser = Browser::new(&app).with_header("x-forwarded-for", "192.0.2.1");
        assert_eq!(browser.authorize(&asks(&three.1)).await.status, 429);
        assert_eq!(three.0.asked().len(), 0);
        // A script's site is looked up for every answer.
        let request = app.http.post(app.at("/oauth/token")).header("x-forwarded-for", here).header("origin", "https://tool.example");
        let answer = app.send(form(request, &[("grant_type", "authorization_code"), ("client_id", &three.1), ("code", "x")])).await;
        assert_eq!((answer.code().as_str(), three.0.asked().len()), (TOO_MANY, 0));
        app.clock.advance(SECOND * 3);
        assert_eq!(app.names("/oauth/token", &one.1, here).await.code(), known, "what is remembered costs nothing");
        assert_eq!(app.names("/oauth/token", &three.1, elsewhere).await.code(), known, "another address has its own");
        app.clock.advance(MINUTE * 31);
        assert_eq!(app.names("/oauth/token", &one.1, here).await.code(), known, "one more by and by");
        assert_eq!(app.names("/oauth/token", &two.1, here).await.code(), TOO_MANY);
    }

    async fn a_document_that_somebody_signed_in_by_is_fetched_at_nobodys_expense(app) with two_fetches; {
        app.add_user("ana").await;
        let (remote, id) = published(&json!({})).await;
        let tokens = let_in(&app, &Browser::new(&app), &id).await;
        let here = "192.0.2.1";
        for _ in 0..2 {
            let (_other, id) = published(&json!({})).await;
            app.names("/oauth/token", &id, here).await;
        }
        let fetched = remote.asked().len();
        for renewed in 1..=3 {
            app.clock.advance(MINUTE);
            let request = app.http.post(app.at("/oauth/token")).header("x-forwarded-for", here);
            let refresh = [("grant_type", "refresh_token"), ("client_id", &id), ("refresh_token", &tokens.refresh)];
            let answer = app.send(form(request, &refresh)).await;
            assert_ne!(answer.status, 429, "{answer:?}");
            assert_eq!(remote.asked().len(), fetched + renewed);
        }
    }

    async fn what_a_document_says_beside_is_not_kept(app) with documents; {
        app.add_user("ana").await;
        let (_remote, id) = published(&json!({ "a_member_of_the_future": "x".repeat(20_000), "tos_uri": "https://tool.example/tos" })).await;
        let_in(&app, &Browser::new(&app), &id).await;
        app.clock.advance(MINUTE * 61);
        let_in(&app, &Browser::new(&app), &id).await;
        let kept = app.number("SELECT CAST(MAX(LENGTH(document)) AS BIGINT) FROM client_documents").await;
        assert!((100..1000).contains(&kept), "{kept}");
    }

    async fn lists_of_sectors_are_fetched_so_often_for_one_address(app) with two_fetches; {
        let remote = Remote::start_secure().await;
        remote.give(&json!([REDIRECT_URI]), "");
        let plain = json!({ "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none" });
        let registered = app.register(&plain).await;
        let mut last = registered;
        for times in 1..=2 {
            let members = to_be_changed(&last, &json!({ "sector_identifier_uri": remote.at("/sector.json") }));
            last = app.manage("PUT", &last, Some(&members)).await;
            assert_eq!((last.status.as_u16(), remote.asked().len()), (200, times));
        }
        let members = to_be_changed(&last, &json!({}));
        assert_eq!(app.manage("PUT", &last, Some(&members)).await.code(), TOO_MANY);
        let sector = changed(&plain, &json!({ "sector_identifier_uri": remote.at("/other.json") }));
        assert_eq!(app.register(&sector).await.code(), TOO_MANY);
        assert_eq!(remote.asked().len(), 2);
        assert_eq!(app.register(&plain).await.status, 201, "what needs no list needs no fetch");
    }

    async fn a_list_that_lacks_a_document_is_fetched_anew_now_and_then_only(app) with two_fetches; {
        let remote = Remote::start_secure().await;
        remote.give(&json!([]), "");
        let sector = json!({ "subject_type": "pairwise", "sector_identifier_uri": remote.at("/sector.json") });
        let (_document, id) = published(&sector).await;
        for times in 1..=2 {
            for _ in 0..5 {
                app.names("/oauth/token", &id, "192.0.2.1").await;
            }
            assert_eq!(remote.asked().len(), times);
            app.clock.advance(SECOND * 11);
        }
    }

    async fn a_token_to_register_with_does_not_fetch_without_end(app) with |settings| {
        two_fetches(settings);
        settings.registration.mode = Mode::InitialAccessToken;
    }; {
        let remote = Remote::start_secure().await;
        remote.give(&json!([]), "");
        let token = registration_tokens::add(&app.core, 1, DAY, app.clock.now()).await.unwrap().1;
        let members = json!({
            "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none",
            "sector_identifier_uri": remote.at("/sector.json"),
        });
        let mut codes = Vec::new();
        for _ in 0..3 {
            let request = app.http.post(app.at("/oauth/register")).bearer_auth(token.expose()).json(&members);
            codes.push(app.send(request).await.code());
        }
        assert_eq!(codes, ["400 invalid_client_metadata", "400 invalid_client_metadata", TOO_MANY]);
        assert_eq!(remote.asked().len(), 2);
    }
}
