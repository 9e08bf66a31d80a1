//! Clients of the FAPI 2.0 Security Profile: one word at `client add`, and nothing that contradicts it.

use std::sync::atomic::{AtomicU64, Ordering};

use heirloom::domain::audience::Audience;
use heirloom::domain::client::{AuthMethod, ClientKind, CodeProtection, Party, SecurityProfile};
use heirloom::domain::family::RotationPolicy;
use heirloom::service::admin::client_changes::ClientChanges;
use heirloom::service::admin::clients;
use heirloom::service::admin::error::AdminError;
use heirloom::service::admin::views::ClientView;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value, json};

use crate::browser::*;
use crate::certificates::*;
use crate::harness::*;
use crate::mtls::bound_to;
use crate::prover::Prover;
use crate::signer::Signer;

const NOT_PROVED: &str = "401 invalid_client The client is unknown, or its authentication failed.";

fn members(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// What an operator says of such a client, and no more.
fn bank(keys: &Value) -> ClientChanges {
    ClientChanges {
        profile: Some(SecurityProfile::Fapi2),
        party: Some(Party::First),
        redirect_uris: Some(vec![REDIRECT_URI.to_owned()]),
        scopes: Some("openid profile".parse().unwrap()),
        audiences: Some(vec!["https://api.example".parse::<Audience>().unwrap()]),
        metadata: members(json!({ "jwks": keys })),
        ..ClientChanges::default()
    }
}

/// A client, and what it proves itself with.
struct Bank<'a> {
    app: &'a TestApp,
    signer: Signer,
    signed: AtomicU64,
}

impl<'a> Bank<'a> {
    fn new(app: &'a TestApp, signer: Signer) -> Self {
        Self { app, signer, signed: AtomicU64::new(0) }
    }

