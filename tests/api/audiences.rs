//! Audiences whose access tokens are signed with an algorithm of their own.

use heirloom::domain::client::{GrantType, Party};
use heirloom::domain::signing_algorithm::SigningAlgorithm;
use heirloom::service::admin;
use heirloom::service::admin::error::AdminError;
use serde_json::json;

use crate::algorithms::{alg, is_published};
use crate::browser::*;
use crate::harness::*;

const FAST: &str = "https://fast.example";
const PLAIN: &str = "https://plain.example";
const OLD: &str = "https://old.example";

async fn set(app: &TestApp, audience: &str, algorithm: SigningAlgorithm) {
    let audience = audience.parse().unwrap();
    admin::audiences::set(&app.core, audience, algorithm, app.clock.now()).await.unwrap();
}

/// Two services with an algorithm of their own, one without, and apps for all.
async fn services(app: &TestApp) {
    set(app, FAST, SigningAlgorithm::EdDsa).await;
    set(app, OLD, SigningAlgorithm::Rs256).await;
    app.clock.advance(MINUTE * 10);
    app.add_user("ana").await;
    app.add_app("app", |it| {
        it.party = Party::First;
        it.audiences = [FAST, PLAIN, OLD].map(|audience| audience.parse().unwrap()).to_vec();
        it.grants.insert(GrantType::DeviceCode);
    })
    .await;
}

