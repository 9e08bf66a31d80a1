//! `Idempotency-Key` at what the admin API makes.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use heirloom::crypto::master_key;
use heirloom::service::admin::janitor;
use heirloom::settings::Settings;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::admin_api::Operator;
use crate::database::both_databases;
use crate::harness::*;

const RIGHTS: &str = "heirloom:users.read heirloom:users.write heirloom:clients.read heirloom:clients.write";
const KEY: &str = "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"";
const UNDER_WAY: &str =
    "409 request_under_way The same request is being worked on. Send it again to get its answer.";
const USED: &str = "422 idempotency_key_used Another request came with this Idempotency-Key. Send a key of its own with each.";
const MALFORMED: &str = "400 invalid_request Idempotency-Key is one string of 1 to 255 characters, in quotation \
                         marks (RFC 9651 §3.3.3).";

impl Operator<'_> {
    async fn posts(&self, path: &str, body: &Value, key: &str) -> Answer {
        self.asks_with(Method::POST, path, Some(body), &[("idempotency-key", key)]).await
    }
}

/// Everything of an answer that is told again.
fn told(answer: &Answer) -> (StatusCode, Value, [Option<String>; 3]) {
    let header = |name| answer.header(name).map(ToOwned::to_owned);
    (answer.status, answer.json.clone(), [header("location"), header("etag"), header("content-type")])
}

