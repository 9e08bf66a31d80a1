//! Scripts of other sites (Fetch Standard, CORS protocol): every site is told that it may ask, and only a client's own
//! sites read what is answered to it.

use chrono::DateTime;
use heirloom::domain::client::Party;
use heirloom::service::admin;
use heirloom::service::admin::client_changes::ClientChanges;
use reqwest::Method;

use crate::browser::*;
use crate::documents::{documents, let_in, published};
use crate::harness::*;

const ENDPOINTS: [&str; 6] = [
    "/oauth/token",
    "/oauth/revoke",
    "/oauth/userinfo",
    "/oauth/par",
    "/oauth/device_authorization",
    "/oauth/authorization_challenge",
];

/// What a browser asks before a script's request.
async fn preflight(app: &TestApp, place: &str, origin: &str, headers: &str) -> Answer {
    let request = app.http.request(Method::OPTIONS, app.at(place)).header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    app.send(request.header("access-control-request-headers", headers)).await
}

fn allowed(answer: &Answer) -> Option<&str> {
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    answer.header("access-control-allow-origin")
}

/// Whether a site's script can read what is answered to a client.
async fn reads(app: &TestApp, client: &str, origin: &str) -> bool {
    let request = app.http.post(app.at("/oauth/token")).header("origin", origin);
    let parameters = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", "x")];
    let answer = app.send(form(request, &parameters)).await;
    assert_eq!(answer.code(), "400 invalid_grant", "refusals are read, too");
    match allowed(&answer) {
        None => false,
        Some(site) => {
            assert_eq!((site, answer.header("vary")), (origin, Some("Origin")));
            true
        }
    }
}

/// What Fetch makes of a list of allowed headers, without credentials.
fn may_send(allowed: &str, header: &str) -> bool {
    let mut names = allowed.split(", ");
    names.any(|name| name.eq_ignore_ascii_case(header) || (name == "*" && header != "authorization"))
}

