//! Clients: who they say they are, what they register, and where they have the server go.

use heirloom::domain::client::{ClientKind, GrantType, Party};
use heirloom::domain::registration::Mode;
use jsonwebtoken::Algorithm;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;
use crate::remote::{Remote, authority};
use crate::row::attacks;
use crate::signer::{Signer, changed};
use crate::victim::each_once;

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client that proves itself by a key of its own.
async fn with_key(app: &TestApp, id: &str, metadata: &Value) {
    let method = json!({ "token_endpoint_auth_method": "private_key_jwt" });
    let metadata = serde_json::from_value(changed(&method, metadata)).unwrap();
    app.add_client(id, |it| {
        it.kind = ClientKind::Confidential(Vec::new());
        it.party = Party::Third;
        it.grants = [GrantType::ClientCredentials].into();
        it.scopes = "read write".parse().unwrap();
        it.metadata = metadata;
    })
    .await;
}

/// The claims of an assertion that is right but for `changes`.
fn assertion(app: &TestApp, client: &str, jti: &str, changes: &Value) -> Value {
    let now = app.clock.now().timestamp();
    let right = json!({
        "iss": client, "sub": client, "aud": app.core.issuer.as_str(), "jti": jti, "iat": now, "exp": now + 60,
    });
    changed(&right, changes)
}

async fn asserted(app: &TestApp, jwt: &str) -> String {
    let form =
        [("grant_type", "client_credentials"), ("client_assertion_type", TYPE), ("client_assertion", jwt)];
    outcome(&app.form("/oauth/token", &form).await)
}

fn outcome(answer: &Answer) -> String {
    if answer.status == StatusCode::OK { "200".to_owned() } else { answer.code() }
}

/// Every way to write an address that is not the public's, as a host of a URL.
const PRIVATE: [&str; 26] = [
    "127.0.0.1",
    "127.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "127.0.0.1.",
    "0.0.0.0",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "[fe80::1]",
    "[fd00::1]",
    "①②⑦.0.0.1",
];

fn port(remote: &Remote) -> &str {
    remote.url.rsplit_once(':').unwrap().1
}

