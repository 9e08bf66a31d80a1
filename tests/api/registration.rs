//! Clients that register themselves (RFC 7591), and look after their registration (RFC 7592).

use std::time::Duration;

use heirloom::domain::client::CodeProtection;
use heirloom::domain::opaque::OpaqueSecret;
use heirloom::domain::registration::Mode;
use heirloom::service::admin::{janitor, registration_tokens};
use heirloom::settings::Settings;
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;

const TOOL: &str = "https://tools.example/mcp";

pub fn open(settings: &mut Settings) {
    settings.registration.mode = Mode::Open;
    settings.registration.audiences = vec![TOOL.parse().unwrap()];
}

fn by_token(settings: &mut Settings) {
    settings.registration.mode = Mode::InitialAccessToken;
}

/// What a tool on somebody's machine registers.
pub fn tool() -> Value {
    json!({
        "client_name": "The Tool",
        "redirect_uris": ["http://127.0.0.1/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
        "client_uri": "https://tool.example",
        "initiate_login_uri": "https://tool.example/login",
        "contacts": ["ana@tool.example"],
        "a_member_of_the_future": { "x": 1 },
    })
}

/// What a web application registers: no more than it must.
pub fn web_app() -> Value {
    json!({ "redirect_uris": [REDIRECT_URI], "scope": "openid profile" })
}

impl TestApp {
    pub async fn register(&self, members: &Value) -> Answer {
        self.post("/oauth/register", members).await
    }

    async fn register_with(&self, token: &str, members: &Value) -> Answer {
        self.send(self.http.post(self.at("/oauth/register")).bearer_auth(token).json(members)).await
    }

    async fn initial_access_token(&self, uses_left: i64, lasts: Duration) -> String {
        let made = registration_tokens::add(&self.core, uses_left, lasts, self.clock.now()).await;
        made.unwrap().1.expose().to_owned()
    }

    /// Reads, changes or removes a registration, as its own answer says where and with what.
    pub async fn manage(&self, method: &str, registered: &Answer, body: Option<&Value>) -> Answer {
        let place = registered.text("registration_client_uri");
        let request = self.http.request(method.parse().unwrap(), place);
        let request = request.bearer_auth(registered.text("registration_access_token"));
        self.send(body.into_iter().fold(request, reqwest::RequestBuilder::json)).await
    }
}

/// The registration as it is sent back to be changed (RFC 7592 §2.2).
pub fn to_be_changed(registered: &Answer, changes: &Value) -> Value {
    let mut members = registered.json.as_object().unwrap().clone();
    for name in [
        "registration_access_token",
        "registration_client_uri",
        "client_secret_expires_at",
        "client_id_issued_at",
    ] {
        members.remove(name);
    }
    members.extend(changes.as_object().unwrap().clone());
    Value::Object(members)
}

both_stores! {
    async fn nobody_registers_unless_an_operator_lets_them(app) {
        assert_eq!(app.register(&tool()).await.code(), "404 not_found");
        let place = app.http.get(app.at("/oauth/register/x")).bearer_auth("x");
        assert_eq!(app.send(place).await.code(), "404 not_found");
        let told = app.get("/.well-known/oauth-authorization-server", "").await;
        assert_eq!(told.json["registration_endpoint"], Value::Null);
        assert_eq!(app.number("SELECT COUNT(*) FROM clients").await, 1);
    }

    async fn a_tool_registers_itself_and_signs_a_user_in(app) with open; {
        app.add_user("ana").await;
        let told = app.get("/.well-known/oauth-authorization-server", "").await;
        assert_eq!(told.text("registration_endpoint"), app.at("/oauth/register"));

        let registered = app.register(&tool()).await;
        assert_eq!((registered.status.as_u16(), registered.header("cache-control")), (201, Some("no-store")));
        let mut members = registered.json.as_object().unwrap().clone();
        let id = members.remove("client_id").unwrap().as_str().unwrap().to_owned();
        assert_eq!(members.remove("registration_client_uri").unwrap(), app.at(&format!("/oauth/register/{id}")));
        assert_eq!(members.remove("client_id_issued_at").unwrap(), app.clock.now().timestamp());
        assert!(members.remove("registration_access_token").unwrap().as_str().unwrap().len() > 40);
        // RFC 7591 §3.2.1: all that is registered, no secret for a public client, nothing that means nothing here.
        let expected = json!({
            "client_name": "The Tool", "redirect_uris": ["http://127.0.0.1/cb"], "response_types": ["code"],
            "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
            "application_type": "native", "scope": "email openid profile",
            "client_uri": "https://tool.example", "contacts": ["ana@tool.example"],
            "initiate_login_uri": "https://tool.example/login",
            "id_token_signed_response_alg": "RS256",
        });
        assert_eq!(Value::Object(members), expected);

        // A port that the system chose, as a third party: Ana is asked.
        let redirect_uri = "http://127.0.0.1:51004/cb";
        let scope = ("scope", "openid offline_access");
        let asks = [("client_id", id.as_str()), ("redirect_uri", redirect_uri), ("resource", TOOL), scope];
        let browser = Browser::new(&app);
        let page = browser.authorize(&asks).await;
        let page = browser.sign_in(&page, "ana").await;
        let asked = page.body.replace("&#x2f;", "/");
        assert!(asked.contains("Give The Tool access?") && asked.contains(TOOL), "{asked}");
        let code = browser.decide(&page, "allow").await.code();
        let own = [("client_id", id.as_str()), ("redirect_uri", redirect_uri), ("resource", TOOL)];
        let tokens = app.exchange(&code, &own).await.tokens();
        assert_eq!((&tokens.claims()["aud"], &tokens.claims()["scope"]), (&json!(TOOL), &json!("openid")));
        let refresh = [("grant_type", "refresh_token"), ("client_id", id.as_str()), ("refresh_token", tokens.refresh.as_str())];
        assert_eq!(app.form("/oauth/token", &refresh).await.tokens().generation(), 2);
        // Never with a password.
        let login = json!({ "username": "ana", "password": PASSWORD, "client_id": id });
        assert_eq!(app.post("/login", &login).await.code(), "400 unauthorized_client");
        // RFC 8707 §2: no other service than those that the operator named.
        let elsewhere = [asks[0], asks[1], ("resource", "https://api.example")];
        assert_eq!(browser.authorize(&elsewhere).await.linked().1["error"], "invalid_target");
    }

    async fn a_web_application_gets_a_secret_that_opens_the_token_endpoint(app) with open; {
        app.add_user("ana").await;
        let registered = app.register(&web_app()).await;
        assert_eq!(registered.status, 201);
        assert_eq!(registered.json["client_secret_expires_at"], 0);
        assert_eq!(registered.json["token_endpoint_auth_method"], "client_secret_basic", "RFC 7591 §2: the default");
        assert_eq!(registered.json["grant_types"], json!(["authorization_code"]));
        let (id, secret) = (registered.text("client_id"), registered.text("client_secret"));
        let browser = Browser::new(&app);
        let page = browser.authorize(&[("client_id", id)]).await;
        let page = browser.sign_in(&page, "ana").await;
        let code = browser.decide(&page, "allow").await.code();
        assert_eq!(app.exchange(&code, &[("client_id", id)]).await.code(), "401 invalid_client");
        let tokens = app.exchange(&code, &[("client_id", id), ("client_secret", secret)]).await;
        assert_eq!((tokens.status.as_u16(), &tokens.json["refresh_token"]), (200, &Value::Null), "no such grant");
        let stored = app.number("SELECT COUNT(*) FROM client_secrets").await;
        assert_eq!(stored, 1);
    }

    async fn registered_clients_use_pkce_unless_an_operator_lets_those_that_authenticate_go_without(app) with |settings| {
        open(settings);
        settings.registration.code_protection = CodeProtection::PkceOrNonce;
    }; {
        app.add_user("ana").await;
        let public = crate::signer::changed(&web_app(), &json!({ "token_endpoint_auth_method": "none" }));
        let (web, public) = (app.register(&web_app()).await, app.register(&public).await);
        let bare = [("code_challenge", ""), ("code_challenge_method", "")];
        let browser = Browser::new(&app);
        for (client, nonce) in [(&public, "n"), (&web, "")] {
            let asks = [bare[0], bare[1], ("client_id", client.text("client_id")), ("nonce", nonce)];
            assert_eq!(browser.authorize(&asks).await.linked().1["error"], "invalid_request", "OAuth 2.1 §4.1.1");
        }
        let own = [("client_id", web.text("client_id")), ("client_secret", web.text("client_secret"))];
        let page = browser.authorize(&[bare[0], bare[1], own[0]]).await;
        let page = browser.sign_in(&page, "ana").await;
        let code = browser.decide(&page, "allow").await.code();
        let tokens = app.exchange(&code, &[own[0], own[1], ("code_verifier", "")]).await;
        assert_eq!(tokens.status, 200, "{tokens:?}");
        // What it changes of its registration changes nothing about that.
        let public = to_be_changed(&web, &json!({ "token_endpoint_auth_method": "none" }));
        assert_eq!(app.manage("PUT", &web, Some(&public)).await.status, 200);
        app.clock.advance(SECOND * 5);
        assert_eq!(browser.authorize(&[bare[0], bare[1], own[0]]).await.linked().1["error"], "invalid_request");
    }

    async fn a_client_registers_keys_instead_of_a_secret(app) with open; {
        let signer = crate::signer::Signer::new(jsonwebtoken::Algorithm::ES256, "k1");
        let keys = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks() });
        let registered = app.register(&crate::signer::changed(&web_app(), &keys)).await;
        assert_eq!((registered.status.as_u16(), &registered.json["client_secret"]), (201, &Value::Null), "{registered:?}");
        assert_eq!(registered.text("token_endpoint_auth_method"), "private_key_jwt");
        assert_eq!(registered.json["jwks"], signer.jwks());
        let id = registered.text("client_id");
        let grant = [("grant_type", "client_credentials")];
        let jwt = signer.sign(&app.assertion(id, "1"));
        // It is known, and may not do this.
        assert_eq!(app.form_asserted("/oauth/token", &jwt, &grant).await.code(), "400 unauthorized_client");
        assert_eq!(app.form_asserted("/oauth/token", &jwt, &grant).await.code(), "401 invalid_client");
        let secret = to_be_changed(&registered, &json!({ "token_endpoint_auth_method": "client_secret_basic" }));
        assert!(app.manage("PUT", &registered, Some(&secret)).await.text("client_secret").starts_with("hcs_"));
    }

    async fn a_client_is_told_what_its_id_tokens_are_signed_with(app) with |settings| {
        open(settings);
        settings.keys.algorithm = heirloom::domain::signing_algorithm::SigningAlgorithm::Rs256;
    }; {
        app.add_user("ana").await;
        let mut members = web_app();
        members["userinfo_signed_response_alg"] = json!("RS256");
        members["token_endpoint_auth_method"] = json!("none");
        let registered = app.register(&members).await;
        for name in ["id_token_signed_response_alg", "userinfo_signed_response_alg"] {
            assert_eq!(registered.text(name), "RS256", "RFC 7591 §3.2.1: what holds");
        }
        let own = [("client_id", registered.text("client_id"))];
        let browser = Browser::new(&app);
        let page = browser.authorize(&own).await;
        let page = browser.sign_in(&page, "ana").await;
        let code = browser.decide(&page, "allow").await.code();
        let tokens = app.exchange(&code, &own).await;
        assert_eq!(jwt_header(tokens.text("id_token"))["alg"], "RS256");
    }

    async fn what_rfc_7591_refuses(app) with open; {
        let rows: &[(&str, Value, &str)] = &[
            ("§2: redirect_uris", json!({}), "400 invalid_redirect_uri"),
            ("§2: redirect_uris", json!({ "redirect_uris": [] }), "400 invalid_redirect_uri"),
            ("§5: https", json!({ "redirect_uris": ["http://app.example/cb"] }), "400 invalid_redirect_uri"),
            ("§5: scripts", json!({ "redirect_uris": ["javascript:alert(1)"] }), "400 invalid_redirect_uri"),
            ("§2.1: grants", json!({ "redirect_uris": [REDIRECT_URI], "grant_types": ["implicit"] }), "400 invalid_client_metadata"),
            ("§2.1: types", json!({ "redirect_uris": [REDIRECT_URI], "response_types": ["token"] }), "400 invalid_client_metadata"),
            ("§2: method", json!({ "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "magic" }), "400 invalid_client_metadata"),
            ("§2: scope", json!({ "redirect_uris": [REDIRECT_URI], "scope": "admin" }), "400 invalid_client_metadata"),
            ("§2: jwks", json!({ "redirect_uris": [REDIRECT_URI], "jwks": {}, "jwks_uri": "https://a.example" }), "400 invalid_client_metadata"),
            ("§3.1: an object", json!([1]), "400 invalid_request"),
            ("§3.1: an object", json!("text"), "400 invalid_request"),
        ];
        for (section, members, code) in rows {
            let refused = app.register(members).await;
            assert_eq!(refused.code(), *code, "RFC 7591 {section}: {members}");
            assert_eq!(refused.header("cache-control"), Some("no-store"), "RFC 7591 §3.2.2");
        }
        let form = form(app.http.post(app.at("/oauth/register")), &[("redirect_uris", REDIRECT_URI)]);
        assert_eq!(app.send(form).await.code(), "400 invalid_request", "RFC 7591 §3.1: JSON");
        assert_eq!(app.get("/oauth/register", "").await.code(), "405 invalid_request", "RFC 7591 §3.1: POST");
        assert_eq!(app.number("SELECT COUNT(*) FROM clients").await, 1, "nothing was registered");
    }

    async fn an_initial_access_token_registers_as_many_clients_as_it_may(app) with by_token; {
        let token = app.initial_access_token(2, DAY).await;
        let refused = app.register(&tool()).await;
        assert_eq!(refused.code(), "401 invalid_token");
        assert_eq!(refused.header("www-authenticate"), Some(r#"Bearer realm="heirloom""#), "RFC 6750 §3.1");
        for wrong in ["wrong", OpaqueSecret::from_random(&[7; 32]).expose()] {
            let refused = app.register_with(wrong, &tool()).await;
            assert_eq!(refused.code(), "401 invalid_token");
            assert!(refused.header("www-authenticate").unwrap().contains(r#"error="invalid_token""#));
        }
        let bad = app.register_with(&token, &json!({})).await;
        assert_eq!(bad.code(), "400 invalid_redirect_uri", "and it costs nothing");
        let members = tool();
        let all = (0..4).map(|_| app.register_with(&token, &members));
        let all = futures_util::future::join_all(all).await;
        assert_eq!(all.iter().filter(|answer| answer.status == 201).count(), 2, "however many come at once");
        assert_eq!(app.register_with(&token, &tool()).await.code(), "401 invalid_token", "used up");
        let short = app.initial_access_token(1, MINUTE).await;
        app.clock.advance(MINUTE);
        assert_eq!(app.register_with(&short, &tool()).await.code(), "401 invalid_token", "expired");
        assert_eq!(app.number("SELECT COUNT(*) FROM clients").await, 3);
        janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM registration_tokens").await, 0, "good for nothing");
        assert_eq!((app.told("registration_token.added"), app.told("client.changed change=registered_itself")), (2, 2));
    }

    async fn an_initial_access_token_can_be_taken_back(app) with by_token; {
        let (token, secret) = registration_tokens::add(&app.core, 1, DAY, app.clock.now()).await.unwrap();
        assert_eq!(registration_tokens::list(&app.core, None, 9, app.clock.now()).await.unwrap().len(), 1);
        registration_tokens::remove(&app.core, token.id, app.clock.now()).await.unwrap();
        assert!(registration_tokens::remove(&app.core, token.id, app.clock.now()).await.is_err());
        assert_eq!(app.register_with(secret.expose(), &tool()).await.code(), "401 invalid_token");
        assert_eq!(app.told(&format!("registration_token.removed token={}", token.id)), 1);
    }

    async fn open_registration_has_an_hourly_bound_for_each_address(app) with |settings| {
        open(settings);
        settings.registration.per_hour = 2;
        settings.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    }; {
        let from = async |address: &str| {
            let request = app.http.post(app.at("/oauth/register")).header("x-forwarded-for", address);
            app.send(request.json(&tool())).await
        };
        assert_eq!(from("192.0.2.1").await.status, 201);
        assert_eq!(from("192.0.2.1").await.status, 201);
        let refused = from("192.0.2.1").await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, Some("1800")), "RFC 6585 §4");
        assert_eq!(from("192.0.2.2").await.status, 201);
        app.clock.advance(MINUTE * 30);
        assert_eq!(from("192.0.2.1").await.status, 201, "one more by and by");
        assert_eq!(from("192.0.2.1").await.status, 429);
    }

    async fn a_client_that_nobody_signs_in_with_is_forgotten(app) with open; {
        app.add_user("ana").await;
        let (unused, used) = (app.register(&web_app()).await, app.register(&tool()).await);
        let id = used.text("client_id");
        let asks = [("client_id", id), ("redirect_uri", "http://127.0.0.1:1/cb")];
        let browser = Browser::new(&app);
        let page = browser.authorize(&asks).await;
        let page = browser.sign_in(&page, "ana").await;
        browser.decide(&page, "allow").await.code();
        app.clock.advance(DAY * 7 - SECOND);
        janitor::tidy(&app.core, 1, app.clock.now()).await.unwrap();
        assert_eq!(app.manage("GET", &unused, None).await.status, 200);
        app.clock.advance(SECOND);
        janitor::tidy(&app.core, 1, app.clock.now()).await.unwrap();
        assert_eq!(app.manage("GET", &unused, None).await.code(), "401 invalid_token");
        assert_eq!(app.manage("GET", &used, None).await.status, 200);
        assert_eq!(app.number("SELECT COUNT(*) FROM clients").await, 2);
        assert_eq!(app.number("SELECT COUNT(*) FROM client_secrets").await, 0);
    }

    async fn a_client_looks_after_its_registration(app) with open; {
        let registered = app.register(&web_app()).await;
        let (id, secret) = (registered.text("client_id").to_owned(), registered.text("client_secret").to_owned());
        // RFC 7592 §2.1: the same again; the secret is told only once.
        let seen = app.manage("GET", &registered, None).await;
        let mut expected = registered.json.clone();
        expected.as_object_mut().unwrap().remove("client_secret");
        assert_eq!((seen.status.as_u16(), &seen.json), (200, &expected));
        // §2.2: what is left out is left out from then on.
        let other = "https://app.example/other";
        let changes = json!({ "redirect_uris": [other], "client_name": "New", "policy_uri": "https://app.example/p" });
        let seen = app.manage("PUT", &registered, Some(&to_be_changed(&registered, &changes))).await;
        assert_eq!((seen.status.as_u16(), seen.text("client_name")), (200, "New"));
        assert_eq!((&seen.json["redirect_uris"], &seen.json["client_secret"]), (&json!([other]), &Value::Null));
        let bare = json!({ "client_id": id, "client_secret": secret, "redirect_uris": [other], "client_name": null });
        let seen = app.manage("PUT", &registered, Some(&bare)).await;
        assert_eq!((seen.status.as_u16(), &seen.json["client_name"], &seen.json["policy_uri"]), (200, &Value::Null, &Value::Null));
        assert_eq!(seen.text("scope"), "email openid profile", "RFC 7591 §2: the usual");
        app.clock.advance(SECOND * 2);
        let browser = Browser::new(&app);
        assert_eq!(browser.authorize(&[("client_id", &id)]).await.status, 400, "the old place is none any more");
        assert_eq!(browser.authorize(&[("client_id", &id), ("redirect_uri", other)]).await.status, 200);
        // A client that becomes public loses its secret; one that is confidential again gets another.
        let public = to_be_changed(&seen, &json!({ "token_endpoint_auth_method": "none" }));
        let public = app.manage("PUT", &registered, Some(&public)).await;
        assert_eq!((public.status.as_u16(), &public.json["client_secret_expires_at"]), (200, &Value::Null));
        assert_eq!(app.number("SELECT COUNT(*) FROM client_secrets").await, 0);
        let again = to_be_changed(&public, &json!({ "token_endpoint_auth_method": "client_secret_post" }));
        let again = app.manage("PUT", &registered, Some(&again)).await;
        assert!(again.text("client_secret") != secret);
        assert_eq!(app.told("client.changed change=updated_itself"), 4);
    }

    async fn a_client_that_removes_itself_takes_its_logins_along(app) with open; {
        app.add_user("ana").await;
        let registered = app.register(&tool()).await;
        let id = registered.text("client_id");
        let own = [("client_id", id), ("redirect_uri", "http://127.0.0.1:1/cb")];
        let browser = Browser::new(&app);
        let page = browser.authorize(&own).await;
        let page = browser.sign_in(&page, "ana").await;
        let code = browser.decide(&page, "allow").await.code();
        let tokens = app.exchange(&code, &own).await.tokens();
        let removed = app.manage("DELETE", &registered, None).await;
        assert_eq!((removed.status.as_u16(), removed.json), (204, Value::Null), "RFC 7592 §2.3");
        assert_eq!(app.live_families().await, 0);
        app.clock.advance(SECOND * 2);
        let refresh = [("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", tokens.refresh.as_str())];
        assert_eq!(app.form("/oauth/token", &refresh).await.code(), "401 invalid_client");
        assert_eq!(app.manage("GET", &registered, None).await.code(), "401 invalid_token", "RFC 7592 §2.1: unknown");
        assert_eq!(app.manage("DELETE", &registered, None).await.code(), "401 invalid_token");
        assert_eq!(app.told(&format!("client.changed change=removed_itself client={id}")), 1);
        assert_eq!(app.told(&format!("family.ended client={id}")), 1);
    }

    async fn what_rfc_7592_refuses(app) with open; {
        let registered = app.register(&web_app()).await;
        let other = app.register(&web_app()).await;
        let place = registered.text("registration_client_uri").to_owned();
        let foreign = other.text("registration_access_token").to_owned();
        for method in ["GET", "PUT", "DELETE"] {
            let request = || app.http.request(method.parse().unwrap(), &place).json(&web_app());
            assert_eq!(app.send(request()).await.code(), "401 invalid_token", "§1.2: no token: {method}");
            for (section, token) in [("§2: another client's token", foreign.as_str()), ("§2: rubbish", "x")] {
                let refused = app.send(request().bearer_auth(token)).await;
                assert_eq!(refused.code(), "401 invalid_token", "{section}: {method}");
                assert!(refused.header("www-authenticate").unwrap().contains("invalid_token"), "{section}");
            }
        }
        let id = registered.text("client_id").to_owned();
        let rows: &[(&str, Value, &str)] = &[
            ("§2.2: client_id", json!({ "client_id": null }), "400 invalid_client_metadata"),
            ("§2.2: client_id", json!({ "client_id": "heirloom" }), "400 invalid_client_metadata"),
            ("§2.2: its own secret", json!({ "client_secret": "chosen" }), "400 invalid_client_metadata"),
            ("§2.2: its own secret", json!({ "client_secret": 1 }), "400 invalid_client_metadata"),
            ("§2.2: given by the server", json!({ "registration_access_token": "x" }), "400 invalid_client_metadata"),
            ("§2.2: given by the server", json!({ "registration_client_uri": place }), "400 invalid_client_metadata"),
            ("§2.2: given by the server", json!({ "client_secret_expires_at": 0 }), "400 invalid_client_metadata"),
            ("§2.2: given by the server", json!({ "client_id_issued_at": 0 }), "400 invalid_client_metadata"),
            ("§2.2: as RFC 7591", json!({ "redirect_uris": ["http://x.example/"] }), "400 invalid_redirect_uri"),
            ("§2.2: as RFC 7591", json!({ "redirect_uris": null }), "400 invalid_redirect_uri"),
            ("§2.2: as RFC 7591", json!({ "grant_types": ["client_credentials"] }), "400 invalid_client_metadata"),
        ];
        for (section, changes, code) in rows {
            let refused = app.manage("PUT", &registered, Some(&to_be_changed(&registered, changes))).await;
            assert_eq!(refused.code(), *code, "RFC 7592 {section}: {changes}");
        }
        let seen = app.manage("GET", &registered, None).await;
        assert_eq!((seen.text("client_id"), &seen.json["redirect_uris"]), (id.as_str(), &json!([REDIRECT_URI])));
        // A client of the operator's has no registration to look after.
        let built_in = app.http.get(app.at("/oauth/register/heirloom")).bearer_auth(foreign);
        assert_eq!(app.send(built_in).await.code(), "401 invalid_token");
    }

    async fn scripts_of_any_site_may_register_where_registration_is_open(app) with open; {
        let place = app.at("/oauth/register");
        let asks = app.http.request(reqwest::Method::OPTIONS, &place).header("origin", "https://any.example");
        let allowed = app.send(asks.header("access-control-request-method", "POST")).await;
        assert_eq!((allowed.status.as_u16(), allowed.header("access-control-allow-origin")), (204, Some("*")));
        assert_eq!(allowed.header("access-control-allow-headers"), Some("Authorization, Content-Type, DPoP, *"));
        assert_eq!(allowed.header("access-control-allow-credentials"), None);
        let sent = app.http.post(&place).header("origin", "https://any.example").json(&tool());
        assert_eq!(app.send(sent).await.header("access-control-allow-origin"), Some("*"));
    }
}
