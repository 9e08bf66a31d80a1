//! Tokens that are bound to a key (RFC 9449, RFC 8705): good with its proof, worth nothing without.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod issuer;
mod prover;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use heirloom_verifier::dpop::InvalidProof;
use heirloom_verifier::{
    AccessToken, Algorithm, BuildError, Builder, ClientCertificate, Presented, Verifier, VerifyError,
};
use issuer::{AUDIENCE, ISSUER, Key, NOW, claims};
use prover::{Prover, token_hash, with};
use serde_json::{Value, json};

const URL: &str = "https://api.example.com/orders";

fn builder(key: &Key) -> Builder {
    Verifier::builder(ISSUER)
        .audience(AUDIENCE)
        .clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
        .jwks_json(issuer::jwks(&[key]))
}

/// A client with a key and a token that is bound to it.
struct Client {
    prover: Prover,
    token: String,
}

impl Client {
    fn new(key: &Key) -> Self {
        let prover = Prover::new("ES256");
        let token = bound(key, &json!({ "jkt": prover.thumbprint() }));
        Self { prover, token }
    }

    fn proof(&self, jti: &str, others: Value) -> String {
        let claims =
            json!({ "jti": jti, "htm": "GET", "htu": URL, "iat": NOW, "ath": token_hash(&self.token) });
        self.prover.prove(&with(&claims, others))
    }
}

/// A token that is bound to this.
fn bound(key: &Key, confirmation: &Value) -> String {
    key.sign(&with(&claims(), json!({ "cnf": confirmation })))
}

async fn get(verifier: &Verifier, token: &str, proof: &str) -> Result<AccessToken, VerifyError> {
    verifier.verify_presented(&Presented::with_proof(token, proof, "GET", URL)).await
}

#[tokio::test]
async fn a_bound_token_is_good_with_a_proof_and_never_without() {
    let key = Key::new(Algorithm::ES256, "one");
    let client = Client::new(&key);
    for verifier in [
        builder(&key).build().await.unwrap(),
        builder(&key).cache_capacity(0).build().await.unwrap(),
        builder(&key).require_bound_tokens().build().await.unwrap(),
    ] {
        // Before and after it is in the cache.
        for jti in ["1", "2"] {
            assert_eq!(verifier.verify(&client.token).await, Err(VerifyError::BoundToken));
            assert_eq!(verifier.verify_offline(&client.token), Err(VerifyError::BoundToken));
            let access = get(&verifier, &client.token, &client.proof(jti, json!({}))).await.unwrap();
            let confirmation = access.confirmation.as_ref().unwrap();
            assert_eq!(confirmation.key_thumbprint, Some(client.prover.thumbprint()));
            assert_eq!(confirmation.certificate_thumbprint, None);
        }
        let presented = client.proof("3", json!({}));
        let presented = Presented::with_proof(&client.token, &presented, "GET", URL);
        assert!(verifier.verify_presented_offline(&presented).is_ok());
        assert_eq!(verifier.verify_presented_offline(&presented), Err(VerifyError::ReplayedProof));
        assert_eq!(verifier.clone().verify_presented(&presented).await, Err(VerifyError::ReplayedProof));
    }
}

#[tokio::test]
async fn a_bound_token_with_another_proof_is_refused_and_the_right_one_stays_good() {
    let key = Key::new(Algorithm::ES256, "one");
    let (client, thief) = (Client::new(&key), Client::new(&key));
    let verifier = builder(&key).build().await.unwrap();
    let proof = client.proof("1", json!({}));
    let stolen = thief.prover.prove(
        &json!({ "jti": "1", "htm": "GET", "htu": URL, "iat": NOW, "ath": token_hash(&client.token) }),
    );
    for (token, proof, refused) in [
        (&client.token, &stolen, VerifyError::WrongKey),
        (&thief.token, &proof, InvalidProof::WrongAccessToken.into()),
        (&client.token, &client.proof("1", json!({ "htm": "POST" })), InvalidProof::WrongMethod.into()),
        (&client.token, &client.proof("1", json!({ "iat": NOW - 61 })), InvalidProof::TooOld.into()),
        (
            &client.token,
            &client.proof("1", json!({ "ath": null })),
            InvalidProof::MissingClaim { name: "ath" }.into(),
        ),
        (&client.token, &"rubbish".to_owned(), InvalidProof::Malformed.into()),
        (&key.sign(&claims()), &proof, VerifyError::UnboundToken),
    ] {
        assert_eq!(get(&verifier, token, proof).await, Err(refused));
    }
    // A token that is no good is told so first, whatever comes along.
    let expired = key.sign(&with(&claims(), json!({ "exp": NOW - 100, "cnf": { "jkt": "other" } })));
    assert_eq!(get(&verifier, &expired, "rubbish").await, Err(VerifyError::Expired));
    // None of this spent the proof.
    assert!(get(&verifier, &client.token, &proof).await.is_ok());
    assert_eq!(get(&verifier, &client.token, &proof).await, Err(VerifyError::ReplayedProof));
}

