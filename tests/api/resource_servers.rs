//! Services that say of their access tokens which scopes they know, how long they live, and whether they tell roles.

use std::time::Duration;

use heirloom::domain::client::{ClientKind, GrantType, Party, TokenExchangePolicy};
use heirloom::domain::lifetimes::InvalidLifetimes;
use heirloom::domain::resource_server::{ResourceServer, RolesInTokens};
use heirloom::domain::signing_algorithm::SigningAlgorithm;
use heirloom::service::admin;
use heirloom::service::admin::error::AdminError;
use heirloom::service::admin::resource_servers::ResourceServerChanges;
use reqwest::Method;
use serde_json::{Value, json};

use crate::algorithms::alg;
use crate::browser::*;
use crate::harness::*;

const ORDERS: &str = "https://orders.example";
const STOCK: &str = "https://stock.example";
const PLAIN: &str = "https://plain.example";

fn server(audience: &str) -> ResourceServer {
    ResourceServer::new(audience.parse().unwrap())
}

/// Says this of an audience, whatever was said before.
async fn set(app: &TestApp, server: &ResourceServer, algorithm: Option<SigningAlgorithm>) {
    let (core, now) = (&app.core, app.clock.now());
    match admin::resource_servers::create(core, server, algorithm, now).await {
        Err(AdminError::ResourceServerTaken(audience)) => {
            let changes = ResourceServerChanges {
                scope: Some(server.scope.clone()),
                access_ttl: Some(server.access_ttl),
                roles: Some(server.roles),
                signing_algorithm: Some(algorithm),
            };
            admin::resource_servers::change_seen(core, &audience, changes, None, now).await.unwrap();
        }
        done => drop(done.unwrap()),
    }
}

/// Two services that say something, one that does not, and apps for all.
async fn services(app: &TestApp) {
    let orders = ResourceServer {
        scope: Some("read orders:write".parse().unwrap()),
        access_ttl: Some(MINUTE * 5),
        roles: RolesInTokens::Always,
        ..server(ORDERS)
    };
    set(app, &orders, None).await;
    let stock = ResourceServer {
        scope: Some("read stock:write".parse().unwrap()),
        access_ttl: Some(MINUTE * 2),
        roles: RolesInTokens::Never,
        ..server(STOCK)
    };
    set(app, &stock, None).await;
    app.add_user("ana").await;
    app.add_app("app", |it| {
        it.party = Party::First;
        it.scopes = "openid profile roles read orders:write stock:write".parse().unwrap();
        it.audiences = [ORDERS, STOCK, PLAIN].map(|audience| audience.parse().unwrap()).to_vec();
        it.grants.insert(GrantType::DeviceCode);
    })
    .await;
}

/// What a token says, as far as services have a word in it.
fn said(access_token: &str) -> Value {
    let claims = claims(access_token);
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    json!([claims["scope"], lifetime, claims["roles"]])
}

