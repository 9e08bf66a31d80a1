//! What the Model Context Protocol's authorization (2025-11-25, 2026-07-28) asks of an authorization server: a tool
//! that knows nothing but the URL of an MCP server gets in, and stays in.

use std::net::TcpListener;
use std::path::Path;
use std::time::SystemTime;

use actix_web::{App, HttpServer, web};
use futures_util::future::join_all;
use heirloom_verifier::actix::{Protect, metadata};
use heirloom_verifier::{AccessToken, Verifier};
use serde_json::{Value, json};

use crate::browser::*;
use crate::documents::{documents, let_in, published};
use crate::folder::Folder;
use crate::harness::*;
use crate::registration::tool;

/// An MCP server behind the verifier; gives its URL. The audience is not yet known when settings are made: any port of
/// this is one that the operator named.
async fn mcp_server(app: &TestApp, listener: TcpListener) -> String {
    let resource = format!("http://{}/mcp", listener.local_addr().unwrap());
    let clock = app.clock.clone();
    let verifier = Verifier::builder(app.core.issuer.as_str())
        .resource(&resource)
        .jwks_url(app.at("/.well-known/jwks.json"))
        .clock(move || SystemTime::from(clock.now()))
        .build()
        .await
        .unwrap();
    let server = HttpServer::new(move || {
        App::new().configure(metadata(&verifier)).service(
            web::resource("/mcp")
                .wrap(Protect::new(&verifier).require_scope("openid"))
                .route(web::post().to(async |access: AccessToken| format!("called by {}", access.client_id))),
        )
    });
    tokio::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
    resource
}

/// A parameter of a challenge.
fn parameter(challenge: &str, name: &str) -> String {
    let rest =
        challenge.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("{name} in {challenge}")).1;
    rest.split_once('"').unwrap().0.to_owned()
}

async fn json_at(app: &TestApp, place: &str) -> Value {
    let answer = app.http.get(place).header("mcp-protocol-version", "2025-11-25").send().await.unwrap();
    assert_eq!(answer.status(), 200, "{place}");
    answer.json().await.unwrap()
}

/// From a 401 to a tool call, and through a refresh, by one way to a client id.
async fn walks_in(app: &TestApp, resource: &str, client_id: impl AsyncFn(&Value) -> String) {
    app.add_user("ana").await;
    let refused = app.http.post(resource).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
    let told = json_at(app, &parameter(&challenge, "resource_metadata")).await;
    assert_eq!(told["resource"], resource, "RFC 9728 §3.3");

    let issuer = told["authorization_servers"][0].as_str().unwrap();
    let server = json_at(app, &format!("{issuer}/.well-known/oauth-authorization-server")).await;
    assert_eq!(server["issuer"], issuer, "RFC 8414 §3.3");
    assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]), "or MCP clients must refuse");
    assert_eq!(server["authorization_response_iss_parameter_supported"], true);
    let id = client_id(&server).await;

    // The port of the tool's own listener is the system's choice.
    let redirect_uri = "http://127.0.0.1:49152/cb";
    let scope = format!("{} offline_access", parameter(&challenge, "scope"));
    let own = [("client_id", id.as_str()), ("redirect_uri", redirect_uri), ("resource", resource)];
    let browser = Browser::new(app);
    let page = browser.authorize(&[&own[..], &[("scope", &scope)]].concat()).await;
    let page = browser.sign_in(&page, "ana").await;
    let back = browser.decide(&page, "allow").await;
    let (place, answer) = back.answer();
    assert_eq!((place.as_str(), answer["iss"].as_str()), (redirect_uri, issuer), "RFC 9207 §2");
    let tokens = app.exchange(&answer["code"], &own).await.tokens();
    assert_eq!(tokens.claims()["aud"], resource, "RFC 8707 §2");
    let call = async |tokens: &Tokens| {
        let answer = app.http.post(resource).bearer_auth(&tokens.access).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(call(&tokens).await, (200, format!("called by {id}")));

    app.clock.advance(MINUTE * 16);
    assert_eq!(call(&tokens).await.0, 401, "expired");
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &tokens.refresh),
        ("client_id", &id),
        ("resource", resource),
    ];
    let next = app.form("/oauth/token", &refresh).await.tokens();
    assert_ne!(next.refresh, tokens.refresh, "OAuth 2.1 §4.3.1: rotated for public clients");
    // The list of the time before has expired, and the verifier asks again by the time that really passes.
    let called = async {
        loop {
            match call(&next).await.0 {
                503 => tokio::time::sleep(SECOND / 20).await,
                status => return status,
            }
        }
    };
    assert_eq!(tokio::time::timeout(SECOND * 20, called).await, Ok(200));

    // An error says whose it is, too.
    let refused =
        browser.authorize(&[&own[..2], &[("resource", "https://elsewhere.example/mcp")]].concat()).await;
    let (_, answer) = refused.linked();
    assert_eq!((answer["error"].as_str(), answer["iss"].as_str()), ("invalid_target", issuer));
}

/// A store, a server whose operator named `resource`, and an MCP server there.
fn run_with_mcp_server(store: Store, test: &impl AsyncFn(&TestApp, &str)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let resource = format!("http://{}/mcp", listener.local_addr().unwrap());
    let audience = resource.parse().unwrap();
    let change = |settings: &mut heirloom::settings::Settings| {
        documents(settings);
        settings.registration.mode = heirloom::domain::registration::Mode::Open;
        settings.registration.audiences = vec![audience];
    };
    run(store, change, async |app: TestApp| {
        let resource = mcp_server(&app, listener).await;
        test(&app, &resource).await;
    });
}

