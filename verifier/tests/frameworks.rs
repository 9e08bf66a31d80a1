//! The refusals that clients see (RFC 6750 §3), through actix-web and through tower.

#![cfg(all(feature = "actix", feature = "tower"))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod issuer;

use std::convert::Infallible;
use std::time::{Duration, UNIX_EPOCH};

use actix_web::http::header::HeaderMap;
use actix_web::{App, HttpResponse, test, web};
use heirloom_verifier::actix::Protect;
use heirloom_verifier::tower::VerifierLayer;
use heirloom_verifier::{AccessToken, Algorithm, Verifier};
use http::{Request, Response};
use issuer::{AUDIENCE, ISSUER, Key, NOW, claims};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

/// What a client sees: status, challenge, body.
type Seen = (u16, Option<String>, String);

/// Each row: the headers sent, and what must come back from a place that wants the scope `dashboard`.
fn rows(key: &Key) -> Vec<(Vec<String>, Seen)> {
    let body = |code: &str, text: &str| format!(r#"{{"error":"{code}","error_description":"{text}"}}"#);
    let challenge = |code: &str, text: &str| {
        Some(format!(r#"Bearer realm="shop", error="{code}", error_description="{text}""#))
    };
    let refused = |status: u16, code: &str, text: &str| (status, challenge(code, text), body(code, text));
    let missing = "Send an access token: Authorization: Bearer …";
    let none = (401, Some(r#"Bearer realm="shop""#.to_owned()), body("invalid_token", missing));
    let malformed = || refused(400, "invalid_request", "The Authorization header is malformed.");
    let narrow = "The access token lacks a scope that this needs.";
    let forbidden = challenge("insufficient_scope", narrow).map(|it| it + r#", scope="dashboard""#);
    let mut expired = claims();
    expired["exp"] = serde_json::json!(NOW - 100);
    let mut wide = claims();
    wide["scope"] = serde_json::json!("dashboard");
    vec![
        (vec![], none.clone()),
        (vec!["Basic YTpi".to_owned()], none),
        (vec!["Bearer".to_owned()], malformed()),
        (vec!["Bearer a b".to_owned()], malformed()),
        (vec!["Bearer a".to_owned(), "Bearer b".to_owned()], malformed()),
        (vec!["Bearer rubbish".to_owned()], refused(401, "invalid_token", "The access token is malformed.")),
        (
            vec![format!("Bearer {}", key.sign(&expired))],
            refused(401, "invalid_token", "The access token expired."),
        ),
        (
            vec![format!("Bearer {}", key.sign(&claims()))],
            (403, forbidden, body("insufficient_scope", narrow)),
        ),
        (vec![format!("bearer {}", key.sign(&wide))], (200, None, "hello ana".to_owned())),
    ]
}

async fn verifier(key: &Key) -> Verifier {
    Verifier::builder(ISSUER)
        .audience(AUDIENCE)
        .realm("shop")
        .clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
        .jwks_json(issuer::jwks(&[key]))
        .build()
        .await
        .unwrap()
}

async fn hello(access: AccessToken) -> HttpResponse {
    HttpResponse::Ok().body(format!("hello {}", access.subject))
}

fn challenge_of(headers: &HeaderMap) -> Option<String> {
    headers.get("www-authenticate").map(|value| String::from_utf8(value.as_bytes().to_vec()).unwrap())
}

#[actix_web::test]
async fn actix_answers_as_rfc_6750_wants_it() {
    let key = Key::new(Algorithm::ES256, "one");
    let verifier = verifier(&key).await;
    let protect = Protect::new(&verifier).require_scope("dashboard");
    let app = App::new()
        .app_data(web::Data::new(verifier))
        .route("/profile", web::get().to(hello))
        .service(web::resource("/dashboard").wrap(protect).route(web::get().to(hello)));
    let app = test::init_service(app).await;
    for (headers, expected) in rows(&key) {
        let mut request = test::TestRequest::get().uri("/dashboard");
        for header in &headers {
            request = request.append_header(("authorization", header.as_str()));
        }
        let seen = match test::try_call_service(&app, request.to_request()).await {
            Ok(response) => {
                let status = response.status().as_u16();
                let challenge = challenge_of(response.headers());
                (status, challenge, String::from_utf8(test::read_body(response).await.to_vec()).unwrap())
            }
            Err(error) => {
                let response = error.error_response();
                let (status, challenge) = (response.status().as_u16(), challenge_of(response.headers()));
                let body = actix_web::body::to_bytes(response.into_body()).await.unwrap_or_default();
                (status, challenge, String::from_utf8(body.to_vec()).unwrap())
            }
        };
        assert_eq!(seen, expected, "{headers:?}");
    }
    let token = format!("Bearer {}", key.sign(&claims()));
    let request =
        test::TestRequest::get().uri("/profile").append_header(("authorization", token)).to_request();
    assert_eq!(
        test::call_and_read_body(&app, request).await,
        "hello ana",
        "the extractor alone protects too"
    );
}

#[tokio::test]
async fn tower_answers_as_rfc_6750_wants_it() {
    let key = Key::new(Algorithm::ES256, "one");
    let layer = VerifierLayer::new(&verifier(&key).await).require_scope("dashboard");
    let service = ServiceBuilder::new().layer(layer).service(service_fn(async |request: Request<()>| {
        let access = request.extensions().get::<AccessToken>().unwrap();
        Ok::<_, Infallible>(Response::new(format!("hello {}", access.subject)))
    }));
    for (headers, expected) in rows(&key) {
        let mut request = Request::builder();
        for header in &headers {
            request = request.header("authorization", header.as_str());
        }
        let response = service.clone().oneshot(request.body(()).unwrap()).await.unwrap();
        let challenge = response.headers().get("www-authenticate");
        let challenge = challenge.map(|value| String::from_utf8(value.as_bytes().to_vec()).unwrap());
        let seen = (response.status().as_u16(), challenge, response.into_body());
        assert_eq!(seen, expected, "{headers:?}");
    }
}