async fn refresh(app: &TestApp, token: &str, more: &[(&str, &str)]) -> Answer {
    let usual = [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", token)];
    app.form("/oauth/token", &[&usual[..], more].concat()).await
}

const ALL: (&str, &str) = ("scope", "openid profile read orders:write stock:write");

both_stores! {
    async fn a_token_of_a_login_says_what_suits_its_service(app) {
        services(&app).await;
        let code = Browser::new(&app).ana_signs_in(&[ALL, ("resource", ORDERS)]).await;
        let answer = app.exchange(&code, &[]).await;
        let tokens = answer.tokens();
        assert_eq!(said(&tokens.access), json!(["orders:write read", 300, ["editor"]]), "roles without the scope");
        assert_eq!((&answer.json["scope"], &answer.json["expires_in"]), (&json!("orders:write read"), &json!(300)));
        let id_token = claims(answer.text("id_token"));
        assert_eq!((&id_token["nonce"], &id_token["aud"]), (&json!("n-1"), &json!("app")), "the app may know its user all the same");
        app.clock.advance(MINUTE);
        let next = refresh(&app, &tokens.refresh, &[]).await;
        assert_eq!(said(next.text("access_token")), json!(["orders:write read", 300, ["editor"]]));
        assert_eq!(next.json["expires_in"], 300);
        let again = refresh(&app, &tokens.refresh, &[]).await;
        assert_eq!(claims(again.text("access_token")), claims(next.text("access_token")), "a replay is the same grant");
        assert_eq!(app.told("audience.changed"), 2, "{:?}", app.events());
        assert_eq!(app.told("audience.changed audience=https://orders.example change=settings_added"), 1);
    }

    async fn a_login_for_all_services_has_a_token_for_each(app) {
        services(&app).await;
        let issuer = app.core.issuer.to_string();
        let resources = [ORDERS, STOCK, PLAIN, &issuer].map(|audience| ("resource", audience));
        let scope = ("scope", "openid profile roles read orders:write stock:write");
        let code = Browser::new(&app).ana_signs_in(&[&[scope][..], &resources].concat()).await;
        let all = "openid orders:write profile read roles stock:write";
        let answer = app.exchange(&code, &[("resource", &issuer)]).await;
        let mut tokens = answer.tokens();
        assert_eq!(said(&tokens.access), json!([all, 900, ["editor"]]), "nobody says anything of the issuer");
        for (wanted, told) in [
            (&[PLAIN][..], json!([all, 900, ["editor"]])),
            (&[ORDERS], json!(["orders:write read", 300, ["editor"]])),
            (&[STOCK], json!(["read stock:write", 120, null])),
            (&[ORDERS, STOCK], json!(["read", 120, null])),
            (&[ORDERS, PLAIN], json!(["orders:write read", 300, ["editor"]])),
            (&[ORDERS, &issuer], json!(["openid orders:write profile read roles", 300, ["editor"]])),
            (&[ORDERS, STOCK, PLAIN, &issuer], json!(["openid profile read roles", 120, null])),
        ] {
            let resources: Vec<_> = wanted.iter().map(|audience| ("resource", *audience)).collect();
            let answer = refresh(&app, &tokens.refresh, &resources).await;
            assert_eq!(said(answer.text("access_token")), told, "{wanted:?}");
            tokens = answer.tokens();
        }
        // All of them, as nothing is named.
        let answer = refresh(&app, &tokens.refresh, &[]).await;
        assert_eq!(said(answer.text("access_token")), json!(["openid profile read roles", 120, null]));
        let userinfo = app.get("/oauth/userinfo", answer.text("access_token")).await;
        assert_eq!((userinfo.status.as_u16(), &userinfo.json["preferred_username"]), (200, &json!("ana")));
    }

    async fn a_scope_that_its_service_does_not_know_is_refused_before_anything_is_written(app) {
        services(&app).await;
        let code = Browser::new(&app).ana_signs_in(&[ALL, ("resource", ORDERS), ("resource", STOCK)]).await;
        let tokens = app.exchange(&code, &[("resource", ORDERS)]).await.tokens();
        let before = app.last_write().await;
        app.clock.advance(MINUTE);
        for (resource, scope) in [(ORDERS, "stock:write"), (ORDERS, "read stock:write"), (STOCK, "openid orders:write")] {
            let refused = refresh(&app, &tokens.refresh, &[("resource", resource), ("scope", scope)]).await;
            assert_eq!(refused.code(), "400 invalid_scope", "{resource} {scope}");
        }
        let refused = refresh(&app, &tokens.refresh, &[("scope", "read orders:write")]).await;
        assert_eq!(refused.code(), "400 invalid_scope", "not each of both knows it");
        assert_eq!(app.last_write().await, before, "nothing is consumed");
        // Clients name again what they named at the beginning: this server's own scopes are passed over.
        let form = [("resource", ORDERS), ("scope", "openid profile orders:write")];
        let next = refresh(&app, &tokens.refresh, &form).await;
        assert_eq!((next.tokens().generation(), &next.json["scope"]), (2, &json!("orders:write")));
        assert!(next.json["id_token"].is_string());
        let login = |scope: &str| {
            json!({ "username": "ana", "password": PASSWORD, "client_id": "app", "resource": ORDERS, "scope": scope })
        };
        let families = app.live_families().await;
        assert_eq!(app.post("/login", &login("read stock:write")).await.code(), "400 invalid_scope");
        assert_eq!((app.live_families().await, app.told("login.refused")), (families, 0));
        let answer = app.post("/login", &login("openid read")).await;
        assert_eq!(said(answer.text("access_token")), json!(["read", 300, ["editor"]]));
    }

    async fn a_client_that_acts_for_itself_gets_what_its_service_knows(app) {
        services(&app).await;
        let secret = app.add_service("service", &[ORDERS, STOCK, PLAIN]).await;
        let own = async |more: &[(&str, &str)]| {
            let form = [&[("grant_type", "client_credentials")][..], more].concat();
            app.form_as("/oauth/token", ("service", &secret), &form).await
        };
        for (resource, told) in [
            (ORDERS, json!(["read", 300, null])),
            (STOCK, json!(["read", 120, null])),
            (PLAIN, json!(["read write", 900, null])),
        ] {
            let answer = own(&[("resource", resource)]).await;
            assert_eq!(said(answer.text("access_token")), told, "{resource}");
            assert_eq!(answer.json["scope"], told[0], "{resource}");
        }
        assert_eq!(own(&[("resource", ORDERS), ("scope", "read")]).await.status, 200);
        assert_eq!(own(&[("resource", ORDERS), ("scope", "write")]).await.code(), "400 invalid_scope");
        assert_eq!(own(&[("resource", PLAIN), ("scope", "write")]).await.status, 200);
        assert_eq!(own(&[("scope", "write")]).await.status, 200, "the issuer");
    }

    async fn a_device_gets_what_its_service_knows(app) {
        services(&app).await;
        let waits = app.device_waits(&[("client_id", "app"), ALL, ("resource", STOCK)]).await;
        let browser = Browser::new(&app);
        let page = browser.ana_at_device_page().await;
        let consent = browser.enter(&page, waits.text("user_code")).await;
        browser.answer_device(&consent, "allow").await;
        app.clock.advance(SECOND * 6);
        let answer = app.poll(waits.text("device_code"), &[("client_id", "app")]).await;
        assert_eq!(said(answer.text("access_token")), json!(["read stock:write", 120, null]));
    }

    async fn an_exchanged_token_is_what_suits_the_next_service(app) {
        services(&app).await;
        let secret = app.add_client("service", |it| {
            it.kind = ClientKind::Confidential(Vec::new());
            it.party = Party::Third;
            it.grants = [GrantType::TokenExchange].into();
            it.scopes = "openid roles read orders:write stock:write".parse().unwrap();
            it.serves = vec![ORDERS.parse().unwrap()];
            it.metadata.token_exchange =
                Some(TokenExchangePolicy { audiences: vec![STOCK.parse().unwrap(), PLAIN.parse().unwrap()], impersonation: true });
        }).await.unwrap().expose().to_owned();
        let code = Browser::new(&app).ana_signs_in(&[ALL, ("resource", ORDERS)]).await;
        let tokens = app.exchange(&code, &[]).await.tokens();
        let client = ("service", secret.as_str());
        for (audience, told) in [
            (STOCK, json!(["read", 120, null])),
            (PLAIN, json!(["orders:write read", 300, null])),
        ] {
            let answer = app.swap(client, &tokens.access, &[("audience", audience)]).await;
            assert_eq!(said(answer.text("access_token")), told, "{audience}");
        }
        let refused = app.swap(client, &tokens.access, &[("audience", STOCK), ("scope", "orders:write")]).await;
        assert_eq!(refused.code(), "400 invalid_scope");
    }

    async fn a_replay_leaves_half_of_the_short_token(app) {
        set(&app, &ResourceServer { access_ttl: Some(SECOND * 20), ..server(ORDERS) }, None).await;
        app.add_user("ana").await;
        app.add_app("app", |it| {
            it.party = Party::First;
            it.audiences = vec![ORDERS.parse().unwrap()];
        }).await;
        let code = Browser::new(&app).ana_signs_in(&[("resource", ORDERS)]).await;
        let first = app.exchange(&code, &[]).await.tokens();
        let second = refresh(&app, &first.refresh, &[]).await.tokens();
        app.clock.advance(SECOND * 9);
        let replayed = refresh(&app, &first.refresh, &[]).await;
        assert_eq!((replayed.tokens().generation(), &replayed.json["expires_in"]), (2, &json!(11)));
        assert_eq!(claims(&replayed.tokens().access), second.claims());
        app.clock.advance(SECOND * 2);
        let later = refresh(&app, &first.refresh, &[]).await;
        assert_eq!((later.tokens().generation(), &later.json["expires_in"]), (3, &json!(20)), "no token that is about to expire");
        assert_eq!(app.told("family.recovered"), 1, "{:?}", app.events());
    }

    async fn a_refresh_asks_nothing_of_the_services(app) {
        services(&app).await;
        let code = Browser::new(&app).ana_signs_in(&[ALL, ("resource", ORDERS)]).await;
        let tokens = app.exchange(&code, &[]).await.tokens();
        // Neither the row is read, nor what is said of services.
        app.sql("ALTER TABLE families RENAME COLUMN device_name TO gone").await;
        app.sql("ALTER TABLE resource_servers RENAME TO gone").await;
        let next = refresh(&app, &tokens.refresh, &[]).await;
        assert_eq!((next.tokens().generation(), said(next.text("access_token"))), (2, json!(["orders:write read", 300, ["editor"]])));
    }

    async fn what_another_replica_says_is_known_in_a_moment(app) with |settings| settings.keys.poll_every = Duration::from_millis(5); {
        let secret = app.add_service("service", &[ORDERS]).await;
        app.sql(&format!("INSERT INTO resource_servers (audience, scope, access_ttl_ms, roles, created_at) \
             VALUES ('{ORDERS}', 'read', 60000, 'never', '2026-01-01 00:00:00+00')")).await;
        let form = [("grant_type", "client_credentials"), ("resource", ORDERS)];
        for _ in 0..2000 {
            let answer = app.form_as("/oauth/token", ("service", &secret), &form).await;
            if said(answer.text("access_token")) == json!(["read", 60, null]) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it is not known");
    }

    async fn what_is_said_of_a_service_is_changed_and_taken_back(app) {
        services(&app).await;
        app.clock.advance(MINUTE);
        let secret = app.add_service("service", &[ORDERS]).await;
        let own = async || {
            let form = [("grant_type", "client_credentials"), ("resource", ORDERS)];
            let answer = app.form_as("/oauth/token", ("service", &secret), &form).await;
            (said(answer.text("access_token")), alg(answer.text("access_token")))
        };
        set(&app, &ResourceServer { scope: Some("".parse().unwrap()), ..server(ORDERS) }, Some(SigningAlgorithm::EdDsa)).await;
        assert_eq!(own().await, (json!([null, 900, null]), "ES256".to_owned()), "it knows no scope at all");
        app.clock.advance(MINUTE * 10);
        assert_eq!(own().await.1, "EdDSA");
        // What is as it is said already changes nothing.
        let before = app.events().len();
        set(&app, &ResourceServer { scope: Some("".parse().unwrap()), ..server(ORDERS) }, Some(SigningAlgorithm::EdDsa)).await;
        assert_eq!(app.events().len(), before, "{:?}", app.events());
        let remove = async || {
            admin::resource_servers::remove_seen(&app.core, &ORDERS.parse().unwrap(), None, app.clock.now()).await
        };
        remove().await.unwrap();
        assert_eq!(own().await, (json!(["read write", 900, null]), "ES256".to_owned()));
        assert!(matches!(remove().await, Err(AdminError::NoResourceServer(_))));
        for (change, times) in [("settings_updated", 1), ("settings_removed", 1), ("algorithm_set", 1), ("algorithm_removed", 1)] {
            let told = format!("audience.changed audience={ORDERS} change={change}");
            assert_eq!(app.told(&told), times, "{told} in {:?}", app.events());
        }
        for ttl in [Duration::ZERO, MINUTE * 60 * 24 + SECOND] {
            let unfit = ResourceServer { access_ttl: Some(ttl), ..server(ORDERS) };
            let refused = admin::resource_servers::create(&app.core, &unfit, None, app.clock.now()).await;
            assert!(matches!(refused, Err(AdminError::Lifetimes(InvalidLifetimes::AccessTtl))), "{refused:?}");
        }
    }

    async fn operators_say_it_over_http(app) {
        let ops = app.operator("heirloom:settings.read heirloom:settings.write heirloom:events.read").await;
        let all = json!({
            "audience": ORDERS, "scope": "write read", "access_ttl": "2m", "roles": "never", "signing_algorithm": "EdDSA",
        });
        let made = ops.asks(Method::POST, "/resource-servers", Some(&all)).await;
        let place = "/resource-servers/https%3A%2F%2Forders.example";
        assert_eq!((made.status.as_u16(), made.header("location").unwrap()), (201, app.at(&format!("/admin/v1{place}")).as_str()));
        let mut shown = all.clone();
        shown["scope"] = json!("read write");
        assert_eq!(made.json, shown);
        assert_eq!(ops.asks(Method::POST, "/resource-servers", Some(&json!({ "audience": "plain" }))).await.status, 201);
        let seen = ops.gets(place).await;
        let tag = seen.header("etag").unwrap().to_owned();
        assert_eq!((&seen.json, made.header("etag").unwrap()), (&shown, tag.as_str()));
        let plain = json!({ "audience": "plain", "scope": null, "access_ttl": null, "roles": "with_scope", "signing_algorithm": null });
        let (items, parts) = ops.reads_all("/resource-servers?limit=1").await;
        assert_eq!((items, parts), (vec![shown, plain.clone()], 2));
        let told = ops.gets("/events?name=audience.changed").await.json["items"].as_array().unwrap().clone();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.iter().all(|event| event["by"] == "client ops"), "{told:?}");
        // In force at once.
        let secret = app.add_service("service", &[ORDERS]).await;
        let form = [("grant_type", "client_credentials"), ("resource", ORDERS)];
        let own = async || said(app.form_as("/oauth/token", ("service", &secret), &form).await.text("access_token"));
        assert_eq!(own().await, json!(["read write", 120, null]));
        let changed = ops.asks(Method::PATCH, place, Some(&json!({ "scope": "read", "access_ttl": null, "roles": "always" }))).await;
        assert_eq!(
            changed.json,
            json!({ "audience": ORDERS, "scope": "read", "access_ttl": null, "roles": "always", "signing_algorithm": "EdDSA" })
        );
        assert_eq!(own().await, json!(["read", 900, null]));
        let changed = ops.asks(Method::PATCH, place, Some(&json!({ "scope": null, "signing_algorithm": null }))).await;
        assert_eq!((&changed.json["scope"], &changed.json["roles"]), (&Value::Null, &json!("always")));
        assert_eq!(changed.json["signing_algorithm"], Value::Null);
        for method in [Method::PATCH, Method::DELETE] {
            let stale = ops.asks_with(method, place, Some(&json!({ "scope": "write" })), &[("if-match", &tag)]).await;
            assert_eq!(stale.problem(), "412 stale");
        }
        let current = changed.header("etag").unwrap().to_owned();
        assert_eq!(ops.asks_with(Method::DELETE, place, None, &[("if-match", &current)]).await.status, 204);
        let gone = format!("404 not_found Nothing is said of the audience {ORDERS}.");
        assert_eq!(ops.gets(place).await.whole_problem(), gone);
        for method in [Method::PATCH, Method::DELETE] {
            assert_eq!(ops.asks(method, place, Some(&json!({ "scope": "write" }))).await.whole_problem(), gone);
        }
        assert_eq!(ops.gets("/resource-servers").await.json["items"], json!([plain]));
    }

    async fn of_changes_to_a_service_at_once_none_is_lost(app) {
        let ops = app.operator("heirloom:settings.read heirloom:settings.write").await;
        ops.asks(Method::POST, "/resource-servers", Some(&json!({ "audience": "x" }))).await;
        let changes = [
            json!({ "scope": "read" }), json!({ "access_ttl": "1m" }), json!({ "roles": "never" }), json!({ "signing_algorithm": "ES256" }),
        ];
        for _ in 0..5 {
            ops.asks(Method::PATCH, "/resource-servers/x", Some(&json!({ "scope": null, "access_ttl": null, "roles": "always", "signing_algorithm": null }))).await;
            let changing = changes.iter().map(|it| ops.asks(Method::PATCH, "/resource-servers/x", Some(it)));
            let done = futures_util::future::join_all(changing).await;
            assert!(done.iter().all(|it| it.status == 200), "{done:?}");
            let all = json!({ "audience": "x", "scope": "read", "access_ttl": "1m", "roles": "never", "signing_algorithm": "ES256" });
            assert_eq!(ops.gets("/resource-servers/x").await.json, all);
        }
    }

    async fn what_cannot_be_said_of_a_service_is_refused(app) {
        let ops = app.operator("heirloom:settings.read heirloom:settings.write").await;
        ops.asks(Method::POST, "/resource-servers", Some(&json!({ "audience": "x" }))).await;
        for (body, told) in [
            (json!({}), "400 invalid_request The JSON object does not fit: missing field `audience`."),
            (json!({ "audience": "x" }), "409 conflict Something is said of the audience x already."),
            (json!({ "audience": "a b" }), "400 invalid_request audience: an audience must be a URI such as"),
            (json!({ "audience": "y", "scopes": "read" }), "400 invalid_request The JSON object does not fit: unknown field `scopes`"),
            (json!({ "audience": "y", "scope": "a,b" }), "400 invalid_request scope: scopes have spaces between them"),
            (json!({ "audience": "y", "access_ttl": "soon" }), "400 invalid_request access_ttl: send a duration"),
            (json!({ "audience": "y", "access_ttl": "25h" }), "400 invalid_request The access-token lifetime must be between 1s and 24h."),
            (json!({ "audience": "y", "roles": "yes" }), "400 invalid_request roles: whether tokens tell roles must be with_scope, always or never."),
            (json!({ "audience": "y", "roles": null, "signing_algorithm": "HS256" }), "400 invalid_request signing_algorithm: a signing algorithm must be"),
        ] {
            let refused = ops.asks(Method::POST, "/resource-servers", Some(&body)).await.whole_problem();
            assert!(refused.starts_with(told), "{body}: {refused}");
        }
        for (body, told) in [
            (json!({ "access_ttl": "0s" }), "400 invalid_request The access-token lifetime must be between 1s and 24h."),
            (json!({ "audience": "y" }), "400 invalid_request The JSON object does not fit: unknown field `audience`"),
            (json!({ "roles": "yes" }), "400 invalid_request roles: "),
        ] {
            let refused = ops.asks(Method::PATCH, "/resource-servers/x", Some(&body)).await.whole_problem();
            assert!(refused.starts_with(told), "{body}: {refused}");
        }
        assert_eq!(ops.gets("/resource-servers/a%20b").await.problem(), "404 not_found");
        assert_eq!(app.told("audience.changed"), 1, "{:?}", app.events());
    }

    async fn looking_does_not_open_changing(app) {
        let ops = app.operator("heirloom:settings.read").await;
        assert_eq!(ops.gets("/resource-servers").await.json, json!({ "items": [], "next": null }));
        let refused = ops.asks(Method::POST, "/resource-servers", Some(&json!({ "audience": "x" }))).await;
        assert_eq!(refused.whole_problem(), "403 insufficient_scope The access token lacks the scope heirloom:settings.write.");
    }
}