both_stores! {
    // With so few connections the workers share the one pool that the test closes.
    async fn a_preflight_is_answered_alike_to_every_site_without_the_database(app) with |settings| settings.database.max_connections = 2; {
        app.add_app("app", |_| ()).await;
        app.core.db.close().await;
        for place in ENDPOINTS {
            for origin in ["https://app.example", "https://any.example", "capacitor://localhost", "null"] {
                let answer = preflight(&app, place, origin, "authorization").await;
                assert_eq!((answer.status.as_u16(), allowed(&answer)), (204, Some("*")), "{place} {origin}");
                assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST"));
            }
        }
    }

    async fn headers_of_tracing_and_other_libraries_do_not_fail_a_preflight(app) {
        let headers = [
            "authorization", "content-type", "dpop", "traceparent", "tracestate", "baggage", "sentry-trace",
            "x-requested-with", "mcp-protocol-version",
        ];
        for place in ENDPOINTS.into_iter().chain(["/.well-known/openid-configuration", "/.well-known/jwks.json"]) {
            let answer = preflight(&app, place, "https://app.example", &headers.join(",")).await;
            let list = answer.header("access-control-allow-headers").unwrap();
            for header in headers {
                assert!(may_send(list, header), "{place} {header}: {list}");
            }
        }
    }

    async fn a_clients_own_sites_read_its_answers_and_no_others(app) {
        app.with_apps().await;
        app.add_app("elsewhere", |it| it.redirect_uris = vec!["https://elsewhere.example/cb".to_owned()]).await;
        assert!(reads(&app, "app", "https://app.example").await);
        for other in ["https://elsewhere.example", "https://app.example.evil.example", "http://app.example", "https://app.example:8443", "null"] {
            assert!(!reads(&app, "app", other).await, "{other}");
        }
        let tokens = app.exchange(&Browser::new(&app).ana_signs_in(&[]).await, &[]).await.tokens();
        let userinfo = async |origin: &str| {
            let request = app.http.get(app.at("/oauth/userinfo")).bearer_auth(&tokens.access);
            allowed(&app.send(request.header("origin", origin)).await).map(ToOwned::to_owned)
        };
        assert_eq!(userinfo("https://app.example").await.as_deref(), Some("https://app.example"));
        assert_eq!(userinfo("https://elsewhere.example").await, None);
        for place in ENDPOINTS.into_iter().filter(|place| *place != "/oauth/userinfo") {
            let request = app.http.post(app.at(place)).header("origin", "https://app.example");
            let answer = app.send(form(request, &[("client_id", "app")])).await;
            assert_eq!(allowed(&answer), Some("https://app.example"), "{place}");
        }
        for place in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"] {
            let answer = app.send(app.http.get(app.at(place)).header("origin", "https://any.example")).await;
            assert_eq!(allowed(&answer), Some("*"), "{place}");
        }
    }

    async fn a_script_reads_what_it_needs_to_ask_again(app) {
        app.add_app("app", |_| ()).await;
        let request = app.http.post(app.at("/oauth/token")).header("origin", "https://app.example");
        let answer = app.send(form(request, &[("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", "x")])).await;
        let read = answer.header("access-control-expose-headers").unwrap();
        assert_eq!(read, "WWW-Authenticate, Retry-After, DPoP-Nonce, Date");
        // What time it is here: a machine's own clock may be wrong.
        let told = DateTime::parse_from_rfc2822(answer.header("date").unwrap()).unwrap();
        assert!((app.clock.now() - told.to_utc()).num_seconds().abs() < 60, "{told}");
    }

    async fn where_the_port_of_a_loopback_address_is_free_that_of_its_site_is_too(app) {
        let uris = ["http://127.0.0.1/cb", "http://[::1]:8000/cb", "com.example.app:/cb", "https://app.example/cb"];
        app.add_app("tool", |it| {
            it.party = Party::First;
            it.redirect_uris = uris.map(ToOwned::to_owned).to_vec();
        }).await;
        for origin in ["http://127.0.0.1", "http://127.0.0.1:5173", "http://[::1]", "http://[::1]:5173"] {
            assert!(reads(&app, "tool", origin).await, "RFC 8252 §7.3: {origin}");
        }
        for origin in [
            "http://localhost:5173", "https://127.0.0.1:5173", "http://127.0.0.1.evil.example", "http://127.0.0.1:0",
            "http://127.0.0.1@evil.example", "https://app.example:5173", "http://127.0.0.2:5173", "null",
        ] {
            assert!(!reads(&app, "tool", origin).await, "{origin}");
        }
    }

    async fn an_operator_gives_a_client_further_sites(app) {
        app.add_app("app", |_| ()).await;
        let (id, now) = ("app".parse().unwrap(), app.clock.now());
        let sites = ["capacitor://localhost", "https://preview.example:8443", "http://localhost:5173"];
        let given = |sites: &[&str]| {
            let web_origins = Some(sites.iter().map(|site| site.parse().unwrap()).collect());
            ClientChanges { web_origins, ..ClientChanges::default() }
        };
        let client = admin::clients::change(&app.core, &id, given(&sites), now).await.unwrap();
        assert_eq!(serde_json::json!(client.origins), serde_json::json!(sites));
        for origin in sites.into_iter().chain(["https://app.example"]) {
            assert!(reads(&app, "app", origin).await, "{origin}");
        }
        for origin in ["capacitor://other", "https://preview.example", "http://localhost:5174", "null"] {
            assert!(!reads(&app, "app", origin).await, "{origin}");
        }
        let renamed = ClientChanges { name: Some("App".to_owned()), ..ClientChanges::default() };
        let client = admin::clients::change(&app.core, &id, renamed, now).await.unwrap();
        assert_eq!(client.origins.len(), 3, "what is not named stays");
        admin::clients::change(&app.core, &id, given(&[]), now).await.unwrap();
        app.clock.advance(SECOND * 2);
        assert!(!reads(&app, "app", "capacitor://localhost").await);
        assert!(reads(&app, "app", "https://app.example").await);
    }

    async fn scripts_of_a_documents_own_sites_read_its_answers(app) with documents; {
        app.add_user("ana").await;
        let (_remote, id) = published(&serde_json::json!({})).await;
        let_in(&app, &Browser::new(&app), &id).await;
        assert!(reads(&app, &id, "https://tool.example").await);
        assert!(reads(&app, &id, "http://127.0.0.1:9000").await, "one of its addresses is of the user's machine");
        assert!(!reads(&app, &id, "https://other.example").await);
    }
}
