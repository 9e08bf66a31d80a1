//! The refusals that clients see (RFC 6750 §3), through actix-web and through tower.

#![cfg(all(feature = "actix", feature = "tower"))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod issuer;
#[path = "../examples/resource_service/routes.rs"]
mod routes;

use std::convert::Infallible;
use std::time::{Duration, UNIX_EPOCH};

use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::ServiceResponse;
use actix_web::middleware::DefaultHeaders;
use actix_web::{App, HttpResponse, test, web};
use heirloom_verifier::actix::Protect;
use heirloom_verifier::tower::VerifierLayer;
use heirloom_verifier::{AccessToken, Algorithm, Verifier};
use http::{Request, Response};
use issuer::{AUDIENCE, ISSUER, Key, NOW, Server, claims};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

/// What a client sees: status, challenge, body.
type Seen = (u16, Option<String>, String);

/// Each row: the query and the headers sent, and what must come back from a place that names `scope` in its challenges
/// and wants the scope `dashboard`.
fn rows(key: &Key, scope: &str) -> Vec<(&'static str, Vec<String>, Seen)> {
    let body = |code: &str, text: &str| format!(r#"{{"error":"{code}","error_description":"{text}"}}"#);
    // RFC 9449 §7.1: the same for both ways to send a token.
    let both = |rest: String| {
        let algs = r#"algs="ES256 EdDSA Ed25519 ES384 PS256 RS256""#;
        Some(format!(r#"Bearer realm="shop"{rest}, DPoP realm="shop"{rest}, {algs}"#))
    };
    let challenge = |code: &str, text: &str, scope: &str| {
        both(format!(r#", error="{code}", error_description="{text}"{scope}"#))
    };
    let bad = |text: &str| (400, challenge("invalid_request", text, ""), body("invalid_request", text));
    let invalid = |text: &str| (401, challenge("invalid_token", text, scope), body("invalid_token", text));
    let missing = "Send an access token: Authorization: Bearer …";
    let none = (401, both(scope.to_owned()), body("invalid_token", missing));
    let malformed = || bad("The Authorization header is malformed.");
    let narrow = "The access token lacks a scope that this needs.";
    let forbidden = challenge("insufficient_scope", narrow, r#", scope="dashboard""#);
    let mut expired = claims();
    expired["exp"] = json!(NOW - 100);
    let mut wide = claims();
    wide["scope"] = json!("dashboard");
    let several = bad("The request carries more than one access token.");
    let good = format!("bearer {}", key.sign(&wide));
    let welcome = (200, None, "hello ana".to_owned());
    vec![
        ("", vec![], none.clone()),
        ("", vec!["Basic YTpi".to_owned()], none.clone()),
        ("access_token=abc", vec![], none),
        ("a=b&access_token=abc", vec![good.clone()], several.clone()),
        ("access_token", vec![good.clone()], several),
        ("", vec!["Bearer".to_owned()], malformed()),
        ("", vec!["Bearer a b".to_owned()], malformed()),
        ("", vec!["Bearer a".to_owned(), "Bearer b".to_owned()], malformed()),
        ("", vec!["Bearer rubbish".to_owned()], invalid("The access token is malformed.")),
        ("", vec![format!("Bearer {}", key.sign(&expired))], invalid("The access token expired.")),
        (
            "",
            vec![format!("Bearer {}", key.sign(&claims()))],
            (403, forbidden, body("insufficient_scope", narrow)),
        ),
        ("access_tokens=3", vec![good.clone()], welcome.clone()),
        ("", vec![good], welcome),
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

fn text(value: Option<&[u8]>) -> Option<String> {
    value.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

async fn seen(response: ServiceResponse<impl MessageBody>) -> Seen {
    let status = response.status().as_u16();
    let challenge =
        text(response.headers().get("www-authenticate").map(actix_web::http::header::HeaderValue::as_bytes));
    let body = to_bytes(response.into_body()).await.unwrap_or_default();
    (status, challenge, String::from_utf8(body.to_vec()).unwrap())
}

#[actix_web::test]
async fn actix_answers_as_rfc_6750_wants_it() {
    let key = Key::new(Algorithm::ES256, "one");
    let protect = Protect::new(&verifier(&key).await).require_scope("dashboard");
    let app = App::new().service(web::resource("/dashboard").wrap(protect).route(web::get().to(hello)));
    let app = test::init_service(app).await;
    for (query, headers, expected) in rows(&key, r#", scope="dashboard""#) {
        let mut request = test::TestRequest::with_uri(&format!("/dashboard?{query}"));
        for header in &headers {
            request = request.append_header(("authorization", header.as_str()));
        }
        let response = test::call_service(&app, request.to_request()).await;
        assert_eq!(seen(response).await, expected, "{query} {headers:?}");
    }
}

#[actix_web::test]
async fn the_extractor_alone_protects_too() {
    let key = Key::new(Algorithm::ES256, "one");
    let app = App::new().app_data(web::Data::new(verifier(&key).await)).default_service(web::to(hello));
    let app = test::init_service(app).await;
    for (query, headers, expected) in rows(&key, "").into_iter().filter(|(_, _, expected)| expected.0 != 403)
    {
        let mut request = test::TestRequest::with_uri(&format!("/?{query}"));
        for header in &headers {
            request = request.append_header(("authorization", header.as_str()));
        }
        let response = test::call_service(&app, request.to_request()).await;
        assert_eq!(seen(response).await, expected, "{query} {headers:?}");
    }
    let forgetful = test::init_service(App::new().default_service(web::to(hello))).await;
    let response = test::call_service(&forgetful, test::TestRequest::default().to_request()).await;
    assert_eq!(response.status(), 500, "a verifier that was forgotten opens nothing");
}

#[actix_web::test]
async fn what_wraps_the_protection_sees_its_refusals() {
    let key = Key::new(Algorithm::ES256, "one");
    let protect = Protect::new(&verifier(&key).await);
    let cors = DefaultHeaders::new().add(("access-control-allow-origin", "*"));
    let app = App::new().wrap(protect).wrap(cors).default_service(web::to(hello));
    let app = test::init_service(app).await;
    let response = test::call_service(&app, test::TestRequest::default().to_request()).await;
    assert_eq!(response.status(), 401);
    assert!(response.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn tower_answers_as_rfc_6750_wants_it() {
    let key = Key::new(Algorithm::ES256, "one");
    let layer = VerifierLayer::new(&verifier(&key).await).require_scope("dashboard");
    let service = ServiceBuilder::new().layer(layer).service(service_fn(async |request: Request<()>| {
        let access = request.extensions().get::<AccessToken>().unwrap();
        Ok::<_, Infallible>(Response::new(format!("hello {}", access.subject)))
    }));
    for (query, headers, expected) in rows(&key, r#", scope="dashboard""#) {
        let mut request = Request::builder().uri(format!("/?{query}"));
        for header in &headers {
            request = request.header("authorization", header.as_str());
        }
        let response = service.clone().oneshot(request.body(()).unwrap()).await.unwrap();
        let challenge = text(response.headers().get("www-authenticate").map(http::HeaderValue::as_bytes));
        let seen = (response.status().as_u16(), challenge, response.into_body());
        assert_eq!(seen, expected, "{query} {headers:?}");
    }
}

#[actix_web::test]
async fn without_keys_clients_are_told_to_come_again() {
    let key = Key::new(Algorithm::ES256, "one");
    let server = Server::start(&[]);
    let verifier = Verifier::builder(ISSUER).audience(AUDIENCE).jwks_url(server.url()).build().await.unwrap();
    let header = ("authorization", format!("Bearer {}", key.sign(&claims())));
    let expected = r#"{"error":"temporarily_unavailable","error_description":"The issuer's keys are not available right now. Please try again."}"#;

    let app =
        test::init_service(App::new().wrap(Protect::new(&verifier)).default_service(web::to(hello))).await;
    let request = test::TestRequest::default().insert_header(header.clone()).to_request();
    let response = test::call_service(&app, request).await;
    assert_eq!(response.headers().get("retry-after").unwrap(), "5");
    assert_eq!(seen(response).await, (503, None, expected.to_owned()));

    let service = ServiceBuilder::new().layer(VerifierLayer::new(&verifier));
    let service =
        service.service(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new()))));
    let request = Request::builder().header(header.0, header.1).body(()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers().get("www-authenticate")), (503, None));
    assert_eq!(
        (response.headers()["retry-after"].as_bytes(), response.body().as_str()),
        (&b"5"[..], expected)
    );
}

#[actix_web::test]
async fn the_resource_service_shows_who_asks() {
    let key = Key::new(Algorithm::ES256, "one");
    let verifier = verifier(&key).await;
    let app = test::init_service(App::new().configure(|config| routes::routes(config, &verifier))).await;
    let mut dashboard = claims();
    dashboard["scope"] = json!("dashboard");
    let (narrow, wide) = (key.sign(&claims()), key.sign(&dashboard));
    let profile = json!({
        "sub": "ana", "client_id": "app", "sid": "family", "scopes": ["orders:read", "profile"],
        "roles": ["admin"], "exp": NOW + 60,
    });
    let welcome = json!({ "message": "All is well.", "sub": "ana" });
    for (path, token, status, expected) in [
        ("/healthz", "", 200, Value::Null),
        ("/profile", narrow.as_str(), 200, profile),
        ("/dashboard", wide.as_str(), 200, welcome),
    ] {
        let request =
            test::TestRequest::with_uri(path).insert_header(("authorization", format!("Bearer {token}")));
        let (seen_status, _, body) = seen(test::call_service(&app, request.to_request()).await).await;
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        assert_eq!((seen_status, body), (status, expected), "{path}");
    }
    for (path, token, status) in
        [("/profile", "rubbish", 401), ("/dashboard", "rubbish", 401), ("/dashboard", narrow.as_str(), 403)]
    {
        let request =
            test::TestRequest::with_uri(path).insert_header(("authorization", format!("Bearer {token}")));
        assert_eq!(test::call_service(&app, request.to_request()).await.status(), status, "{path}");
    }
}
