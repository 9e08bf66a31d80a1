//! The verifier through its public face: real keys of every kind, a real issuer over HTTP, a clock that is moved.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod issuer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use heirloom_verifier::{Algorithm, BuildError, Builder, Verifier, VerifyError};
use issuer::{AUDIENCE, ISSUER, Key, NOW, Server, claims};
use serde_json::{Value, json};

fn builder() -> Builder {
    Verifier::builder(ISSUER).audience(AUDIENCE).clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
}

async fn knowing(keys: &[&Key]) -> Verifier {
    builder().jwks_json(issuer::jwks(keys)).build().await.unwrap()
}

fn changed(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    claims
}

#[tokio::test]
async fn a_good_token_of_each_algorithm_is_read() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        let key = Key::new(algorithm, "one");
        for verifier in [knowing(&[&key]).await, builder().pem(key.pem()).build().await.unwrap()] {
            let access = verifier.verify(&key.sign(&claims())).await.unwrap();
            assert_eq!((access.subject.as_str(), access.client_id.as_str()), ("ana", "app"));
            assert_eq!(access.scopes, ["orders:read", "profile"]);
            assert_eq!(access.session_id.as_deref(), Some("family"));
            assert!(access.has_role("admin") && !access.has_scope("orders:write"));
            assert_eq!(access.expires_at, UNIX_EPOCH + Duration::from_secs(NOW + 60));
            assert_eq!(verifier.verify_offline(&key.sign(&claims())), Ok(access));
        }
    }
}

#[tokio::test]
async fn tokens_that_must_be_refused() {
    let key = Key::new(Algorithm::ES256, "one");
    let verifier = knowing(&[&key, &Key::new(Algorithm::RS256, "two")]).await;
    let header = |name: &str, value: Value| {
        let mut header = key.header();
        header.as_object_mut().unwrap().insert(name.to_owned(), value);
        key.sign_as(&header, &claims())
    };
    let good = key.sign(&claims());
    let (unsigned, _) = good.rsplit_once('.').unwrap();
    let hs256 = issuer::hs256_with_public_key(&key);
    let rows: Vec<(&str, String, VerifyError)> = vec![
        (
            "another issuer",
            key.sign(&changed("iss", json!("https://evil.example"))),
            VerifyError::WrongIssuer,
        ),
        (
            "another audience",
            key.sign(&changed("aud", json!("https://other.example"))),
            VerifyError::WrongAudience,
        ),
        ("no audience", key.sign(&changed("aud", json!([]))), VerifyError::WrongAudience),
        ("expired", key.sign(&changed("exp", json!(NOW - 5))), VerifyError::Expired),
        ("no expiry", key.sign(&changed("exp", Value::Null)), VerifyError::Malformed),
        ("an expiry that is no time", key.sign(&changed("exp", json!(-1))), VerifyError::Malformed),
        ("an expiry as text", key.sign(&changed("exp", json!("tomorrow"))), VerifyError::Malformed),
        ("not yet", key.sign(&changed("nbf", json!(NOW + 6))), VerifyError::NotYetValid),
        ("no subject", key.sign(&changed("sub", Value::Null)), VerifyError::Malformed),
        ("an ID token", header("typ", json!("JWT")), VerifyError::WrongType),
        ("no type", header("typ", Value::Null), VerifyError::WrongType),
        ("unsigned", header("alg", json!("none")), VerifyError::WrongAlgorithm),
        ("the public key as a shared secret", hs256, VerifyError::WrongAlgorithm),
        ("another key's algorithm", header("alg", json!("RS256")), VerifyError::WrongAlgorithm),
        ("another key's id", header("kid", json!("two")), VerifyError::WrongAlgorithm),
        ("an unknown key", header("kid", json!("three")), VerifyError::UnknownKey),
        ("no key id among several keys", header("kid", Value::Null), VerifyError::UnknownKey),
        ("an extension", header("crit", json!(["exp"])), VerifyError::Malformed),
        ("no signature", format!("{unsigned}."), VerifyError::BadSignature),
        ("two parts", unsigned.to_owned(), VerifyError::Malformed),
        ("four parts", format!("{good}.AA"), VerifyError::BadSignature),
        ("nothing", String::new(), VerifyError::Malformed),
        ("dots", "..".to_owned(), VerifyError::Malformed),
        ("garbage", "a.b.c".to_owned(), VerifyError::Malformed),
        ("NUL", "\0.\0.\0".to_owned(), VerifyError::Malformed),
        ("a mebibyte", "e".repeat(1 << 20), VerifyError::Malformed),
    ];
    assert!(verifier.verify(&good).await.is_ok());
    for (what, token, refusal) in rows {
        assert_eq!(verifier.verify(&token).await.unwrap_err(), refusal, "{what}");
    }
}

