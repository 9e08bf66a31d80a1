//! Whom the server asks on whose behalf: strangers lead it nowhere inside, learn nothing of what is there, and keep
//! nobody's keys from being fetched.

use std::time::Duration;

use heirloom::domain::registration::Mode;
use heirloom::service::admin::registration_tokens;
use heirloom::settings::Settings;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::browser::*;
use crate::client_assertion::TYPE;
use crate::documents::{asks, documents, published};
use crate::harness::*;
use crate::registration::open;
use crate::remote::{Remote, authority};
use crate::signer::Signer;

const GRANT: (&str, &str) = ("grant_type", "client_credentials");
const NOW: &str = "400 unauthorized_client";
const LATER: &str = "503 temporarily_unavailable";
const NEVER: &str = "401 invalid_client";

/// The operator's own network may be reached: by the operator's clients.
fn inside(settings: &mut Settings) {
    open(settings);
    settings.registration.metadata_documents = true;
    settings.outbound.allowed_networks = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    settings.outbound.ca_file = Some(authority().file.clone());
}

/// Strangers reach it, too.
fn everybody_inside(settings: &mut Settings) {
    documents(settings);
    settings.outbound.allowed_networks = settings.registration.allowed_networks.clone();
    settings.outbound.timeout = MINUTE;
    settings.http.request_timeout = MINUTE * 2;
}

fn impatient(settings: &mut Settings) {
    inside(settings);
    settings.outbound.timeout = Duration::from_millis(300);
}

/// Takes connections and says nothing, on every address of this machine; counts them.
struct Hanging {
    port: u16,
    taken: tokio::sync::watch::Receiver<usize>,
}

impl Hanging {
    async fn start() -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, taken) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                held.push(listener.accept().await.unwrap().0);
                tell.send_replace(held.len());
            }
        });
        Self { port, taken }
    }

    async fn taken(&self, count: usize) {
        let mut taken = self.taken.clone();
        let waited = tokio::time::timeout(Duration::from_secs(30), taken.wait_for(|seen| *seen >= count));
        waited.await.expect("so many connections").unwrap();
    }
}

/// A place where nobody listens.
async fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// What a client that registered itself gets that signs with these keys: it may not do what it asks for, but that is
/// told only once it is known.
async fn asks_with_keys_at(app: &TestApp, signer: &Signer, jwks_uri: &str) -> Answer {
    let members = json!({
        "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": jwks_uri,
    });
    let registered = app.register(&members).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    let jwt = signer.sign(&app.assertion(registered.text("client_id"), jwks_uri));
    app.form_asserted("/oauth/token", &jwt, &[GRANT]).await
}

/// A client of the operator's, whose keys are at a server of the machine's own network, authenticates.
async fn operators_client_is_served(app: &TestApp) -> (Remote, Signer) {
    let remote = Remote::start().await;
    let signer = Signer::new(Algorithm::ES256, "k1");
    remote.give(&signer.jwks(), "");
    app.add_key_client("service", &json!({ "jwks_uri": remote.at("/jwks") })).await;
    let jwt = signer.sign(&app.assertion("service", "1"));
    assert_eq!(app.form_asserted("/oauth/token", &jwt, &[GRANT]).await.status, 200);
    (remote, signer)
}

