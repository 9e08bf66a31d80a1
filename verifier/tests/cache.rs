//! The cache through the public face: a token that comes again is found, and judged like the first time.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod issuer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use heirloom_verifier::{AccessToken, Algorithm, Builder, Verifier, VerifyError};
use issuer::{AUDIENCE, ISSUER, Key, NOW, Server, claims};
use serde_json::{Value, json};

fn builder() -> Builder {
    Verifier::builder(ISSUER).audience(AUDIENCE).clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
}

async fn knowing(key: &Key, builder: Builder) -> Verifier {
    builder.jwks_json(issuer::jwks(&[key])).build().await.unwrap()
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

/// Only a token out of the cache is the very same as before.
fn is_the_same(one: &AccessToken, other: &AccessToken) -> bool {
    std::ptr::eq(&raw const **one, &raw const **other)
}

/// A clock and what sets it.
fn clock() -> (Arc<AtomicU64>, Builder) {
    let now = Arc::new(AtomicU64::new(NOW));
    let shown = Arc::clone(&now);
    (now, builder().clock(move || UNIX_EPOCH + Duration::from_secs(shown.load(Ordering::Relaxed))))
}

#[tokio::test]
async fn a_token_that_comes_again_is_found_unless_the_cache_is_off() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        let key = Key::new(algorithm, "one");
        let token = key.sign(&claims());
        for (builder, found) in [(builder(), true), (builder().cache_capacity(0), false)] {
            let verifier = knowing(&key, builder).await;
            let first = verifier.verify(&token).await.unwrap();
            for again in
                [verifier.clone().verify(&token).await.unwrap(), verifier.verify_offline(&token).unwrap()]
            {
                assert_eq!((is_the_same(&first, &again), &first), (found, &again));
            }
            assert_eq!(verifier.cached_tokens(), usize::from(found));
        }
    }
}

#[tokio::test]
async fn a_cached_token_is_good_for_as_long_as_any_other() {
    let key = Key::new(Algorithm::ES256, "one");
    let (now, builder) = clock();
    let verifier = knowing(&key, builder.leeway(Duration::from_secs(3))).await;
    let token = key.sign(&with("nbf", json!(NOW)));
    let first = verifier.verify(&token).await.unwrap();
    for (second, refusal) in [
        (NOW + 62, None),
        (NOW + 63, Some(VerifyError::Expired)),
        (NOW + 1_000_000, Some(VerifyError::Expired)),
        (NOW - 4, Some(VerifyError::NotYetValid)),
        (NOW - 3, None),
    ] {
        now.store(second, Ordering::Relaxed);
        match (verifier.verify(&token).await, refusal) {
            (Ok(again), None) => assert!(is_the_same(&first, &again), "{second}"),
            (answer, refusal) => assert_eq!(answer.err(), refusal, "{second}"),
        }
    }
}

#[tokio::test]
async fn what_one_service_cached_opens_no_other() {
    let key = Key::new(Algorithm::ES256, "one");
    let token = key.sign(&claims());
    let verifier = knowing(&key, builder()).await;
    let elsewhere = Verifier::builder("https://other.example").audience(AUDIENCE);
    let others = [
        (Verifier::builder(ISSUER).audience("https://other.example"), VerifyError::WrongAudience),
        (elsewhere, VerifyError::WrongIssuer),
        (
            builder().require_scope("orders:write"),
            VerifyError::InsufficientScope { required: "orders:write".to_owned() },
        ),
    ];
    for (other, refusal) in others {
        let other = knowing(&key, other).await;
        for _ in 0..3 {
            assert!(verifier.verify(&token).await.is_ok());
            assert_eq!(other.verify(&token).await.unwrap_err(), refusal);
        }
        assert_eq!(other.cached_tokens(), 0, "what is refused is not kept");
    }
}

#[tokio::test]
async fn a_key_that_is_withdrawn_takes_its_cached_tokens_along() {
    let (old, new) = (Key::new(Algorithm::ES256, "old"), Key::new(Algorithm::ES256, "new"));
    let same_id = Key::new(Algorithm::ES256, "old");
    let server = Server::start(&[&old]);
    let every = Duration::from_millis(20);
    let verifier = builder().jwks_url(server.url()).refresh_every(every).build().await.unwrap();
    let token = old.sign(&claims());
    let first = verifier.verify(&token).await.unwrap();

    server.publish(&[&new, &old]);
    server.wait_for_more(2).await;
    assert!(is_the_same(&first, &verifier.verify_offline(&token).unwrap()), "its key is still there");

    server.publish(&[&new]);
    server.wait_for_more(2).await;
    assert_eq!(verifier.verify(&token).await, Err(VerifyError::UnknownKey));
    assert_eq!(verifier.verify_offline(&token), Err(VerifyError::UnknownKey));

    server.publish(&[&new, &same_id]);
    server.wait_for_more(2).await;
    assert_eq!(
        verifier.verify_offline(&token),
        Err(VerifyError::BadSignature),
        "the id is another key's now"
    );
}

