//! Status lists through the public face: a provider over HTTP that counts who asks, documents good and bad.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod issuer;
mod status_list;

use std::time::{Duration, UNIX_EPOCH};

use heirloom_verifier::{AccessToken, Algorithm, BuildError, Verifier, VerifyError};
use issuer::{AUDIENCE, Key, NOW, eventually};
use serde_json::{Value, json};
use status_list::{LIST, REVOKED, World, claims, claims_of, document, signed, uri};
use tokio::time::Instant;

fn subject(verdict: Result<AccessToken, VerifyError>) -> Result<String, VerifyError> {
    verdict.map(|access| access.subject.clone())
}

#[tokio::test]
async fn a_revocation_is_learned_in_the_background_and_holds_for_cached_tokens() {
    let world = World::new();
    let verifier = world.verifier().await;
    let (token, other) = (world.token(3), world.token(4));
    assert_eq!(subject(verifier.verify(&token).await).as_deref(), Ok("ana"));
    let access = verifier.verify(&token).await.unwrap();
    let status = access.status.as_ref().unwrap();
    assert_eq!((status.index, status.uri.as_str()), (3, uri().as_str()));

    world.publish(&document(&[0b1000, 0]));
    let published = Instant::now();
    eventually(|| verifier.verify_offline(&token).is_err()).await;
    assert!(published.elapsed() < Duration::from_secs(2), "ttl and a little: {:?}", published.elapsed());
    assert_eq!(verifier.verify(&token).await, Err(REVOKED));
    assert_eq!((REVOKED.status(), REVOKED.code()), (401, Some("invalid_token")));
    assert!(verifier.verify(&other).await.is_ok());
    // A new verifier without a cache sees the same.
    let fresh = world.builder().cache_capacity(0).build().await.unwrap();
    assert_eq!(fresh.verify(&token).await, Err(REVOKED));
    assert!(fresh.verify(&other).await.is_ok());

    let told = verifier.status_lists();
    assert_eq!((told.followed, told.updated, told.failed, told.unavailable), (1, 2, 0, 0));
    assert!(told.revoked >= 2);
    assert_eq!(told.stale_for, Some(Duration::ZERO));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_tokens_of_a_list_wait_for_one_answer() {
    let world = World::new();
    let verifier = world.verifier().await;
    world.provider.hold();
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let (verifier, token) = (verifier.clone(), world.token(2 + number % 14));
            tokio::spawn(async move { verifier.verify(&token).await })
        })
        .collect();
    eventually(|| world.provider.requests() == 1).await;
    assert_eq!(verifier.verify_offline(&world.token(0)), Err(VerifyError::StatusUnavailable));
    world.provider.release();
    for task in tasks {
        assert!(task.await.unwrap().is_ok());
    }
    assert!(verifier.verify_offline(&world.token(0)).is_ok());
    assert_eq!(world.provider.asked(), [(LIST.to_owned(), "application/statuslist+jwt".to_owned())]);
}

#[tokio::test]
async fn nobody_waits_longer_than_a_fetch_may_take() {
    let world = World::new();
    world.provider.hold();
    let verifier = world.builder().fetch_timeout(Duration::from_millis(200)).build().await.unwrap();
    let began = Instant::now();
    let refusal = verifier.verify(&world.token(0)).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(refusal, VerifyError::StatusUnavailable);
    assert_eq!((refusal.status(), refusal.code()), (503, Some("temporarily_unavailable")));
    assert_eq!(refusal.challenge("api"), None);
    // Only the first waits: the list was asked for.
    eventually(|| !world.events().is_empty()).await;
    let again = Instant::now();
    assert_eq!(verifier.verify(&world.token(0)).await, Err(VerifyError::StatusUnavailable));
    assert!(again.elapsed() < Duration::from_millis(100), "{:?}", again.elapsed());
    world.provider.release();
    eventually(|| verifier.verify_offline(&world.token(0)).is_ok()).await;
}

#[tokio::test]
async fn a_token_may_be_verified_outside_of_any_runtime() {
    let world = World::new();
    let (verifier, token) = (world.verifier().await, world.token(0));
    let (again, same) = (verifier.clone(), token.clone());
    let verdict = std::thread::spawn(move || again.verify_offline(&same)).join().unwrap();
    assert_eq!(verdict, Err(VerifyError::StatusUnavailable));
    eventually(|| verifier.verify_offline(&token).is_ok()).await;
}

#[tokio::test]
async fn a_status_that_cannot_be_read_makes_a_token_malformed() {
    let world = World::new();
    let verifier = world.verifier().await;
    let verdict = async |status: Value| {
        let mut claims = claims(1);
        claims["status"] = status;
        subject(verifier.verify(&world.key.sign(&claims)).await)
    };
    for status in [
        json!("active"),
        json!([]),
        json!({ "status_list": 1 }),
        json!({ "status_list": {} }),
        json!({ "status_list": { "idx": 1 } }),
        json!({ "status_list": { "uri": uri() } }),
        json!({ "status_list": { "idx": -1, "uri": uri() } }),
        json!({ "status_list": { "idx": 1.5, "uri": uri() } }),
        json!({ "status_list": { "idx": "1", "uri": uri() } }),
        json!({ "status_list": { "idx": 1, "uri": null } }),
    ] {
        assert_eq!(verdict(status.clone()).await, Err(VerifyError::Malformed), "{status}");
    }
    assert_eq!(world.provider.requests(), 0);
    for status in [json!({}), json!({ "another_mechanism": {} })] {
        assert_eq!(verdict(status.clone()).await.as_deref(), Ok("ana"), "{status}");
    }
}

