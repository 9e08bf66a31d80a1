//! Pairwise subjects of clients that nobody vouches for: they say of what sector they are, and it has to say so, too
//! (OpenID Connect Core §8.1, OpenID Connect Dynamic Client Registration §5).

use heirloom::settings::Settings;
use serde_json::{Value, json};

use crate::browser::*;
use crate::documents::{documents, let_in, published};
use crate::harness::*;
use crate::registration::{open, to_be_changed};
use crate::remote::Remote;

const THERE: &str = "https://there.example/cb";

fn reachable(settings: &mut Settings) {
    documents(settings);
    open(settings);
}

/// The server of a sector, and what a client registers that is of it.
async fn sector(list: &Value) -> (Remote, Value) {
    let remote = Remote::start_secure().await;
    remote.give(list, "cache-control: max-age=3600\r\n");
    let members = json!({
        "redirect_uris": [REDIRECT_URI, THERE],
        "token_endpoint_auth_method": "none",
        "subject_type": "pairwise",
        "sector_identifier_uri": remote.at("/sector.json"),
    });
    (remote, members)
}

fn with(members: &Value, changes: &Value) -> Value {
    let mut members = members.clone();
    members.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    members
}

/// The name by which a client knows Ana.
async fn subject(app: &TestApp, registered: &Answer, redirect_uri: &str) -> Value {
    let own = [("client_id", registered.text("client_id")), ("redirect_uri", redirect_uri)];
    let browser = Browser::new(app);
    let page = browser.authorize(&own).await;
    let page = browser.sign_in(&page, "ana").await;
    let code = browser.decide(&page, "allow").await.code();
    claims(app.exchange(&code, &own).await.text("id_token"))["sub"].clone()
}