#[tokio::test]
async fn a_changed_token_is_refused_wherever_it_is_changed() {
    let key = Key::new(Algorithm::ES256, "one");
    let verifier = knowing(&[&key]).await;
    let good = key.sign(&claims());
    for position in 0..good.len() {
        let old = good.as_bytes()[position];
        let new = if old == b'A' { 'Q' } else { 'A' };
        let forged = format!("{}{new}{}", &good[..position], &good[position + 1..]);
        assert!(verifier.verify(&forged).await.is_err(), "at {position}");
    }
}

#[tokio::test]
async fn the_leeway_counts_for_expiry_and_not_before() {
    let key = Key::new(Algorithm::EdDSA, "one");
    let now = Arc::new(AtomicU64::new(NOW));
    let clock = Arc::clone(&now);
    let verifier = builder()
        .leeway(Duration::from_secs(3))
        .clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)))
        .jwks_json(issuer::jwks(&[&key]))
        .build()
        .await
        .unwrap();
    let token = key.sign(&changed("nbf", json!(NOW)));
    for (second, expected) in [
        (NOW - 4, Err(VerifyError::NotYetValid)),
        (NOW - 3, Ok(())),
        (NOW + 62, Ok(())),
        (NOW + 63, Err(VerifyError::Expired)),
    ] {
        now.store(second, Ordering::Relaxed);
        assert_eq!(verifier.verify(&token).await.map(|_| ()), expected, "{second}");
    }
}

#[tokio::test]
async fn required_scopes_are_required() {
    let key = Key::new(Algorithm::ES256, "one");
    let verifier =
        builder().jwks_json(issuer::jwks(&[&key])).require_scope("orders:write").build().await.unwrap();
    let refusal = verifier.verify(&key.sign(&claims())).await.unwrap_err();
    assert_eq!((refusal.status(), refusal.code()), (403, Some("insufficient_scope")));
    let scope = json!("orders:write other");
    assert!(verifier.verify(&key.sign(&changed("scope", scope))).await.is_ok());
}

#[tokio::test]
async fn algorithms_can_be_narrowed() {
    let key = Key::new(Algorithm::RS256, "one");
    let verifier =
        builder().algorithms([Algorithm::ES256]).jwks_json(issuer::jwks(&[&key])).build().await.unwrap();
    assert_eq!(verifier.verify(&key.sign(&claims())).await, Err(VerifyError::WrongAlgorithm));
}

#[tokio::test]
async fn what_cannot_be_built_says_why() {
    let unusable = r#"{"keys":[{"kty":"oct","k":"AAAA","kid":"x"}]}"#;
    assert!(matches!(Verifier::builder(ISSUER).jwks_json("{}").build().await, Err(BuildError::NoAudience)));
    assert!(matches!(builder().build().await, Err(BuildError::NoKeySource)));
    assert!(matches!(builder().jwks_url("ftp://x").build().await, Err(BuildError::InvalidUrl)));
    for json in ["", "{}", r#"{"keys":[]}"#, unusable] {
        assert!(matches!(builder().jwks_json(json).build().await, Err(BuildError::NoUsableKey)), "{json}");
    }
    assert!(matches!(builder().pem("rubbish").build().await, Err(BuildError::NoUsableKey)));
}

