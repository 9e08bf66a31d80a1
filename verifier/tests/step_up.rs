//! What a good token is too little for (RFC 9470): by the verifier, through actix-web and through tower.

#![cfg(all(feature = "actix", feature = "tower"))]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod issuer;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use actix_web::{App, HttpResponse, test, web};
use heirloom_verifier::actix::Protect;
use heirloom_verifier::tower::VerifierLayer;
use heirloom_verifier::{Algorithm, StepUp, Verifier, VerifyError};
use http::{Request, Response};
use issuer::{AUDIENCE, ISSUER, Key, NOW, claims};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _, service_fn};

const MINUTE: Duration = Duration::from_mins(1);

async fn verifier(key: &Key, time: &Arc<AtomicU64>) -> Verifier {
    let time = Arc::clone(time);
    Verifier::builder(ISSUER)
        .audience(AUDIENCE)
        .realm("shop")
        .leeway(Duration::from_secs(5))
        .clock(move || UNIX_EPOCH + Duration::from_secs(time.load(Ordering::Relaxed)))
        .jwks_json(issuer::jwks(&[key]))
        .build()
        .await
        .unwrap()
}

fn signed_in(acr: Value, auth_time: Value) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().unwrap();
    members.insert("acr".to_owned(), acr);
    members.insert("auth_time".to_owned(), auth_time);
    members.retain(|_, value| !value.is_null());
    claims
}

#[tokio::test]
async fn one_of_the_classes_is_enough_and_no_other() {
    let key = Key::new(Algorithm::ES256, "one");
    let verifier = verifier(&key, &Arc::new(AtomicU64::new(NOW))).await;
    for (acr, two, phishing_resistant) in [
        (json!("phr"), true, true),
        (json!("2"), true, false),
        (json!("1"), false, false),
        (json!("2 phr"), false, false),
        (json!(""), false, false),
        (Value::Null, false, false),
    ] {
        let access = verifier.verify(&key.sign(&signed_in(acr.clone(), json!(NOW)))).await.unwrap();
        assert_eq!(access.acr.as_deref(), acr.as_str());
        let met = |step_up: &StepUp| verifier.require_step_up(&access, step_up).is_ok();
        assert_eq!(met(&StepUp::two_factors()), two, "{acr}");
        assert_eq!(met(&StepUp::phishing_resistant()), phishing_resistant, "{acr}");
        assert!(met(&StepUp::within(MINUTE)), "{acr}");
    }
}

#[tokio::test]
async fn a_sign_in_grows_too_old() {
    let (key, time) = (Key::new(Algorithm::ES256, "one"), Arc::new(AtomicU64::new(NOW)));
    let verifier = verifier(&key, &time).await;
    let mut long = signed_in(json!("2"), json!(NOW));
    long["exp"] = json!(NOW + 600);
    let access = verifier.verify(&key.sign(&long)).await.unwrap();
    let met = |step_up: &StepUp| verifier.require_step_up(&access, step_up);
    let step_up = StepUp::two_factors().and_within(MINUTE);
    for (later, good) in [(0, true), (65, true), (66, false), (500, false)] {
        time.store(NOW + later, Ordering::Relaxed);
        assert_eq!(met(&step_up).is_ok(), good, "{later} s later");
        assert_eq!(met(&StepUp::two_factors()), Ok(()));
    }
    time.store(NOW, Ordering::Relaxed);
    let untold = verifier.verify(&key.sign(&signed_in(json!("2"), Value::Null))).await.unwrap();
    let refusal = verifier.require_step_up(&untold, &StepUp::within(MINUTE)).unwrap_err();
    let expected =
        VerifyError::InsufficientUserAuthentication { acr_values: String::new(), max_age: Some(MINUTE) };
    assert_eq!(refusal, expected);
    assert_eq!(met(&StepUp::within(Duration::MAX)), Ok(()));
}

/// The answer that both frameworks give: RFC 9470 §3.
const TEXT: &str = "The user has to sign in again for this: in another way, or more recently.";

fn challenge() -> String {
    let why = format!(
        r#"realm="shop", error="insufficient_user_authentication", error_description="{TEXT}", acr_values="2 phr", max_age="60""#
    );
    format!(r#"Bearer {why}, DPoP {why}, algs="ES256 EdDSA Ed25519 ES384 PS256 RS256""#)
}

fn body() -> Value {
    json!({ "error": "insufficient_user_authentication", "error_description": TEXT })
}

#[actix_web::test]
async fn actix_asks_for_a_better_sign_in() {
    let key = Key::new(Algorithm::ES256, "one");
    let verifier = verifier(&key, &Arc::new(AtomicU64::new(NOW))).await;
    let protect = Protect::new(&verifier).require_step_up(StepUp::two_factors().and_within(MINUTE));
    let transfer = web::resource("/transfer").wrap(protect).to(async || HttpResponse::Ok().body("sent"));
    let app = test::init_service(App::new().service(transfer)).await;
    for (acr, good) in [("1", false), ("2", true), ("phr", true)] {
        let token = key.sign(&signed_in(json!(acr), json!(NOW)));
        let request = test::TestRequest::with_uri("/transfer")
            .insert_header(("authorization", format!("Bearer {token}")))
            .to_request();
        let answer = test::call_service(&app, request).await;
        assert_eq!(answer.status().as_u16(), if good { 200 } else { 401 }, "{acr}");
        if !good {
            assert_eq!(answer.headers().get("www-authenticate").unwrap(), challenge().as_str());
            assert_eq!(test::read_body_json::<Value, _>(answer).await, body());
        }
    }
}

#[tokio::test]
async fn tower_asks_for_a_better_sign_in() {
    let key = Key::new(Algorithm::ES256, "one");
    let verifier = verifier(&key, &Arc::new(AtomicU64::new(NOW))).await;
    let layer = VerifierLayer::new(&verifier).require_step_up(StepUp::two_factors().and_within(MINUTE));
    let transfer =
        layer.layer(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("sent".to_owned()))));
    for (acr, good) in [("1", false), ("2", true), ("phr", true)] {
        let token = key.sign(&signed_in(json!(acr), json!(NOW)));
        let request = Request::builder().header("authorization", format!("Bearer {token}")).body(()).unwrap();
        let answer = transfer.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), if good { 200 } else { 401 }, "{acr}");
        if !good {
            assert_eq!(answer.headers()["www-authenticate"], challenge());
            assert_eq!(serde_json::from_str::<Value>(answer.body()).unwrap(), body());
        }
    }
}