both_stores! {
    async fn the_same_request_is_answered_again_and_makes_nothing_more(app) {
        let ops = app.operator(RIGHTS).await;
        let client = json!({ "client_id": "billing", "kind": "confidential", "scope": "read" });
        for (path, body, rows) in [
            ("/users", json!({ "username": "ana", "email": "ana@example.com" }), "users"),
            ("/clients", client, "clients WHERE id = 'billing'"),
            ("/clients/billing/rotate-secret", json!({ "overlap": "1h" }), "client_secrets WHERE client_id = 'billing'"),
            ("/registration-tokens", json!({ "uses": 3 }), "registration_tokens"),
        ] {
            let count = format!("SELECT COUNT(*) FROM {rows}");
            let before = app.number(&count).await;
            let key = format!("\"{path}\"");
            let first = ops.posts(path, &body, &key).await;
            assert!(first.status.is_success(), "{first:?}");
            app.clock.advance(MINUTE);
            let again = ops.posts(path, &body, &key).await;
            assert_eq!(told(&again), told(&first), "{path}");
            assert_eq!(again.header("content-type"), Some("application/json"));
            assert_eq!(app.number(&count).await, before + 1, "{path}");
        }
        // The secret of the answer that was lost is good.
        let client = json!({ "client_id": "billing", "kind": "confidential", "scope": "read" });
        let secret = ops.posts("/clients", &client, "\"/clients\"").await.text("client_secret").to_owned();
        let grant = [("grant_type", "client_credentials")];
        assert_eq!(app.form_as("/oauth/token", ("billing", &secret), &grant).await.status, 200);
        assert_eq!(app.told("user.changed change=added"), 1, "what is told again has not happened again");
        assert_eq!(app.number("SELECT COUNT(*) FROM events WHERE name = 'user.changed' AND fields LIKE '%client ops%'").await, 1);
    }

    async fn without_a_key_each_request_stands_for_itself(app) {
        let ops = app.operator(RIGHTS).await;
        let ana = json!({ "username": "ana" });
        assert_eq!(ops.asks(Method::POST, "/users", Some(&ana)).await.status, 201);
        assert_eq!(ops.asks(Method::POST, "/users", Some(&ana)).await.problem(), "409 conflict");
        assert_eq!(app.number("SELECT COUNT(*) FROM idempotency_keys").await, 0);
    }

    async fn a_key_is_good_for_one_request(app) {
        let ops = app.operator(RIGHTS).await;
        let ana = json!({ "username": "ana" });
        assert_eq!(ops.posts("/users", &ana, KEY).await.status, 201);
        for (path, body) in [
            ("/users", json!({ "username": "bob" })),
            ("/users", json!({ "username": "ana", "roles": [] })),
            ("/users?a=b", ana.clone()),
            ("/registration-tokens", json!({})),
        ] {
            let refused = ops.posts(path, &body, KEY).await;
            assert_eq!(refused.whole_problem(), USED, "{path} {body}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, 1);
        assert_eq!(app.number("SELECT COUNT(*) FROM registration_tokens").await, 0);
        assert_eq!(ops.posts("/users", &ana, KEY).await.status, 201, "and stays so");
    }

    async fn a_key_is_its_senders_own(app) {
        let ops = app.operator(RIGHTS).await;
        let ana = json!({ "username": "ana" });
        let first = ops.posts("/users", &ana, KEY).await;
        let secret = app.add_client("other", |it| {
            it.kind = heirloom::domain::client::ClientKind::Confidential(Vec::new());
            it.grants = [heirloom::domain::client::GrantType::ClientCredentials].into();
            it.scopes = RIGHTS.parse().unwrap();
        });
        let secret = secret.await.unwrap().expose().to_owned();
        let grant = [("grant_type", "client_credentials")];
        let token = app.form_as("/oauth/token", ("other", &secret), &grant).await.text("access_token").to_owned();
        let other = app.acting(&token);
        assert_eq!(other.posts("/users", &ana, KEY).await.problem(), "409 conflict", "nobody reads another's answer");
        assert_eq!(other.posts("/users", &json!({ "username": "bob" }), KEY).await.status, 201);
        assert_eq!(told(&ops.posts("/users", &ana, KEY).await), told(&first));
        // Nor does who has lost the right read one's own.
        app.change_scopes("ops", "heirloom:users.read").await;
        assert_eq!(ops.posts("/users", &ana, KEY).await.problem(), "403 insufficient_scope");
    }

    async fn a_malformed_key_is_refused_before_anything_is_done(app) {
        let ops = app.operator(RIGHTS).await;
        let ana = json!({ "username": "ana" });
        let long = format!("\"{}\"", "x".repeat(256));
        for key in ["", "abc", "\"abc", "\"\"", "'abc'", "abc\"", "12", "?1", ":YWJj:", "(\"a\" \"b\")", "\"a\", \"b\"", "\"a\";", &long] {
            assert_eq!(ops.posts("/users", &ana, key).await.whole_problem(), MALFORMED, "{key}");
        }
        let twice = ops.asks_with(Method::POST, "/users", Some(&ana), &[("idempotency-key", "\"a\""), ("idempotency-key", "\"a\"")]);
        assert_eq!(twice.await.whole_problem(), MALFORMED);
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, 0);
        assert_eq!(app.number("SELECT COUNT(*) FROM idempotency_keys").await, 0);
        let longest = format!("  \"{}\";a=1  ", "\\\"".repeat(255));
        assert_eq!(ops.posts("/users", &ana, &longest).await.status, 201, "what has parameters is the same text (RFC 9651 §3.3)");
        assert_eq!(ops.posts("/users", &ana, &format!("\"{}\"", "\\\"".repeat(255))).await.status, 201);
    }

    async fn a_request_that_is_refused_leaves_its_key_free(app) {
        let ops = app.operator(RIGHTS).await;
        app.add_user("ana").await;
        let ana = json!({ "username": "ana" });
        assert_eq!(ops.posts("/users", &ana, KEY).await.problem(), "409 conflict");
        assert_eq!(ops.posts("/users", &json!({ "username": "" }), KEY).await.problem(), "400 invalid_request");
        assert_eq!(app.number("SELECT COUNT(*) FROM idempotency_keys").await, 0);
        let id = app.ana().await;
        ops.asks(Method::DELETE, &format!("/users/{id}"), None).await;
        assert_eq!(ops.posts("/users", &ana, KEY).await.status, 201, "it is judged anew");
    }

    async fn of_twenty_at_once_one_makes_it(app) {
        let ops = app.operator(RIGHTS).await;
        for round in 0..5 {
            let (name, key) = (format!("ana{round}"), format!("\"key {round}\""));
            let slow = json!({ "username": name, "password": PASSWORD });
            let ana = if round % 2 == 0 { slow } else { json!({ "username": name }) };
            let answers = join_all((0..20).map(|_| ops.posts("/users", &ana, &key))).await;
            let made: BTreeSet<String> =
                answers.iter().filter(|it| it.status == 201).map(|it| format!("{:?}", told(it))).collect();
            assert_eq!(made.len(), 1, "{answers:?}");
            for other in answers.iter().filter(|it| it.status != 201) {
                assert_eq!(other.whole_problem(), UNDER_WAY);
                assert_eq!(other.header("retry-after"), Some("1"));
            }
            assert_eq!(app.number(&format!("SELECT COUNT(*) FROM users WHERE username = '{name}'")).await, 1);
            let after = ops.posts("/users", &ana, &key).await;
            assert_eq!(made.first().unwrap(), &format!("{:?}", told(&after)));
        }
        let none = json!({});
        let tokens = join_all((0..20).map(|_| ops.posts("/registration-tokens", &none, "\"token\""))).await;
        assert!(tokens.iter().any(|it| it.status == 201));
        assert_eq!(app.number("SELECT COUNT(*) FROM registration_tokens").await, 1, "nothing else would tell two apart");
    }

    async fn an_unfinished_request_holds_its_key_for_a_while_only(app) {
        let ops = app.operator(RIGHTS).await;
        let ana = json!({ "username": "ana" });
        // Whoever carried it out was killed before it was done: the claim is there, the user is not.
        assert_eq!(ops.posts("/users", &ana, KEY).await.status, 201);
        app.sql("UPDATE idempotency_keys SET sealed = NULL").await;
        app.sql("DELETE FROM users").await;
        assert_eq!(ops.posts("/users", &ana, KEY).await.whole_problem(), UNDER_WAY);
        assert_eq!(ops.posts("/users", &json!({ "username": "bob" }), KEY).await.whole_problem(), USED);
        app.clock.advance(app.settings.http.request_timeout * 2);
        assert_eq!(ops.posts("/users", &json!({ "username": "bob" }), KEY).await.whole_problem(), USED, "not by another one");
        assert_eq!(ops.posts("/users", &ana, KEY).await.status, 201);
        assert_eq!(ops.posts("/users", &ana, KEY).await.status, 201);
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, 1);
    }

    async fn whoever_comes_too_late_makes_nothing(app) {
        use heirloom::domain::idempotency_key::{IdempotencyKey, fingerprint};
        use heirloom::service::admin::caller::AdminCaller;
        use heirloom::service::admin::once::{Claimed, KeptAnswer, Once, claim};
        use heirloom::service::admin::registration_tokens::{self, NewRegistrationToken};
        let caller = AdminCaller { client: "ops".parse().unwrap(), by: "client ops".to_owned() };
        let key: IdempotencyKey = "a".parse().unwrap();
        let claims = async |now| claim(&app.core, &caller, (&key, fingerprint("POST", "/", b"")), SECOND, now).await.unwrap();
        let began = app.clock.now();
        let Claimed::Ours(slow) = claims(began).await else { panic!("nobody has it") };
        assert!(matches!(claims(began).await, Claimed::UnderWay));
        let Claimed::Ours(quick) = claims(began + SECOND).await else { panic!("its time is over") };
        let answer = |_: &NewRegistrationToken| KeptAnswer { status: 201, location: None, etag: None, body: "{}".to_owned() };
        let late = registration_tokens::add_once(&app.core, 1, DAY, &Once::by(Some(&slow), &answer), began).await;
        assert!(late.unwrap_err().to_string().contains("took so long"));
        assert_eq!(app.number("SELECT COUNT(*) FROM registration_tokens").await, 0);
        assert_eq!(app.told("registration_token.added"), 0, "and nothing has happened");
        registration_tokens::add_once(&app.core, 1, DAY, &Once::by(Some(&quick), &answer), began).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM registration_tokens").await, 1);
        assert!(matches!(claims(began + SECOND).await, Claimed::Answered(_)));
    }

    async fn a_key_is_forgotten_after_a_day(app) {
        let ops = app.operator(RIGHTS).await;
        let ana = json!({ "username": "ana" });
        let first = ops.posts("/users", &ana, KEY).await;
        let almost = DAY - MINUTE;
        app.clock.advance(almost);
        let ops = app.operator_again().await;
        janitor::tidy(&app.core, 100, app.clock.now()).await.unwrap();
        assert_eq!(told(&ops.posts("/users", &ana, KEY).await), told(&first));
        app.clock.advance(MINUTE);
        assert_eq!(ops.posts("/users", &ana, KEY).await.problem(), "409 conflict", "it begins anew");
        app.clock.advance(DAY);
        let ops = app.operator_again().await;
        assert_eq!(ops.posts("/users", &json!({ "username": "bob" }), KEY).await.status, 201, "for whatever request");
        app.clock.advance(DAY);
        janitor::tidy(&app.core, 100, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM idempotency_keys").await, 0);
    }

    async fn no_key_and_no_secret_is_readable_in_the_database(app) {
        let ops = app.operator(RIGHTS).await;
        let client = json!({ "client_id": "billing", "kind": "confidential" });
        let made = ops.posts("/clients", &client, KEY).await;
        let secret = made.text("client_secret");
        for text in [secret, KEY.trim_matches('"'), "billing"] {
            let hex = text.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
            let columns = match app.store {
                Store::Sqlite => "lower(hex(sealed) || hex(key_hash) || hex(request_hash))",
                Store::Postgres => "encode(sealed || key_hash || request_hash, 'hex')",
            };
            let found = format!("SELECT COUNT(*) FROM idempotency_keys WHERE {columns} LIKE '%{hex}%'");
            assert_eq!(app.number(&found).await, 0, "{text}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM idempotency_keys WHERE sealed IS NOT NULL").await, 1);
    }
}

both_databases! {
    async fn an_answer_outlives_the_master_key_that_sealed_it(store, url) {
        let (clock, new) = (TestClock::new(), master_key::generate());
        let keys = |keys: String| {
            move |settings: &mut Settings| {
                settings.issuer = Some("https://login.example.com".parse().unwrap());
                settings.master_key = Some(keys.into());
            }
        };
        let ana = json!({ "username": "ana" });
        let (app, stop) = start(store, &url, clock.clone(), keys(MASTER_KEY.to_owned())).await;
        let first = app.operator(RIGHTS).await.posts("/users", &ana, KEY).await;
        assert_eq!(first.status, 201, "{first:?}");
        stop.end().await;
        let (_, stop) = start(store, &url, clock.clone(), keys(format!("{},{MASTER_KEY}", *new))).await;
        stop.end().await;
        let (app, stop) = start(store, &url, clock.clone(), keys((*new).clone())).await;
        let ops = app.operator_again().await;
        assert_eq!(told(&ops.posts("/users", &ana, KEY).await), told(&first));
        // As if the key that sealed it had been dropped first: this is told, and nothing is made twice.
        app.sql("UPDATE idempotency_keys SET id = attempt").await;
        let lost = ops.posts("/users", &ana, KEY).await;
        assert_eq!(lost.whole_problem(), "409 answer_lost The request was carried out, and its answer is lost. Look for what it has made.");
        stop.end().await;
    }
}