#[tokio::test]
async fn keys_of_unknown_kinds_are_passed_over() {
    let key = Key::new(Algorithm::ES256, "one");
    let mut set: Value = serde_json::from_str(&issuer::jwks(&[&key])).unwrap();
    set["keys"].as_array_mut().unwrap().insert(0, json!({ "kty": "future", "kid": "zero" }));
    let mut encrypting = set["keys"][1].clone();
    encrypting["use"] = json!("enc");
    encrypting["kid"] = json!("enc");
    set["keys"].as_array_mut().unwrap().push(encrypting);
    let verifier = builder().jwks_json(set.to_string()).build().await.unwrap();
    assert!(verifier.verify(&key.sign(&claims())).await.is_ok());
    let mut header = key.header();
    header["kid"] = json!("enc");
    assert_eq!(verifier.verify(&key.sign_as(&header, &claims())).await, Err(VerifyError::UnknownKey));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_looked_for_once_however_many_ask() {
    let (old, new) = (Key::new(Algorithm::ES256, "old"), Key::new(Algorithm::ES256, "new"));
    let server = Server::start(&[&old]);
    let verifier = builder().jwks_url(server.url()).cooldown(Duration::ZERO).build().await.unwrap();
    assert_eq!(server.requests(), 1);
    server.publish(&[&old, &new]);
    let token = new.sign(&claims());
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify(&token).await })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap().is_ok());
    }
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn forged_key_ids_cost_one_fetch_a_cool_down() {
    let key = Key::new(Algorithm::ES256, "one");
    let server = Server::start(&[&key]);
    let verifier = builder().jwks_url(server.url()).cooldown(Duration::from_hours(1)).build().await.unwrap();
    for number in 0..50 {
        let mut header = key.header();
        header["kid"] = json!(format!("forged-{number}"));
        let token = key.sign_as(&header, &claims());
        assert_eq!(verifier.verify(&token).await, Err(VerifyError::UnknownKey));
    }
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn keys_are_kept_while_the_issuer_is_down_or_talks_rubbish() {
    let key = Key::new(Algorithm::ES256, "one");
    let server = Server::start(&[&key]);
    let every = Duration::from_millis(20);
    let verifier = builder().jwks_url(server.url()).refresh_every(every).build().await.unwrap();
    let token = key.sign(&claims());
    for (status, body) in
        [(500, ""), (200, "rubbish"), (200, r#"{"keys":[]}"#), (302, ""), (200, &"x".repeat(1 << 20))]
    {
        server.answer(status, body);
        server.wait_for_more(2).await;
        assert!(verifier.verify(&token).await.is_ok(), "{status}");
    }
    server.stop().await;
    tokio::time::sleep(every * 3).await;
    assert!(verifier.verify(&token).await.is_ok());
}

#[tokio::test]
async fn the_background_learns_new_keys_and_forgets_withdrawn_ones() {
    let (old, new) = (Key::new(Algorithm::ES256, "old"), Key::new(Algorithm::EdDSA, "new"));
    let server = Server::start(&[&old]);
    let every = Duration::from_millis(20);
    let verifier = builder().jwks_url(server.url()).refresh_every(every).build().await.unwrap();
    server.publish(&[&new]);
    server.wait_for_more(2).await;
    assert!(verifier.verify_offline(&new.sign(&claims())).is_ok());
    assert_eq!(verifier.verify_offline(&old.sign(&claims())), Err(VerifyError::UnknownKey));
    assert!(server.not_modified() > 0, "unchanged keys are not sent again");
    drop(verifier);
    tokio::time::sleep(every * 3).await;
    let requests = server.requests();
    tokio::time::sleep(every * 3).await;
    assert_eq!(server.requests(), requests, "nobody fetches for a verifier that is gone");
}

#[tokio::test]
async fn an_issuer_that_comes_up_late_is_waited_for() {
    let key = Key::new(Algorithm::ES256, "one");
    let server = Server::start(&[&key]);
    server.answer(503, "");
    let verifier =
        builder().jwks_url(server.url()).cooldown(Duration::from_millis(10)).build().await.unwrap();
    let token = key.sign(&claims());
    let refusal = verifier.verify(&token).await.unwrap_err();
    assert_eq!((refusal.status(), refusal.challenge("x")), (503, None));
    server.publish(&[&key]);
    let patience = async {
        while verifier.verify_offline(&token).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), patience).await.unwrap();
}

#[tokio::test]
async fn a_file_is_read_again() {
    let (old, new) = (Key::new(Algorithm::ES256, "old"), Key::new(Algorithm::ES256, "new"));
    let path = std::env::temp_dir().join(format!("heirloom-jwks-{}-{}.json", std::process::id(), NOW));
    std::fs::write(&path, issuer::jwks(&[&old])).unwrap();
    let verifier = builder().jwks_file(&path).cooldown(Duration::ZERO).build().await.unwrap();
    assert!(verifier.verify(&old.sign(&claims())).await.is_ok());
    std::fs::write(&path, issuer::jwks(&[&new])).unwrap();
    assert!(verifier.verify(&new.sign(&claims())).await.is_ok());
    std::fs::remove_file(&path).unwrap();
}
