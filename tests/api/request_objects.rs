//! Signed authorization requests (RFC 9101), and introspection answers that are signed (RFC 9701).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom::domain::client::Party;
use heirloom::settings::Settings;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;
use crate::signer::{Signer, changed};

impl TestApp {
    /// A confidential first-party app that authenticates with keys.
    pub async fn add_web_app_with_keys(&self, id: &str, signer: &Signer) {
        let metadata = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks() });
        self.add_app(id, |it| {
            it.kind = heirloom::domain::client::ClientKind::Confidential(Vec::new());
            it.party = Party::First;
            it.metadata = serde_json::from_value(metadata).unwrap();
        })
        .await;
    }

    /// A public app that signs its requests.
    async fn add_signing_app(&self, id: &str, metadata: &Value) {
        let metadata = serde_json::from_value(metadata.clone()).unwrap();
        self.add_app(id, |it| {
            it.party = Party::First;
            it.metadata = metadata;
        })
        .await;
    }
}

fn few(settings: &mut Settings) {
    settings.limits.waiting_requests = 2;
}

/// The claims of a request object that is right.
fn object(app: &TestApp, client: &str) -> Value {
    let now = app.clock.now().timestamp();
    json!({
        "iss": client, "aud": app.url, "exp": now + 60, "iat": now, "jti": "1",
        "client_id": client, "redirect_uri": REDIRECT_URI, "response_type": "code", "scope": "openid",
        "state": "signed", "nonce": "n-2", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        "max_age": 3600, "resource": ["https://api.example"],
    })
}

fn with_nothing(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims[name] = Value::Null;
    claims
}

fn by_value(client: &str, jwt: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("client_id", client),
            ("response_type", "code"),
            ("scope", "openid"),
            ("request", jwt),
        ])
        .finish()
}