    fn assertion(&self, changes: &Value) -> String {
        let now = self.app.clock.now();
        let mut claims = json!({
            "iss": "bank", "sub": "bank", "aud": self.app.core.issuer.as_str(),
            "jti": format!("{}-{}", self.signer.kid, self.signed.fetch_add(1, Ordering::Relaxed)),
            "iat": now.timestamp(), "exp": now.timestamp() + 60,
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.signer.sign(&claims)
    }

    /// Posts a form with a new assertion, and a proof of a key if there is one.
    async fn post(&self, place: &str, key: Option<&Prover>, parameters: &[(&str, &str)]) -> Answer {
        let assertion = self.assertion(&json!({}));
        let own = [
            ("client_id", "bank"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.as_str()),
        ];
        let parameters: Vec<_> = own.iter().chain(parameters).copied().collect();
        let request = self.app.http.post(self.app.at(place));
        let request = match key {
            None => request,
            Some(key) => request.header("dpop", key.posting(self.app, place)),
        };
        self.app.send(form(request, &parameters)).await
    }

    /// A code of a request that was pushed.
    async fn code(&self, browser: &Browser<'_>, key: Option<&Prover>) -> String {
        let request = [
            ("redirect_uri", REDIRECT_URI),
            ("response_type", "code"),
            ("scope", "openid profile"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let pushed = self.post("/oauth/par", key, &request).await;
        assert_eq!(pushed.status, 201, "{pushed:?}");
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("client_id", "bank"), ("request_uri", pushed.text("request_uri"))])
            .finish();
        let page = browser.follow(browser.get(&format!("/oauth/authorize?{query}")).await).await;
        browser.sign_in(&page, "ana").await.code()
    }
}

async fn add(app: &TestApp, said: ClientChanges) -> Result<ClientView, AdminError> {
    let kind = ClientKind::Confidential(Vec::new());
    clients::register(&app.core, "bank".parse().unwrap(), kind, said, app.clock.now()).await
}

both_stores! {
    async fn a_whole_flow_of_the_profile(app) {
        app.add_user("ana").await;
        let it = Bank::new(&app, Signer::new(Algorithm::PS256, "own"));
        let view = add(&app, bank(&it.signer.jwks())).await.unwrap();
        assert!(view.client_secret.is_none());
        let metadata = json!(view.metadata);
        for (member, value) in [
            ("security_profile", json!("fapi2")),
            ("token_endpoint_auth_method", json!("private_key_jwt")),
            ("require_pushed_authorization_requests", json!(true)),
            ("require_single_use_request_object", json!(true)),
            ("dpop_bound_access_tokens", json!(true)),
            ("refresh_token_rotation", json!("never")),
            ("id_token_signed_response_alg", json!("ES256")),
        ] {
            assert_eq!(metadata[member], value, "{member}");
        }
        let shown = clients::show(&app.core, &"bank".parse().unwrap(), app.clock.now()).await.unwrap();
        assert_eq!(json!(shown), json!(view));
        let (key, thief, browser) = (Prover::new(), Prover::new(), Browser::new(&app));
        // FAPI 2.0 Security Profile §5.3.2.2: no request that was not pushed.
        let plain = browser.authorize(&[("client_id", "bank")]).await;
        assert!(plain.error().starts_with("invalid_request"), "{}", plain.error());
        let code = it.code(&browser, Some(&key)).await;
        let exchange = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT_URI), ("code_verifier", VERIFIER)];
        assert_eq!(it.post("/oauth/token", None, &exchange).await.code(), "400 invalid_dpop_proof");
        assert_eq!(it.post("/oauth/token", Some(&thief), &exchange).await.code(), "400 invalid_dpop_proof", "RFC 9449 §10.1");
        let answer = it.post("/oauth/token", Some(&key), &exchange).await;
        assert_eq!((answer.status.as_u16(), answer.text("token_type")), (200, "DPoP"), "{answer:?}");
        let token = answer.text("access_token").to_owned();
        assert_eq!(claims(&token)["cnf"], json!({ "jkt": key.thumbprint() }));
        let userinfo = app.holding(&key, reqwest::Method::GET, "/oauth/userinfo", &token);
        assert_eq!(app.send(userinfo).await.text("preferred_username"), "ana");
        // §5.3.2.1: refresh tokens do not rotate.
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", answer.text("refresh_token"))];
        for _ in 0..3 {
            app.clock.advance(MINUTE * 2);
            let again = it.post("/oauth/token", Some(&key), &refresh).await;
            assert_eq!((again.text("refresh_token"), again.text("token_type")), (answer.text("refresh_token"), "DPoP"));
        }
        assert_eq!(it.post("/oauth/token", None, &refresh).await.code(), "400 invalid_dpop_proof");
        assert_eq!((app.told("family."), app.live_families().await), (0, 1));
    }

    async fn the_profile_has_no_rs256_and_no_other_audience(app) {
        app.add_user("ana").await;
        let it = Bank::new(&app, Signer::new(Algorithm::RS256, "own"));
        add(&app, bank(&it.signer.jwks())).await.unwrap();
        let request = [("redirect_uri", REDIRECT_URI), ("response_type", "code"), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
        assert_eq!(it.post("/oauth/par", None, &request).await.refusal(), NOT_PROVED, "§5.4.1");
        // The same key, and the other way to sign with it.
        let pss = Bank::new(&app, Signer::with_key_of(&it.signer, Algorithm::PS256));
        assert_eq!(pss.post("/oauth/par", None, &request).await.status, 201);
        let place = app.at("/oauth/par");
        let assertion = pss.assertion(&json!({ "aud": place }));
        let named = [("client_id", "bank"), ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion.as_str())];
        assert_eq!(app.form("/oauth/par", &[&named[..], &request].concat()).await.refusal(), NOT_PROVED, "§5.3.2.1: the issuer alone");
    }