async fn by_its_document(app: &TestApp, resource: &str) {
    let (_remote, id) = published(&json!({ "redirect_uris": ["http://127.0.0.1/cb"] })).await;
    walks_in(app, resource, async |server| {
        assert_eq!(server["client_id_metadata_document_supported"], true);
        id.clone()
    })
    .await;
}

async fn by_registering(app: &TestApp, resource: &str) {
    walks_in(app, resource, async |server| {
        let place = server["registration_endpoint"].as_str().unwrap();
        let registered = app.send(app.http.post(place).json(&tool())).await;
        registered.text("client_id").to_owned()
    })
    .await;
}

#[test]
fn a_tool_with_a_metadata_document_walks_in_on_sqlite() {
    run_with_mcp_server(Store::Sqlite, &by_its_document);
}

#[test]
fn a_tool_with_a_metadata_document_walks_in_on_postgres() {
    run_with_mcp_server(Store::Postgres, &by_its_document);
}

#[test]
fn a_tool_that_registers_walks_in_on_sqlite() {
    run_with_mcp_server(Store::Sqlite, &by_registering);
}

#[test]
fn a_tool_that_registers_walks_in_on_postgres() {
    run_with_mcp_server(Store::Postgres, &by_registering);
}

/// One process of the tool: it reads what all share, refreshes if that has expired, and writes down what it got.
async fn uses_the_file(app: &TestApp, id: &str, file: &Path, nth: usize) -> Tokens {
    let pause = async || {
        for _ in 0..nth * 20 {
            tokio::task::yield_now().await;
        }
    };
    if nth % 2 == 1 {
        pause().await;
    }
    let tokens = read(file).await;
    if tokens.claims()["exp"].as_i64().unwrap() > app.clock.now().timestamp() {
        return tokens;
    }
    pause().await;
    let tokens = refresh(app, id, &tokens).await;
    let own = file.with_extension(format!("{nth}.new"));
    tokio::fs::write(&own, format!("{}\n{}", tokens.access, tokens.refresh)).await.unwrap();
    tokio::fs::rename(&own, file).await.unwrap();
    tokens
}

async fn read(file: &Path) -> Tokens {
    let text = tokio::fs::read_to_string(file).await.unwrap();
    let (access, refresh) = text.split_once('\n').unwrap();
    Tokens { access: access.to_owned(), refresh: refresh.to_owned() }
}

async fn refresh(app: &TestApp, id: &str, tokens: &Tokens) -> Tokens {
    let form = [("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh), ("client_id", id)];
    app.form("/oauth/token", &form).await.tokens()
}

both_stores! {
    async fn metadata_are_where_clients_of_an_issuer_with_a_path_look(app) with |settings| {
        settings.issuer = Some("https://login.example.com/tenant".parse().unwrap());
    }; {
        for (section, place) in [
            ("2025-11-25: OAuth, path inserted", "/.well-known/oauth-authorization-server/tenant"),
            ("2025-11-25: OpenID, path inserted", "/.well-known/openid-configuration/tenant"),
            ("2025-11-25: OpenID, path appended", "/tenant/.well-known/openid-configuration"),
        ] {
            let told = json_at(&app, &app.at(place)).await;
            assert_eq!(told["issuer"], "https://login.example.com/tenant", "{section}");
            assert_eq!(told["authorization_endpoint"], "https://login.example.com/tenant/oauth/authorize", "{section}");
        }
    }

    async fn scripts_of_any_site_may_read_the_metadata_with_a_header_of_their_own(app) {
        for place in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/.well-known/jwks.json"] {
            let asks = app.http.request(reqwest::Method::OPTIONS, app.at(place)).header("origin", "https://any.example");
            let asks = asks.header("access-control-request-headers", "mcp-protocol-version");
            let allowed = app.send(asks.header("access-control-request-method", "GET")).await;
            let headers = allowed.header("access-control-allow-headers").unwrap();
            assert!(allowed.status == 204 && headers.split(", ").any(|name| name == "*"), "{place}: {headers}");
            let read = app.http.get(app.at(place)).header("mcp-protocol-version", "2025-11-25");
            assert_eq!(app.send(read).await.header("access-control-allow-origin"), Some("*"), "{place}");
        }
    }

    async fn processes_that_share_a_token_file_do_not_log_each_other_out(app) with documents; {
        app.add_user("ana").await;
        let (_remote, id) = published(&json!({})).await;
        let tokens = let_in(&app, &Browser::new(&app), &id).await;
        let folder = Folder::new();
        let file = folder.keep("token", format!("{}\n{}", tokens.access, tokens.refresh));
        for round in 2..8 {
            // The access token that they share expires, and all of them notice at once.
            app.clock.advance(MINUTE * 15);
            let all = join_all((0..8).map(|nth| uses_the_file(&app, &id, &file, nth))).await;
            // Whoever comes second is given what the first was given.
            let got: Vec<u32> = all.iter().map(Tokens::generation).collect();
            assert_eq!(got, [round; 8]);
            assert_eq!(read(&file).await.generation(), round);
        }
        // One that fell asleep between reading and refreshing, far beyond the leeway.
        app.clock.advance(MINUTE * 15);
        let asleep = read(&file).await;
        assert_eq!(uses_the_file(&app, &id, &file, 0).await.generation(), 8);
        app.clock.advance(MINUTE * 10);
        let late = refresh(&app, &id, &asleep).await;
        assert_eq!(late.generation(), 9, "nobody used the successor: it is skipped");
        std::fs::write(&file, format!("{}\n{}", late.access, late.refresh)).unwrap();
        app.clock.advance(MINUTE * 15);
        assert_eq!(uses_the_file(&app, &id, &file, 0).await.generation(), 10);
        assert_eq!(app.live_families().await, 1);
    }
}