#[tokio::test]
async fn what_a_token_is_bound_to_has_to_be_understood() {
    let key = Key::new(Algorithm::ES256, "one");
    let client = Client::new(&key);
    let verifier = builder(&key).build().await.unwrap();
    let jkt = client.prover.thumbprint();
    for (confirmation, refused) in [
        (json!({}), VerifyError::UnknownConfirmation),
        (json!({ "jwk": client.prover.jwk }), VerifyError::UnknownConfirmation),
        (json!({ "kid": "key" }), VerifyError::UnknownConfirmation),
        (json!({ "jkt": jkt, "jku": "https://evil.example" }), VerifyError::UnknownConfirmation),
        (json!({ "jkt": null }), VerifyError::UnknownConfirmation),
        (json!({ "jkt": 7 }), VerifyError::Malformed),
        (json!("key"), VerifyError::Malformed),
        (json!({ "jkt": "" }), VerifyError::WrongKey),
        (json!({ "jkt": jkt.to_ascii_lowercase() }), VerifyError::WrongKey),
    ] {
        let token = bound(&key, &confirmation);
        let client = Client { prover: Prover::new("ES256"), token };
        let proof = client.proof("1", json!({}));
        assert_eq!(get(&verifier, &client.token, &proof).await, Err(refused), "{confirmation}");
        assert!(verifier.verify(&client.token).await.is_err(), "{confirmation}");
    }
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_is_good_with_it_alone() {
    let key = Key::new(Algorithm::ES256, "one");
    let client = Client::new(&key);
    let verifier = builder(&key).require_bound_tokens().build().await.unwrap();
    let (own, other) = (ClientCertificate::from_der(b"own"), ClientCertificate::from_der(b"other"));
    let token = bound(&key, &json!({ "x5t#S256": own.thumbprint() }));
    let presented = Presented::bearer(&token);
    assert_eq!(verifier.verify_presented(&presented).await, Err(VerifyError::BoundToken));
    let with_other = presented.clone().with_certificate(&other);
    assert_eq!(verifier.verify_presented(&with_other).await, Err(VerifyError::WrongKey));
    let access = verifier.verify_presented(&presented.with_certificate(&own)).await.unwrap();
    let confirmation = access.confirmation.as_ref().unwrap();
    assert_eq!(confirmation.certificate_thumbprint.as_deref(), Some(own.thumbprint()));
    let proof = client.proof("1", json!({ "ath": token_hash(&token) }));
    let with_proof = Presented::with_proof(&token, &proof, "GET", URL).with_certificate(&own);
    assert_eq!(verifier.verify_presented(&with_proof).await, Err(VerifyError::UnboundToken));

    // Who is bound to both has to hold both.
    let both = json!({ "x5t#S256": own.thumbprint(), "jkt": client.prover.thumbprint() });
    let token = bound(&key, &both);
    let proof = client.proof("2", json!({ "ath": token_hash(&token) }));
    let presented = Presented::with_proof(&token, &proof, "GET", URL);
    assert_eq!(verifier.verify_presented(&presented).await, Err(VerifyError::BoundToken));
    let bearer = Presented::bearer(&token).with_certificate(&own);
    assert_eq!(verifier.verify_presented(&bearer).await, Err(VerifyError::BoundToken));
    assert!(verifier.verify_presented(&presented.with_certificate(&own)).await.is_ok());

    // A certificate that no token asks for changes nothing.
    let lax = builder(&key).build().await.unwrap();
    let token = key.sign(&claims());
    assert!(lax.verify_presented(&Presented::bearer(&token).with_certificate(&own)).await.is_ok());
    assert_eq!(verifier.verify(&token).await, Err(VerifyError::UnboundToken));
}

#[tokio::test]
async fn more_proofs_than_can_be_remembered_are_told_to_come_again() {
    let key = Key::new(Algorithm::ES256, "one");
    let client = Client::new(&key);
    let now = Arc::new(AtomicU64::new(NOW));
    let clock = Arc::clone(&now);
    let builder = builder(&key).proof_capacity(2);
    let builder = builder.clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)));
    let verifier = builder.leeway(Duration::from_hours(1)).build().await.unwrap();
    for jti in ["1", "2"] {
        assert!(get(&verifier, &client.token, &client.proof(jti, json!({}))).await.is_ok());
    }
    let third = client.proof("3", json!({}));
    let refused = get(&verifier, &client.token, &third).await.unwrap_err();
    assert_eq!((refused.status(), refused.code()), (503, Some("temporarily_unavailable")));
    assert_eq!(verifier.challenge(&refused), None);
    now.fetch_add(61, Ordering::Relaxed);
    let later = client.proof("4", json!({ "iat": NOW + 61 }));
    assert!(get(&verifier, &client.token, &later).await.is_ok());
    assert_eq!(get(&verifier, &client.token, &third).await, Err(InvalidProof::TooOld.into()));
}

