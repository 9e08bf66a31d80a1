//! Clients that prove with a private key who they are (RFC 7523).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom::domain::client::{ClientKind, GrantType, Party};
use heirloom::service::admin::{self, janitor};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::browser::Refused;
use crate::database::both_databases;
use crate::harness::*;
use crate::remote::Remote;
use crate::signer::{Signer, changed};

pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

impl TestApp {
    /// A confidential client without a secret, with this metadata beside its method.
    pub async fn add_key_client(&self, id: &str, metadata: &Value) {
        let method = json!({ "token_endpoint_auth_method": "private_key_jwt" });
        let metadata = serde_json::from_value(changed(&method, metadata)).unwrap();
        let secret = self.add_client(id, |it| {
            it.kind = ClientKind::Confidential(Vec::new());
            it.party = Party::Third;
            it.grants = [GrantType::ClientCredentials, GrantType::RefreshToken].into();
            it.scopes = "read write".parse().unwrap();
            it.metadata = metadata;
        });
        assert!(secret.await.is_none(), "a client with keys gets no secret");
    }

    /// The claims of an assertion that is right.
    pub fn assertion(&self, client: &str, jti: &str) -> Value {
        let now = self.clock.now().timestamp();
        json!({
            "iss": client, "sub": client, "aud": self.core.issuer.as_str(), "jti": jti, "iat": now, "exp": now + 60,
        })
    }

    pub async fn form_asserted(&self, path: &str, jwt: &str, parameters: &[(&str, &str)]) -> Answer {
        let proof = [("client_assertion_type", TYPE), ("client_assertion", jwt)];
        self.form(path, &[parameters, &proof].concat()).await
    }
}

async fn asserted(app: &TestApp, jwt: &str) -> String {
    let answer = app.form_asserted("/oauth/token", jwt, &[GRANT]).await;
    if answer.status == 200 { "200".to_owned() } else { answer.code() }
}

fn same_issuer(settings: &mut heirloom::settings::Settings) {
    settings.issuer = Some("https://login.example.com".parse().unwrap());
}