both_stores! {
    async fn the_operators_network_is_for_the_operators_clients(app) with inside; {
        let (remote, signer) = operators_client_is_served(&app).await;
        assert_eq!(remote.asked().len(), 1);
        for place in [remote.at("/jwks"), remote.at("/jwks").replace("127.0.0.1", "localhost")] {
            assert_eq!(asks_with_keys_at(&app, &signer, &place).await.code(), LATER, "{place}");
        }
        let secure = Remote::start_secure().await;
        secure.give(&json!([REDIRECT_URI]), "");
        let sector = json!({
            "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none", "subject_type": "pairwise",
            "sector_identifier_uri": secure.at("/sector.json"),
        });
        assert_eq!(app.register(&sector).await.code(), "400 invalid_client_metadata");
        let (_document, id) = published(&json!({})).await;
        assert_eq!(Browser::new(&app).authorize(&asks(&id)).await.status, 503);
        assert_eq!((remote.asked().len(), secure.asked().len()), (1, 0), "nobody else was asked");
    }

    async fn a_stranger_is_told_the_same_whatever_there_is_inside(app) with inside; {
        let remote = Remote::start().await;
        let signer = Signer::new(Algorithm::ES256, "k1");
        remote.give(&signer.jwks(), "");
        let (hanging, closed) = (Hanging::start().await, closed().await);
        let places = [
            remote.at("/jwks"), remote.at("/jwks").replace("127.0.0.1", "localhost"), closed.clone(),
            closed.replace("http", "https"), format!("https://localhost:{}/", hanging.port),
            "https://10.0.0.1/jwks".to_owned(), "https://nobody.invalid/jwks".to_owned(),
        ];
        let mut told = Vec::new();
        for place in &places {
            told.push(asks_with_keys_at(&app, &signer, place).await.refusal());
            let id = place.replace("http:", "https:") + "/client.json";
            told.push(app.exchange("code", &asks(&id)).await.refusal());
        }
        let sentence = "503 temporarily_unavailable The client's keys or its metadata document cannot be fetched right now. Please try again.";
        assert!(told.iter().all(|told| told == sentence), "{told:#?}");
        let mut told = Vec::new();
        for place in &places {
            let members = json!({
                "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none",
                "sector_identifier_uri": place.replace("http:", "https:"),
            });
            told.push(app.register(&members).await.refusal());
        }
        let sentence = "400 invalid_client_metadata A JSON list of redirect URIs could not be fetched from the sector_identifier_uri.";
        assert!(told.iter().all(|told| told == sentence), "{told:#?}");
        assert_eq!((remote.asked().len(), *hanging.taken.borrow()), (0, 0));
    }

    async fn who_came_by_an_operators_token_is_not_the_operator(app) with |settings| {
        inside(settings);
        settings.registration.mode = Mode::InitialAccessToken;
    }; {
        let secure = Remote::start_secure().await;
        secure.give(&json!([REDIRECT_URI]), "");
        let token = registration_tokens::add(&app.core, 5, DAY, app.clock.now()).await.unwrap().1;
        let members = json!({
            "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none",
            "sector_identifier_uri": secure.at("/sector.json"),
        });
        let request = app.http.post(app.at("/oauth/register")).bearer_auth(token.expose()).json(&members);
        assert_eq!(app.send(request).await.code(), "400 invalid_client_metadata");
        assert_eq!(secure.asked().len(), 0);
    }

    async fn slow_documents_of_strangers_keep_no_operators_client_out(app) with everybody_inside; {
        let hanging = Hanging::start().await;
        let url = |host: usize, number: usize| format!("https://127.0.0.{host}:{}/{number}.json", hanging.port);
        let ask = |id: String| {
            let request = app.http.post(app.at("/oauth/token"));
            form(request, &[("grant_type", "authorization_code"), ("client_id", &id), ("code", "x")])
        };
        let under_way: Vec<_> = (0..64)
            .map(|number| tokio::spawn(ask(url(1 + number / 8, number)).send()))
            .collect();
        hanging.taken(64).await;
        operators_client_is_served(&app).await;
        // Of strangers there are enough for now; nobody is told that it is not itself.
        assert_eq!(app.send(ask(url(100, 100))).await.code(), LATER);
        under_way.iter().for_each(tokio::task::JoinHandle::abort);
    }

    async fn one_slow_host_takes_its_share_and_no_more(app) with everybody_inside; {
        let hanging = Hanging::start().await;
        let ask = |number: usize| {
            let id = format!("https://127.0.0.1:{}/{number}.json", hanging.port);
            let request = app.http.post(app.at("/oauth/token"));
            form(request, &[("grant_type", "authorization_code"), ("client_id", &id), ("code", "x")])
        };
        let under_way: Vec<_> = (0..8).map(|number| tokio::spawn(ask(number).send())).collect();
        hanging.taken(8).await;
        let ninth = tokio::time::timeout(Duration::from_secs(20), app.send(ask(9))).await;
        assert_eq!(ninth.expect("it does not wait").code(), LATER);
        let (_remote, id) = published(&json!({})).await;
        assert_eq!(Browser::new(&app).authorize(&asks(&id)).await.status, 200, "another host");
        under_way.iter().for_each(tokio::task::JoinHandle::abort);
    }

    async fn keys_that_cannot_be_had_now_are_no_reason_to_be_somebody_else(app) with impatient; {
        app.with_apps().await;
        let remote = Remote::start().await;
        let signer = Signer::new(Algorithm::ES256, "k1");
        let status = |line: &str| format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n");
        let hanging = Hanging::start().await;
        let there = |it: &str| remote.at(it);
        let rows = [
            ("hangs", format!("http://127.0.0.1:{}/", hanging.port), String::new(), LATER),
            ("is-down", closed().await, String::new(), LATER),
            ("fails", there("/500"), status("500 Oh"), LATER),
            ("is-busy", there("/429"), status("429 Slow"), LATER),
            ("is-gone", there("/404"), status("404 Gone"), NEVER),
            ("is-elsewhere", there("/302"), status("302 Found\r\nlocation: /x"), NEVER),
            ("is-a-page", there("/page"), crate::remote::json_answer("<html>", ""), NEVER),
        ];
        for (what, place, answer, expected) in rows {
            remote.answer(answer);
            app.add_key_client(what, &json!({ "jwks_uri": place })).await;
            let jwt = signer.sign(&app.assertion(what, "1"));
            let refused = app.form_asserted("/oauth/token", &jwt, &[GRANT]).await;
            assert_eq!(refused.code(), expected, "{what}");
            assert_eq!(refused.header("retry-after").is_some(), expected == LATER, "RFC 9110 §10.2.3: {what}");
        }
        // Neither is a request that the client signed.
        remote.answer(status("500 Oh"));
        let metadata: Value = json!({ "jwks_uri": there("/objects") });
        app.add_app("signing", |it| it.metadata = serde_json::from_value(metadata).unwrap()).await;
        let object = signer.sign(&json!({
            "iss": "signing", "aud": app.url, "client_id": "signing", "redirect_uri": REDIRECT_URI,
            "response_type": "code", "scope": "openid", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        }));
        let request = [("client_id", "signing"), ("request", object.as_str())];
        assert_eq!(app.form("/oauth/par", &request).await.code(), LATER);
        assert_eq!(Browser::new(&app).authorize(&request).await.error(), "temporarily_unavailable");
        app.clock.advance(SECOND * 3);
        remote.give(&signer.jwks(), "");
        assert_eq!(app.form("/oauth/par", &request).await.status, 201);
    }

    async fn keys_that_were_fetched_go_on_counting_for_an_hour(app) with impatient; {
        let remote = Remote::start().await;
        let signer = Signer::new(Algorithm::ES256, "k1");
        remote.give(&signer.jwks(), "cache-control: max-age=60\r\n");
        app.add_key_client("service", &json!({ "jwks_uri": remote.at("/jwks") })).await;
        let asserted = async |jti: &str| {
            let jwt = signer.sign(&app.assertion("service", jti));
            let answer = app.form("/oauth/token", &[GRANT, ("client_assertion_type", TYPE), ("client_assertion", &jwt)]).await;
            if answer.status == 200 { "200".to_owned() } else { answer.code() }
        };
        assert_eq!(asserted("1").await, "200");
        remote.answer("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n");
        app.clock.advance(MINUTE);
        assert_eq!(asserted("2").await, "200");
        remote.answer_and_wait("");
        app.clock.advance(MINUTE * 59);
        assert_eq!(asserted("3").await, "200");
        app.clock.advance(MINUTE);
        assert_eq!(asserted("4").await, LATER);
    }

    async fn strangers_reach_a_network_that_is_named_for_them(app) with |settings| {
        inside(settings);
        settings.registration.allowed_networks = std::mem::take(&mut settings.outbound.allowed_networks);
    }; {
        let remote = Remote::start().await;
        let signer = Signer::new(Algorithm::ES256, "k1");
        remote.give(&signer.jwks(), "");
        assert_eq!(asks_with_keys_at(&app, &signer, &remote.at("/jwks")).await.code(), NOW);
        assert_eq!(remote.asked().len(), 1);
        // It is theirs alone: what operators' clients reach is another list.
        app.add_key_client("service", &json!({ "jwks_uri": remote.at("/jwks") })).await;
        let jwt = signer.sign(&app.assertion("service", "1"));
        assert_eq!(app.form_asserted("/oauth/token", &jwt, &[GRANT]).await.code(), NEVER);
        assert_eq!(remote.asked().len(), 1);
    }
}
