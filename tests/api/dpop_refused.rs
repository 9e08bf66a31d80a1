//! What must be refused of a proof (RFC 9449 §4.3), wherever it may stand: with its exact error, and nothing consumed.

use heirloom::domain::client::{AuthMethod, ClientKind, GrantType, Party};
use jsonwebtoken::Algorithm;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::browser::*;
use crate::device::GRANT as DEVICE;
use crate::harness::*;
use crate::prover::*;
use crate::signer::{Signer, changed};

const REPLAYED: &str = "invalid_dpop_proof The DPoP proof was used before.";

/// A request that is right but for its proof, which is to be added.
struct Asked {
    method: Method,
    place: &'static str,
    /// The token that the proof goes with.
    token: Option<String>,
    /// With a form or JSON in it.
    request: RequestBuilder,
}

impl Asked {
    fn posted(app: &TestApp, place: &'static str, parameters: &[(&str, &str)]) -> Self {
        let request = form(app.http.post(app.at(place)), parameters);
        Self { method: Method::POST, place, token: None, request }
    }

    fn json(app: &TestApp, place: &'static str, body: &Value) -> Self {
        Self { method: Method::POST, place, token: None, request: app.http.post(app.at(place)).json(body) }
    }

    fn held(app: &TestApp, method: Method, place: &'static str, token: &str) -> Self {
        let request = app.http.request(method.clone(), app.at(place));
        let request = request.header("authorization", format!("DPoP {token}"));
        Self { method, place, token: Some(token.to_owned()), request }
    }

    fn refused_with(&self) -> u16 {
        if self.token.is_some() { 401 } else { 400 }
    }

    async fn with(&self, app: &TestApp, proofs: &[&[u8]]) -> Answer {
        let request = self.request.try_clone().unwrap();
        app.send(proofs.iter().fold(request, |request, proof| request.header("dpop", *proof))).await
    }

    fn claims(&self, app: &TestApp, key: &Prover) -> Value {
        let ath = self.token.as_deref().map(hash);
        changed(&key.claims(app, self.method.as_str(), self.place), &json!({ "ath": ath }))
    }

    fn good(&self, app: &TestApp, key: &Prover) -> String {
        key.changed_proof(&json!({}), &self.claims(app, key))
    }
}

/// What is wrong with a proof: the section that says so, its header and its claims with changes, what is answered.
type Row = (&'static str, Value, Value, &'static str);

