//! Clients that change: what people agreed to, their logins, and the token that manages them (RFC 7592).

use heirloom::service::admin;
use heirloom::service::admin::client_changes::ClientChanges;
use heirloom::service::admin::janitor;
use heirloom::settings::Settings;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::browser::*;
use crate::documents::{documents, publish, published};
use crate::harness::*;
use crate::registration::{open, to_be_changed};
use crate::signer::Signer;

const OTHER: &str = "https://app.example/other";

fn many(settings: &mut Settings) {
    open(settings);
    settings.registration.per_hour = 100;
}

/// What a web application registers, with changes.
fn web_app(changes: &Value) -> Value {
    let mut members = json!({
        "redirect_uris": [REDIRECT_URI], "client_name": "The App", "scope": "openid profile",
        "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "client_secret_post",
    });
    members.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    members
}

/// The consent page, for ana, who signs in if she has not.
async fn consent(browser: &Browser<'_>, id: &str) -> Seen {
    let page = browser.authorize(&[("client_id", id)]).await;
    let page =
        if page.body.contains("name=\"password\"") { browser.sign_in(&page, "ana").await } else { page };
    assert!(page.body.contains("name=\"decision\""), "{page:?}");
    page
}

/// Ana's code, who agrees.
async fn agrees(browser: &Browser<'_>, id: &str) -> String {
    let page = consent(browser, id).await;
    browser.decide(&page, "allow").await.code()
}

/// Whether ana, who is signed in, is asked before she is sent to the client.
async fn is_asked(browser: &Browser<'_>, id: &str, redirect_uri: &str) -> bool {
    let seen = browser.authorize(&[("client_id", id), ("redirect_uri", redirect_uri)]).await;
    if seen.status == 303 {
        assert!(!seen.code().is_empty());
        return false;
    }
    assert!(seen.body.contains("name=\"decision\""), "{seen:?}");
    true
}

/// Whether the token that this answer gave manages the client.
async fn manages(app: &TestApp, answer: &Answer) -> bool {
    let seen = app.manage("GET", answer, None).await;
    if seen.status == 200 {
        assert_eq!(seen.json["registration_access_token"], answer.json["registration_access_token"]);
        return true;
    }
    assert_eq!(seen.code(), "401 invalid_token");
    false
}