#[tokio::test]
async fn only_the_issuers_own_lists_are_asked_for() {
    let world = World::new();
    let issuer = "https://login.example.com/tenant";
    let verifier = Verifier::builder(issuer).audience(AUDIENCE).jwks_json(issuer::jwks(&[&world.key]));
    let clock = || UNIX_EPOCH + Duration::from_secs(NOW);
    let verifier = verifier.clock(clock).status_lists_url(format!("{}/inner/", world.provider.url()));
    let verifier = verifier.build().await.unwrap();
    let verdict = async |uri: &str| {
        let mut claims = claims_of(uri, 1);
        claims["iss"] = json!(issuer);
        subject(verifier.verify(&world.key.sign(&claims)).await)
    };
    for foreign in [
        "https://evil.example/tenant/status-lists/1",
        "https://login.example.com.evil.example/tenant/status-lists/1",
        "https://login.example.com:8443/tenant/status-lists/1",
        "http://login.example.com/tenant/status-lists/1",
        "https://login.example.com@evil.example/tenant/status-lists/1",
        "https://user@login.example.com/tenant/status-lists/1",
        "https://login.example.com/status-lists/1",
        "https://login.example.com/tenants/status-lists/1",
        "https://login.example.com/tenant/../status-lists/1",
        "https://login.example.com/tenant/%2e%2e/status-lists/1",
        "https://login.example.com/tenant\\..\\status-lists/1",
        "https://login.example.com/tenant",
        "https://login.example.com/tenant/",
        "https://login.example.com/tenant/status-lists/1#part",
        "file:///etc/passwd",
        "/tenant/status-lists/1",
        "",
    ] {
        assert_eq!(verdict(foreign).await, Err(VerifyError::ForeignStatusList), "{foreign}");
    }
    assert_eq!((world.provider.requests(), verifier.status_lists().followed), (0, 0));
    assert_eq!(VerifyError::ForeignStatusList.status(), 401);

    let own = "https://login.example.com/tenant/status-lists/1?part=2";
    let mut document = document(&[2, 0]);
    document["sub"] = json!(own);
    document["iss"] = json!(issuer);
    world.provider.publish_at("/inner/status-lists/1", signed(&world.key, &document));
    assert_eq!(verdict(own).await, Err(REVOKED));
    assert_eq!(world.provider.asked().first().unwrap().0, "/inner/status-lists/1?part=2");
}

#[tokio::test]
async fn an_issuer_that_is_no_url_has_no_lists_of_its_own() {
    let world = World::new();
    let verifier = Verifier::builder("our issuer").audience(AUDIENCE).jwks_url(world.provider.jwks_url());
    let verifier = verifier.clock(|| UNIX_EPOCH + Duration::from_secs(NOW)).build().await.unwrap();
    let mut claims = claims(1);
    claims["iss"] = json!("our issuer");
    let verdict = verifier.verify(&world.key.sign(&claims)).await;
    assert_eq!(verdict, Err(VerifyError::ForeignStatusList));
}

#[tokio::test]
async fn lists_are_followed_where_keys_are_fetched_unless_said_otherwise() {
    let world = World::new();
    let token = world.token(1);
    let local = || world.bare().jwks_json(issuer::jwks(&[&world.key]));
    assert!(local().build().await.unwrap().verify(&token).await.is_ok(), "no network was asked for");
    let ignoring = world.builder().ignore_status_lists().build().await.unwrap();
    assert!(ignoring.verify(&token).await.is_ok());
    assert_eq!(world.provider.requests(), 0);
    let named = local().status_lists_url(world.provider.url()).build().await.unwrap();
    assert_eq!(named.verify(&token).await, Err(REVOKED));
    for url in ["", "heirloom:8080", "ftp://heirloom"] {
        let built = local().status_lists_url(url).build().await;
        assert!(matches!(built, Err(BuildError::InvalidStatusListsUrl)), "{url}");
    }
}

#[tokio::test]
async fn a_token_that_is_no_good_makes_nobody_ask() {
    let world = World::new();
    let verifier = world.verifier().await;
    for (name, value) in [
        ("exp", json!(NOW - 10)),
        ("aud", json!("https://other.example")),
        ("iss", json!("https://evil.example")),
    ] {
        let mut claims = claims(1);
        claims[name] = value;
        assert!(verifier.verify(&world.key.sign(&claims)).await.is_err());
    }
    let forged = Key::new(Algorithm::ES256, "one").sign(&claims(1));
    assert_eq!(verifier.verify(&forged).await, Err(VerifyError::BadSignature));
    assert_eq!((world.provider.requests(), verifier.status_lists().followed), (0, 0));
}

#[tokio::test]
async fn a_list_signed_with_a_new_key_is_read_at_once() {
    let world = World::new();
    let verifier = world.verifier().await;
    let new = Key::new(Algorithm::EdDSA, "new");
    world.provider.publish_keys(&[&world.key, &new]);
    world.provider.publish(signed(&new, &document(&[2, 0])));
    assert_eq!(verifier.verify(&world.token(1)).await, Err(REVOKED));
}

#[test]
fn who_verifies_after_the_builders_runtime_ended_waits_no_longer_either() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (ended, now) = (runtime(), runtime());
    let world = now.block_on(async { World::new() });
    let verifier = ended.block_on(world.builder().fetch_timeout(Duration::from_millis(200)).build()).unwrap();
    drop(ended);
    let token = world.token(0);
    let verdict =
        now.block_on(async { tokio::time::timeout(Duration::from_secs(5), verifier.verify(&token)).await });
    assert_eq!(verdict.unwrap(), Err(VerifyError::StatusUnavailable));
}
