//! Clients that prove themselves with a certificate, and tokens that are bound to one (mutual TLS, RFC 8705), as a
//! proxy that is trusted tells of it (RFC 9440).

use heirloom::domain::client::{AuthMethod, Client, ClientMetadata, GrantType, Party};
use heirloom::domain::registration::Mode;
use heirloom_verifier::{ClientCertificate, Presented, Verifier};
use rcgen::{KeyPair, SanType};
use reqwest::Method;
use serde_json::{Value, json};

use crate::browser::*;
use crate::certificates::*;
use crate::harness::*;
use crate::remote::Remote;

pub const NOT_PROVED: &str = "401 invalid_client The client is unknown, or its authentication failed.";
pub const NO_CERTIFICATE: &str = "400 invalid_request This client's tokens are bound to its certificate, and the request came without \
     one that is good now.";
const INVALID: &str = "401 invalid_token The access token is invalid or expired.";

/// The client's keys, and that it proves itself with a certificate of one of them.
pub fn self_signed(it: &mut Client, keys: &[Value]) {
    it.metadata.token_endpoint_auth_method = Some(AuthMethod::SelfSignedTlsClientAuth);
    it.metadata.jwks = Some(json!({ "keys": keys }).try_into().unwrap());
    it.metadata.tls_client_certificate_bound_access_tokens = true;
}

/// A client where people sign in, and which proves itself so.
pub fn web_of(holder: &Holder) -> impl FnOnce(&mut Client) {
    robot(|it| {
        self_signed(it, &[holder.jwk()]);
        it.party = Party::First;
        it.redirect_uris = vec![REDIRECT_URI.to_owned()];
        it.grants = [GrantType::AuthorizationCode, GrantType::RefreshToken].into();
        it.scopes = "openid profile".parse().unwrap();
    })
}

/// RFC 8705 §3: a bearer token that says to which certificate it is bound.
#[track_caller]
pub fn bound_to(answer: &Answer, holder: &Holder) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.text("token_type"), "Bearer");
    let token = answer.text("access_token").to_owned();
    assert_eq!(claims(&token)["cnf"], json!({ "x5t#S256": holder.thumbprint() }));
    token
}

