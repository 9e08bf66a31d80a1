//! `/admin/v1/clients`, registration tokens, and consents.

use reqwest::Method;
use serde_json::{Value, json};

use crate::admin_api::Operator;
use crate::browser::*;
use crate::harness::*;
use crate::registration::tool;

const RIGHTS: &str = "heirloom:clients.read heirloom:clients.write";

impl Operator<'_> {
    async fn registers(&self, client: &Value) -> Answer {
        self.asks(Method::POST, "/clients", Some(client)).await
    }

    async fn changes_client(&self, id: &str, changes: &Value) -> Answer {
        self.asks(Method::PATCH, &format!("/clients/{id}"), Some(changes)).await
    }
}

both_stores! {
    async fn a_client_is_registered_used_changed_and_removed(app) {
        let ops = app.operator(RIGHTS).await;
        let made = ops
            .registers(&json!({
                "client_id": "billing", "kind": "confidential", "grants": ["client_credentials"], "scope": "read write",
                "audiences": ["https://api.example"], "access_ttl": "2m", "metadata": { "client_uri": "https://billing.example" },
            }))
            .await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(made.header("location").unwrap(), app.at("/admin/v1/clients/billing"));
        assert_eq!((&made.json["access_ttl"], &made.json["metadata"]["client_uri"]), (&json!("2m"), &json!("https://billing.example")));
        let secret = made.text("client_secret").to_owned();
        let own = [("grant_type", "client_credentials")];
        let issued = app.form_as("/oauth/token", ("billing", &secret), &own).await;
        assert_eq!((issued.status.as_u16(), &issued.json["expires_in"]), (200, &json!(120)));
        let seen = ops.gets("/clients/billing").await;
        assert_eq!(seen.json["client_secret"], Value::Null, "it is told once");
        let tag = seen.header("etag").unwrap().to_owned();
        assert_eq!(made.header("etag").unwrap(), tag);
        let changed = ops.changes_client("billing", &json!({ "scope": "read", "metadata": { "client_uri": null } })).await;
        assert_eq!((&changed.json["scope"], &changed.json["metadata"]["client_uri"]), (&json!("read"), &Value::Null));
        assert_eq!(changed.json["access_ttl"], "2m", "what is absent stays");
        for method in [Method::PATCH, Method::DELETE] {
            let stale = ops.asks_with(method, "/clients/billing", Some(&json!({ "scope": "write" })), &[("if-match", &tag)]).await;
            assert_eq!(stale.problem(), "412 stale");
        }
        let rotated = ops.asks(Method::POST, "/clients/billing/rotate-secret", Some(&json!({ "overlap": "0s" }))).await;
        let new = rotated.text("client_secret").to_owned();
        app.clock.advance(SECOND * 2);
        assert_eq!(app.form_as("/oauth/token", ("billing", &secret), &own).await.code(), "401 invalid_client");
        assert_eq!(app.form_as("/oauth/token", ("billing", &new), &own).await.status, 200);
        let usual = ops.asks(Method::POST, "/clients/billing/rotate-secret", None).await;
        assert_eq!(usual.status, 200, "a body is not needed");
        assert_eq!(app.form_as("/oauth/token", ("billing", &new), &own).await.status, 200, "it goes on for a day");
        let current = ops.gets("/clients/billing").await.header("etag").unwrap().to_owned();
        let gone = ops.asks_with(Method::DELETE, "/clients/billing", None, &[("if-match", &current)]).await;
        assert_eq!((gone.status.as_u16(), gone.header("heirloom-ended-logins")), (204, Some("0")));
        let removed = "404 not_found The client billing was removed; an id is never given out twice.";
        assert_eq!(ops.gets("/clients/billing").await.whole_problem(), removed);
        assert_eq!(ops.registers(&json!({ "client_id": "billing", "kind": "public" })).await.problem(), "409 conflict");
    }

    async fn of_changes_to_a_client_at_once_none_is_lost(app) {
        let ops = app.operator(RIGHTS).await;
        ops.registers(&json!({ "client_id": "shop", "kind": "public" })).await;
        let changes = [
            json!({ "name": "Shop" }), json!({ "scope": "read" }), json!({ "access_ttl": "1m" }), json!({ "idle_ttl": "1h" }),
            json!({ "audiences": ["https://api.example"] }), json!({ "first_party": true }),
            json!({ "metadata": { "client_uri": "https://shop.example" } }), json!({ "redirect_uris": ["https://shop.example/cb"] }),
        ];
        let done = futures_util::future::join_all(changes.iter().map(|it| ops.changes_client("shop", it))).await;
        assert!(done.iter().all(|it| it.status == 200), "{done:?}");
        let shop = ops.gets("/clients/shop").await.json;
        for (member, value) in [
            ("name", json!("Shop")), ("scope", json!("read")), ("access_ttl", json!("1m")), ("idle_ttl", json!("1h")),
            ("audiences", json!(["https://api.example"])), ("first_party", json!(true)), ("redirect_uris", json!(["https://shop.example/cb"])),
        ] {
            assert_eq!(shop[member], value, "{member}");
        }
        assert_eq!(shop["metadata"]["client_uri"], "https://shop.example");
    }

    async fn clients_are_listed_in_parts_and_found_by_how_they_begin(app) {
        let ops = app.operator(RIGHTS).await;
        for id in ["shop", "shop_2", "shop-1", "Shop", "bank"] {
            ops.registers(&json!({ "client_id": id, "kind": "public" })).await;
        }
        let ids = |items: &[Value]| {
            let mut ids: Vec<_> = items.iter().map(|it| it["client_id"].as_str().unwrap().to_owned()).collect();
            ids.sort();
            ids
        };
        let (all, parts) = ops.reads_all("/clients?limit=3").await;
        assert_eq!((ids(&all), parts), (["Shop", "bank", "heirloom", "ops", "shop", "shop-1", "shop_2"].map(ToOwned::to_owned).to_vec(), 3));
        for (beginning, found) in [("shop", &["shop", "shop-1", "shop_2"][..]), ("shop_", &["shop_2"]), ("b", &["bank"]), ("x", &[])] {
            assert_eq!(ids(&ops.reads_all(&format!("/clients?q={beginning}&limit=2")).await.0), found, "{beginning}");
        }
    }

    async fn a_client_that_cannot_be_is_refused(app) {
        let ops = app.operator(RIGHTS).await;
        ops.registers(&json!({ "client_id": "shop", "kind": "public" })).await;
        for (client, expected) in [
            (json!({ "client_id": "shop", "kind": "public" }), "409 conflict There is or was a client shop; an id is never given out twice."),
            (json!({ "kind": "public" }), "400 invalid_request The JSON object does not fit: missing field `client_id`."),
            (json!({ "client_id": "x" }), "400 invalid_request The JSON object does not fit: missing field `kind`."),
            (json!({ "client_id": "x", "kind": "secret" }), "400 invalid_request The JSON object does not fit: unknown variant `secret`, expected `public` or `confidential`."),
            (json!({ "client_id": "x", "kind": "public", "access_ttl": "soon" }), "400 invalid_request access_ttl: send a duration such as 30s, 15m or 7d."),
            (json!({ "client_id": "x", "kind": "public", "scope": "read,write" }), "400 invalid_request scope: scopes have spaces between them: \"read write\"."),
            (json!({ "client_id": "x", "kind": "public", "grants": ["client_credentials"] }), "400 invalid_request A public client cannot use client_credentials: it does not have a secret to show."),
        ] {
            assert_eq!(ops.registers(&client).await.whole_problem(), expected, "{client}");
        }
        for said in [
            json!({ "colour": "red" }),
            json!({ "grants": ["password"] }),
            json!({ "redirect_uris": ["data:text/html,x"] }),
            json!({ "origins": ["nowhere"] }),
            json!({ "audiences": ["a b"] }),
            json!({ "code_protection": "none" }),
            json!({ "profile": "fapi9" }),
            json!({ "metadata": { "client_uri": 1 } }),
            json!({ "name": "" }),
        ] {
            let mut client = json!({ "client_id": "x", "kind": "public" });
            client.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
            assert_eq!(ops.registers(&client).await.problem(), "400 invalid_request", "{said}");
            assert_eq!(ops.changes_client("shop", &said).await.problem(), "400 invalid_request", "{said}");
        }
        assert_eq!(ops.changes_client("shop", &json!({ "client_id": "other" })).await.problem(), "400 invalid_request");
        assert_eq!(ops.changes_client("nobody", &json!({ "name": "x" })).await.whole_problem(), "404 not_found There is no client nobody.");
        let secretless = ops.asks(Method::POST, "/clients/shop/rotate-secret", None).await;
        assert_eq!(secretless.whole_problem(), "400 invalid_request Shop does not authenticate with a secret.");
        assert_eq!(app.number("SELECT COUNT(*) FROM clients").await, 3);
    }

    async fn a_change_that_may_end_logins_is_asked_for_twice(app) {
        let ops = app.operator(RIGHTS).await;
        app.add_user("ana").await;
        ops.registers(&json!({
            "client_id": "shop", "kind": "public", "first_party": true, "grants": ["refresh_token"],
            "metadata": { "refresh_token_rotation": "never" },
        }))
        .await;
        app.log_in_with("shop", "ana").await;
        let usual = json!({ "metadata": { "refresh_token_rotation": "always" } });
        let refused = ops.changes_client("shop", &usual).await;
        assert_eq!(refused.problem(), "409 conflict");
        assert!(refused.text("detail").starts_with("Live logins of shop: 1;"), "{refused:?}");
        let mut confirmed = usual;
        confirmed["confirmed"] = json!(true);
        assert_eq!(ops.changes_client("shop", &confirmed).await.status, 200);
    }

    async fn a_registration_token_is_made_used_and_removed(app) with |settings| {
        settings.registration.mode = heirloom::domain::registration::Mode::InitialAccessToken;
    }; {
        let ops = app.operator(RIGHTS).await;
        let made = ops.asks(Method::POST, "/registration-tokens", Some(&json!({ "uses": 2, "expires": "1h" }))).await;
        assert_eq!((made.status.as_u16(), &made.json["uses_left"]), (201, &json!(2)));
        let usual = ops.asks(Method::POST, "/registration-tokens", None).await;
        assert_eq!(usual.json["uses_left"], 1);
        let register = app.http.post(app.at("/oauth/register")).bearer_auth(made.text("token")).json(&tool());
        assert_eq!(app.send(register).await.status, 201);
        let (listed, parts) = ops.reads_all("/registration-tokens?limit=1").await;
        assert_eq!((listed.len(), parts), (2, 2));
        let of_id = |id: &str| listed.iter().find(|it| it["id"] == id).unwrap();
        assert_eq!(of_id(made.text("id"))["uses_left"], 1);
        assert!(listed.iter().all(|it| it["token"].is_null()));
        let place = made.header("location").unwrap().rsplit_once("/admin/v1").unwrap().1.to_owned();
        assert_eq!(ops.asks(Method::DELETE, &place, None).await.status, 204);
        assert_eq!(ops.asks(Method::DELETE, &place, None).await.problem(), "404 not_found");
        let register = app.http.post(app.at("/oauth/register")).bearer_auth(made.text("token")).json(&tool());
        assert_eq!(app.send(register).await.status, 401);
        for bad in [json!({ "uses": 0 }), json!({ "uses": 1_000_001 }), json!({ "expires": "0s" }), json!({ "expires": "1000y" }), json!({ "use": 1 })] {
            let refused = ops.asks(Method::POST, "/registration-tokens", Some(&bad)).await;
            assert_eq!(refused.problem(), "400 invalid_request", "{bad}");
        }
        assert_eq!(ops.reads_all("/registration-tokens").await.0.len(), 1);
    }

    async fn a_consent_is_seen_and_withdrawn(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[("client_id", "other")]).await;
        let consent = browser.sign_in(&page, "ana").await;
        let code = browser.decide(&consent, "allow").await.code();
        let tokens = app.exchange(&code, &[("client_id", "other")]).await.tokens();
        let ops = app.operator("heirloom:users.read heirloom:users.write").await;
        let (given, _) = ops.reads_all("/consents?user=ana").await;
        assert_eq!((given.len(), &given[0]["client_id"]), (1, &json!("other")));
        assert_eq!(given[0]["scope"], tokens.claims()["scope"]);
        assert_eq!(ops.gets("/consents").await.whole_problem(), "400 invalid_request Say whose: user.");
        assert_eq!(ops.gets("/consents?user=nobody").await.problem(), "404 not_found");
        assert_eq!(ops.asks(Method::DELETE, "/consents/ana/other", None).await.status, 204);
        let form = [("grant_type", "refresh_token"), ("client_id", "other"), ("refresh_token", &tokens.refresh)];
        assert_eq!(app.form("/oauth/token", &form).await.code(), "400 invalid_grant");
        let again = ops.asks(Method::DELETE, "/consents/ana/other", None).await;
        assert_eq!(again.whole_problem(), "404 not_found The user did not agree to anything of the client other.");
        assert!(ops.reads_all("/consents?user=ana").await.0.is_empty());
    }
}