both_stores! {
    async fn a_client_authenticates_with_each_kind_of_key(app) {
        for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256] {
            let id = format!("{algorithm:?}");
            let signer = Signer::new(algorithm, "k1");
            app.add_key_client(&id, &json!({ "jwks": signer.jwks(), "token_endpoint_auth_signing_alg": id })).await;
            let sign = |jti: &str| signer.sign(&app.assertion(&id, jti));
            let tokens = app.form_asserted("/oauth/token", &sign("1"), &[GRANT, ("client_id", &id)]).await;
            assert_eq!(tokens.status, 200, "{tokens:?}");
            let token = ("token", tokens.text("access_token"));
            let seen = app.form_asserted("/oauth/introspect", &sign("2"), &[token]).await;
            assert_eq!(seen.json["active"], true, "{seen:?}");
            assert_eq!(app.form_asserted("/oauth/revoke", &sign("3"), &[token]).await.status, 200);
            let seen = app.form_asserted("/oauth/introspect", &sign("4"), &[token]).await;
            assert_eq!(seen.json, json!({ "active": false }));
            assert_eq!(app.form_asserted("/oauth/revoke", &sign("3"), &[token]).await.code(), "401 invalid_client");
        }
    }

    async fn an_assertion_is_for_the_issuer_alone_and_says_so_as_a_text(app) {
        let signer = Signer::new(Algorithm::ES256, "k1");
        app.add_key_client("service", &json!({ "jwks": signer.jwks() })).await;
        // What earlier releases stored says the same as nothing does now.
        app.add_key_client("strict", &json!({ "jwks": signer.jwks(), "require_issuer_audience": true })).await;
        app.add_key_client("same", &json!({ "jwks": signer.jwks(), "assertion_audience": "issuer" })).await;
        let (issuer, token, par) = (app.url.as_str(), app.at("/oauth/token"), app.at("/oauth/par"));
        let others = [json!(token), json!(par), json!([issuer]), json!([issuer, token]), json!([])];
        for id in ["service", "strict", "same"] {
            for (number, aud) in others.iter().enumerate() {
                for path in ["/oauth/token", "/oauth/par", "/oauth/introspect"] {
                    let assertion = app.assertion(id, &format!("{path} {number}"));
                    let jwt = signer.sign(&changed(&assertion, &json!({ "aud": aud })));
                    let refused = app.form_asserted(path, &jwt, &[GRANT]).await;
                    assert_eq!(refused.code(), "401 invalid_client", "RFC 10070 §4: {id} {path} {aud}");
                }
            }
            assert_eq!(asserted(&app, &signer.sign(&app.assertion(id, "plain"))).await, "200");
        }
    }

    async fn the_assertions_of_an_old_client_may_name_us_in_several_ways_but_nobody_beside_us(app) {
        let signer = Signer::new(Algorithm::ES256, "k1");
        app.add_key_client("service", &json!({ "jwks": signer.jwks(), "assertion_audience": "endpoint" })).await;
        let issuer = app.url.as_str();
        let token = app.at("/oauth/token");
        let good = [json!(issuer), json!(token), json!([issuer]), json!([token]), json!([issuer, token])];
        for (number, aud) in good.iter().enumerate() {
            let claims = changed(&app.assertion("service", &number.to_string()), &json!({ "aud": aud }));
            assert_eq!(asserted(&app, &signer.sign(&claims)).await, "200", "{aud}");
        }
        let here = changed(&app.assertion("service", "here"), &json!({ "aud": app.at("/oauth/introspect") }));
        let here = app.form_asserted("/oauth/introspect", &signer.sign(&here), &[("token", "x")]).await;
        assert_eq!(here.json, json!({ "active": false }));
        // RFC 9126 §2: wherever it is sent.
        for aud in [issuer, &token] {
            let there = changed(&app.assertion("service", &format!("{aud} there")), &json!({ "aud": aud }));
            let there = app.form_asserted("/oauth/introspect", &signer.sign(&there), &[("token", "x")]).await;
            assert_eq!(there.json, json!({ "active": false }), "{aud}");
        }
        let strange = [json!(app.at("/oauth/introspect")), json!([token, "https://other.example"]), json!([])];
        for (number, aud) in strange.iter().enumerate() {
            let claims = changed(&app.assertion("service", &format!("{number} else")), &json!({ "aud": aud }));
            assert_eq!(asserted(&app, &signer.sign(&claims)).await, "401 invalid_client", "{aud}");
        }
    }

    async fn ed25519_is_understood_wherever_eddsa_is(app) {
        let signer = Signer::new(Algorithm::EdDSA, "k1");
        for (number, alg) in ["EdDSA", "Ed25519"].into_iter().enumerate() {
            let id = format!("service-{number}");
            let key = changed(&signer.public(), &json!({ "alg": alg }));
            let keys = json!({ "jwks": { "keys": [key] }, "token_endpoint_auth_signing_alg": alg });
            app.add_key_client(&id, &keys).await;
            for name in ["EdDSA", "Ed25519"] {
                let header = json!({ "alg": name, "kid": "k1" });
                let jwt = signer.sign_raw(&header, &app.assertion(&id, name));
                assert_eq!(asserted(&app, &jwt).await, "200", "RFC 9864 §2.2: {alg}, {name}");
            }
            for name in ["Ed448", "ed25519", "ES256"] {
                let header = json!({ "alg": name, "kid": "k1" });
                let jwt = signer.sign_raw(&header, &app.assertion(&id, name));
                assert_eq!(asserted(&app, &jwt).await, "401 invalid_client", "{name}");
            }
        }
        let told = app.get("/.well-known/openid-configuration", "").await;
        let understood = json!(["ES256", "EdDSA", "Ed25519", "PS256", "RS256"]);
        for of_clients in ["token_endpoint_auth_signing_alg_values_supported", "request_object_signing_alg_values_supported"] {
            assert_eq!(told.json[of_clients], understood);
        }
    }

    async fn every_claim_that_is_wrong_is_refused(app) {
        let signer = Signer::new(Algorithm::ES256, "k1");
        app.add_key_client("service", &json!({ "jwks": signer.jwks() })).await;
        let now = app.clock.now().timestamp();
        let good = app.assertion("service", "good");
        let long = "j".repeat(256);
        let claims: &[(&str, Value)] = &[
            ("RFC 7523 §3 (1): iss", json!({ "iss": null })),
            ("RFC 7523 §3 (1): iss", json!({ "iss": "other" })),
            ("RFC 7523 §3 (1): iss", json!({ "iss": app.url })),
            ("RFC 7523 §3 (2 B): sub", json!({ "sub": null })),
            ("RFC 7523 §3 (2 B): sub", json!({ "sub": "nobody" })),
            ("RFC 7523 §3 (2 B): sub", json!({ "sub": "other" })),
            ("RFC 7523 §3 (3): aud", json!({ "aud": null })),
            ("RFC 7523 §3 (3): aud", json!({ "aud": "" })),
            ("RFC 7523 §3 (3): aud", json!({ "aud": [] })),
            ("RFC 7523 §3 (3): aud", json!({ "aud": "https://other.example" })),
            ("RFC 7523 §3 (3): aud", json!({ "aud": [app.url, "https://other.example"] })),
            ("RFC 7523 §3 (3): aud", json!({ "aud": format!("{}/", app.url) })),
            ("RFC 7523 §3 (4): exp", json!({ "exp": null })),
            ("RFC 7523 §3 (4): exp", json!({ "exp": "soon" })),
            ("RFC 7523 §3 (4): exp", json!({ "exp": now - 30 })),
            ("RFC 7523 §3 (4): exp", json!({ "exp": now + 3600 + 31 })),
            ("RFC 7523 §3 (4): exp", json!({ "exp": 1e300 })),
            ("RFC 7523 §3 (5): nbf", json!({ "nbf": now + 31 })),
            ("RFC 7523 §3 (6): iat", json!({ "iat": now + 31 })),
            ("RFC 7523 §3 (6): iat", json!({ "iat": -1e300 })),
            ("OIDC Core §9: jti", json!({ "jti": null })),
            ("OIDC Core §9: jti", json!({ "jti": "" })),
            ("OIDC Core §9: jti", json!({ "jti": long })),
            ("OIDC Core §9: jti", json!({ "jti": 1 })),
        ];
        for (section, changes) in claims {
            let jwt = signer.sign(&changed(&good, changes));
            assert_eq!(asserted(&app, &jwt).await, "401 invalid_client", "{section} {changes}");
        }
        // None of these used the jti up.
        assert_eq!(asserted(&app, &signer.sign(&good)).await, "200");
    }

    async fn every_signature_that_is_wrong_is_refused(app) {
        let signer = Signer::new(Algorithm::ES256, "k1");
        app.add_key_client("service", &json!({ "jwks": signer.jwks() })).await;
        let other = Signer::new(Algorithm::ES256, "k1");
        app.add_key_client("other", &json!({ "jwks": other.jwks() })).await;
        let good = app.assertion("service", "good");
        let header = |change: &dyn Fn(&mut Header)| {
            let mut header = signer.header();
            change(&mut header);
            signer.sign_under(&header, &good)
        };
        let genuine = signer.sign(&good);
        let (message, _) = genuine.rsplit_once('.').unwrap();
        let encoded = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let unsigned = format!("{}.{}.", encoded(&json!({ "alg": "none" })), encoded(&good));
        let public = serde_json::to_vec(&signer.public()).unwrap();
        let secret = EncodingKey::from_secret(&public).unwrap();
        let confused = encode(&Header::new(Algorithm::HS256), &good, &secret).unwrap();
        let tokens: &[(&str, String)] = &[
            ("RFC 7523 §3 (9): signature", other.sign(&good)),
            ("RFC 7523 §3 (9): signature", format!("{message}.")),
            ("RFC 7523 §3 (9): signature", format!("{genuine}A")),
            ("RFC 7523 §3 (10): alg", unsigned),
            ("RFC 8725 §3.1: alg", confused),
            ("RFC 7515 §4.1.4: kid", header(&|it| it.kid = Some("k2".to_owned()))),
            ("RFC 7515 §4.1.11: crit", header(&|it| it.crit = Some(vec!["exp".to_owned()]))),
            ("RFC 8725 §3.11: typ", header(&|it| it.typ = Some("at+jwt".to_owned()))),
            ("RFC 8725 §3.11: typ", header(&|it| it.typ = Some("oauth-authz-req+jwt".to_owned()))),
            ("RFC 7519 §7.2", "a.b.c".to_owned()),
            ("RFC 7519 §7.2", "rubbish".to_owned()),
        ];
        for (section, jwt) in tokens {
            assert_eq!(asserted(&app, jwt).await, "401 invalid_client", "{section} {jwt}");
        }
        assert_eq!(asserted(&app, &genuine).await, "200");
    }

    async fn an_assertion_stands_alone_and_is_taken_once(app) {
        let signer = Signer::new(Algorithm::ES256, "k1");
        app.add_key_client("service", &json!({ "jwks": signer.jwks() })).await;
        let jwt = signer.sign(&app.assertion("service", "good"));
        let proof = ("client_assertion", jwt.as_str());
        let wrong_type = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer");
        let right_type = ("client_assertion_type", TYPE);
        let forms: &[Refused<'_>] = &[
            ("RFC 7523 §2.2", &[GRANT, proof, wrong_type], "401 invalid_client"),
            ("RFC 7521 §4.2", &[GRANT, proof], "400 invalid_request"),
            ("RFC 7521 §4.2", &[GRANT, right_type], "400 invalid_request"),
            ("RFC 7521 §4.2", &[GRANT, proof, right_type, ("client_id", "other")], "400 invalid_request"),
            ("RFC 6749 §2.3", &[GRANT, proof, right_type, ("client_secret", "s")], "400 invalid_request"),
        ];
        for (section, form, code) in forms {
            assert_eq!(app.form("/oauth/token", form).await.code(), *code, "{section} {form:?}");
        }
        let both = app.form_as("/oauth/token", ("service", "s"), &[GRANT, proof, right_type]).await;
        assert_eq!(both.code(), "400 invalid_request", "RFC 6749 §2.3");
        // None of these used the assertion up.
        assert_eq!(asserted(&app, &jwt).await, "200");
        let answer = app.form_asserted("/oauth/token", &jwt, &[GRANT]).await;
        assert_eq!(answer.code(), "401 invalid_client", "RFC 7523 §3 (7): jti");
        assert!(answer.header("www-authenticate").is_some());
    }

    async fn a_clients_clock_may_be_a_little_off(app) {
        let signer = Signer::new(Algorithm::ES256, "k1");
        app.add_key_client("service", &json!({ "jwks": signer.jwks() })).await;
        let now = app.clock.now().timestamp();
        let tolerated =
            [json!({ "exp": now - 29 }), json!({ "iat": now + 30, "nbf": now + 30 }), json!({ "exp": now + 3600 })];
        for (number, changes) in tolerated.iter().enumerate() {
            let claims = changed(&app.assertion("service", &number.to_string()), changes);
            assert_eq!(asserted(&app, &signer.sign(&claims)).await, "200", "{changes}");
        }
        for typ in ["JWT", "jwt", "client-authentication+jwt", "application/client-authentication+jwt"] {
            let header = Header { typ: Some(typ.to_owned()), ..signer.header() };
            assert_eq!(asserted(&app, &signer.sign_under(&header, &app.assertion("service", typ))).await, "200");
        }
    }

    async fn a_client_authenticates_as_it_registered_and_in_no_other_way(app) {
        let signer = Signer::new(Algorithm::ES256, "k1");
        app.add_key_client("key", &json!({ "jwks": signer.jwks() })).await;
        let rsa = json!({ "jwks": signer.jwks(), "token_endpoint_auth_signing_alg": "PS256" });
        app.add_key_client("rsa", &rsa).await;
        let secret = app.add_service("secret", &[]).await;
        let method = |method: &str| {
            let metadata = json!({ "token_endpoint_auth_method": method, "jwks": signer.jwks() });
            move |it: &mut heirloom::domain::client::Client| {
                it.kind = ClientKind::Confidential(Vec::new());
                it.grants = [GrantType::ClientCredentials].into();
                it.metadata = serde_json::from_value(metadata).unwrap();
            }
        };
        let basic = app.add_client("basic", method("client_secret_basic")).await.unwrap();
        let post = app.add_client("post", method("client_secret_post")).await.unwrap();
        let refused = "401 invalid_client";
        assert_eq!(app.form("/oauth/token", &[GRANT, ("client_id", "key")]).await.code(), refused);
        assert_eq!(app.form_as("/oauth/token", ("key", "x"), &[GRANT]).await.code(), refused);
        // Its algorithm is not the one that it registered.
        assert_eq!(asserted(&app, &signer.sign(&app.assertion("rsa", "1"))).await, refused);
        for id in ["secret", "basic", "post", "heirloom"] {
            assert_eq!(asserted(&app, &signer.sign(&app.assertion(id, "1"))).await, refused, "{id}");
        }
        let posted = async |id: &str, secret: &str| {
            app.form("/oauth/token", &[GRANT, ("client_id", id), ("client_secret", secret)]).await.status
        };
        let header = async |id: &str, secret: &str| app.form_as("/oauth/token", (id, secret), &[GRANT]).await.status;
        assert_eq!((header("basic", basic.expose()).await, posted("basic", basic.expose()).await), (200.try_into().unwrap(), 401.try_into().unwrap()));
        assert_eq!((header("post", post.expose()).await, posted("post", post.expose()).await), (401.try_into().unwrap(), 200.try_into().unwrap()));
        assert_eq!((header("secret", &secret).await, posted("secret", &secret).await), (200.try_into().unwrap(), 200.try_into().unwrap()));
        let rotated = admin::clients::rotate_secret(&app.core, &"key".parse().unwrap(), DAY, app.clock.now()).await;
        assert!(rotated.is_err(), "there is no secret to rotate");
    }

    async fn keys_are_fetched_and_change_without_a_gap(app) with |settings| {
        settings.outbound.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    }; {
        let remote = Remote::start().await;
        let (old, new) = (Signer::new(Algorithm::ES256, "old"), Signer::new(Algorithm::EdDSA, "new"));
        // A set may hold keys that nobody here knows.
        let strange = json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "strange" });
        remote.give(&json!({ "keys": [strange, old.public()] }), "cache-control: max-age=3600\r\n");
        app.add_key_client("service", &json!({ "jwks_uri": remote.at("/jwks") })).await;
        assert_eq!(asserted(&app, &old.sign(&app.assertion("service", "1"))).await, "200");
        assert_eq!(asserted(&app, &old.sign(&app.assertion("service", "2"))).await, "200");
        assert_eq!(remote.asked().len(), 1);
        remote.give(&json!({ "keys": [old.public(), new.public()] }), "cache-control: max-age=3600\r\n");
        app.clock.advance(SECOND * 10);
        assert_eq!(asserted(&app, &new.sign(&app.assertion("service", "3"))).await, "200");
        assert_eq!(remote.asked().len(), 2, "an unknown key has the set fetched anew");
        let stranger = Signer::new(Algorithm::ES256, "stranger");
        for jti in ["4", "5", "6"] {
            assert_eq!(asserted(&app, &stranger.sign(&app.assertion("service", jti))).await, "401 invalid_client");
        }
        assert_eq!(remote.asked().len(), 2, "but not again and again");
        // Without a kid, every key that fits is tried.
        let header = Header { kid: None, ..new.header() };
        assert_eq!(asserted(&app, &new.sign_under(&header, &app.assertion("service", "7"))).await, "200");
        let private = changed(&old.public(), &json!({ "d": "AA" }));
        for (number, document) in [json!({}), json!({ "keys": 1 }), json!([]), json!({ "keys": [private] })].iter().enumerate() {
            remote.give(document, "");
            app.clock.advance(MINUTE * 61);
            assert_eq!(asserted(&app, &old.sign(&app.assertion("service", &format!("bad {number}")))).await, "401 invalid_client", "{document}");
        }
    }

    async fn keys_at_a_private_address_are_not_fetched(app) {
        let remote = Remote::start().await;
        let signer = Signer::new(Algorithm::ES256, "k1");
        remote.give(&signer.jwks(), "");
        app.add_key_client("service", &json!({ "jwks_uri": remote.at("/jwks") })).await;
        assert_eq!(asserted(&app, &signer.sign(&app.assertion("service", "1"))).await, "401 invalid_client");
        assert_eq!(remote.asked(), [""; 0]);
    }

    async fn what_expired_is_forgotten(app) {
        let signer = Signer::new(Algorithm::ES256, "k1");
        app.add_key_client("service", &json!({ "jwks": signer.jwks() })).await;
        assert_eq!(asserted(&app, &signer.sign(&app.assertion("service", "1"))).await, "200");
        app.clock.advance(SECOND * 89);
        janitor::tidy(&app.core, 100, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM client_assertions").await, 1);
        app.clock.advance(SECOND);
        janitor::tidy(&app.core, 100, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM client_assertions").await, 0);
    }
}

both_databases! {
    async fn no_replica_takes_an_assertion_again(store, url) {
        let clock = TestClock::new();
        let (one, stop_one) = start(store, &url, clock.clone(), same_issuer).await;
        let (other, stop_other) = start(store, &url, clock.clone(), same_issuer).await;
        let signer = Signer::new(Algorithm::ES256, "k1");
        one.add_key_client("service", &json!({ "jwks": signer.jwks() })).await;
        one.add_key_client("neighbour", &json!({ "jwks": signer.jwks() })).await;
        let jwt = signer.sign(&one.assertion("service", "once"));
        let together: Vec<String> = futures_util::future::join_all(
            [&one, &other, &one, &other].map(|app| asserted(app, &jwt)),
        )
        .await;
        assert_eq!(together.iter().filter(|code| *code == "200").count(), 1, "{together:?}");
        assert_eq!(together.iter().filter(|code| *code == "401 invalid_client").count(), 3, "{together:?}");
        // Another client's jti is another.
        assert_eq!(asserted(&other, &signer.sign(&other.assertion("neighbour", "once"))).await, "200");
        stop_one.end().await;
        stop_other.end().await;
    }
}

#[test]
fn metadata_that_contradicts_itself_is_refused() {
    let keys = Signer::new(Algorithm::ES256, "k1").jwks();
    let confidential = ClientKind::Confidential(Vec::new());
    let check = |metadata: Value, kind: &ClientKind| {
        let metadata: heirloom::domain::client::ClientMetadata =
            serde_json::from_value(metadata).map_err(|it| it.to_string())?;
        metadata.check(kind).map_err(|it| it.to_string())
    };
    let method = |method: &str| json!({ "token_endpoint_auth_method": method });
    for (metadata, kind) in [
        (method("private_key_jwt"), &confidential),
        (json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [] } }), &confidential),
        (json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": keys }), &ClientKind::Public),
        (json!({ "jwks": keys, "jwks_uri": "https://app.example/jwks" }), &confidential),
        (method("client_secret_basic"), &ClientKind::Public),
        (method("none"), &confidential),
        (method("client_secret_jwt"), &confidential),
        (json!({ "jwks": { "keys": [{ "kty": "oct", "k": "AA" }] } }), &confidential),
        (json!({ "jwks": { "keys": [{ "kid": "1" }] } }), &confidential),
        (json!({ "jwks_uri": "ftp://app.example/jwks" }), &confidential),
        (json!({ "token_endpoint_auth_signing_alg": "none" }), &confidential),
        (json!({ "token_endpoint_auth_signing_alg": "HS256" }), &confidential),
    ] {
        assert!(check(metadata.clone(), kind).is_err(), "{metadata}");
    }
    for (metadata, kind) in [
        (json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": keys }), &confidential),
        (method("client_secret_post"), &confidential),
        (method("none"), &ClientKind::Public),
        (json!({ "jwks_uri": "https://app.example/jwks" }), &ClientKind::Public),
    ] {
        assert_eq!(check(metadata.clone(), kind), Ok(()), "{metadata}");
    }
}
