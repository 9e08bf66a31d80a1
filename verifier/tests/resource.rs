//! A service that tells clients where to get a token (RFC 9728), over real HTTP.

#![cfg(all(feature = "actix", feature = "tower"))]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod issuer;

use std::convert::Infallible;
use std::net::TcpListener;
use std::time::{Duration, UNIX_EPOCH};

use actix_web::{App, HttpServer, web};
use heirloom_verifier::actix::{Protect, Refused, metadata};
use heirloom_verifier::tower::VerifierLayer;
use heirloom_verifier::{AccessToken, Algorithm, BuildError, Builder, Verifier, VerifyError};
use http::{Request, Response};
use issuer::{ISSUER, Key, NOW, claims};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

fn builder(key: &Key) -> Builder {
    Verifier::builder(ISSUER).clock(|| UNIX_EPOCH + Duration::from_secs(NOW)).jwks_json(issuer::jwks(&[key]))
}

async fn tools(access: AccessToken) -> String {
    format!("hello {}", access.subject)
}

async fn admin(verifier: web::Data<Verifier>, access: AccessToken) -> Result<String, Refused> {
    access.require_scopes(&["admin"]).map_err(|refusal| Refused::new(&verifier, refusal))?;
    Ok("welcome".to_owned())
}

/// Serves a resource at `/mcp` of its own host; gives the resource's URL.
async fn serve(key: &Key) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let resource = format!("http://{}/mcp", listener.local_addr().unwrap());
    let builder = builder(key).resource(&resource).scopes_supported(["orders:read"]).resource_name("Tools");
    let verifier = builder.build().await.unwrap();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(verifier.clone()))
            .configure(metadata(&verifier))
            .route("/admin", web::get().to(admin))
            .service(
                web::resource("/mcp").wrap(Protect::new(&verifier).require_scope("orders:read")).to(tools),
            )
    });
    tokio::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
    resource
}

fn header(answer: &reqwest::Response, name: &str) -> String {
    answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

/// A parameter of a challenge.
fn parameter<'c>(challenge: &'c str, name: &str) -> Option<&'c str> {
    let rest = challenge.split_once(&format!("{name}=\""))?.1;
    rest.split_once('"').map(|(value, _)| value)
}

#[actix_web::test]
async fn a_client_that_knows_nothing_but_the_url_finds_out_the_rest() {
    let key = Key::new(Algorithm::ES256, "one");
    let resource = serve(&key).await;
    let client = reqwest::Client::new();

    // RFC 9728 §5.1: the challenge says where.
    let refused = client.get(&resource).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let challenge = header(&refused, "www-authenticate");
    assert_eq!(parameter(&challenge, "error"), None, "RFC 6750 §3.1: {challenge}");
    assert_eq!(parameter(&challenge, "scope"), Some("orders:read"));
    let place = parameter(&challenge, "resource_metadata").unwrap().to_owned();
    assert_eq!(place, resource.replace("/mcp", "/.well-known/oauth-protected-resource/mcp"));

    // §3.1: there, and for clients that try the host's own place.
    for place in [place.clone(), place.replace("/mcp", "")] {
        let told = client.get(&place).send().await.unwrap();
        assert_eq!(
            (told.status().as_u16(), header(&told, "content-type").as_str()),
            (200, "application/json")
        );
        assert_eq!(header(&told, "access-control-allow-origin"), "*", "browsers' scripts may read it");
        let expected = json!({
            "resource": resource, "authorization_servers": [ISSUER], "bearer_methods_supported": ["header"],
            "scopes_supported": ["orders:read"], "resource_name": "Tools",
            "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "Ed25519", "ES384", "PS256", "RS256"],
        });
        assert_eq!(told.json::<Value>().await.unwrap(), expected);
        let asked = client.request(reqwest::Method::OPTIONS, &place).header("origin", "https://x.example");
        let allowed = asked.send().await.unwrap();
        assert_eq!(header(&allowed, "access-control-allow-headers"), "*");
        assert_eq!(client.post(&place).send().await.unwrap().status(), 405);
    }

    // The resource is the audience of its tokens (RFC 8707 §2), and nobody else's tokens open it.
    let mut good = claims();
    good["aud"] = json!([resource]);
    let welcome = client.get(&resource).bearer_auth(key.sign(&good)).send().await.unwrap();
    assert_eq!((welcome.status().as_u16(), welcome.text().await.unwrap().as_str()), (200, "hello ana"));
    let other = client.get(&resource).bearer_auth(key.sign(&claims())).send().await.unwrap();
    let challenge = header(&other, "www-authenticate");
    assert_eq!((other.status().as_u16(), parameter(&challenge, "error")), (401, Some("invalid_token")));
    assert_eq!(parameter(&challenge, "resource_metadata"), Some(place.as_str()));
    assert_eq!(parameter(&challenge, "scope"), Some("orders:read"));
}