both_stores! {
    async fn an_access_token_is_signed_as_its_service_wants_it(app) {
        services(&app).await;
        let secret = app.add_service("service", &[FAST, PLAIN, OLD]).await;
        let own = async |resources: &[(&str, &str)]| {
            let form: Vec<_> = [("grant_type", "client_credentials")].iter().chain(resources).copied().collect();
            app.form_as("/oauth/token", ("service", &secret), &form).await
        };
        for (audience, wanted) in [(FAST, "EdDSA"), (PLAIN, "ES256"), (OLD, "RS256")] {
            let answer = own(&[("resource", audience)]).await;
            assert_eq!(alg(answer.text("access_token")), wanted, "{audience}");
            assert!(is_published(&app, answer.text("access_token")).await);
        }
        assert_eq!(alg(own(&[]).await.text("access_token")), "ES256", "the issuer");
        let refused = own(&[("resource", FAST), ("resource", PLAIN)]).await;
        assert_eq!(refused.code(), "400 invalid_target", "RFC 8707 §2: no one token serves both");
        set(&app, PLAIN, SigningAlgorithm::EdDsa).await;
        assert_eq!(alg(own(&[("resource", FAST), ("resource", PLAIN)]).await.text("access_token")), "EdDSA");
        assert_eq!(app.told("audience.changed"), 3, "{:?}", app.events());
        admin::audiences::remove(&app.core, &FAST.parse().unwrap(), app.clock.now()).await.unwrap();
        assert_eq!(alg(own(&[("resource", FAST)]).await.text("access_token")), "ES256");
        assert_eq!(app.told("audience.changed audience=https://fast.example change=algorithm_removed"), 1, "{:?}", app.events());
        let again = admin::audiences::remove(&app.core, &FAST.parse().unwrap(), app.clock.now()).await;
        assert!(matches!(again, Err(AdminError::NoAudience(_))));
    }

    async fn a_service_has_what_it_had_until_its_key_was_long_published(app) {
        let secret = app.add_service("service", &[FAST]).await;
        let own = async || {
            let form = [("grant_type", "client_credentials"), ("resource", FAST)];
            alg(app.form_as("/oauth/token", ("service", &secret), &form).await.text("access_token"))
        };
        set(&app, FAST, SigningAlgorithm::EdDsa).await;
        assert_eq!(own().await, "ES256");
        let listed = admin::audiences::list(&app.core, app.clock.now()).await.unwrap();
        let from = admin::views::time(app.clock.now() + MINUTE * 10);
        assert_eq!(json!(listed), json!([{ "audience": FAST, "algorithm": "EdDSA", "signs_from": from }]));
        app.clock.advance(MINUTE * 10 - SECOND);
        assert_eq!(own().await, "ES256");
        app.clock.advance(SECOND);
        assert_eq!(own().await, "EdDSA");
    }

    async fn a_code_for_two_services_that_differ_gives_each_its_token_and_no_token_for_both(app) {
        services(&app).await;
        let code = Browser::new(&app).ana_signs_in(&[("resource", FAST), ("resource", PLAIN)]).await;
        assert_eq!(app.exchange(&code, &[]).await.code(), "400 invalid_target", "which of them?");
        assert_eq!(app.exchange(&code, &[("resource", FAST), ("resource", PLAIN)]).await.code(), "400 invalid_target");
        assert_eq!(app.live_families().await, 0, "the code is there still");
        let tokens = app.exchange(&code, &[("resource", FAST)]).await.tokens();
        assert_eq!((alg(&tokens.access).as_str(), &tokens.claims()["aud"]), ("EdDSA", &json!(FAST)));
        let refresh = async |tokens: &Tokens, resources: &[(&str, &str)]| {
            let usual = [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", &tokens.refresh)];
            let form: Vec<_> = usual.iter().chain(resources).copied().collect();
            app.form("/oauth/token", &form).await
        };
        let before = app.last_write().await;
        app.clock.advance(MINUTE);
        for resources in [&[][..], &[("resource", FAST), ("resource", PLAIN)]] {
            assert_eq!(refresh(&tokens, resources).await.code(), "400 invalid_target", "{resources:?}");
            assert_eq!(app.last_write().await, before, "nothing is consumed");
        }
        let next = refresh(&tokens, &[("resource", PLAIN)]).await.tokens();
        assert_eq!((alg(&next.access).as_str(), next.generation()), ("ES256", 2));
        let next = refresh(&next, &[("resource", FAST)]).await.tokens();
        assert_eq!((alg(&next.access).as_str(), next.generation()), ("EdDSA", 3));
    }

    async fn a_login_for_two_services_that_differ_begins_nothing(app) {
        services(&app).await;
        let credentials = json!({ "username": "ana", "password": PASSWORD, "client_id": "app", "resource": [FAST, PLAIN] });
        assert_eq!(app.post("/login", &credentials).await.code(), "400 invalid_target");
        assert_eq!(app.live_families().await, 0);
        assert_eq!(app.told("login."), 0, "{:?}", app.events());
    }

    async fn a_device_for_two_services_that_differ_asks_for_one_of_them(app) {
        services(&app).await;
        let asks = [("client_id", "app"), ("resource", FAST), ("resource", PLAIN)];
        let waits = app.device_waits(&asks).await;
        let browser = Browser::new(&app);
        let page = browser.ana_at_device_page().await;
        let consent = browser.enter(&page, waits.text("user_code")).await;
        browser.answer_device(&consent, "allow").await;
        let poll = async |resource: &str| {
            app.clock.advance(SECOND * 6);
            app.poll(waits.text("device_code"), &[("client_id", "app"), ("resource", resource)]).await
        };
        assert_eq!(poll("").await.code(), "400 invalid_target");
        assert_eq!(app.live_families().await, 0, "the code is there still");
        assert_eq!(alg(poll(FAST).await.text("access_token")), "EdDSA");
    }

    async fn a_status_list_is_signed_with_what_its_reader_knows(app) {
        services(&app).await;
        let code = Browser::new(&app).ana_signs_in(&[("resource", OLD)]).await;
        let tokens = app.exchange(&code, &[]).await.tokens();
        let uri = tokens.claims()["status"]["status_list"]["uri"].as_str().unwrap().to_owned();
        let read = async |query: &str| {
            let answer = app.http.get(format!("{uri}{query}")).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        let (_, plain) = read("").await;
        let before = claims(&plain)["status_list"]["lst"].clone();
        for (query, wanted) in [("", "ES256"), ("?alg=RS256", "RS256"), ("?alg=EdDSA", "EdDSA"), ("?alg=ES256", "ES256")] {
            let (status, jwt) = read(query).await;
            assert_eq!((status, alg(&jwt).as_str(), claims(&jwt)), (200, wanted, claims(&plain)), "{query}");
            assert!(is_published(&app, &jwt).await);
        }
        for wrong in ["?alg=none", "?alg=HS256", "?alg="] {
            assert_eq!(read(wrong).await.0, 404, "{wrong}");
        }
        assert_eq!(read("?alg=RS256&time=1").await.0, 501);
        // What was ended shows in each.
        app.form("/oauth/revoke", &[("client_id", "app"), ("token", &tokens.refresh)]).await;
        app.clock.advance(SECOND * 5);
        let (plain, other) = (read("").await.1, read("?alg=RS256").await.1);
        assert_eq!(claims(&plain), claims(&other));
        assert_ne!(claims(&other)["status_list"]["lst"], before);
    }

    async fn an_algorithm_that_signs_nothing_yet_signs_no_status_list(app) {
        let tokens = app.ana_logged_in().await;
        let uri = tokens.claims()["status"]["status_list"]["uri"].as_str().unwrap().to_owned();
        let read = async || app.send(app.http.get(format!("{uri}?alg=EdDSA"))).await.status.as_u16();
        assert_eq!(read().await, 404);
        set(&app, FAST, SigningAlgorithm::EdDsa).await;
        assert_eq!(read().await, 404, "nobody could know its key yet");
        app.clock.advance(MINUTE * 10);
        assert_eq!(read().await, 200);
    }

    async fn a_refresh_takes_the_fast_path_where_one_key_signs_for_all(app) {
        set(&app, FAST, SigningAlgorithm::EdDsa).await;
        app.clock.advance(MINUTE * 10);
        app.add_user("ana").await;
        app.add_app("one", |it| {
            it.party = Party::First;
            it.audiences = vec![FAST.parse().unwrap()];
        }).await;
        let own = ("client_id", "one");
        let code = Browser::new(&app).ana_signs_in(&[own, ("resource", FAST)]).await;
        let tokens = app.exchange(&code, &[own]).await.tokens();
        let next = app.refresh_with("one", &tokens.refresh).await.tokens();
        assert_eq!((alg(&next.access).as_str(), next.generation()), ("EdDSA", 2));
        let again = app.refresh_with("one", &tokens.refresh).await.tokens();
        assert_eq!((again.claims(), &again.refresh), (next.claims(), &next.refresh), "a replay is the same grant");
        // A login could be for the issuer, too. With one key for both no row is read: that would ask for this column.
        set(&app, app.core.issuer.as_str(), SigningAlgorithm::EdDsa).await;
        app.sql("ALTER TABLE families RENAME COLUMN device_name TO gone").await;
        let third = app.refresh_with("one", &next.refresh).await.tokens();
        assert_eq!((alg(&third.access).as_str(), third.generation()), ("EdDSA", 3));
    }

    async fn an_exchanged_token_is_signed_for_its_new_audience(app) {
        services(&app).await;
        let secret = app.add_client("gateway", |it| {
            it.kind = heirloom::domain::client::ClientKind::Confidential(Vec::new());
            it.grants = [GrantType::TokenExchange].into();
            it.scopes = "openid profile".parse().unwrap();
            it.serves = vec![FAST.parse().unwrap()];
            let policy = json!({ "token_exchange": { "audiences": [OLD, PLAIN], "impersonation": true } });
            it.metadata = serde_json::from_value(policy).unwrap();
        }).await.unwrap();
        let code = Browser::new(&app).ana_signs_in(&[("resource", FAST)]).await;
        let tokens = app.exchange(&code, &[]).await.tokens();
        let exchange = async |resources: &[(&str, &str)]| {
            let usual = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token", tokens.access.as_str()),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ];
            let form: Vec<_> = usual.iter().chain(resources).copied().collect();
            app.form_as("/oauth/token", ("gateway", secret.expose()), &form).await
        };
        assert_eq!(alg(exchange(&[("resource", OLD)]).await.text("access_token")), "RS256");
        assert_eq!(exchange(&[("resource", OLD), ("resource", PLAIN)]).await.code(), "400 invalid_target");
        assert_eq!(app.told("token.exchanged"), 1, "{:?}", app.events());
    }
}