#[tokio::test]
async fn a_service_that_wants_a_nonce_says_which_and_all_its_replicas_take_it() {
    let key = Key::new(Algorithm::ES256, "one");
    let client = Client::new(&key);
    let one = builder(&key).proof_nonces([7; 32]).build().await.unwrap();
    let other = builder(&key).proof_nonces([7; 32]).build().await.unwrap();
    let stranger = builder(&key).proof_nonces([8; 32]).build().await.unwrap();
    let refused = get(&one, &client.token, &client.proof("1", json!({}))).await.unwrap_err();
    assert_eq!((refused.status(), refused.code()), (401, Some("use_dpop_nonce")));
    let nonce = refused.nonce().unwrap().to_owned();
    let proof = client.proof("1", json!({ "nonce": nonce }));
    assert!(get(&one, &client.token, &proof).await.is_ok());
    assert!(get(&other, &client.token, &proof).await.is_ok());
    let refused = get(&stranger, &client.token, &proof).await.unwrap_err();
    assert_eq!(refused.code(), Some("use_dpop_nonce"));
    assert_ne!(refused.nonce(), Some(nonce.as_str()));
}

#[tokio::test]
async fn challenges_offer_what_the_service_takes() {
    let key = Key::new(Algorithm::ES256, "one");
    let algs = r#"algs="ES256 EdDSA Ed25519 ES384 PS256 RS256""#;
    let missing = VerifyError::Missing;
    let verifier = builder(&key).build().await.unwrap();
    let both = format!(r#"Bearer realm="api", DPoP realm="api", {algs}"#);
    assert_eq!(verifier.challenge(&missing), Some(both));
    let strict = builder(&key).require_bound_tokens().require_scope("a").build().await.unwrap();
    let one = format!(r#"DPoP realm="api", scope="a", {algs}"#);
    assert_eq!(strict.challenge(&missing), Some(one));
    // What is wrong with a proof is said where proofs are asked for.
    let spent = r#"error="invalid_dpop_proof", error_description="The DPoP proof was used before.""#;
    let expected = format!(r#"Bearer realm="api", DPoP realm="api", {spent}, {algs}"#);
    assert_eq!(verifier.challenge(&VerifyError::ReplayedProof), Some(expected));
    let alone = format!(r#"DPoP realm="api", {spent}, {algs}"#);
    assert_eq!(VerifyError::ReplayedProof.challenge("api"), Some(alone.clone()));
    assert_eq!(strict.challenge(&VerifyError::ReplayedProof), Some(alone));
    let resource = builder(&key).resource(URL).require_bound_tokens().build().await.unwrap();
    let metadata: Value = serde_json::from_str(resource.resource_metadata().unwrap().json()).unwrap();
    assert_eq!(metadata.get("dpop_bound_access_tokens_required"), Some(&json!(true)), "RFC 9728 §2");

    let nameless = Verifier::builder(ISSUER).audience("orders").jwks_json(issuer::jwks(&[&key]));
    let nameless = nameless.build().await.unwrap();
    assert_eq!(nameless.challenge(&missing).as_deref(), Some(r#"Bearer realm="api""#));
}

#[tokio::test]
async fn a_public_url_is_one_that_a_path_can_follow() {
    let key = Key::new(Algorithm::ES256, "one");
    for url in [
        "",
        "api.example.com",
        "ftp://api.example.com",
        "https://api.example.com/?a",
        "https://ana@example.com",
        "https://example.com/#a",
    ] {
        let built = builder(&key).public_url(url).build().await;
        assert!(matches!(built, Err(BuildError::InvalidPublicUrl)), "{url}");
    }
    for url in ["https://api.example.com", "http://127.0.0.1:8081/", "https://example.com/shop/"] {
        assert!(builder(&key).public_url(url).build().await.is_ok(), "{url}");
    }
}