/// A client's metadata, all of whose certificates an authority vouches for.
pub fn vouched(members: &Value) -> ClientMetadata {
    let mut all = json!({ "token_endpoint_auth_method": "tls_client_auth" });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

both_stores! {
    async fn a_client_proves_itself_with_a_certificate_of_its_key(app) with behind_a_proxy; {
        let (one, other) = (Holder::new(), Holder::new());
        app.add_client("robot", robot(|it| self_signed(it, &[other.jwk(), one.jwk()]))).await;
        for holder in [&one, &other] {
            bound_to(&app.own_token_showing("robot", holder).await, holder);
        }
        // RFC 8705 §2.2: a new certificate of the same key needs no new registration, but where that one is registered.
        let [old, new] = Holder::renewed();
        app.add_client("by-key", robot(|it| self_signed(it, &[old.jwk()]))).await;
        app.add_client("by-certificate", robot(|it| self_signed(it, &[old.jwk_with_certificate()]))).await;
        bound_to(&app.own_token_showing("by-key", &new).await, &new);
        bound_to(&app.own_token_showing("by-certificate", &old).await, &old);
        assert_eq!(app.own_token_showing("by-certificate", &new).await.refusal(), NOT_PROVED);
        // Without the member its tokens are bound to nothing.
        app.add_client("unbound", robot(|it| {
            self_signed(it, &[one.jwk()]);
            it.metadata.tls_client_certificate_bound_access_tokens = false;
        })).await;
        let token = app.own_token_showing("unbound", &one).await;
        assert_eq!(claims(token.text("access_token"))["cnf"], Value::Null);
    }

    async fn a_clients_keys_may_stand_elsewhere_and_change(app) with |settings| {
        behind_a_proxy(settings);
        settings.outbound.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    }; {
        let (remote, old, new) = (Remote::start().await, Holder::new(), Holder::new());
        app.add_client("robot", robot(|it| {
            it.metadata.token_endpoint_auth_method = Some(AuthMethod::SelfSignedTlsClientAuth);
            it.metadata.jwks_uri = Some(remote.at("/keys").try_into().unwrap());
        })).await;
        remote.answer("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(app.own_token_showing("robot", &old).await.code(), "503 temporarily_unavailable");
        app.clock.advance(MINUTE);
        remote.give(&json!({ "keys": [old.jwk()] }), "");
        assert_eq!(app.own_token_showing("robot", &old).await.status, 200);
        assert_eq!(app.own_token_showing("robot", &new).await.refusal(), NOT_PROVED);
        app.clock.advance(MINUTE);
        remote.give(&json!({ "keys": [new.jwk()] }), "");
        assert_eq!(app.own_token_showing("robot", &new).await.status, 200);
    }

    async fn a_client_proves_itself_with_a_certificate_that_an_authority_vouches_for(app) with behind_a_proxy; {
        let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
        let uri = |name: &str| SanType::URI(name.try_into().unwrap());
        let email = |name: &str| SanType::Rfc822Name(name.try_into().unwrap());
        let ip = |name: &str| SanType::IpAddress(name.parse().unwrap());
        let rows: [(Value, &[SanType], Option<SanType>); 6] = [
            (json!({ "tls_client_auth_subject_dn": "CN=robot,O=Example Ltd" }), &[], None),
            (json!({ "tls_client_auth_san_dns": "robot.example" }), &[dns("other.example"), dns("Robot.EXAMPLE")], Some(dns("robot.example.org"))),
            (json!({ "tls_client_auth_san_uri": "spiffe://example/robot" }), &[uri("spiffe://example/robot")], Some(uri("spiffe://example/Robot"))),
            (json!({ "tls_client_auth_san_email": "robot@mail.example" }), &[email("robot@mail.example")], Some(dns("robot@mail.example"))),
            (json!({ "tls_client_auth_san_ip": "192.0.2.7" }), &[ip("192.0.2.7")], Some(ip("192.0.2.8"))),
            (json!({ "tls_client_auth_san_ip": "2001:db8::7" }), &[ip("2001:db8::7")], Some(ip("2001:db8::8"))),
        ];
        for (number, (members, names, wrong)) in rows.into_iter().enumerate() {
            let client = format!("robot-{number}");
            app.add_client(&client, robot(|it| it.metadata = vouched(&members))).await;
            let good = client_authority().vouch(|it| it.subject_alt_names = names.to_vec());
            let answer = app.own_token_showing(&client, &good).await;
            assert_eq!(answer.status, 200, "{members}: {answer:?}");
            // Another name, no name, or the name without anybody who vouches for it.
            let other = client_authority().vouch(|it| {
                it.distinguished_name = named("other");
                it.subject_alt_names = wrong.into_iter().collect();
            });
            let own = Holder::of(&KeyPair::generate().unwrap(), |it| it.subject_alt_names = names.to_vec());
            let strange = ClientAuthority::new().vouch(|it| it.subject_alt_names = names.to_vec());
            for holder in [&other, &own, &strange] {
                assert_eq!(app.own_token_showing(&client, holder).await.refusal(), NOT_PROVED, "{members}");
            }
        }
    }

    async fn a_login_is_bound_to_its_clients_certificate_at_each_refresh(app) with behind_a_proxy; {
        let [old, new] = Holder::renewed();
        app.with_apps().await;
        app.add_client("web", web_of(&old)).await;
        let code = Browser::new(&app).ana_signs_in(&[("client_id", "web")]).await;
        let exchange = code_exchange(&code, &[("client_id", "web")]);
        // RFC 6749 §4.1.3: what is refused uses no code.
        let without = app.form("/oauth/token", &exchange).await;
        let wrong = app.form_showing("/oauth/token", &Holder::new(), &exchange).await;
        assert_eq!([without.refusal(), wrong.refusal()], [NOT_PROVED, NOT_PROVED]);
        let answer = app.form_showing("/oauth/token", &old, &exchange).await;
        let token = bound_to(&answer, &old);
        app.clock.advance(SECOND);
        let refresh = [("grant_type", "refresh_token"), ("client_id", "web"), ("refresh_token", answer.text("refresh_token"))];
        let before = app.last_write().await;
        assert_eq!(app.form("/oauth/token", &refresh).await.refusal(), NOT_PROVED);
        assert_eq!(app.form_showing("/oauth/token", &Holder::new(), &refresh).await.refusal(), NOT_PROVED);
        assert_eq!((app.last_write().await, app.told("family.")), (before, 0), "nothing was written");
        // Each is what that request is given: other content never shares a name.
        let answers = [app.form_showing("/oauth/token", &old, &refresh).await, app.form_showing("/oauth/token", &new, &refresh).await];
        let [first, second] = [bound_to(&answers[0], &old), bound_to(&answers[1], &new)].map(|it| claims(&it));
        assert_eq!(answers[0].text("refresh_token"), answers[1].text("refresh_token"));
        assert!(first["jti"] != second["jti"] && first["iat"] == second["iat"]);
        // RFC 8705 §3: where it is shown.
        for method in [Method::GET, Method::POST] {
            let shown = |holder| app.shown(holder, method.clone(), "/oauth/userinfo").bearer_auth(&token);
            assert_eq!(app.send(shown(&old)).await.status, 200);
            for holder in [&new, &Holder::new()] {
                assert_eq!(app.send(shown(holder)).await.refusal(), INVALID, "another certificate, of the same key or not");
            }
        }
        assert_eq!(app.get("/oauth/userinfo", &token).await.refusal(), INVALID);
        let posted = [("access_token", token.as_str())];
        assert_eq!(app.form("/oauth/userinfo", &posted).await.refusal(), INVALID);
        assert_eq!(app.form_showing("/oauth/userinfo", &old, &posted).await.status, 200);
        // RFC 8705 §3.2.
        let look = [("client_id", "web"), ("token", token.as_str())];
        let seen = app.form_showing("/oauth/introspect", &old, &look).await;
        assert_eq!((&seen.json["token_type"], &seen.json["cnf"]), (&json!("Bearer"), &json!({ "x5t#S256": old.thumbprint() })));
        assert_eq!(app.form("/oauth/introspect", &look).await.refusal(), NOT_PROVED);
        // RFC 7009: only who proves itself ends the login by an access token.
        assert_eq!(app.form("/oauth/revoke", &look).await.refusal(), NOT_PROVED);
        assert_eq!(app.live_families().await, 1);
        assert_eq!(app.form_showing("/oauth/revoke", &new, &look).await.status, 200);
        assert_eq!(app.live_families().await, 0);
    }

    async fn a_public_clients_access_tokens_are_bound_too_and_prove_nothing_of_it(app) with behind_a_proxy; {
        app.add_user("ana").await;
        app.add_client("script", |it| it.metadata.tls_client_certificate_bound_access_tokens = true).await;
        let (holder, thief) = (Holder::new(), Holder::new());
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": "script" });
        assert_eq!(app.post("/login", &login).await.refusal(), NO_CERTIFICATE);
        assert_eq!(app.told("login."), 0, "no password was looked at");
        let answer = app.send(app.shown(&holder, Method::POST, "/login").json(&login)).await;
        let token = bound_to(&answer, &holder);
        for (holder, told) in [(&holder, "200"), (&thief, INVALID)] {
            let seen = app.send(app.shown(holder, Method::GET, "/sessions").bearer_auth(&token)).await;
            assert!(told.starts_with(seen.status.as_str()), "{seen:?}");
        }
        assert_eq!(app.get("/sessions", &token).await.refusal(), INVALID);
        let refresh = json!({ "refresh_token": answer.text("refresh_token"), "client_id": "script" });
        app.clock.advance(SECOND);
        let before = app.last_write().await;
        assert_eq!(app.post("/refresh", &refresh).await.refusal(), NO_CERTIFICATE);
        assert_eq!(app.last_write().await, before, "nothing was consumed");
        bound_to(&app.send(app.shown(&holder, Method::POST, "/refresh").json(&refresh)).await, &holder);
        // RFC 7009: anybody's certificate ends no login that is not theirs.
        let revoke = [("client_id", "script"), ("token", token.as_str())];
        assert_eq!(app.form_showing("/oauth/revoke", &thief, &revoke).await.status, 200);
        assert_eq!(app.live_families().await, 1);
    }

    async fn services_that_verify_offline_want_the_same_certificate(app) with behind_a_proxy; {
        let (holder, thief) = (Holder::new(), Holder::new());
        app.add_client("robot", robot(|it| self_signed(it, &[holder.jwk()]))).await;
        let token = bound_to(&app.own_token_showing("robot", &holder).await, &holder);
        let issuer = app.core.issuer.as_str();
        let builder = Verifier::builder(issuer).audience(issuer).jwks_url(app.at("/.well-known/jwks.json"));
        let verifier = builder.build().await.unwrap();
        let certificate = |holder: &Holder| ClientCertificate::from_der(&holder.der);
        let (own, others) = (certificate(&holder), certificate(&thief));
        let access = verifier.verify_presented(&Presented::bearer(&token).with_certificate(&own)).await.unwrap();
        assert_eq!(access.confirmation.as_ref().unwrap().certificate_thumbprint, Some(holder.thumbprint()));
        assert!(verifier.verify_presented(&Presented::bearer(&token).with_certificate(&others)).await.is_err());
        assert!(verifier.verify_presented(&Presented::bearer(&token)).await.is_err());
        assert!(verifier.verify(&token).await.is_err());
    }

    async fn clients_register_themselves_for_mutual_tls(app) with |settings| {
        behind_a_proxy(settings);
        settings.registration.mode = Mode::Open;
    }; {
        let holder = Holder::new();
        let register = async |changes: Value| {
            let mut members = json!({ "redirect_uris": [REDIRECT_URI], "tls_client_certificate_bound_access_tokens": true });
            members.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            app.post("/oauth/register", &members).await
        };
        let keys = json!({ "keys": [holder.jwk()] });
        let made = register(json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": keys })).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(made.json["tls_client_certificate_bound_access_tokens"], true);
        assert!(made.json.get("client_secret").is_none());
        let subject = json!({ "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=robot,O=Example Ltd" });
        let made = register(subject.clone()).await;
        assert_eq!((made.status.as_u16(), made.text("tls_client_auth_subject_dn")), (201, "CN=robot,O=Example Ltd"));
        let pushed = [("client_id", made.text("client_id")), ("response_type", "code"), ("redirect_uri", REDIRECT_URI), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
        let good = client_authority().vouch(|_| {});
        assert_eq!(app.form_showing("/oauth/par", &good, &pushed).await.status, 201);
        assert_eq!(app.form_showing("/oauth/par", &holder, &pushed).await.refusal(), NOT_PROVED);
        for (what, changes) in [
            ("RFC 8705 §2.2: no keys", json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth" })),
            ("RFC 8705 §2.1: no name", json!({ "token_endpoint_auth_method": "tls_client_auth" })),
            ("RFC 8705 §2.1.2: two names", json!({ "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "a.example", "tls_client_auth_san_uri": "https://a.example" })),
            ("RFC 8705 §2.1.2: a name without the method", json!({ "tls_client_auth_san_dns": "a.example" })),
            ("RFC 4514", json!({ "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "robot" })),
            ("no address", json!({ "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_ip": "robot" })),
        ] {
            assert_eq!(register(changes).await.code(), "400 invalid_client_metadata", "{what}");
        }
        let told = app.get("/.well-known/oauth-authorization-server", "").await.json;
        let methods = json!(["none", "client_secret_basic", "client_secret_post", "private_key_jwt", "self_signed_tls_client_auth", "tls_client_auth"]);
        assert_eq!(told["token_endpoint_auth_methods_supported"], methods);
        assert_eq!(told["tls_client_certificate_bound_access_tokens"], true);
    }
}
