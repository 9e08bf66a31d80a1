//! Who vouches for a metadata document, and clients that prove with the keys in it who they are.

use std::sync::atomic::{AtomicUsize, Ordering};

use heirloom::domain::client::Origin;
use heirloom::outbound::{Limits, NoAnswer, Outbound};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::browser::*;
use crate::client_assertion::TYPE;
use crate::documents::*;
use crate::harness::*;
use crate::remote::{Remote, authority, stranger};
use crate::signer::{Signer, changed};

/// One request of a client that signs as this one: each with a `jti` of its own.
async fn asks_for_tokens(
    app: &TestApp,
    signer: &Signer,
    id: &str,
    more: &[(&str, &str)],
    changes: &Value,
) -> Answer {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let jti = NUMBER.fetch_add(1, Ordering::SeqCst).to_string();
    let jwt = signer.sign(&changed(&app.assertion(id, &jti), changes));
    let proof = [("client_assertion_type", TYPE), ("client_assertion", jwt.as_str())];
    app.form("/oauth/token", &[more, &proof].concat()).await
}

/// Ana lets the client in; gives the exchange of the code, without the client's proof.
async fn code_for(browser: &Browser<'_>, id: &str) -> Vec<(&'static str, String)> {
    let mut page = browser.authorize(&asks(id)).await;
    if page.body.contains("name=\"password\"") {
        page = browser.sign_in(&page, "ana").await;
    }
    let code = browser.decide(&page, "allow").await.code();
    let [_, (_, redirect_uri), (_, resource)] = asks(id);
    [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", redirect_uri),
        ("resource", resource),
        ("code_verifier", VERIFIER),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

/// Signs in and stays in by `right`; nobody else does.
async fn only_its_own_key(app: &TestApp, id: &str, right: &Signer) {
    let wrong = Signer::new(Algorithm::ES256, &right.kid);
    let unchanged = json!({});
    let browser = Browser::new(app);
    let code = code_for(&browser, id).await;
    let code: Vec<(&str, &str)> = code.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let refused = "401 invalid_client";
    assert_eq!(asks_for_tokens(app, &wrong, id, &code, &unchanged).await.code(), refused, "RFC 7523 §3 (9)");
    let elsewhere = json!({ "aud": "https://other.example" });
    assert_eq!(asks_for_tokens(app, right, id, &code, &elsewhere).await.code(), refused, "RFC 7523 §3 (3)");
    let without = app.form("/oauth/token", &[&code[..], &[("client_id", id)]].concat()).await;
    assert_eq!(without.code(), refused, "RFC 6749 §3.2.1");
    // None of them used the code up.
    let tokens = asks_for_tokens(app, right, id, &code, &unchanged).await.tokens();
    assert_eq!(tokens.claims()["client_id"], id);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    assert_eq!(asks_for_tokens(app, &wrong, id, &refresh, &unchanged).await.code(), refused, "RFC 6749 §6");
    let without = app.form("/oauth/token", &[&refresh[..], &[("client_id", id)]].concat()).await;
    assert_eq!(without.code(), refused, "RFC 6749 §6");
    assert_eq!(asks_for_tokens(app, right, id, &refresh, &unchanged).await.tokens().generation(), 2);
}

both_stores! {
    async fn a_document_that_nobody_trusted_vouches_for_lets_nobody_in(app) with documents; {
        app.add_user("ana").await;
        let remote = Remote::start_by(&stranger()).await;
        let id = remote.at("/oauth/client.json");
        publish(&remote, &id, &json!({}));
        let browser = Browser::new(&app);
        // A stranger's server that is not believed is not told from one that does not answer.
        assert_eq!(browser.authorize(&asks(&id)).await.status, 503);
        assert_eq!(app.exchange("code", &asks(&id)).await.code(), "503 temporarily_unavailable");
        assert_eq!(remote.asked().len(), 0, "nothing was said to a stranger");
        // The same document from one that is known.
        let (_remote, id) = published(&json!({})).await;
        let_in(&app, &browser, &id).await;
    }

    async fn a_document_may_hold_the_keys_of_its_client(app) with documents; {
        app.add_user("ana").await;
        let key = Signer::new(Algorithm::ES256, "k1");
        let (_remote, id) = published(&json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
        only_its_own_key(&app, &id, &key).await;
    }

    async fn a_document_may_name_where_the_keys_of_its_client_are(app) with documents; {
        app.add_user("ana").await;
        let key = Signer::new(Algorithm::EdDSA, "k1");
        let keys = Remote::start_secure().await;
        keys.give(&key.jwks(), "cache-control: max-age=60\r\n");
        let members = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": keys.at("/keys") });
        let (_remote, id) = published(&members).await;
        only_its_own_key(&app, &id, &key).await;
        assert!(keys.asked().iter().all(|request| request.starts_with("GET /keys ")), "{:?}", keys.asked());
    }

    async fn keys_that_nobody_trusted_vouches_for_open_nothing(app) with documents; {
        app.add_user("ana").await;
        let key = Signer::new(Algorithm::ES256, "k1");
        let keys = Remote::start_by(&stranger()).await;
        keys.give(&key.jwks(), "");
        let members = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": keys.at("/keys") });
        let (_remote, id) = published(&members).await;
        let code = code_for(&Browser::new(&app), &id).await;
        let code: Vec<(&str, &str)> = code.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = asks_for_tokens(&app, &key, &id, &code, &json!({})).await;
        assert_eq!(answer.code(), "503 temporarily_unavailable");
        assert_eq!(keys.asked().len(), 0);
    }
}

#[tokio::test]
async fn a_certificate_is_good_for_the_host_it_names_and_by_the_authority_that_is_trusted() {
    let clock = TestClock::new();
    let trusting = |pem: Option<&[u8]>| {
        let limits = Limits {
            allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
            strangers_networks: Vec::new(),
            timeout: std::time::Duration::from_secs(5),
            body_limit: 1024,
        };
        Outbound::new(limits, pem).unwrap()
    };
    let root = std::fs::read(&authority().file).unwrap();
    let (ours, theirs) = (Remote::start_secure().await, Remote::start_by(&stranger()).await);
    let get = async |outbound: &Outbound, url: String| {
        outbound.for_clients(Origin::Operator).get_json(&url.parse().unwrap(), clock.now()).await
    };
    for remote in [&ours, &theirs] {
        remote.give(&json!(1), "");
    }
    assert_eq!(get(&trusting(Some(&root)), ours.at("/")).await, Ok(json!(1)));
    for (outbound, url, why) in [
        (trusting(None), ours.at("/"), "nobody said that it is trusted"),
        (trusting(Some(&root)), theirs.at("/"), "another authority"),
        (trusting(Some(&root)), ours.at("/").replace("localhost", "[::ffff:127.0.0.1]"), "another host"),
    ] {
        let got = get(&outbound, url).await;
        assert!(
            matches!(&got, Err(NoAnswer::Unreachable(cause)) if cause.contains("certificate")),
            "{why}: {got:?}"
        );
    }
    assert_eq!((ours.asked().len(), theirs.asked().len()), (1, 0));
}