#[tokio::test]
async fn a_token_without_a_key_id_is_cached_for_as_long_as_there_is_one_key() {
    let (one, two) = (Key::new(Algorithm::EdDSA, "one"), Key::new(Algorithm::EdDSA, "two"));
    let server = Server::start(&[&one]);
    let every = Duration::from_millis(20);
    let verifier = builder().jwks_url(server.url()).refresh_every(every).build().await.unwrap();
    let mut header = one.header();
    header["kid"] = Value::Null;
    let token = one.sign_as(&header, &claims());
    assert!(verifier.verify(&token).await.is_ok());
    server.publish(&[&one, &two]);
    server.wait_for_more(2).await;
    assert_eq!(verifier.verify_offline(&token), Err(VerifyError::UnknownKey));
}

#[tokio::test]
async fn a_token_that_differs_in_one_letter_is_another() {
    let key = Key::new(Algorithm::ES256, "one");
    let verifier = knowing(&key, builder()).await;
    let good = key.sign(&claims());
    assert!(verifier.verify(&good).await.is_ok());
    for position in 0..good.len() {
        let new = if good.as_bytes()[position] == b'A' { 'Q' } else { 'A' };
        let forged = format!("{}{new}{}", &good[..position], &good[position + 1..]);
        assert!(verifier.verify(&forged).await.is_err(), "at {position}");
        assert!(verifier.verify_offline(&forged).is_err(), "at {position}");
    }
    let (unsigned, _) = good.rsplit_once('.').unwrap();
    for forged in [format!("{good}A"), format!("{good}="), format!("{good} "), format!("{unsigned}.")] {
        assert_eq!(verifier.verify(&forged).await, Err(VerifyError::BadSignature), "{forged}");
    }
    assert_eq!(verifier.cached_tokens(), 1, "what is refused is not kept");
}

#[tokio::test]
async fn the_cache_grows_no_further_than_it_may() {
    let (key, unknown) = (Key::new(Algorithm::EdDSA, "one"), Key::new(Algorithm::EdDSA, "one"));
    let verifier = knowing(&key, builder().cache_capacity(64)).await;
    for number in 0..500 {
        let claims = with("jti", json!(number.to_string()));
        assert_eq!(verifier.verify(&unknown.sign(&claims)).await, Err(VerifyError::BadSignature));
    }
    assert_eq!(verifier.cached_tokens(), 0, "forged tokens take no place");
    for number in 0..500 {
        let claims = with("jti", json!(number.to_string()));
        assert!(verifier.verify(&key.sign(&claims)).await.is_ok());
        assert!(verifier.cached_tokens() <= 64, "{} after {number}", verifier.cached_tokens());
    }
    assert!(verifier.cached_tokens() > 32);
}

#[tokio::test]
async fn dead_tokens_leave_the_cache_when_others_come() {
    let key = Key::new(Algorithm::EdDSA, "one");
    let (now, builder) = clock();
    let verifier = knowing(&key, builder).await;
    let long = key.sign(&with("exp", json!(NOW + 1_000)));
    let first = verifier.verify(&long).await.unwrap();
    for number in 0..20 {
        assert!(verifier.verify(&key.sign(&with("jti", json!(number.to_string())))).await.is_ok());
    }
    assert_eq!(verifier.cached_tokens(), 21);
    now.store(NOW + 120, Ordering::Relaxed);
    assert!(verifier.verify(&key.sign(&with("exp", json!(NOW + 300)))).await.is_ok());
    assert_eq!(verifier.cached_tokens(), 2);
    assert!(is_the_same(&first, &verifier.verify(&long).await.unwrap()), "it lives");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_many_ask_at_once_each_gets_what_its_own_token_says() {
    let key = Key::new(Algorithm::EdDSA, "one");
    let verifier = knowing(&key, builder().cache_capacity(40)).await;
    let tokens: Vec<_> = (0..64).map(|user| key.sign(&with("sub", json!(user.to_string())))).collect();
    let tokens = Arc::new(tokens);
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (verifier, tokens) = (verifier.clone(), Arc::clone(&tokens));
            tokio::spawn(async move {
                for _ in 0..20 {
                    for (user, token) in tokens.iter().enumerate() {
                        assert_eq!(verifier.verify(token).await.unwrap().subject, user.to_string());
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(verifier.cached_tokens() <= 40);
}
