//! Clients whose id is the URL of their metadata document (draft-ietf-oauth-client-id-metadata-document-02), on a
//! server of their own that speaks TLS.

use heirloom::domain::client::Party;
use heirloom::domain::ids::ClientId;
use heirloom::service::admin::families::WantedFamilies;
use heirloom::service::admin::{self, janitor};
use heirloom::settings::Settings;
use serde_json::{Value, json};

use crate::browser::*;
use crate::harness::*;
use crate::remote::{Remote, authority, json_answer};

const TOOL: &str = "https://tools.example/mcp";
pub const CALLBACK: &str = "http://127.0.0.1:3000/callback";

pub fn documents(settings: &mut Settings) {
    settings.registration.metadata_documents = true;
    settings.registration.audiences = vec![TOOL.parse().unwrap()];
    settings.registration.allowed_networks = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    settings.outbound.ca_file = Some(authority().file.clone());
}

/// A client's server, and the client's id.
pub async fn published(changes: &Value) -> (Remote, String) {
    let remote = Remote::start_secure().await;
    let id = remote.at("/oauth/client.json");
    publish(&remote, &id, changes);
    (remote, id)
}

pub fn publish(remote: &Remote, id: &str, changes: &Value) {
    let mut document = json!({
        "client_id": id,
        "client_name": "The Tool",
        "redirect_uris": [CALLBACK, "https://tool.example/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    });
    let members = document.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    remote.give(&document, "cache-control: max-age=60\r\n");
}

fn gone(remote: &Remote) {
    remote.answer("HTTP/1.1 503 Gone\r\ncontent-length: 0\r\n\r\n");
}

pub fn asks(id: &str) -> [(&str, &str); 3] {
    [("client_id", id), ("redirect_uri", CALLBACK), ("resource", TOOL)]
}

/// Ana signs in, if she has not, and allows it.
pub async fn let_in(app: &TestApp, browser: &Browser<'_>, id: &str) -> Tokens {
    let mut page = browser.authorize(&asks(id)).await;
    if page.body.contains("name=\"password\"") {
        page = browser.sign_in(&page, "ana").await;
    }
    let code = browser.decide(&page, "allow").await.code();
    app.exchange(&code, &asks(id)).await.tokens()
}

async fn refresh(app: &TestApp, id: &str, token: &str) -> Answer {
    app.form("/oauth/token", &[("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", token)])
        .await
}

both_stores! {
    async fn a_document_lets_a_client_in_that_nobody_registered(app) with documents; {
        app.add_user("ana").await;
        let told = app.get("/.well-known/oauth-authorization-server", "").await;
        assert_eq!(told.json["client_id_metadata_document_supported"], true, "§6");
        let (remote, id) = published(&json!({})).await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&asks(&id)).await;
        let page = browser.sign_in(&page, "ana").await;
        // §8: the name is the client's own word, the host is not; the tool on this device could be any.
        let seen = page.body.replace("&#x2f;", "/");
        assert!(seen.contains("Give The Tool access?") && seen.contains("belongs to localhost."), "{seen}");
        assert!(seen.contains("http://127.0.0.1:3000") && seen.contains("The app runs on this device."), "{seen}");
        let code = browser.decide(&page, "allow").await.code();
        let tokens = app.exchange(&code, &asks(&id)).await.tokens();
        assert_eq!((&tokens.claims()["client_id"], &tokens.claims()["aud"]), (&json!(id), &json!(TOOL)));
        assert_eq!(refresh(&app, &id, &tokens.refresh).await.tokens().generation(), 2);
        // What was agreed to is asked again: the document may be another one now.
        let same = [("client_id", id.as_str()), ("redirect_uri", "https://tool.example/cb"), ("resource", TOOL)];
        let again = browser.authorize(&same).await;
        assert!(again.body.contains("name=\"decision\""), "{again:?}");
        let silent = browser.authorize(&[&same[..], &[("prompt", "none")]].concat()).await;
        assert_eq!(silent.error(), "consent_required");
        assert_eq!(app.number("SELECT COUNT(*) FROM clients").await, 1, "nothing was registered");
        let requests = remote.asked();
        assert!(requests.iter().all(|request| request.starts_with("GET /oauth/client.json ")), "{requests:?}");
        assert_eq!(requests.len(), 1, "§5.2: remembered as its headers say");
        app.clock.advance(MINUTE);
        browser.authorize(&asks(&id)).await;
        assert_eq!(remote.asked().len(), 2, "and not longer");
    }

    async fn without_the_setting_a_url_is_an_unknown_client(app) with |settings| {
        documents(settings);
        settings.registration.metadata_documents = false;
    }; {
        let (remote, id) = published(&json!({})).await;
        assert_eq!(Browser::new(&app).authorize(&asks(&id)).await.status, 400);
        assert_eq!(remote.asked().len(), 0, "nobody was asked");
        let told = app.get("/.well-known/oauth-authorization-server", "").await;
        assert_eq!(told.json["client_id_metadata_document_supported"], Value::Null);
    }

    async fn a_document_that_is_none_lets_nobody_in(app) with documents; {
        app.add_user("ana").await;
        let browser = Browser::new(&app);
        let rows: &[(&str, Value)] = &[
            ("§4: client_id is the URL", json!({ "client_id": "https://tool.example/client.json" })),
            ("§4: client_id is there", json!({ "client_id": null })),
            ("§4: no secret", json!({ "client_secret": "hush" })),
            ("§4: no secret", json!({ "client_secret_expires_at": 0 })),
            ("§4: no symmetric method", json!({ "token_endpoint_auth_method": "client_secret_basic" })),
            ("§8.1: redirect_uris", json!({ "redirect_uris": null })),
            ("§8.1: redirect_uris", json!({ "redirect_uris": ["http://tool.example/cb"] })),
            ("§8.1: redirect_uris", json!({ "redirect_uris": ["https://other.example/cb"] })),
            ("RFC 9700 §4.1.3: no wildcard", json!({ "redirect_uris": [CALLBACK, "https://*.tool.example/cb"] })),
            ("RFC 9700 §2.6", json!({ "post_logout_redirect_uris": ["http://tool.example/"] })),
            ("RFC 7591 §2.1", json!({ "grant_types": ["implicit"] })),
        ];
        for (section, changes) in rows {
            let (_remote, id) = published(changes).await;
            assert_eq!(browser.authorize(&asks(&id)).await.status, 400, "{section}: {changes}");
        }
        let redirect = |remote: &Remote| format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", remote.at("/x"));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(100_000));
        type Row<'a> = (&'a str, &'a dyn Fn(&Remote) -> String);
        let rows: &[Row<'_>] = &[
            ("§5: no redirect is followed", &redirect),
            ("§5: 200 only", &|_| "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}".to_owned()),
            ("§5: 200 only", &|_| "HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}".to_owned()),
            ("§4: JSON", &|_| json_answer("<html>", "")),
            ("§4: an object", &|_| json_answer("[]", "")),
            ("§8.7: a bounded size", &|_| json_answer(&long, "")),
        ];
        for (section, answer) in rows {
            let (remote, id) = published(&json!({})).await;
            remote.answer(answer(&remote));
            assert_eq!(browser.authorize(&asks(&id)).await.status, 400, "{section}");
            assert_eq!(remote.asked().len(), 1, "{section}");
        }
    }

    async fn urls_that_are_no_client_ids_are_never_fetched(app) with documents; {
        let (remote, id) = published(&json!({})).await;
        for (section, id) in [
            ("§3: https", id.replace("https://", "http://")),
            ("§3: a path", remote.at("/")),
            ("§3: a path", remote.url.clone()),
            ("§3: no dot segments", remote.at("/a/../oauth/client.json")),
            ("§3: no dot segments", remote.at("/%2e%2e/oauth/client.json")),
            ("§3: no fragment", format!("{id}#a")),
            ("§3: no user", id.replace("https://", "https://ana@")),
            ("§3: as it is written", id.replace("localhost", "LOCALHOST")),
            ("RFC 6749 appendix A.1: bounded", format!("{id}?{}", "x".repeat(1024))),
        ] {
            assert_eq!(Browser::new(&app).authorize(&asks(&id)).await.status, 400, "{section}: {id}");
            let exchanged = app.exchange("code", &asks(&id)).await;
            assert_eq!(exchanged.code(), "401 invalid_client", "{section}: {id}");
        }
        assert_eq!(remote.asked().len(), 0, "nobody was asked");
    }

    async fn documents_are_fetched_from_public_addresses_only(app) with |settings| {
        documents(settings);
        settings.outbound.allowed_networks = std::mem::take(&mut settings.registration.allowed_networks);
    }; {
        let (remote, id) = published(&json!({})).await;
        for id in [id.clone(), id.replace("localhost", "127.0.0.1"), id.replace("localhost", "[::1]")] {
            assert_eq!(Browser::new(&app).authorize(&asks(&id)).await.status, 503, "§8.6: {id}");
        }
        assert_eq!(remote.asked().len(), 0);
    }

    async fn logins_go_on_for_a_week_when_the_document_cannot_be_fetched(app) with documents; {
        app.add_user("ana").await;
        let (remote, id) = published(&json!({})).await;
        let browser = Browser::new(&app);
        let tokens = let_in(&app, &browser, &id).await;
        gone(&remote);
        app.clock.advance(DAY);
        let tokens = refresh(&app, &id, &tokens.refresh).await.tokens();
        assert_eq!(browser.authorize(&asks(&id)).await.status, 503, "nobody is let in by what it said once");
        // It comes back, and the week begins anew.
        publish(&remote, &id, &json!({}));
        app.clock.advance(SECOND * 5);
        let tokens = refresh(&app, &id, &tokens.refresh).await.tokens();
        gone(&remote);
        app.clock.advance(DAY * 4);
        let tokens = refresh(&app, &id, &tokens.refresh).await.tokens();
        app.clock.advance(DAY * 3 - SECOND);
        let tokens = refresh(&app, &id, &tokens.refresh).await.tokens();
        app.clock.advance(SECOND * 5);
        let over = refresh(&app, &id, &tokens.refresh).await.code();
        assert_eq!(over, "503 temporarily_unavailable", "a week is over, but nobody says that the client is gone");
        publish(&remote, &id, &json!({}));
        app.clock.advance(SECOND * 5);
        assert_eq!(refresh(&app, &id, &tokens.refresh).await.status, 200, "nothing was lost");
        app.clock.advance(DAY * 101);
        janitor::tidy(&app.core, 10, app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM client_documents").await, 0);
    }

    async fn a_document_nobody_signed_in_by_is_not_kept(app) with documents; {
        let (_remote, id) = published(&json!({})).await;
        assert_eq!(Browser::new(&app).authorize(&asks(&id)).await.status, 200);
        assert_eq!(app.number("SELECT COUNT(*) FROM client_documents").await, 0);
    }

    async fn what_a_document_takes_away_is_gone(app) with documents; {
        app.add_user("ana").await;
        let (remote, id) = published(&json!({})).await;
        let browser = Browser::new(&app);
        let tokens = let_in(&app, &browser, &id).await;
        publish(&remote, &id, &json!({ "redirect_uris": ["https://tool.example/cb"], "grant_types": ["authorization_code"] }));
        app.clock.advance(MINUTE);
        assert_eq!(browser.authorize(&asks(&id)).await.status, 400, "§8.1: the redirect URI");
        assert_eq!(refresh(&app, &id, &tokens.refresh).await.code(), "400 unauthorized_client");
    }

    async fn an_operators_word_counts_more_than_the_document(app) with documents; {
        app.add_user("ana").await;
        let (remote, id) = published(&json!({})).await;
        app.add_client(&id, |it| {
            it.party = Party::Third;
            it.redirect_uris = vec![CALLBACK.to_owned()];
        }).await;
        assert_eq!(Browser::new(&app).authorize(&asks(&id)).await.error(), "unauthorized_client");
        let id_of_client: ClientId = id.parse().unwrap();
        admin::clients::remove(&app.core, &id_of_client, 10, app.clock.now()).await.unwrap();
        app.clock.advance(SECOND * 2);
        assert_eq!(Browser::new(&app).authorize(&asks(&id)).await.status, 400, "removed is removed");
        assert_eq!(remote.asked().len(), 0);
    }

    async fn an_operator_sees_how_a_family_stands_and_nothing_is_fetched_for_it(app) with documents; {
        app.add_user("ana").await;
        app.add_client("app", |_| ()).await;
        let (remote, id) = published(&json!({})).await;
        let_in(&app, &Browser::new(&app), &id).await;
        app.clock.advance(SECOND);
        app.log_in_with("app", "ana").await;
        let fetched = remote.asked().len();
        let seen = async || {
            let families = admin::families::list(&app.core, &WantedFamilies::default(), 10, app.clock.now()).await.unwrap();
            assert_eq!(remote.asked().len(), fetched, "what a document says is for the server's own use");
            families.into_iter().map(|family| (family.client_id.to_string(), family.state)).collect::<Vec<_>>()
        };
        let with = |of_app: &str, of_tool: &str| {
            vec![("app".to_owned(), of_app.to_owned()), (id.clone(), of_tool.to_owned())]
        };
        assert_eq!(seen().await, with("live", "live"));
        app.clock.advance(DAY * 7);
        assert_eq!(seen().await, with("expired", "expired"));
        app.core.write(app.clock.now(), async |tx| {
            heirloom::store::clients::remove(tx, &"app".parse().unwrap(), app.clock.now()).await.map(Some)
        }).await.unwrap();
        assert_eq!(seen().await, with("ended: client_removed", "expired"), "until the janitor has been there");
    }
}