    async fn a_certificate_takes_the_place_of_both_keys(app) with behind_a_proxy; {
        app.add_user("ana").await;
        let (holder, said) = (Holder::new(), bank(&json!({})));
        let said = ClientChanges {
            tls_client_certificate_bound_access_tokens: Some(true),
            metadata: members(json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": { "keys": [holder.jwk()] } })),
            ..said
        };
        let view = add(&app, said).await.unwrap();
        assert!(!view.metadata.dpop_bound_access_tokens && view.metadata.tls_client_certificate_bound_access_tokens);
        let request = [("client_id", "bank"), ("redirect_uri", REDIRECT_URI), ("response_type", "code"), ("scope", "openid profile"), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
        let pushed = app.form_showing("/oauth/par", &holder, &request).await;
        let browser = Browser::new(&app);
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs([("client_id", "bank"), ("request_uri", pushed.text("request_uri"))]).finish();
        let page = browser.follow(browser.get(&format!("/oauth/authorize?{query}")).await).await;
        let code = browser.sign_in(&page, "ana").await.code();
        let exchange = code_exchange(&code, &[("client_id", "bank")]);
        assert_eq!(app.form("/oauth/token", &exchange).await.refusal(), NOT_PROVED);
        bound_to(&app.form_showing("/oauth/token", &holder, &exchange).await, &holder);
    }

    async fn what_contradicts_the_profile_is_refused_in_words(app) {
        let keys = Signer::new(Algorithm::RS256, "own").jwks();
        let with = |value: Value| {
            let mut all = json!({ "jwks": keys });
            all.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
            ClientChanges { metadata: members(all), ..bank(&keys) }
        };
        let rows = [
            (with(json!({ "token_endpoint_auth_method": "client_secret_basic" })), "authenticates by private_key_jwt"),
            (with(json!({ "token_endpoint_auth_method": null })), "authenticates by private_key_jwt"),
            (with(json!({ "assertion_audience": "endpoint" })), "name the issuer as their audience"),
            (with(json!({ "require_pushed_authorization_requests": false })), "pushes its requests"),
            (ClientChanges { code_protection: Some(CodeProtection::Optional), ..bank(&keys) }, "protected by pkce"),
            (ClientChanges { dpop_bound_access_tokens: Some(false), ..bank(&keys) }, "bound to a key or a certificate"),
            (ClientChanges { rotation: Some(RotationPolicy::Always), ..bank(&keys) }, "the rotation is never"),
            (with(json!({ "require_single_use_request_object": false })), "good once"),
            (with(json!({ "token_endpoint_auth_signing_alg": "RS256" })), "RS256"),
            (with(json!({ "request_object_signing_alg": "RS256" })), "RS256"),
            (with(json!({ "id_token_signed_response_alg": "RS256" })), "RS256"),
            (with(json!({ "id_token_signed_response_alg": null })), "RS256"),
            (with(json!({ "userinfo_signed_response_alg": "RS256" })), "RS256"),
            (ClientChanges { redirect_uris: Some(vec!["http://localhost/cb".to_owned()]), ..bank(&keys) }, "https"),
            (ClientChanges { redirect_uris: Some(vec!["com.example.app:/cb".to_owned()]), ..bank(&keys) }, "https"),
            (ClientChanges { metadata: None, ..bank(&keys) }, "needs keys"),
        ];
        for (said, told) in rows {
            let refused = add(&app, said).await.unwrap_err().to_string();
            assert!(refused.contains(told), "{told}: {refused}");
        }
        let public = clients::register(&app.core, "bank".parse().unwrap(), ClientKind::Public, bank(&keys), app.clock.now()).await;
        assert!(public.unwrap_err().to_string().contains("is confidential"));
        assert_eq!(app.number("SELECT COUNT(*) FROM clients WHERE id = 'bank'").await, 0);
        // Nor is it left by a later change, but by name.
        add(&app, bank(&keys)).await.unwrap();
        let change = async |said| clients::change(&app.core, &"bank".parse().unwrap(), said, app.clock.now()).await;
        let always = ClientChanges { rotation: Some(RotationPolicy::Always), confirmed: true, ..ClientChanges::default() };
        assert!(change(always.clone()).await.unwrap_err().to_string().contains("the rotation is never"));
        let left = ClientChanges { metadata: members(json!({ "security_profile": null })), ..always };
        assert_eq!(change(left).await.unwrap().metadata.token_endpoint_auth_method, Some(AuthMethod::PrivateKeyJwt));
    }
}