both_stores! {
    async fn a_client_registers_for_pairwise_subjects_of_its_sector(app) with reachable; {
        let ana = app.add_user("ana").await;
        let (remote, members) = sector(&json!([REDIRECT_URI, THERE, "https://app.example/third"])).await;
        let registered = app.register(&members).await;
        assert_eq!(registered.status, 201, "{registered:?}");
        for name in ["subject_type", "sector_identifier_uri"] {
            assert_eq!(registered.json[name], members[name], "RFC 7591 §3.2.1");
        }
        assert_eq!(app.manage("GET", &registered, None).await.json["subject_type"], "pairwise", "RFC 7592 §2.1");
        let third = with(&members, &json!({ "redirect_uris": ["https://app.example/third"] }));
        let beside = app.register(&third).await;
        assert_eq!(remote.asked().len(), 2, "each by the list as it is then");
        let alone = app.register(&with(&third, &json!({ "sector_identifier_uri": null }))).await;
        let public = app.register(&with(&members, &json!({ "subject_type": "public" }))).await;
        let here = subject(&app, &registered, THERE).await;
        assert_eq!(subject(&app, &beside, "https://app.example/third").await, here, "the same sector");
        assert_ne!(subject(&app, &alone, "https://app.example/third").await, here, "the host of its redirect URI");
        let told = subject(&app, &public, THERE).await;
        assert_eq!(told, json!(ana));
        assert_ne!(told, here);
    }

    async fn a_change_has_to_be_in_the_list_as_well(app) with reachable; {
        let (remote, members) = sector(&json!([REDIRECT_URI, THERE])).await;
        let registered = app.register(&members).await;
        let more = to_be_changed(&registered, &json!({ "redirect_uris": [REDIRECT_URI, "https://app.example/new"] }));
        let refused = app.manage("PUT", &registered, Some(&more)).await;
        assert_eq!(refused.code(), "400 invalid_client_metadata", "OIDC Registration §5");
        let several = to_be_changed(&registered, &json!({ "sector_identifier_uri": null }));
        let refused = app.manage("PUT", &registered, Some(&several)).await;
        assert_eq!(refused.code(), "400 invalid_client_metadata", "OIDC Core §8.1: several hosts");
        let seen = app.manage("GET", &registered, None).await;
        assert_eq!(seen.json["redirect_uris"], json!([REDIRECT_URI, THERE]));
        // What was added to the list a moment ago counts, however long the old one was to be remembered.
        remote.give(&json!([REDIRECT_URI, "https://app.example/new"]), "");
        assert_eq!(app.manage("PUT", &registered, Some(&more)).await.status, 200);
        // So does what was taken away.
        remote.give(&json!([REDIRECT_URI]), "");
        let new = with(&members, &json!({ "redirect_uris": [REDIRECT_URI, "https://app.example/new"] }));
        assert_eq!(app.register(&new).await.code(), "400 invalid_client_metadata", "OIDC Registration §5");
    }

    async fn what_is_no_sector(app) with reachable; {
        let (remote, members) = sector(&json!([REDIRECT_URI])).await;
        for (section, changes) in [
            ("OIDC Registration §5: not listed", json!({})),
            ("OIDC Registration §5: in letter", json!({ "redirect_uris": ["https://app.example/cb?"] })),
            ("OIDC Registration §5: when public, too", json!({ "subject_type": "public" })),
            ("OIDC Registration §5: https", json!({ "sector_identifier_uri": remote.at("/").replace("https", "http") })),
            ("OIDC Registration §2", json!({ "sector_identifier_uri": "sector" })),
            ("OIDC Registration §2", json!({ "subject_type": "secret" })),
            ("OIDC Core §8.1: several hosts", json!({ "sector_identifier_uri": null })),
            ("OIDC Core §8.1: a device", json!({ "redirect_uris": [REDIRECT_URI], "grant_types": ["authorization_code", crate::device::GRANT] })),
        ] {
            let refused = app.register(&with(&members, &changes)).await;
            assert_eq!(refused.code(), "400 invalid_client_metadata", "{section}");
        }
        let list = json!([REDIRECT_URI, THERE]);
        for (why, answer) in [
            ("no array", crate::remote::json_answer(&json!({ "redirect_uris": list }).to_string(), "")),
            ("not of texts", crate::remote::json_answer(&json!([REDIRECT_URI, THERE, 1]).to_string(), "")),
            ("no JSON", crate::remote::json_answer("https://app.example/cb", "")),
            ("gone", "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned()),
            ("elsewhere", format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", remote.at("/x"))),
        ] {
            app.clock.advance(MINUTE * 120);
            remote.answer(answer);
            assert_eq!(app.register(&members).await.code(), "400 invalid_client_metadata", "OIDC Registration §5: {why}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM clients").await, 1, "nothing was registered");
        remote.give(&list, "");
        app.clock.advance(SECOND * 10);
        assert_eq!(app.register(&members).await.status, 201);
    }

    async fn nobody_has_the_server_call_where_it_must_not(app) with |settings| {
        reachable(settings);
        settings.outbound.allowed_networks = std::mem::take(&mut settings.registration.allowed_networks);
    }; {
        let (remote, members) = sector(&json!([REDIRECT_URI, THERE])).await;
        assert_eq!(app.register(&members).await.code(), "400 invalid_client_metadata");
        assert_eq!(remote.asked().len(), 0, "it is a private address");
    }

    async fn lists_are_fetched_for_so_many_registrations_only(app) with |settings| {
        reachable(settings);
        settings.registration.per_hour = 1;
    }; {
        let (remote, members) = sector(&json!([])).await;
        assert_eq!(app.register(&members).await.code(), "400 invalid_client_metadata");
        let asked = remote.asked().len();
        let other = with(&members, &json!({ "sector_identifier_uri": remote.at("/other.json") }));
        assert_eq!(app.register(&other).await.code(), "429 temporarily_unavailable");
        assert_eq!(remote.asked().len(), asked);
    }

    async fn a_metadata_document_names_its_sector_too(app) with reachable; {
        app.add_user("ana").await;
        let callback = "http://127.0.0.1:3000/callback";
        let (remote, _) = sector(&json!([callback, "https://tool.example/cb"])).await;
        let pairwise = json!({ "subject_type": "pairwise", "sector_identifier_uri": remote.at("/sector.json") });
        let (_document, id) = published(&pairwise).await;
        let named = let_in(&app, &Browser::new(&app), &id).await.claims()["sub"].clone();
        let (_other, beside) = published(&pairwise).await;
        assert_eq!(let_in(&app, &Browser::new(&app), &beside).await.claims()["sub"], named);
        let (_open, open) = published(&json!({})).await;
        assert_ne!(let_in(&app, &Browser::new(&app), &open).await.claims()["sub"], named);
        for changes in [
            json!({ "redirect_uris": [callback, "https://evil.example/cb"] }),
            json!({ "sector_identifier_uri": null }),
        ] {
            let (_unlisted, id) = published(&with(&pairwise, &changes)).await;
            let own = [("client_id", id.as_str()), ("redirect_uri", callback)];
            assert_eq!(Browser::new(&app).authorize(&own).await.status, 400, "{changes}");
        }
    }
}