/// Each way to be wrong in the proof itself.
fn rows(app: &TestApp, asked: &Asked) -> Vec<Row> {
    let (now, issuer, no) = (app.clock.now().timestamp(), app.core.issuer.as_str(), Value::Null);
    let header = |changes: Value, words| ("", changes, json!({}), words);
    let claim = |changes: Value, words| ("", json!({}), changes, words);
    let named = |section: &'static str, (_, header, claims, words): Row| (section, header, claims, words);
    let mut rows = vec![
        named("(3) jti", claim(json!({ "jti": no }), "lacks the claim jti.")),
        named("(3) htm", claim(json!({ "htm": no }), "lacks the claim htm.")),
        named("(3) htu", claim(json!({ "htu": no }), "lacks the claim htu.")),
        named("(3) iat", claim(json!({ "iat": no }), "lacks the claim iat.")),
        named("(3) iat: a number", claim(json!({ "iat": now.to_string() }), "is malformed.")),
        named(
            "(3) jti: not empty",
            claim(json!({ "jti": "" }), "The jti of the DPoP proof is empty or too long."),
        ),
        named("(4) typ", header(json!({ "typ": no }), "type of the DPoP proof is not dpop+jwt.")),
        named(
            "(4) typ: an ID token",
            header(json!({ "typ": "JWT" }), "type of the DPoP proof is not dpop+jwt."),
        ),
        named("(5) alg: none", header(json!({ "alg": "none" }), "algorithm that is not accepted.")),
        named("(5) alg: symmetric", header(json!({ "alg": "HS256" }), "algorithm that is not accepted.")),
        named("(5) alg: not the key's", header(json!({ "alg": "EdDSA" }), "does not fit its algorithm.")),
        named(
            "(6) another's key",
            header(json!({ "jwk": Prover::new().jwk() }), "signature of the DPoP proof is invalid."),
        ),
        named("(6) no key", header(json!({ "jwk": no }), "does not carry its public key.")),
        named(
            "(6) a symmetric key",
            header(json!({ "jwk": { "kty": "oct", "k": "AAAA" } }), "carries a private key."),
        ),
        named(
            "RFC 7515 §4.1.11: crit",
            header(json!({ "crit": ["b64"], "b64": true }), "extension that is not understood."),
        ),
        named("(8) htm", claim(json!({ "htm": "PUT" }), "made for another method.")),
        named(
            "(8) htm: case counts",
            claim(json!({ "htm": asked.method.as_str().to_lowercase() }), "made for another method."),
        ),
        named(
            "(9) htu: path",
            claim(json!({ "htu": format!("{issuer}/oauth/elsewhere") }), "made for another URL."),
        ),
        named(
            "(9) htu: host",
            claim(json!({ "htu": format!("https://evil.example{}", asked.place) }), "made for another URL."),
        ),
        named("(9) htu: no URL", claim(json!({ "htu": asked.place }), "made for another URL.")),
        named("(11) iat: a minute ago", claim(json!({ "iat": now - 61 }), "is too old.")),
        named("(11) iat: in a minute", claim(json!({ "iat": now + 61 }), "made in the future.")),
    ];
    if let Some(token) = &asked.token {
        let other = hash(&format!("{token}x"));
        rows.push(named("(12) ath", claim(json!({ "ath": no }), "lacks the claim ath.")));
        rows.push(named(
            "(12) ath: another's",
            claim(json!({ "ath": other }), "made for another access token."),
        ));
        rows.push(named(
            "(12) ath: the token itself",
            claim(json!({ "ath": token }), "made for another access token."),
        ));
    }
    rows
}