both_stores! {
    async fn a_signed_request_is_honoured_and_what_stands_beside_it_is_not(app) {
        app.with_apps().await;
        for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256] {
            let signer = Signer::new(algorithm, "k1");
            let id = format!("{algorithm:?}");
            app.add_signing_app(&id, &json!({ "jwks": signer.jwks(), "request_object_signing_alg": id })).await;
            let browser = Browser::new(&app);
            let jwt = signer.sign(&object(&app, &id));
            let query = by_value(&id, &jwt) + "&state=beside&nonce=beside&prompt=none&scope=openid+email";
            let page = browser.come(&query.replacen("&scope=openid", "", 1)).await;
            assert_eq!(page.status, 200, "{page:?}");
            // An object is good for a moment, signing in takes longer.
            app.clock.advance(MINUTE * 5);
            let (to, answer) = browser.sign_in(&page, "ana").await.answer();
            assert_eq!((to.as_str(), answer["state"].as_str()), (REDIRECT_URI, "signed"));
            let tokens = app.exchange(&answer["code"], &[("client_id", &id)]).await;
            let granted = (&tokens.json["scope"], &claims(tokens.text("access_token"))["aud"]);
            assert_eq!(granted, (&json!("openid"), &json!("https://api.example")));
            assert_eq!(claims(tokens.text("id_token"))["nonce"], "n-2");
            let again = by_value(&id, &signer.sign(&object(&app, &id))) + "&prompt=login";
            assert_eq!(browser.come(&again).await.answer().1["state"], "signed", "RFC 9101 §6.3: no prompt is in it");
        }
    }

    async fn an_address_brings_so_many_signed_requests(app) with few; {
        let signer = Signer::new(Algorithm::ES256, "k1");
        app.add_signing_app("signs", &json!({ "jwks": signer.jwks() })).await;
        let replayed = by_value("signs", &signer.sign(&object(&app, "signs")));
        for _ in 0..2 {
            assert_eq!(Browser::new(&app).come(&replayed).await.status, 200);
        }
        let (to, answer) = Browser::new(&app).come(&replayed).await.answer();
        assert_eq!((to.as_str(), answer["error"].as_str()), (REDIRECT_URI, "temporarily_unavailable"));
        assert_eq!(answer["state"], "signed");
        assert_eq!(app.number("SELECT COUNT(*) FROM pushed_requests").await, 2);
    }

    async fn a_signed_request_can_be_pushed(app) {
        app.with_apps().await;
        let signer = Signer::new(Algorithm::ES256, "k1");
        let metadata = json!({ "jwks": signer.jwks(), "require_signed_request_object": true });
        app.add_signing_app("signs", &metadata).await;
        let header = Header { typ: Some("oauth-authz-req+jwt".to_owned()), ..signer.header() };
        let jwt = signer.sign_under(&header, &object(&app, "signs"));
        let pushed = app.form("/oauth/par", &[("client_id", "signs"), ("request", &jwt), ("scope", "openid email")]).await;
        assert_eq!(pushed.status, 201, "{pushed:?}");
        let browser = Browser::new(&app);
        let page = browser.come(&format!("client_id=signs&request_uri={}", pushed.text("request_uri"))).await;
        let (_, answer) = browser.sign_in(&page, "ana").await.answer();
        assert_eq!(answer["state"], "signed");
        assert_eq!(app.exchange(&answer["code"], &[("client_id", "signs")]).await.json["scope"], "openid");
    }

    async fn every_request_object_that_is_wrong_is_refused(app) {
        app.with_apps().await;
        let signer = Signer::new(Algorithm::ES256, "k1");
        let other = Signer::new(Algorithm::ES256, "k1");
        app.add_signing_app("signs", &json!({ "jwks": signer.jwks() })).await;
        app.add_signing_app("eddsa", &json!({ "jwks": signer.jwks(), "request_object_signing_alg": "EdDSA" })).await;
        let good = object(&app, "signs");
        let now = app.clock.now().timestamp();
        let of = |changes: Value| signer.sign(&changed(&good, &changes));
        let header = |change: &dyn Fn(&mut Header)| {
            let mut header = signer.header();
            change(&mut header);
            signer.sign_under(&header, &good)
        };
        let encoded = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let unsigned = format!("{}.{}.", encoded(&json!({ "alg": "none" })), encoded(&good));
        let secret = EncodingKey::from_secret(&serde_json::to_vec(&signer.public()).unwrap()).unwrap();
        let confused = encode(&Header::new(Algorithm::HS256), &good, &secret).unwrap();
        let rows: &[(&str, &str, String)] = &[
            ("RFC 9101 §4: client_id", "signs", of(json!({ "client_id": null }))),
            ("RFC 9101 §5: client_id", "signs", of(json!({ "client_id": "app" }))),
            ("RFC 9101 §5: iss", "signs", of(json!({ "iss": "app" }))),
            ("RFC 9101 §5: aud", "signs", of(json!({ "aud": "https://other.example" }))),
            ("RFC 9101 §5: aud", "signs", of(json!({ "aud": [] }))),
            ("RFC 9101 §4: nested", "signs", of(json!({ "request": "x.y.z" }))),
            ("RFC 9101 §4: nested", "signs", of(json!({ "request_uri": "urn:x" }))),
            ("RFC 9101 §10.8: an assertion", "signs", of(json!({ "sub": "signs" }))),
            ("RFC 7519 §4.1.4: exp", "signs", of(json!({ "exp": now - 30 }))),
            ("RFC 7519 §4.1.4: exp", "signs", of(json!({ "exp": "never" }))),
            ("RFC 7519 §4.1.5: nbf", "signs", of(json!({ "nbf": now + 31 }))),
            ("RFC 7519 §4.1.6: iat", "signs", of(json!({ "iat": now + 31 }))),
            ("RFC 9101 §4: a claim", "signs", of(json!({ "state": ["a"] }))),
            ("RFC 9101 §4: a claim", "signs", of(json!({ "resource": [1] }))),
            ("RFC 9101 §4: a claim", "signs", signer.sign(&with_nothing(&good, "max_age"))),
            ("RFC 9101 §6.2: signature", "signs", other.sign(&good)),
            ("RFC 9101 §6.2: signature", "app", signer.sign(&changed(&good, &json!({ "client_id": "app", "iss": "app" })))),
            ("RFC 9101 §10.2: alg none", "signs", unsigned),
            ("RFC 8725 §3.1: alg", "signs", confused),
            ("RFC 9101 §10.1: alg", "eddsa", signer.sign(&object(&app, "eddsa"))),
            ("RFC 8725 §3.11: typ", "signs", header(&|it| it.typ = Some("client-authentication+jwt".to_owned()))),
            ("RFC 7515 §4.1.4: kid", "signs", header(&|it| it.kid = Some("k2".to_owned()))),
            ("RFC 7515 §4.1.11: crit", "signs", header(&|it| it.crit = Some(vec!["exp".to_owned()]))),
            ("RFC 9101 §6.1: encrypted", "signs", "a.b.c.d.e".to_owned()),
        ];
        let browser = Browser::new(&app);
        for (section, client, jwt) in rows {
            // Nothing of it is believed, so nobody is sent anywhere, unless the client's own URI stands beside it.
            let seen = browser.get(&format!("/oauth/authorize?{}", by_value(client, jwt))).await;
            assert_eq!((seen.status.as_u16(), seen.header("location")), (400, ""), "{section} {seen:?}");
            let beside = by_value(client, jwt) + "&redirect_uri=https%3A%2F%2Fapp.example%2Fcb";
            let seen = browser.get(&format!("/oauth/authorize?{beside}")).await;
            assert_eq!(seen.error(), "invalid_request_object", "{section}");
            let evil = by_value(client, jwt) + "&redirect_uri=https%3A%2F%2Fevil.example%2Fcb";
            assert_eq!(browser.get(&format!("/oauth/authorize?{evil}")).await.status, 400, "{section}");
            let pushed = app.form("/oauth/par", &[("client_id", *client), ("request", jwt)]).await;
            assert_eq!(pushed.code(), "400 invalid_request_object", "{section}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM pushed_requests").await, 0, "nothing was kept");
        // What is signed is checked like anything else.
        let rows: &[(&str, Value, &str)] = &[
            ("RFC 9101 §6.3", json!({ "scope": "admin" }), "invalid_scope"),
            ("RFC 9101 §6.3", json!({ "response_type": "token" }), "unsupported_response_type"),
            ("RFC 9101 §6.3", json!({ "code_challenge": null }), "invalid_request"),
        ];
        for (section, changes, error) in rows {
            let seen = browser.come(&by_value("signs", &of(changes.clone()))).await;
            assert_eq!(seen.error(), *error, "{section} {changes}");
        }
        let elsewhere = of(json!({ "redirect_uri": "https://evil.example/cb" }));
        let seen = browser.get(&format!("/oauth/authorize?{}", by_value("signs", &elsewhere))).await;
        assert_eq!((seen.status.as_u16(), seen.header("location")), (400, ""), "RFC 6749 §3.1.2.4");
    }

    async fn a_client_that_must_sign_or_push_cannot_leave_it(app) {
        app.with_apps().await;
        let signer = Signer::new(Algorithm::ES256, "k1");
        app.add_signing_app("signs", &json!({ "jwks": signer.jwks(), "require_signed_request_object": true })).await;
        let pushes = json!({ "jwks": signer.jwks(), "require_pushed_authorization_requests": true });
        app.add_signing_app("pushes", &pushes).await;
        let browser = Browser::new(&app);
        let bare = browser.authorize(&[("client_id", "signs")]).await;
        assert_eq!(bare.error(), "invalid_request", "RFC 9101 §10.5");
        assert_eq!(app.push(&[("client_id", "signs")]).await.code(), "400 invalid_request", "RFC 9101 §10.5");
        let jwt = signer.sign(&object(&app, "pushes"));
        let by_value = browser.come(&by_value("pushes", &jwt)).await;
        assert_eq!(by_value.error(), "invalid_request", "RFC 9126 §6");
    }

    async fn a_client_may_want_its_request_objects_to_be_short_lived_and_for_once(app) {
        app.with_apps().await;
        let signer = Signer::new(Algorithm::ES256, "k1");
        let wants = json!({ "jwks": signer.jwks(), "require_single_use_request_object": true });
        for id in ["once", "another"] {
            app.add_signing_app(id, &wants).await;
        }
        app.add_signing_app("lenient", &json!({ "jwks": signer.jwks() })).await;
        let now = app.clock.now().timestamp();
        let of = |client: &str, changes: Value| {
            let good = changed(&object(&app, client), &json!({ "nbf": now }));
            signer.sign(&changed(&good, &changes))
        };
        let push = async |client: &str, jwt: &str| app.form("/oauth/par", &[("client_id", client), ("request", jwt)]).await;
        let hour = 3600;
        for (section, changes) in [
            ("FAPI 2.0 Message Signing §5.3.1: aud", json!({ "aud": null })),
            ("FAPI 2.0 Message Signing §5.3.1: nbf", json!({ "nbf": null })),
            ("FAPI 2.0 Message Signing §5.3.1: exp", json!({ "exp": null })),
            ("FAPI 2.0 Message Signing §5.3.1: an hour back", json!({ "nbf": now - hour - 31, "exp": now + 1 })),
            ("FAPI 2.0 Message Signing §5.3.1: an hour on", json!({ "exp": now + hour + 1 })),
            ("FAPI 2.0 Message Signing §5.3.1: an hour altogether", json!({ "nbf": now - hour, "exp": now + 1 })),
            ("RFC 7519 §4.1.7: jti", json!({ "jti": null })),
            ("RFC 7519 §4.1.7: jti", json!({ "jti": "" })),
            ("RFC 7519 §4.1.7: jti", json!({ "jti": 1 })),
            ("RFC 7519 §4.1.7: jti", json!({ "jti": "x".repeat(256) })),
        ] {
            let pushed = push("once", &of("once", changes.clone())).await;
            assert_eq!(pushed.code(), "400 invalid_request_object", "{section} {changes}");
            let seen = Browser::new(&app).come(&by_value("once", &of("once", changes.clone()))).await;
            assert_eq!((seen.status.as_u16(), seen.header("location")), (400, ""), "{section} {changes}");
            let pushed = push("lenient", &of("lenient", changes.clone())).await;
            assert_eq!(pushed.status, 201, "who does not want it may do otherwise: {changes}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM client_assertions").await, 0, "what was refused was not used");
        let longest = of("once", json!({ "exp": now + hour }));
        assert_eq!(push("once", &longest).await.status, 201);
        let by_browser = async |client: &str, jwt: &str| Browser::new(&app).come(&by_value(client, jwt)).await;
        for beside in ["", "&redirect_uri=https%3A%2F%2Fapp.example%2Fcb"] {
            let seen = Browser::new(&app).come(&(by_value("once", &longest) + beside)).await;
            assert_eq!(seen.error(), "invalid_request_object", "once, by whichever way");
        }
        assert_eq!(push("once", &of("once", json!({ "scope": "openid profile" }))).await.code(), "400 invalid_request_object", "jti is what counts");
        assert_eq!(push("another", &of("another", json!({}))).await.status, 201, "another client's are its own");
        let second = of("once", json!({ "jti": "2" }));
        assert_eq!(by_browser("once", &second).await.status, 200);
        assert_eq!(push("once", &second).await.code(), "400 invalid_request_object");
        // What fails otherwise can be mended and sent again: it is not used up.
        assert_eq!(push("once", &of("once", json!({ "jti": "3", "code_challenge": null }))).await.code(), "400 invalid_request");
        let third = of("once", json!({ "jti": "3" }));
        let all = futures_util::future::join_all((0..8).map(|_| push("once", &third))).await;
        assert_eq!(all.iter().filter(|answer| answer.status == 201).count(), 1, "however many come at once");
        let kept = "SELECT COUNT(*) FROM client_assertions";
        assert_eq!(app.number(kept).await, 4);
        let tidy = async || heirloom::service::admin::janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        app.clock.advance(MINUTE * 60);
        tidy().await;
        assert_eq!(app.number(kept).await, 1, "remembered until it cannot be used any more");
        app.clock.advance(SECOND * 31);
        tidy().await;
        assert_eq!(app.number(kept).await, 0);
        assert_eq!(push("once", &longest).await.code(), "400 invalid_request_object", "RFC 7519 §4.1.4");
    }

    async fn a_service_that_asks_for_it_gets_a_signed_answer(app) {
        let secret = app.add_service("service", &["https://api.example"]).await;
        app.with_apps().await;
        let tokens = app.exchange(&Browser::new(&app).ana_signs_in(&[("resource", "https://api.example")]).await, &[]).await;
        let ask = async |token: &str, accept: &str| {
            let request = app.http.post(app.at("/oauth/introspect")).basic_auth("service", Some(&secret));
            let answer = form(request, &[("token", token)]).header("accept", accept).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["cache-control"], "no-store");
            (answer.headers()["content-type"].to_str().unwrap().to_owned(), answer.text().await.unwrap())
        };
        let token = tokens.text("access_token");
        let (kind, plain) = ask(token, "application/json, */*").await;
        assert_eq!(kind, "application/json");
        let plain: Value = serde_json::from_str(&plain).unwrap();
        assert_eq!(plain["active"], true);
        for accept in ["application/token-introspection+jwt", "application/json;q=0.5, Application/Token-Introspection+JWT;q=1"] {
            let (kind, jwt) = ask(token, accept).await;
            assert_eq!(kind, "application/token-introspection+jwt");
            assert_eq!(jwt_header(&jwt)["typ"], "token-introspection+jwt");
            assert_eq!(claims(&jwt), json!({
                "iss": app.url, "aud": "service", "iat": app.clock.now().timestamp(), "token_introspection": plain,
            }));
            let jwks = app.send(app.http.get(app.at("/.well-known/jwks.json"))).await;
            let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_value(jwks.json).unwrap();
            let key = jsonwebtoken::DecodingKey::from_jwk(jwks.find(jwt_header(&jwt)["kid"].as_str().unwrap()).unwrap()).unwrap();
            let mut validation = jsonwebtoken::Validation::new(Algorithm::ES256);
            validation.set_audience(&["service"]);
            validation.required_spec_claims.clear();
            assert!(jsonwebtoken::decode::<Value>(&jwt, &key, &validation).is_ok());
            // RFC 9701 §8.1: it is no access token.
            assert_eq!(app.get("/oauth/userinfo", &jwt).await.code(), "401 invalid_token");
        }
        let (_, jwt) = ask("rubbish", "application/token-introspection+jwt").await;
        assert_eq!(claims(&jwt)["token_introspection"], json!({ "active": false }));
    }
}