#[actix_web::test]
async fn a_token_that_opens_too_little_is_told_what_it_lacks() {
    let key = Key::new(Algorithm::ES256, "one");
    let resource = serve(&key).await;
    let client = reqwest::Client::new();
    let mut narrow = claims();
    (narrow["aud"], narrow["scope"]) = (json!(resource), json!("profile"));
    for (place, scope) in [(resource.clone(), "orders:read"), (resource.replace("/mcp", "/admin"), "admin")] {
        let refused = client.get(&place).bearer_auth(key.sign(&narrow)).send().await.unwrap();
        let challenge = header(&refused, "www-authenticate");
        assert_eq!(
            (refused.status().as_u16(), parameter(&challenge, "scope")),
            (403, Some(scope)),
            "{place}"
        );
        assert_eq!(parameter(&challenge, "error"), Some("insufficient_scope"), "RFC 6750 §3.1");
        assert!(parameter(&challenge, "resource_metadata").is_some(), "RFC 9728 §5.1: {challenge}");
    }
}

#[tokio::test]
async fn a_layer_tells_the_same() {
    let key = Key::new(Algorithm::ES256, "one");
    let verifier = builder(&key).resource("https://mcp.example.com/mcp").build().await.unwrap();
    let layer = VerifierLayer::new(&verifier).require_scope("orders:read");
    let service = ServiceBuilder::new().layer(layer);
    let service = service
        .service(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("in".to_owned()))));
    let place = "/.well-known/oauth-protected-resource";
    for (method, path, status, starts) in [
        ("GET", format!("{place}/mcp"), 200, r#"{"authorization_servers""#),
        ("GET", place.to_owned(), 200, r#"{"authorization_servers""#),
        ("HEAD", format!("{place}/mcp"), 200, ""),
        ("POST", format!("{place}/mcp"), 401, ""),
        ("GET", format!("{place}/other"), 401, ""),
        ("GET", "/mcp".to_owned(), 401, ""),
    ] {
        let request = Request::builder().method(method).uri(&path).body(()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert!(response.body().starts_with(starts), "{method} {path}: {}", response.body());
        let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap());
        let found = challenge.and_then(|challenge| parameter(challenge, "resource_metadata"));
        let expected = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
        assert_eq!(found, (status == 401).then_some(expected), "{method} {path}");
    }
}

#[tokio::test]
async fn a_resource_is_a_url_that_clients_can_compare() {
    let key = Key::new(Algorithm::ES256, "one");
    for (resource, section) in [
        ("mcp.example.com", "RFC 9728 §1.2: a URL"),
        ("ftp://mcp.example.com", "RFC 9728 §1.2: https"),
        ("https://mcp.example.com/#part", "RFC 9728 §1.2: no fragment"),
        ("https://mcp.example.com/mcp?tenant=a", "RFC 9728 §1.2: no query"),
        ("https://MCP.example.com/mcp", "RFC 9728 §3.3: compared as it is written"),
        ("https://mcp.example.com/a/../mcp", "RFC 9728 §3.3: compared as it is written"),
        ("https://me@mcp.example.com/mcp", "RFC 9110 §4.2.4: no user"),
        ("", "RFC 9728 §1.2: a URL"),
    ] {
        let built = builder(&key).resource(resource).build().await;
        assert!(matches!(built, Err(BuildError::InvalidResource)), "{resource}: {section}");
    }
    for (resource, path) in [
        ("https://mcp.example.com", ""),
        ("https://mcp.example.com/", ""),
        ("https://mcp.example.com:8443/mcp/", "/mcp/"),
    ] {
        let verifier = builder(&key).resource(resource).build().await.unwrap();
        let expected = format!("/.well-known/oauth-protected-resource{path}");
        assert_eq!(verifier.resource_metadata().unwrap().path(), expected, "RFC 9728 §3.1");
    }
}

#[tokio::test]
async fn a_service_without_a_url_tells_nothing() {
    let key = Key::new(Algorithm::ES256, "one");
    let verifier = builder(&key).audience("orders").require_scope("a\"b").build().await.unwrap();
    assert!(verifier.resource_metadata().is_none());
    let challenge = verifier.challenge(&VerifyError::Missing);
    assert_eq!(challenge.as_deref(), Some(r#"Bearer realm="api", scope="ab""#), "no quote breaks out");
    assert_eq!(verifier.challenge(&VerifyError::KeysUnavailable), None);
}