both_stores! {
    async fn a_client_that_becomes_another_one_is_agreed_to_anew(app) with many; {
        app.add_user("ana").await;
        let (first, second) = (Signer::new(Algorithm::ES256, "k1"), Signer::new(Algorithm::ES256, "k2"));
        let keyed = |keys: Value| json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": keys });
        let by_keys = keyed(first.jwks());
        let nothing = json!({});
        let rows: &[(&str, &Value, Value)] = &[
            ("another name", &nothing, json!({ "client_name": "Your Bank" })),
            ("no name", &nothing, json!({ "client_name": null })),
            ("one place more", &nothing, json!({ "redirect_uris": [REDIRECT_URI, "https://evil.example/cb"] })),
            ("one place less", &json!({ "redirect_uris": [REDIRECT_URI, OTHER] }), json!({ "redirect_uris": [REDIRECT_URI] })),
            ("another method", &nothing, json!({ "token_endpoint_auth_method": "client_secret_basic" })),
            ("no proof", &nothing, json!({ "token_endpoint_auth_method": "none" })),
            ("keys", &nothing, keyed(first.jwks())),
            ("other keys", &by_keys, keyed(second.jwks())),
            ("keys elsewhere", &by_keys, json!({ "jwks": null, "jwks_uri": "https://evil.example/jwks" })),
            ("other names of users", &nothing, json!({ "subject_type": "pairwise" })),
        ];
        for (what, base, changes) in rows {
            let registered = app.register(&web_app(base)).await;
            let id = registered.text("client_id");
            let browser = Browser::new(&app);
            agrees(&browser, id).await;
            assert!(!is_asked(&browser, id, REDIRECT_URI).await, "{what}: once");
            assert!(browser.get("/account/apps").await.body.contains(id), "{what}");
            let changed = app.manage("PUT", &registered, Some(&to_be_changed(&registered, changes))).await;
            assert_eq!(changed.status, 200, "{what} {changed:?}");
            app.clock.advance(SECOND * 2);
            let place = changed.json["redirect_uris"].as_array().unwrap().last().unwrap().as_str().unwrap();
            assert!(is_asked(&browser, id, place).await, "{what}");
            assert!(is_asked(&browser, id, REDIRECT_URI).await, "{what}: in the old place, too");
            let apps = browser.get("/account/apps").await;
            assert!(apps.status == 200 && !apps.body.contains(id), "{what}: nothing is agreed to");
            assert_eq!(app.told(&format!("client.changed change=consents_forgotten client={id}")), 1, "{what}");
            agrees(&browser, id).await;
            assert!(!is_asked(&browser, id, place).await, "{what}: once again");
            app.clock.advance(MINUTE);
        }
    }

    async fn a_client_that_stays_the_same_is_not_agreed_to_anew(app) with many; {
        app.add_user("ana").await;
        let base = json!({ "redirect_uris": [REDIRECT_URI, OTHER] });
        let registered = app.register(&web_app(&base)).await;
        let (id, browser) = (registered.text("client_id"), Browser::new(&app));
        agrees(&browser, id).await;
        for changes in [
            json!({}),
            json!({ "redirect_uris": [OTHER, REDIRECT_URI] }),
            json!({ "contacts": ["ana@app.example"], "policy_uri": "https://app.example/privacy" }),
            json!({ "scope": "openid profile email" }),
        ] {
            let changed = app.manage("PUT", &registered, Some(&to_be_changed(&registered, &changes))).await;
            assert_eq!(changed.status, 200, "{changed:?}");
            app.clock.advance(SECOND * 2);
            assert!(!is_asked(&browser, id, REDIRECT_URI).await, "{changes}");
        }
        assert_eq!(app.told("client.changed change=consents_forgotten"), 0);
    }

    async fn an_answer_to_what_a_client_was_is_not_one_to_what_it_is(app) with many; {
        app.add_user("ana").await;
        let registered = app.register(&web_app(&json!({}))).await;
        let (id, browser) = (registered.text("client_id"), Browser::new(&app));
        let page = consent(&browser, id).await;
        let changes = json!({ "redirect_uris": [REDIRECT_URI, "https://evil.example/cb"] });
        app.manage("PUT", &registered, Some(&to_be_changed(&registered, &changes))).await;
        app.clock.advance(SECOND * 2);
        let seen = browser.decide(&page, "allow").await;
        assert!(seen.status == 200 && seen.body.contains("value=\"allow\""), "it asks once more: {seen:?}");
        assert!(is_asked(&browser, id, "https://evil.example/cb").await);
        assert_eq!(app.told("consent.given"), 0);
    }

    async fn a_client_that_gives_up_its_proof_loses_its_logins(app) with many; {
        app.add_user("ana").await;
        app.log_in("ana").await;
        let registered = app.register(&web_app(&json!({}))).await;
        let (id, secret) = (registered.text("client_id"), registered.text("client_secret"));
        let browser = Browser::new(&app);
        let mut code = agrees(&browser, id).await;
        let own = [("client_id", id), ("client_secret", secret)];
        let mut logins = Vec::new();
        for _ in 0..3 {
            logins.push(app.exchange(&code, &own).await.tokens());
            code = browser.authorize(&own[..1]).await.code();
        }
        let public = to_be_changed(&registered, &json!({ "token_endpoint_auth_method": "none" }));
        let public = app.manage("PUT", &registered, Some(&public)).await;
        assert_eq!((public.status.as_u16(), public.header("cache-control")), (200, Some("no-store")));
        app.clock.advance(SECOND * 3);
        for login in &logins {
            let refresh = [("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", &login.refresh)];
            assert_eq!(app.form("/oauth/token", &refresh).await.code(), "400 invalid_grant");
        }
        let ended = |app: &TestApp| app.events().iter().filter(|it| it.contains("reason=client_changed")).count();
        assert_eq!((ended(&app), app.live_families().await), (3, 1), "only its own");
        // Whoever broke off in the midst of it has the rest done later, and what began since goes on.
        app.sql(&format!("UPDATE families SET ended_at = NULL, end_reason = NULL WHERE client_id = '{id}'")).await;
        let since = app.exchange(&agrees(&browser, id).await, &own[..1]).await.tokens();
        assert_eq!(janitor::tidy(&app.core, 1, app.clock.now()).await.unwrap().ended, 3);
        assert_eq!((ended(&app), app.live_families().await), (6, 2));
        let refresh = [("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", &since.refresh)];
        app.form("/oauth/token", &refresh).await.tokens();
        // One that proves itself in another way keeps them.
        let again = to_be_changed(&public, &json!({ "token_endpoint_auth_method": "client_secret_basic" }));
        app.manage("PUT", &public, Some(&again)).await.text("client_secret");
        assert_eq!(app.live_families().await, 2);
    }

    async fn each_change_gives_another_token_and_the_one_before_goes_with_its_first_use(app) with many; {
        let registered = app.register(&web_app(&json!({}))).await;
        let change = async |held: &Answer, changes: &Value| app.manage("PUT", held, Some(&to_be_changed(held, changes))).await;
        let refused = change(&registered, &json!({ "redirect_uris": null })).await;
        assert_eq!(refused.code(), "400 invalid_redirect_uri");
        let lost = change(&registered, &json!({ "client_name": "One" })).await;
        assert_eq!(lost.status, 200);
        assert_ne!(lost.json["registration_access_token"], registered.json["registration_access_token"], "RFC 7592 §2.2");
        // The answer may have been lost: the one before is good until the new one comes.
        assert!(manages(&app, &registered).await);
        let second = change(&registered, &json!({ "client_name": "Two" })).await;
        assert_eq!(second.text("client_name"), "Two");
        assert!(!manages(&app, &lost).await, "nobody used it, and another one was given");
        assert!(manages(&app, &registered).await && manages(&app, &second).await);
        assert!(!manages(&app, &registered).await, "the new one was used");
        let third = change(&second, &json!({ "client_name": "Three" })).await;
        let fourth = change(&third, &json!({ "client_name": "Four" })).await;
        assert_eq!(fourth.text("client_name"), "Four", "a change is a use, too");
        assert!(!manages(&app, &second).await);
        assert!(manages(&app, &third).await);
        assert_eq!(app.manage("DELETE", &fourth, None).await.status, 204);
        for gone in [&registered, &second, &third, &fourth] {
            assert!(!manages(&app, gone).await);
        }
        assert_eq!(app.told("client.changed change=updated_itself"), 4);
    }

    async fn of_changes_at_once_each_is_made_and_one_token_is_left(app) with many; {
        let registered = app.register(&web_app(&json!({}))).await;
        let renamed = to_be_changed(&registered, &json!({ "client_name": "Your Bank" }));
        let all = futures_util::future::join_all((0..4).map(|_| app.manage("PUT", &registered, Some(&renamed)))).await;
        assert!(all.iter().all(|answer| answer.status == 200), "{all:?}");
        assert_eq!(app.told("client.changed change=updated_itself"), 4);
        assert_eq!(app.told("client.changed change=consents_forgotten"), 1, "each knows what was there before it");
        assert!(manages(&app, &registered).await);
        let mut good = 0;
        for answer in &all {
            good += i32::from(manages(&app, answer).await);
        }
        assert_eq!(good, 1, "the last one's");
        assert!(!manages(&app, &registered).await);
    }

    async fn an_operators_change_of_name_or_place_is_agreed_to_anew(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        agrees(&browser, "other").await;
        let uris = |uris: &[&str]| Some(uris.iter().map(|uri| (*uri).to_owned()).collect::<Vec<_>>());
        let change = async |changes| {
            let id = "other".parse().unwrap();
            admin::clients::change(&app.core, &id, changes, app.clock.now()).await.unwrap();
            app.clock.advance(SECOND * 2);
        };
        for kept in [
            ClientChanges { redirect_uris: uris(&[OTHER, REDIRECT_URI]), ..ClientChanges::default() },
            ClientChanges { redirect_uris: uris(&[REDIRECT_URI]), ..ClientChanges::default() },
            ClientChanges { name: Some("Other & Sons".to_owned()), ..ClientChanges::default() },
            ClientChanges { scopes: Some("openid profile".parse().unwrap()), ..ClientChanges::default() },
        ] {
            change(kept).await;
            assert!(!is_asked(&browser, "other", REDIRECT_URI).await, "an operator is trusted");
        }
        assert_eq!(app.told("client.changed change=consents_forgotten"), 0);
        let moved = uris(&[REDIRECT_URI, "https://elsewhere.example/cb"]);
        let elsewhere = ClientChanges { redirect_uris: moved, ..ClientChanges::default() };
        let renamed = ClientChanges { name: Some("Sons".to_owned()), ..ClientChanges::default() };
        for another in [elsewhere, renamed] {
            change(another).await;
            assert!(is_asked(&browser, "other", REDIRECT_URI).await, "people were told a name and a place");
            agrees(&browser, "other").await;
        }
        assert_eq!(app.told("client.changed change=consents_forgotten client=other"), 2);
    }

    async fn a_document_that_changed_is_agreed_to_anew(app) with documents; {
        app.add_user("ana").await;
        let (remote, id) = published(&json!({})).await;
        let browser = Browser::new(&app);
        let own = [("client_id", id.as_str()), ("redirect_uri", "https://tool.example/cb")];
        let page = browser.authorize(&own).await;
        let page = browser.sign_in(&page, "ana").await;
        browser.decide(&page, "allow").await.code();
        for changes in [
            json!({ "client_name": "Your Bank" }),
            json!({ "redirect_uris": ["https://tool.example/cb", "https://evil.example/cb"] }),
        ] {
            publish(&remote, &id, &changes);
            app.clock.advance(MINUTE);
            let page = browser.authorize(&own).await;
            assert!(page.body.contains("name=\"decision\""), "{page:?}");
        }
    }
}