attacks! {
    with |settings| {
        settings.registration.mode = Mode::Open;
        settings.registration.per_hour = 1000;
        settings.registration.metadata_documents = true;
        settings.outbound.ca_file = Some(authority().file.clone());
    };
    "an assertion comes again", "RFC 7523 §3 (7)", "200; 401 invalid_client" => |app| {
        let signer = Signer::new(Algorithm::ES256, "k");
        with_key(app, "again", &json!({ "jwks": signer.jwks() })).await;
        let jwt = signer.sign(&assertion(app, "again", "1", &json!({})));
        format!("{}; {}", asserted(app, &jwt).await, asserted(app, &jwt).await)
    }
    "one assertion in thirty requests at once", "RFC 7523 §3 (7), CWE-367", "1 served" => |app| {
        let signer = Signer::new(Algorithm::ES256, "k");
        with_key(app, "at-once", &json!({ "jwks": signer.jwks() })).await;
        let jwt = signer.sign(&assertion(app, "at-once", "1", &json!({})));
        let all = futures_util::future::join_all((0..30).map(|_| asserted(app, &jwt))).await;
        format!("{} served", all.iter().filter(|it| *it == "200").count())
    }
    "an assertion for somebody else, by somebody else, out of its time", "RFC 7523 §3, RFC 10070", "401 invalid_client" => |app| {
        let signer = Signer::new(Algorithm::ES256, "k");
        with_key(app, "bent", &json!({ "jwks": signer.jwks() })).await;
        let now = app.clock.now().timestamp();
        let mut back = Vec::new();
        for (number, changes) in [
            json!({ "aud": "https://evil.example" }), json!({ "aud": [app.core.issuer.as_str(), "https://evil.example"] }), json!({ "aud": null }),
            json!({ "aud": "" }), json!({ "iss": "other" }), json!({ "sub": "other" }), json!({ "iss": null }), json!({ "sub": null }),
            json!({ "exp": null }), json!({ "exp": now - 60 }), json!({ "exp": now + 90_000 }), json!({ "exp": (now + 60).to_string() }),
            json!({ "exp": [now + 60] }), json!({ "nbf": now + 600 }), json!({ "iat": now + 600 }), json!({ "jti": null }), json!({ "jti": "" }),
        ].iter().enumerate() {
            back.push(asserted(app, &signer.sign(&assertion(app, "bent", &number.to_string(), changes))).await);
        }
        let endless = assertion(app, "bent", "e", &json!({})).to_string().replace(&format!("\"exp\":{}", now + 60), "\"exp\":1e400");
        let raw = signer.sign_raw(&json!({ "alg": "ES256", "kid": "k" }), &json!({}));
        let header = raw.split('.').next().unwrap();
        use base64::Engine as _;
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(endless);
        back.push(asserted(app, &format!("{header}.{payload}.{}", raw.rsplit('.').next().unwrap())).await);
        each_once(back)
    }
    "an assertion unsigned, by a shared secret, by another key, by its own", "RFC 8725 §3.1, §3.10", "401 invalid_client" => |app| {
        let (signer, other) = (Signer::new(Algorithm::ES256, "k"), Signer::new(Algorithm::ES256, "k"));
        with_key(app, "forged", &json!({ "jwks": signer.jwks() })).await;
        let claims = assertion(app, "forged", "1", &json!({}));
        let header = |changes: Value| changed(&json!({ "alg": "ES256", "kid": "k" }), &changes);
        let mut back = Vec::new();
        for jwt in [
            other.sign(&claims), other.sign_raw(&header(json!({ "jwk": other.public() })), &claims),
            signer.sign_raw(&header(json!({ "alg": "none" })), &claims), signer.sign_raw(&header(json!({ "alg": "HS256" })), &claims),
            signer.sign_raw(&header(json!({ "alg": "RS256" })), &claims), signer.sign_raw(&header(json!({ "crit": ["x"], "x": 1 })), &claims),
            signer.sign_raw(&header(json!({ "kid": "../k" })), &claims), format!("{}.", signer.sign(&claims).rsplit_once('.').unwrap().0),
            ".".repeat(20_000), "e30.e30.".to_owned(),
        ] {
            back.push(asserted(app, &jwt).await);
        }
        each_once(back)
    }
    "a secret beside an assertion, in two places, of another client", "RFC 6749 §2.3", "refused" => |app| {
        let signer = Signer::new(Algorithm::ES256, "k");
        with_key(app, "both", &json!({ "jwks": signer.jwks() })).await;
        let secret = app.add_service("secretive", &[]).await;
        let grant = ("grant_type", "client_credentials");
        let jwt = signer.sign(&assertion(app, "both", "1", &json!({})));
        let proof = [grant, ("client_assertion_type", TYPE), ("client_assertion", jwt.as_str())];
        let mut back = vec![
            app.form_as("/oauth/token", ("secretive", &secret), &proof).await.status,
            app.form_as("/oauth/token", ("secretive", &secret), &[grant, ("client_secret", &secret), ("client_id", "secretive")]).await.status,
            app.form_as("/oauth/token", ("other", &secret), &[grant]).await.status,
            app.form_as("/oauth/token", ("secretive", ""), &[grant]).await.status,
            app.form("/oauth/token", &[grant, ("client_id", "secretive")]).await.status,
        ];
        back.push(app.form_as("/oauth/token", ("secretive", &secret), &[grant, ("client_id", "other")]).await.status);
        each_once(back.iter().map(|it| if it.is_client_error() { "refused".to_owned() } else { it.to_string() }))
    }
    "keys at a private address, by every spelling", "CWE-918, ASVS 1.3.6", "refused; asked: 0" => |app| {
        let remote = Remote::start().await;
        remote.give(&json!({ "keys": [] }), "");
        let signer = Signer::new(Algorithm::ES256, "k");
        let mut back = Vec::new();
        for (number, host) in PRIVATE.iter().enumerate() {
            for scheme in ["http", "https"] {
                let id = format!("far{number}{scheme}");
                let place = format!("{scheme}://{host}:{}/jwks", port(&remote));
                with_key(app, &id, &json!({ "jwks_uri": place })).await;
                let back_now = asserted(app, &signer.sign(&assertion(app, &id, "1", &json!({})))).await;
                back.push(if back_now == "200" { place } else { "refused".to_owned() });
            }
        }
        format!("{}; asked: {}", each_once(back), remote.asked().len())
    }
    "a sector's list at a private address, by every spelling", "CWE-918", "refused; asked: 0" => |app| {
        let remote = Remote::start().await;
        remote.give(&json!([REDIRECT_URI]), "");
        let mut back = Vec::new();
        for host in PRIVATE {
            let place = format!("https://{host}:{}/list", port(&remote));
            let members = json!({
                "redirect_uris": [REDIRECT_URI], "subject_type": "pairwise", "sector_identifier_uri": place,
                "token_endpoint_auth_method": "none",
            });
            let answer = app.post("/oauth/register", &members).await;
            back.push(if answer.status.is_client_error() { "refused".to_owned() } else { format!("{place}: {answer:?}") });
        }
        format!("{}; asked: {}", each_once(back), remote.asked().len())
    }
    "a client's document at a private address, by every spelling", "CWE-918, Client ID Metadata Document §6", "refused; asked: 0" => |app| {
        let remote = Remote::start_secure().await;
        let mut back = Vec::new();
        for host in PRIVATE {
            let id = format!("https://{host}:{}/client.json", port(&remote));
            remote.give(&json!({ "client_id": id, "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none" }), "");
            let seen = Browser::new(app).get(&format!("/oauth/authorize?{}", query(&[("client_id", &id)]))).await;
            back.push(if seen.header("location").is_empty() && [400, 503].contains(&seen.status.as_u16()) { "refused".to_owned() } else { format!("{id}: {seen:?}") });
        }
        format!("{}; asked: {}", each_once(back), remote.asked().len())
    }
    "a request by reference, at an attacker's place", "CWE-918, RFC 9700 §4.2.4", "refused; asked: 0" => |app| {
        let remote = Remote::start().await;
        let browser = Browser::new(app);
        let mut back = Vec::new();
        for uri in [remote.at("/r"), "urn:ietf:params:oauth:request_uri:x".to_owned(), "file:///etc/passwd".to_owned()] {
            let seen = browser.get(&format!("/oauth/authorize?{}", query(&[("request_uri", &uri)]))).await;
            back.push(if seen.header("location").contains("code=") { uri } else { "refused".to_owned() });
        }
        format!("{}; asked: {}", each_once(back), remote.asked().len())
    }
    "a registration that would send codes anywhere, or to a script", "RFC 7591 §5, ASVS 10.4.7", "400" => |app| {
        let mut back = Vec::new();
        for uri in ["javascript:alert(1)", "data:text/html,x", "http://app.example/cb", "https://*.example/cb", "https://app.example/cb#x", "//app.example", "", "file:///x", "https://ana:pw@app.example/cb"] {
            let members = json!({ "redirect_uris": [uri], "token_endpoint_auth_method": "none" });
            back.push(app.post("/oauth/register", &members).await.status.as_u16().to_string());
        }
        back.push(app.post("/oauth/register", &json!({ "redirect_uris": [] })).await.status.as_u16().to_string());
        each_once(back)
    }
    "a registration that asks for what is the operator's", "RFC 7591 §5, ASVS 10.4.11", "no" => |app| {
        let members = json!({
            "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none",
            "scope": "openid heirloom:users.write heirloom:clients.write", "party": "first",
            "grant_types": ["authorization_code", "client_credentials", "password", "urn:ietf:params:oauth:grant-type:token-exchange"],
        });
        let answer = app.post("/oauth/register", &members).await;
        let text = answer.json.to_string();
        let gives = answer.status == 201 && (text.contains("heirloom:") || text.contains("client_credentials") || text.contains("\"password\"") || text.contains("token-exchange"));
        if gives { text } else { "no".to_owned() }
    }
    "another's registration, managed with one's own token", "RFC 7592 §3", "401" => |app| {
        let members = json!({ "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none" });
        let (one, other) = (app.post("/oauth/register", &members).await, app.post("/oauth/register", &members).await);
        let mut back = Vec::new();
        for token in [one.text("registration_access_token"), "x", ""] {
            let place = other.text("registration_client_uri");
            for method in [reqwest::Method::GET, reqwest::Method::DELETE] {
                back.push(app.send(app.http.request(method, place).bearer_auth(token)).await.status.as_u16().to_string());
            }
        }
        each_once(back)
    }
    "a token exchange by nobody, for nothing, for more", "RFC 8693 §2.2.2", "refused" => |app| {
        let tokens = app.login_of_somebody().await;
        let exchange = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token", tokens.access.as_str()),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"), ("audience", "https://api.example"),
        ];
        let secret = app.add_service("exchanger", &[]).await;
        let answers = [
            app.form("/oauth/token", &exchange).await.status,
            app.form("/oauth/token", &[&exchange[..], &[("client_id", "app")]].concat()).await.status,
            app.form_as("/oauth/token", ("exchanger", &secret), &exchange).await.status,
        ];
        each_once(answers.iter().map(|it| if it.is_client_error() { "refused".to_owned() } else { it.to_string() }))
    }
    "a device code, polled by another client, guessed, twice", "RFC 8628 §5.1", "400" => |app| {
        use heirloom::domain::client::GrantType;
        app.add_client("tv", |it| it.grants = [GrantType::DeviceCode, GrantType::RefreshToken].into()).await;
        let waits = app.form("/oauth/device_authorization", &[("client_id", "tv"), ("scope", "openid")]).await;
        let code = waits.text("device_code").to_owned();
        let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
        let mut back = Vec::new();
        for (client, code) in [("elsewhere", code.as_str()), ("tv", "x"), ("tv", ""), ("tv", waits.text("user_code")), ("tv", &code.to_uppercase())] {
            back.push(app.form("/oauth/token", &[grant, ("client_id", client), ("device_code", code)]).await.status.as_u16().to_string());
        }
        each_once(back)
    }
}