/// Refuses every bad proof of a request, then takes the same request with a good one, once.
async fn refuses_all_but_a_good_one(app: &TestApp, key: &Prover, asked: Asked) {
    let place = asked.place;
    let code = format!("{} invalid_dpop_proof", asked.refused_with());
    for (section, header, claims, words) in rows(app, &asked) {
        let claims = changed(&asked.claims(app, key), &claims);
        let answer = asked.with(app, &[key.changed_proof(&header, &claims).as_bytes()]).await;
        assert_eq!(answer.code(), code, "{section}: {place}");
        assert!(answer.text("error_description").ends_with(words), "{section}: {place}: {answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let good = asked.good(app, key);
    let private = changed(&key.jwk(), &json!({ "d": "AAAA" }));
    let lost = key.changed_proof(&json!({ "jwk": private }), &asked.claims(app, key));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{message}.{flipped}{}", &signature[1..]);
    let long = format!("{good}{}", "A".repeat(4096));
    let texts: [(&str, &[&[u8]]); 8] = [
        ("(1) one header", &[good.as_bytes(), good.as_bytes()]),
        ("(1) one header, of which one is empty", &[b"", good.as_bytes()]),
        ("(2) a JWT", &[b"rubbish"]),
        ("(2) a JWT, not empty", &[b""]),
        ("(2) text", &[b"\xff\xfe"]),
        ("(6) the signature", &[forged.as_bytes()]),
        ("(7) a private key", &[lost.as_bytes()]),
        ("bounded", &[long.as_bytes()]),
    ];
    for (section, proofs) in texts {
        let answer = asked.with(app, proofs).await;
        assert_eq!(answer.code(), code, "{section}: {place}: {answer:?}");
    }
    assert_eq!(app.told("family."), 0, "{place}: {:?}", app.events());
    let answer = asked.with(app, &[good.as_bytes()]).await;
    assert!(answer.status.is_success(), "nothing was consumed: {place}: {answer:?}");
    // (11), §11.1: within its time each is good once.
    let again = asked.with(app, &[good.as_bytes()]).await;
    assert_eq!(again.refusal(), format!("{} {REPLAYED}", asked.refused_with()), "{place}");
    assert_eq!(app.told("family."), 0, "{place}: {:?}", app.events());
}

both_stores! {
    async fn every_bad_proof_at_a_grant_of_a_public_client_is_refused_and_consumes_nothing(app) {
        app.with_television().await;
        let (key, browser) = (Prover::new(), Browser::new(&app));
        let code = browser.ana_signs_in(&[]).await;
        refuses_all_but_a_good_one(&app, &key, Asked::posted(&app, "/oauth/token", &code_exchange(&code, &[]))).await;
        let code = browser.authorize(&[]).await.code();
        let tokens = app.exchange_proving(&key.posting(&app, "/oauth/token"), &code, &[]).await.tokens();
        let refresh = [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", tokens.refresh.as_str())];
        refuses_all_but_a_good_one(&app, &key, Asked::posted(&app, "/oauth/token", &refresh)).await;
        let waits = app.device_waits(&[]).await;
        let page = browser.get("/device").await;
        let consent = browser.enter(&page, waits.text("user_code")).await;
        browser.answer_device(&consent, "allow").await;
        let poll = [("grant_type", DEVICE), ("client_id", "tv"), ("device_code", waits.text("device_code"))];
        refuses_all_but_a_good_one(&app, &key, Asked::posted(&app, "/oauth/token", &poll)).await;
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query(&[]).as_bytes()).into_owned().collect();
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        refuses_all_but_a_good_one(&app, &key, Asked::posted(&app, "/oauth/par", &pairs)).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM pushed_requests").await, 1);
    }

    async fn every_bad_proof_of_a_client_that_authenticates_leaves_its_assertion_unused(app) {
        let signer = Signer::new(Algorithm::ES256, "own");
        app.add_client("robot", |it| {
            it.kind = ClientKind::Confidential(Vec::new());
            it.party = Party::Third;
            it.grants = [GrantType::ClientCredentials].into();
            it.scopes = "read".parse().unwrap();
            it.metadata.token_endpoint_auth_method = Some(AuthMethod::PrivateKeyJwt);
            it.metadata.jwks = serde_json::from_value(signer.jwks()).unwrap();
        }).await;
        let now = app.clock.now().timestamp();
        let assertion = signer.sign(&json!({
            "iss": "robot", "sub": "robot", "aud": app.core.issuer.as_str(), "jti": "once", "iat": now, "exp": now + 60,
        }));
        let own = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.as_str()),
        ];
        refuses_all_but_a_good_one(&app, &Prover::new(), Asked::posted(&app, "/oauth/token", &own)).await;
    }

    async fn every_bad_proof_at_the_simple_face_is_refused_and_consumes_nothing(app) {
        app.add_user("ana").await;
        let key = Prover::new();
        let login = json!({ "username": "ana", "password": PASSWORD });
        refuses_all_but_a_good_one(&app, &key, Asked::json(&app, "/login", &login)).await;
        let tokens = app.ana_bound_to(&key).await;
        let refresh = json!({ "refresh_token": tokens.refresh });
        refuses_all_but_a_good_one(&app, &key, Asked::json(&app, "/refresh", &refresh)).await;
        assert_eq!((app.told("login.refused"), app.told("refresh.refused")), (0, 0), "no password and no token was looked at");
    }

    async fn every_bad_proof_beside_a_bound_token_is_refused_with_its_challenge(app) {
        app.with_apps().await;
        let key = Prover::new();
        let code = Browser::new(&app).ana_signs_in(&[]).await;
        let token = app.exchange_proving(&key.posting(&app, "/oauth/token"), &code, &[]).await.tokens().access;
        refuses_all_but_a_good_one(&app, &key, Asked::held(&app, Method::GET, "/oauth/userinfo", &token)).await;
        refuses_all_but_a_good_one(&app, &key, Asked::held(&app, Method::POST, "/oauth/userinfo", &token)).await;
        let own = app.ana_bound_to(&key).await.access;
        refuses_all_but_a_good_one(&app, &key, Asked::held(&app, Method::GET, "/sessions", &own)).await;
        let bad = Asked::held(&app, Method::GET, "/sessions", &own).with(&app, &[b"rubbish"]).await;
        let challenge = bad.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("DPoP ") && challenge.ends_with(r#"error="invalid_dpop_proof""#), "{challenge}");
    }

    async fn a_proof_is_good_for_a_minute_and_remembered_as_long(app) {
        app.add_user("ana").await;
        let key = Prover::new();
        let login = Asked::json(&app, "/login", &json!({ "username": "ana", "password": PASSWORD }));
        let ahead = changed(&login.claims(&app, &key), &json!({ "iat": app.clock.now().timestamp() + 60 }));
        let (ahead, now) = (key.changed_proof(&json!({}), &ahead), login.good(&app, &key));
        for proof in [&ahead, &now] {
            assert_eq!(login.with(&app, &[proof.as_bytes()]).await.status, 200);
        }
        app.clock.advance(MINUTE);
        assert_eq!(login.with(&app, &[now.as_bytes()]).await.refusal(), format!("400 {REPLAYED}"));
        app.clock.advance(SECOND);
        assert_eq!(login.with(&app, &[now.as_bytes()]).await.refusal(), "400 invalid_dpop_proof The DPoP proof is too old.");
        assert_eq!(login.with(&app, &[ahead.as_bytes()]).await.refusal(), format!("400 {REPLAYED}"));
        app.clock.advance(MINUTE);
        assert_eq!(login.with(&app, &[ahead.as_bytes()]).await.refusal(), "400 invalid_dpop_proof The DPoP proof is too old.");
        // Another key may use the same jti.
        let (one, other) = (login.claims(&app, &key), Prover::new());
        assert_eq!(login.with(&app, &[key.changed_proof(&json!({}), &one).as_bytes()]).await.status, 200);
        assert_eq!(login.with(&app, &[other.changed_proof(&json!({}), &one).as_bytes()]).await.status, 200);
    }

    async fn a_proof_sent_many_times_at_once_is_taken_once(app) {
        app.with_apps().await;
        let key = Prover::new();
        let code = Browser::new(&app).ana_signs_in(&[]).await;
        let token = app.exchange_proving(&key.posting(&app, "/oauth/token"), &code, &[]).await.tokens().access;
        let asked = Asked::held(&app, Method::GET, "/oauth/userinfo", &token);
        for _ in 0..5 {
            let proof = asked.good(&app, &key);
            let proofs = [proof.as_bytes()];
            let answers = futures_util::future::join_all((0..12).map(|_| asked.with(&app, &proofs))).await;
            assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
        }
    }

    async fn where_no_key_is_asked_for_none_is_looked_at(app) {
        app.with_apps().await;
        let service = app.add_service("api", &["https://api.example"]).await;
        let login = app.log_in("ana").await;
        let rubbish = |request: RequestBuilder| request.header("dpop", "rubbish");
        // A plain token beside a header that means nothing there.
        let sessions = app.http.get(app.at("/sessions")).bearer_auth(&login.access);
        assert_eq!(app.send(rubbish(sessions)).await.status, 200);
        let look = app.http.post(app.at("/oauth/introspect")).basic_auth("api", Some(&service));
        assert_eq!(app.send(rubbish(form(look, &[("token", &login.access)]))).await.status, 200);
        let revoke = form(app.http.post(app.at("/oauth/revoke")), &[("client_id", "heirloom"), ("token", &login.refresh)]);
        assert_eq!(app.send(rubbish(revoke)).await.status, 200);
        assert_eq!(app.live_families().await, 0);
    }
}
