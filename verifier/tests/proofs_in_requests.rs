//! Requests with proofs (RFC 9449 §7), through actix-web and through tower.

#![cfg(all(feature = "actix", feature = "tower"))]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod issuer;
mod prover;

use std::convert::Infallible;
use std::time::{Duration, UNIX_EPOCH};

use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::{Service as _, ServiceRequest, ServiceResponse};
use actix_web::{App, FromRequest as _, HttpMessage as _, HttpRequest, test, web};
use heirloom_verifier::actix::Protect;
use heirloom_verifier::tower::VerifierLayer;
use heirloom_verifier::{AccessToken, Algorithm, Builder, ClientCertificate, Verifier};
use http::{Request, Response};
use issuer::{AUDIENCE, ISSUER, Key, NOW, claims};
use prover::{Prover, token_hash, with};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

/// What is sent to `/orders?page=2`, and what comes back: the status, and what the challenge must contain or the body
/// is.
struct Row {
    method: &'static str,
    headers: Vec<(&'static str, String)>,
    status: u16,
    told: &'static str,
}

fn row(headers: Vec<(&'static str, String)>, status: u16, told: &'static str) -> Row {
    Row { method: "GET", headers, status, told }
}

fn builder(key: &Key) -> Builder {
    Verifier::builder(ISSUER)
        .audience(AUDIENCE)
        .clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
        .jwks_json(issuer::jwks(&[key]))
}

fn proof(prover: &Prover, token: &str, jti: &str, others: Value) -> String {
    let claims = json!({
        "jti": jti, "htm": "GET", "htu": "https://api.example.com/orders", "iat": NOW, "ath": token_hash(token),
    });
    prover.prove(&with(&claims, others))
}

fn dpop(token: &str) -> (&'static str, String) {
    ("authorization", format!("DPoP {token}"))
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

/// A client with a key, and the tokens that it has.
struct Client {
    prover: Prover,
    bound: String,
    narrow: String,
    /// Bound to the certificate `own`.
    certified: String,
    free: String,
}

impl Client {
    fn new(key: &Key) -> Self {
        let prover = Prover::new("EdDSA");
        let jkt = json!({ "jkt": prover.thumbprint() });
        let certificate = json!({ "x5t#S256": ClientCertificate::from_der(b"own").thumbprint() });
        let token = |others: Value| key.sign(&with(&claims(), others));
        Self {
            prover,
            bound: token(json!({ "cnf": jkt })),
            narrow: token(json!({ "cnf": jkt, "scope": "profile" })),
            certified: token(json!({ "cnf": certificate })),
            free: token(json!({})),
        }
    }

    fn proof(&self, token: &str, jti: &str, others: Value) -> (&'static str, String) {
        ("dpop", proof(&self.prover, token, jti, others))
    }

    fn good(&self) -> (&'static str, String) {
        self.proof(&self.bound, "1", json!({}))
    }

    /// None of these spends the good proof.
    fn refused(&self) -> Vec<Row> {
        let bound = r#"error="invalid_token", error_description="The access token is bound to a key that"#;
        let not_one = r#"error="invalid_dpop_proof", error_description="Send one DPoP header"#;
        let malformed = r#"error="invalid_dpop_proof", error_description="The DPoP proof is malformed.""#;
        let other_url = r#"error_description="The DPoP proof was made for another URL.""#;
        let other_method = r#"error_description="The DPoP proof was made for another method.""#;
        let unbound = r#"error="invalid_token", error_description="The access token is not bound"#;
        let unread = r#"error="invalid_request""#;
        let no_token = r#"error_description="The access token is malformed.""#;
        let two = format!("{}, {}", self.good().1, self.good().1);
        let elsewhere = |url: &str| self.proof(&self.bound, "1", json!({ "htu": url }));
        let posted = self.proof(&self.bound, "1", json!({ "htm": "POST" }));
        let (good, own, free) = (|| self.good(), || dpop(&self.bound), || bearer(&self.bound));
        vec![
            row(vec![], 401, r#"algs="ES256 EdDSA Ed25519 ES384 PS256 RS256""#),
            row(vec![good()], 401, r#"DPoP realm="api", scope="orders:read", algs="#),
            row(vec![free()], 401, bound),
            row(vec![free(), good()], 401, bound),
            row(vec![bearer(&self.certified)], 401, bound),
            row(vec![own()], 401, not_one),
            row(vec![own(), good(), good()], 401, not_one),
            row(vec![own(), ("dpop", String::new())], 401, malformed),
            row(vec![own(), ("dpop", two)], 401, malformed),
            row(vec![own(), elsewhere("https://api.example.com/")], 401, other_url),
            // Whoever sends the request says what its host is.
            row(
                vec![own(), elsewhere("http://a.example/orders"), ("host", "a.example".to_owned())],
                401,
                other_url,
            ),
            row(vec![own(), posted], 401, other_method),
            row(vec![dpop(&self.free), self.proof(&self.free, "1", json!({}))], 401, unbound),
            row(vec![own(), own(), good()], 400, unread),
            row(vec![own(), free(), good()], 400, unread),
            row(vec![("authorization", "DPoP".to_owned()), good()], 400, unread),
            row(vec![dpop("rubbish"), good()], 401, no_token),
        ]
    }

    fn taken(&self) -> Vec<Row> {
        let welcome = "hello ana, and again ana";
        let spent = r#"error_description="The DPoP proof was used before.""#;
        let narrow = r#"DPoP realm="api", error="insufficient_scope""#;
        let other_key = r#"error_description="The access token is bound to another key.""#;
        let url = json!({ "htu": "HTTPS://API.example.com:443/orders?page=3" });
        let posted = self.proof(&self.bound, "4", json!({ "htm": "POST" }));
        let certificate = |name: &str| ("client-cert", name.to_owned());
        let lower = ("authorization", format!("dpop {}", self.bound));
        vec![
            row(vec![dpop(&self.bound), self.good()], 200, welcome),
            row(vec![dpop(&self.bound), self.good()], 401, spent),
            row(vec![lower, self.proof(&self.bound, "2", url)], 200, welcome),
            Row { method: "POST", ..row(vec![dpop(&self.bound), posted], 200, welcome) },
            row(vec![dpop(&self.narrow), self.proof(&self.narrow, "3", json!({}))], 403, narrow),
            row(vec![bearer(&self.free)], 200, welcome),
            row(vec![bearer(&self.free), ("dpop", "rubbish".to_owned())], 200, welcome),
            row(vec![bearer(&self.certified), certificate("other")], 401, other_key),
            row(vec![bearer(&self.certified), certificate("own")], 200, welcome),
        ]
    }
}

/// In this order: what is spent in one is spent in the next.
fn rows(key: &Key) -> Vec<Row> {
    let client = Client::new(key);
    client.refused().into_iter().chain(client.taken()).collect()
}

/// Asks twice for who it is, as a handler with two extractors does: the proof is spent once.
async fn hello(request: HttpRequest, access: AccessToken) -> String {
    let again = AccessToken::extract(&request).await.unwrap();
    format!("hello {}, and again {}", access.subject, again.subject)
}

#[track_caller]
fn judge(row: &Row, status: u16, challenge: Option<&str>, body: &str) {
    let told = if status == 200 { body } else { challenge.unwrap_or_default() };
    assert_eq!(status, row.status, "{:?}: {told}", row.headers);
    assert!(told.contains(row.told), "{:?}: {told}", row.headers);
}

fn test_request(row: &Row) -> test::TestRequest {
    let mut request = test::TestRequest::with_uri("/orders?page=2").method(row.method.parse().unwrap());
    for header in &row.headers {
        request = request.append_header((header.0, header.1.as_str()));
    }
    request
}

/// As a service does that believes its proxy.
fn certificate(request: &ServiceRequest) -> Option<ClientCertificate> {
    Some(ClientCertificate::from_der(request.headers().get("client-cert")?.as_bytes()))
}

async fn judge_response(row: &Row, response: ServiceResponse<impl MessageBody>) {
    let status = response.status().as_u16();
    let challenge =
        response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let body = to_bytes(response.into_body()).await.unwrap_or_default();
    judge(row, status, challenge.as_deref(), std::str::from_utf8(&body).unwrap());
}

#[actix_web::test]
async fn actix_takes_a_proof_once_however_often_it_is_looked_at() {
    let key = Key::new(Algorithm::ES256, "one");
    let protect = Protect::new(&builder(&key).build().await.unwrap()).require_scope("orders:read");
    let orders = web::resource("/orders").wrap(protect.clone()).to(hello);
    let app = App::new()
        .wrap(protect)
        .wrap_fn(|request, service| {
            if let Some(certificate) = certificate(&request) {
                request.extensions_mut().insert(certificate);
            }
            service.call(request)
        })
        .service(orders);
    let app = test::init_service(app).await;
    for row in rows(&key) {
        judge_response(&row, test::call_service(&app, test_request(&row).to_request()).await).await;
    }
}

#[actix_web::test]
async fn the_extractor_alone_takes_proofs_too() {
    let key = Key::new(Algorithm::ES256, "one");
    let verifier = web::Data::new(builder(&key).require_scope("orders:read").build().await.unwrap());
    let app = App::new()
        .app_data(verifier)
        .wrap_fn(|request, service| {
            if let Some(certificate) = certificate(&request) {
                request.extensions_mut().insert(certificate);
            }
            service.call(request)
        })
        .default_service(web::to(hello));
    let app = test::init_service(app).await;
    for row in rows(&key) {
        judge_response(&row, test::call_service(&app, test_request(&row).to_request()).await).await;
    }
}

#[tokio::test]
async fn tower_takes_a_proof_once_however_often_it_is_looked_at() {
    let key = Key::new(Algorithm::ES256, "one");
    let layer = VerifierLayer::new(&builder(&key).build().await.unwrap()).require_scope("orders:read");
    let service = ServiceBuilder::new().layer(layer.clone()).layer(layer).service(service_fn(
        async |request: Request<()>| {
            let access = request.extensions().get::<AccessToken>().unwrap();
            let subject = &access.subject;
            Ok::<_, Infallible>(Response::new(format!("hello {subject}, and again {subject}")))
        },
    ));
    for row in rows(&key) {
        let mut request = Request::builder().method(row.method).uri("/orders?page=2");
        for header in &row.headers {
            request = request.header(header.0, header.1.as_str());
        }
        let mut request = request.body(()).unwrap();
        if let Some(certificate) = request.headers().get("client-cert") {
            let certificate = ClientCertificate::from_der(certificate.as_bytes());
            request.extensions_mut().insert(certificate);
        }
        let response = service.clone().oneshot(request).await.unwrap();
        let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap());
        judge(&row, response.status().as_u16(), challenge, response.body());
    }
}

/// What a proxy in front of the service hands on as `/orders`.
#[actix_web::test]
async fn a_proof_is_for_the_url_that_the_client_called() {
    let key = Key::new(Algorithm::ES256, "one");
    let prover = Prover::new("ES256");
    let token = key.sign(&with(&claims(), json!({ "cnf": { "jkt": prover.thumbprint() } })));
    let resource = "https://api.example.com:8443/a";
    for (builder, url, status) in [
        (builder(&key).public_url("https://shop.example/api/"), "https://shop.example/api/orders", 200),
        (builder(&key).public_url("https://shop.example/api/"), "https://shop.example/orders", 401),
        (builder(&key).public_url("https://shop.example/api/"), "https://api.example.com/orders", 401),
        (builder(&key).resource(resource), "https://api.example.com:8443/orders", 200),
        (builder(&key).resource(resource), "https://api.example.com/orders", 401),
        (builder(&key).audience("https://other.example"), "https://other.example/orders", 401),
    ] {
        let verifier = builder.build().await.unwrap();
        let app = App::new().wrap(Protect::new(&verifier)).default_service(web::to(hello));
        let app = test::init_service(app).await;
        let proof = proof(&prover, &token, "1", json!({ "htu": url }));
        let headers = vec![("authorization", format!("DPoP {token}")), ("dpop", proof)];
        let response = test::call_service(&app, test_request(&row(headers, status, "")).to_request()).await;
        assert_eq!(response.status().as_u16(), status, "{url}");
    }
}

#[actix_web::test]
async fn a_service_that_does_not_know_its_url_takes_no_proofs() {
    let key = Key::new(Algorithm::ES256, "one");
    let prover = Prover::new("ES256");
    let mut bound = with(&claims(), json!({ "cnf": { "jkt": prover.thumbprint() } }));
    bound.as_object_mut().unwrap().insert("aud".to_owned(), json!("orders"));
    let token = key.sign(&bound);
    let verifier = Verifier::builder(ISSUER).audience("orders").jwks_json(issuer::jwks(&[&key]));
    let verifier = verifier.clock(|| UNIX_EPOCH + Duration::from_secs(NOW)).build().await.unwrap();
    let app = App::new().wrap(Protect::new(&verifier)).default_service(web::to(hello));
    let app = test::init_service(app).await;
    let proof = proof(&prover, &token, "1", json!({}));
    let headers = vec![("authorization", format!("DPoP {token}")), ("dpop", proof)];
    let response = test::call_service(&app, test_request(&row(headers, 401, "")).to_request()).await;
    assert_eq!(response.status().as_u16(), 401);
    let challenge = response.headers().get("www-authenticate").unwrap();
    assert_eq!(challenge.to_str().unwrap(), r#"Bearer realm="api""#);
}

#[actix_web::test]
async fn the_nonce_that_is_asked_for_stands_in_a_header() {
    let key = Key::new(Algorithm::ES256, "one");
    let prover = Prover::new("ES256");
    let token = key.sign(&with(&claims(), json!({ "cnf": { "jkt": prover.thumbprint() } })));
    let verifier = builder(&key).proof_nonces([7; 32]).build().await.unwrap();
    let app = App::new().wrap(Protect::new(&verifier)).default_service(web::to(hello));
    let app = test::init_service(app).await;
    let send = |others: Value| {
        let proof = proof(&prover, &token, "1", others);
        row(vec![("authorization", format!("DPoP {token}")), ("dpop", proof)], 200, "")
    };
    let refused = test::call_service(&app, test_request(&send(json!({}))).to_request()).await;
    let nonce = refused.headers().get("dpop-nonce").unwrap().to_str().unwrap().to_owned();
    let row = Row { status: 401, told: r#"DPoP realm="api", error="use_dpop_nonce""#, ..send(json!({})) };
    judge_response(&row, refused).await;

    let layer = VerifierLayer::new(&verifier);
    let service = ServiceBuilder::new().layer(layer);
    let service =
        service.service(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new()))));
    let mut request = Request::builder().uri("/orders");
    for header in &row.headers {
        request = request.header(header.0, header.1.as_str());
    }
    let refused = service.oneshot(request.body(()).unwrap()).await.unwrap();
    assert_eq!(refused.headers().get("dpop-nonce").unwrap(), nonce.as_str());

    let taken = test::call_service(&app, test_request(&send(json!({ "nonce": nonce }))).to_request()).await;
    assert_eq!(taken.status().as_u16(), 200);
}
