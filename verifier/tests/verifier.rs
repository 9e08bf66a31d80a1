//! The verifier through its public face: real keys of every kind, a clock that is moved.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod issuer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use heirloom_verifier::{Algorithm, BuildError, Builder, Verifier, VerifyError};
use issuer::{AUDIENCE, ISSUER, Key, NOW, claims};
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
async fn ed25519_is_the_same_algorithm_as_eddsa() {
    let key = Key::new(Algorithm::EdDSA, "one");
    for alg in ["EdDSA", "Ed25519"] {
        let mut jwk = key.jwk();
        jwk["alg"] = json!(alg);
        let verifier = builder().jwks_json(json!({ "keys": [jwk] }).to_string()).build().await.unwrap();
        for name in ["EdDSA", "Ed25519"] {
            let mut header = key.header();
            header["alg"] = json!(name);
            let access = verifier.verify(&key.sign_as(&header, &claims())).await;
            assert_eq!(access.unwrap().subject, "ana", "RFC 9864 §2.2: a key for {alg}, a token with {name}");
        }
    }
}

#[tokio::test]
async fn what_a_token_may_leave_out_or_write_otherwise() {
    let key = Key::new(Algorithm::ES256, "one");
    let verifier = knowing(&[&key]).await;
    let mut bare = claims();
    bare.as_object_mut()
        .unwrap()
        .retain(|name, _| ["iss", "sub", "aud", "client_id", "exp"].contains(&name.as_str()));
    bare["aud"] = json!(["https://other.example", AUDIENCE]);
    let mut header = key.header();
    header["typ"] = json!("Application/AT+JWT");
    let access = verifier.verify(&key.sign_as(&header, &bare)).await.unwrap();
    assert!(access.scopes.is_empty() && access.roles.is_empty());
    assert_eq!(access.audience, ["https://other.example", AUDIENCE]);
    assert_eq!(
        (access.session_id.as_ref(), access.token_id.as_ref(), access.issued_at, access.auth_time),
        (None, None, None, None)
    );
}

#[tokio::test]
async fn a_token_tells_who_acts_and_who_acted_before() {
    let key = Key::new(Algorithm::ES256, "one");
    let verifier = knowing(&[&key]).await;
    let act = json!({ "sub": "billing", "act": { "sub": "orders" } });
    let access = verifier.verify(&key.sign(&changed("act", act))).await.unwrap();
    let actor = access.actor.as_ref().unwrap();
    assert_eq!((access.subject.as_str(), actor.subject.as_str()), ("ana", "billing"));
    let before = actor.before.as_ref().unwrap();
    assert_eq!((before.subject.as_str(), before.before.as_ref()), ("orders", None));
    assert_eq!(verifier.verify(&key.sign(&claims())).await.unwrap().actor, None);
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
        ("no client", key.sign(&changed("client_id", Value::Null)), VerifyError::Malformed),
        ("no issuer", key.sign(&changed("iss", Value::Null)), VerifyError::Malformed),
        ("no algorithm", header("alg", Value::Null), VerifyError::Malformed),
        ("no subject", key.sign(&changed("sub", Value::Null)), VerifyError::Malformed),
        ("an actor without a name", key.sign(&changed("act", json!({}))), VerifyError::Malformed),
        ("an actor as text", key.sign(&changed("act", json!("billing"))), VerifyError::Malformed),
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
        (
            "a mebibyte, signed",
            key.sign(&changed("more", json!("e".repeat(1 << 20)))),
            VerifyError::Malformed,
        ),
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
    let private =
        [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256].map(|it| Key::new(it, "x").private_pem());
    for pem in private.into_iter().chain([issuer::p384_pem(), "rubbish".to_owned()]) {
        assert!(matches!(builder().pem(&pem).build().await, Err(BuildError::NoUsableKey)), "{pem}");
    }
}

#[tokio::test]
async fn keys_that_cannot_verify_tokens_are_passed_over() {
    let key = Key::new(Algorithm::ES256, "one");
    let changed = |name: &str, value: Value| {
        let mut jwk = key.jwk();
        jwk[name] = value;
        jwk
    };
    for (what, other) in [
        ("a kind of the future", json!({ "kty": "future", "kid": "two" })),
        ("no object", json!(1)),
        ("for encrypting", changed("use", json!("enc"))),
        ("another use", changed("key_ops", json!(["deriveKey"]))),
        ("another algorithm", changed("alg", json!("ES384"))),
        ("an algorithm of the future", changed("alg", json!("future"))),
        ("another curve", changed("crv", json!("P-384"))),
        ("no point", changed("x", Value::Null)),
    ] {
        // The key itself once more under another name: the set is not empty, the one passed over is not found.
        let mut usable = key.jwk();
        usable["kid"] = json!("usable");
        let set = json!({ "keys": [other, usable] }).to_string();
        let verifier = builder().jwks_json(set).build().await.unwrap();
        assert_eq!(verifier.verify(&key.sign(&claims())).await, Err(VerifyError::UnknownKey), "{what}");
        let mut header = key.header();
        header["kid"] = json!("usable");
        assert!(verifier.verify(&key.sign_as(&header, &claims())).await.is_ok(), "{what}");
    }
}

#[tokio::test]
async fn far_times_and_wide_leeways_do_not_overflow() {
    let key = Key::new(Algorithm::ES256, "one");
    let verifier = builder().leeway(Duration::MAX).jwks_json(issuer::jwks(&[&key])).build().await.unwrap();
    for (name, time) in [("exp", json!(9.2e18)), ("nbf", json!(9.2e18)), ("exp", json!(0)), ("nbf", json!(0))]
    {
        assert!(verifier.verify(&key.sign(&changed(name, time))).await.is_ok(), "{name}");
    }
    for time in [json!(1e300), json!(-1)] {
        let token = key.sign(&changed("nbf", time));
        assert_eq!(verifier.verify(&token).await, Err(VerifyError::Malformed));
    }
}
