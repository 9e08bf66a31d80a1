//! Devices of clients that no operator added (RFC 8628 with RFC 7591), and how many may wait at once.

use heirloom::domain::client::{ClientKind, GrantType, Party};
use heirloom::domain::device::UserCode;
use heirloom::domain::family::UserAgentInfo;
use heirloom::service::admin::janitor;
use heirloom::service::authorize::device::{self, Found};
use heirloom::settings::Settings;
use serde_json::{Value, json};

use crate::browser::*;
use crate::device::GRANT;
use crate::documents::{documents, published};
use crate::harness::*;
use crate::registration::open;

fn television() -> Value {
    json!({
        "client_name": "The Set",
        "grant_types": [GRANT, "refresh_token"],
        "response_types": [],
        "token_endpoint_auth_method": "none",
    })
}

/// Ana lets a client's device in.
async fn lets_in(app: &TestApp, client: &str) -> Answer {
    let waits = app.device_waits(&[("client_id", client)]).await;
    let browser = Browser::new(app);
    let page = browser.ana_at_device_page().await;
    let asked = browser.enter(&page, waits.text("user_code")).await;
    let done = browser.answer_device(&asked, "allow").await;
    assert!(done.body.contains("You can go back to your device"), "{done:?}");
    app.poll(waits.text("device_code"), &[("client_id", client)]).await
}

fn few(settings: &mut Settings) {
    settings.limits.waiting_requests = 2;
    settings.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
}

both_stores! {
    async fn a_device_registers_itself_and_stays(app) with open; {
        app.add_user("ana").await;
        let unused = app.register(&television()).await;
        let used = app.register(&television()).await;
        assert_eq!((used.status.as_u16(), &used.json["redirect_uris"]), (201, &json!([])), "{used:?}");
        assert_eq!((&used.json["grant_types"], &used.json["response_types"]), (&json!(["refresh_token", GRANT]), &json!([])));
        let id = used.text("client_id");
        let tokens = lets_in(&app, id).await.tokens();
        app.clock.advance(DAY * 6);
        let form = [("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", &tokens.refresh)];
        let tokens = app.form("/oauth/token", &form).await.tokens();
        app.clock.advance(DAY);
        janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!(app.manage("GET", &unused, None).await.code(), "401 invalid_token", "nobody signed in with it");
        assert_eq!(app.manage("GET", &used, None).await.status, 200);
        let form = [("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", &tokens.refresh)];
        assert_eq!(app.form("/oauth/token", &form).await.tokens().generation(), 3);
    }

    async fn no_device_slips_past_a_sign_out(app) {
        app.with_television().await;
        let waits = app.device_waits(&[]).await;
        let browser = Browser::new(&app);
        browser.ana_at_device_page().await;
        let session = browser.session(&app).await;
        let code = UserCode::typed(waits.text("user_code")).unwrap();
        let looked = device::look(&app.core, &code, (&session, None, &UserAgentInfo::default()), app.clock.now()).await.unwrap();
        let Found::Waiting(found, known) = looked else { panic!("{looked:?}") };
        // The session was found a moment ago, and now it ends.
        let page = browser.get("/oauth/logout").await;
        browser.post(&page.action(), &[("csrf", &page.hidden("csrf"))]).await;
        let allow = || device::allow(&app.core, (&found, &known), &session, app.clock.now());
        assert!(!allow().await.unwrap(), "nobody is signed in");
        assert_eq!(app.poll(waits.text("device_code"), &[]).await.code(), "400 authorization_pending");
    }

    async fn a_device_with_a_secret_shows_it(app) with open; {
        app.add_user("ana").await;
        let mut members = television();
        members.as_object_mut().unwrap().remove("token_endpoint_auth_method");
        let registered = app.register(&members).await;
        let (id, secret) = (registered.text("client_id"), registered.text("client_secret"));
        assert_eq!(app.device_waits(&[("client_id", id)]).await.code(), "401 invalid_client");
        assert_eq!(app.form_as("/oauth/device_authorization", (id, secret), &[]).await.status, 200);
    }

    async fn a_device_whose_client_is_a_document_stays_let_in(app) with documents; {
        app.add_user("ana").await;
        let (remote, id) = published(&television()).await;
        let tokens = lets_in(&app, &id).await.tokens();
        assert_eq!(tokens.claims()["client_id"], json!(id));
        // What goes on goes by the document as it was; nobody new is let in by it.
        remote.answer("HTTP/1.1 503 Gone\r\ncontent-length: 0\r\n\r\n");
        app.clock.advance(MINUTE * 5);
        let form = [("grant_type", "refresh_token"), ("client_id", &id), ("refresh_token", &tokens.refresh)];
        assert_eq!(app.form("/oauth/token", &form).await.tokens().generation(), 2);
        assert_eq!(app.device_waits(&[("client_id", &id)]).await.code(), "503 temporarily_unavailable");
    }

    async fn an_address_has_so_many_requests_waiting(app) with few; {
        app.with_television().await;
        let secret = app.add_web_app("web", |it| {
            it.kind = ClientKind::Confidential(Vec::new());
            it.party = Party::First;
            it.grants.insert(GrantType::DeviceCode);
        }).await;
        let waits = async |address: &str, fields: &[(&str, &str)]| {
            let request = app.http.post(app.at("/oauth/device_authorization")).header("x-forwarded-for", address);
            app.send(form(request, &[&[("client_id", "tv")], fields].concat())).await
        };
        let pushes = async |address: &str, proof: &[(&str, &str)]| {
            let request = app.http.post(app.at("/oauth/par")).header("x-forwarded-for", address);
            let pairs = query(if proof.is_empty() { &[] } else { &[("client_id", "web")] });
            let pairs: Vec<(String, String)> = form_urlencoded::parse(pairs.as_bytes()).into_owned().collect();
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            app.send(form(request, &[&pairs, proof].concat())).await
        };
        assert_eq!(waits("192.0.2.1", &[("scope", "root")]).await.code(), "400 invalid_scope", "it costs nothing");
        assert_eq!(waits("192.0.2.1", &[]).await.status, 200);
        assert_eq!(pushes("192.0.2.1", &[]).await.status, 201);
        app.clock.advance(MINUTE);
        for refused in [waits("192.0.2.1", &[]).await, pushes("192.0.2.1", &[]).await] {
            assert_eq!(refused.code(), "429 temporarily_unavailable", "RFC 6585 §4");
            assert_eq!((refused.header("retry-after"), refused.header("cache-control")), (Some("240"), Some("no-store")));
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM device_codes").await, 1);
        assert_eq!(app.number("SELECT COUNT(*) FROM pushed_requests").await, 1);
        // Others go on, and so does a client that brings the requests of all its users.
        assert_eq!(waits("192.0.2.2", &[]).await.status, 200);
        let proof = [("client_secret", secret.as_str())];
        for _ in 0..3 {
            assert_eq!(pushes("192.0.2.1", &proof).await.status, 201);
        }
        app.clock.advance(MINUTE * 9);
        assert_eq!(waits("192.0.2.1", &[]).await.status, 200);
    }

    async fn a_client_that_registered_itself_is_counted_with_its_secret_too(app) with |settings| {
        open(settings);
        few(settings);
    }; {
        let mut members = television();
        members.as_object_mut().unwrap().remove("token_endpoint_auth_method");
        let registered = app.register(&members).await;
        let client = (registered.text("client_id"), registered.text("client_secret"));
        for status in [200, 200, 429] {
            let answer = app.form_as("/oauth/device_authorization", client, &[]).await;
            assert_eq!(answer.status.as_u16(), status, "{answer:?}");
        }
    }
}
