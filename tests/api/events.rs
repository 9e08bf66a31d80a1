//! What happened is told: once it is durable, once, by the names that `docs/events.md` lists.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use heirloom::domain::client::{ClientKind, Party};
use heirloom::domain::event::{EVENT_NAMES, Event, Whence};
use heirloom::domain::secrets::Password;
use heirloom::domain::standard_claims::StandardClaims;
use heirloom::service::admin;
use heirloom::service::admin::users::{Change, Details};
use heirloom::store::{Db, StoreError};
use serde_json::json;

use crate::browser::*;
use crate::harness::*;

async fn wrong_password(app: &TestApp) -> Answer {
    app.post("/login", &json!({ "username": "ana", "password": "a wrong password" })).await
}

impl TestApp {
    /// Records an event in a transaction that is undone, and in one that fails.
    pub async fn undo(&self, event: &Event) {
        let now = self.clock.now();
        let undone = self.core.write(now, async |tx| {
            tx.record(event.clone());
            Ok(None::<()>)
        });
        assert_eq!(undone.await.unwrap(), None);
        let failed = self.core.write(now, async |tx| {
            tx.record(event.clone());
            Err::<Option<()>, _>(StoreError::Exists)
        });
        assert!(matches!(failed.await, Err(StoreError::Exists)));
    }
}

both_stores! {
    async fn a_login_and_its_end_are_told(app) with |settings| {
        settings.limits.account_attempts = 1;
    }; {
        let ana = app.add_user("ana").await;
        let tokens = app.log_in("ana").await;
        let family = tokens.claims()["sid"].as_str().unwrap().to_owned();
        app.post("/logout", &json!({ "refresh_token": tokens.refresh })).await;
        app.post("/logout", &json!({ "refresh_token": tokens.refresh })).await;
        wrong_password(&app).await;
        assert_eq!(wrong_password(&app).await.status, 429);
        assert_eq!(app.events(), [
            format!("user.changed change=added user={ana}"),
            format!("login.succeeded client=heirloom family={family} user={ana}"),
            format!("family.ended client=heirloom family={family} reason=logout user={ana}"),
            format!("login.refused client=heirloom user={ana}"),
            format!("attempts.limited user={ana}"),
        ]);
    }

    async fn a_refused_sign_in_tells_from_where_it_came_and_to_whose_account(app) with |settings| {
        settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    }; {
        app.with_apps().await;
        let ben = app.add_user("ben").await.to_string();
        let browser = Browser::new(&app).with_header("x-forwarded-for", "198.51.100.7").with_header("user-agent", "Guess/1");
        let page = browser.authorize(&[]).await;
        let mut hashes = Vec::new();
        for (name, user) in [("Ben ", Some(ben.as_str())), ("nobody", None), ("NOBODY", None), ("hunter2 hunter2", None)] {
            let body = json!({ "username": name, "password": "a wrong password" });
            let request = app.http.post(app.at("/login")).json(&body);
            let request = request.header("x-forwarded-for", "198.51.100.7:999").header("user-agent", "Guess/1");
            assert_eq!(app.send(request).await.status, 401);
            let csrf = page.hidden("csrf");
            browser.post(&page.action(), &[("csrf", &csrf), ("username", name), ("password", "short")]).await;
            let events = app.whole_events();
            for (event, told) in [("login.refused", &events[events.len() - 2]), ("sign_in.refused", &events[events.len() - 1])] {
                assert_eq!(told["event"], event);
                assert_eq!((&told["address"], &told["agent"]), (&json!("198.51.100.7"), &json!("Guess/1")), "{event} {name}");
                assert_eq!(told.get("user").map(|user| user.as_str().unwrap()), user, "{event} {name}");
                assert_eq!(told.contains_key("name_hash"), user.is_none(), "{event} {name}");
                assert!(!json!(told).to_string().to_lowercase().contains(&name.to_lowercase()), "{told:?}");
                hashes.extend(told.get("name_hash").cloned());
            }
        }
        // The same name has the same hash, however it is written and wherever it is typed.
        assert!(hashes[..4].iter().all(|hash| *hash == hashes[0]) && hashes[4] == hashes[5], "{hashes:?}");
        assert_ne!(hashes[0], hashes[4]);
        let body = json!({ "username": "ben", "password": PASSWORD });
        let request = app.http.post(app.at("/login")).json(&body).header("user-agent", "App/1");
        let tokens = app.send(request.header("x-forwarded-for", "203.0.113.7")).await.tokens();
        let told = app.whole_events().pop().unwrap();
        assert_eq!((&told["event"], &told["address"], &told["agent"]), (&json!("login.succeeded"), &json!("203.0.113.7"), &json!("App/1")));
        // A thief's address.
        app.rotate(&app.rotate(&tokens).await).await;
        let stolen = json!({ "refresh_token": tokens.refresh });
        let request = app.http.post(app.at("/refresh")).json(&stolen).header("user-agent", "Thief/1");
        app.send(request.header("x-forwarded-for", "192.0.2.66")).await;
        let events = app.whole_events();
        let told = events.iter().find(|told| told["event"] == "family.reused").unwrap();
        assert_eq!((&told["address"], &told["agent"]), (&json!("192.0.2.66"), &json!("Thief/1")));
    }

    async fn a_refused_authorization_request_tells_whose_it_is_and_why(app) {
        app.with_apps().await;
        let browser = Browser::new(&app).with_header("user-agent", "Browser/1");
        let uri = "https://app.example/CB?a=<b>\u{202e}";
        for (changes, client, error, reason) in [
            (("client_id", "nobody"), "nobody", "invalid_client", "The client is unknown."),
            (("redirect_uri", uri), "app", "invalid_request", "The redirect_uri is not registered for this client."),
            (("redirect_uri", ""), "app", "invalid_request", "The parameter redirect_uri is missing."),
            (("scope", "admin"), "app", "invalid_scope", "The scope is malformed, or it goes beyond what may be granted."),
            (("prompt", "none"), "app", "login_required", "The user has to sign in."),
        ] {
            let before = app.whole_events().len();
            let seen = browser.authorize(&[changes]).await;
            let told = app.whole_events().split_off(before);
            assert_eq!(told.len(), 1, "{told:?}");
            let told = json!(told[0]);
            let expected = json!({
                "event": "authorize.refused", "client": client, "error": error, "reason": reason,
                "address": "127.0.0.1", "agent": "Browser/1",
            });
            assert_eq!(told, expected);
            let shown = "redirect_uri=https:&#x2f;&#x2f;app.example&#x2f;CB?a=&lt;b&gt;\\u{202e}";
            assert_eq!(seen.body.contains(shown), changes.1 == uri, "what its developer looks for: {}", seen.body);
        }
    }

    async fn a_plain_rotation_is_no_event(app) {
        let tokens = app.ana_logged_in().await;
        let before = app.events();
        app.rotate(&app.rotate(&tokens).await).await;
        assert_eq!(app.events(), before);
    }

    async fn a_sign_in_over_somebody_elses_ends_that_one_and_says_so(app) {
        app.with_apps().await;
        let ben = app.add_user("ben").await;
        let followed = json!({ "frontchannel_logout_uri": "https://app.example/bye" });
        app.add_app("follows", |it| {
            it.party = Party::First;
            it.metadata = serde_json::from_value(followed).unwrap();
        }).await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[("client_id", "follows")]).await;
        let code = browser.sign_in(&page, "ana").await.code();
        let anas = app.exchange(&code, &[("client_id", "follows")]).await.tokens();
        let family = anas.claims()["sid"].as_str().unwrap().to_owned();
        let page = browser.authorize(&[("prompt", "login")]).await;
        let before = app.events().len();
        browser.sign_in(&page, "ben").await.code();
        let told = app.events();
        assert!(told[before].starts_with("sign_in.ended"), "{told:?}");
        assert!(told[before + 1].starts_with(&format!("family.ended client=follows family={family} reason=logout")), "{told:?}");
        assert!(told[before + 2].starts_with("sign_in.succeeded") && told[before + 2].ends_with(&ben.to_string()), "{told:?}");
        assert_eq!(told.len(), before + 3, "{told:?}");
        let page = browser.authorize(&[("prompt", "login")]).await;
        let csrf = page.hidden("csrf");
        browser.post(&page.action(), &[("csrf", &csrf), ("username", "ben"), ("password", "a wrong password")]).await;
        assert_eq!(app.told("sign_in.refused"), 1);
    }

    async fn what_a_user_agrees_to_and_takes_back_is_told(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[("client_id", "other")]).await;
        let page = browser.sign_in(&page, "ana").await;
        browser.decide(&page, "allow").await.code();
        assert_eq!(app.told("consent.given client=other"), 1, "{:?}", app.events());
        let page = browser.get("/account/apps").await;
        browser.post("/account/apps", &[("csrf", &page.hidden("csrf")), ("withdraw", "other")]).await;
        assert_eq!(app.told("consent.withdrawn client=other"), 1, "{:?}", app.events());
    }

    async fn every_act_of_an_operator_is_told(app) {
        let ana = app.add_user("ana").await;
        app.log_in("ana").await;
        let nothing = Details { email: None, email_verified: false, claims: StandardClaims::default() };
        for change in [
            Change::Roles(vec!["editor".to_owned()]),
            Change::Details(Box::new(nothing)),
            Change::Disable,
            Change::Enable,
            Change::Password(Password::new(PASSWORD.to_owned()).unwrap()),
            Change::Remove,
        ] {
            app.change_user(ana, change).await;
        }
        for change in ["roles", "details", "disabled", "enabled", "password", "removed"] {
            assert_eq!(app.told(&format!("user.changed change={change} user={ana}")), 1, "{change}");
        }
        admin::families::end_of_user(&app.core, app.add_user("ben").await, app.clock.now()).await.unwrap();
        assert_eq!(app.told("user.changed change=logins_ended"), 1);
        let id = "service".parse().unwrap();
        app.add_client("service", |it| it.kind = ClientKind::Confidential(Vec::new())).await;
        let client = heirloom::store::clients::find(&app.core.db, &id, app.clock.now()).await.unwrap().unwrap();
        admin::clients::update(&app.core, &client, app.clock.now()).await.unwrap();
        admin::clients::rotate_secret(&app.core, &id, DAY, app.clock.now()).await.unwrap();
        admin::clients::remove(&app.core, &id, 10, app.clock.now()).await.unwrap();
        for change in ["added", "updated", "secret_rotated", "removed"] {
            assert_eq!(app.told(&format!("client.changed change={change} client=service")), 1, "{change}");
        }
    }

    async fn what_was_undone_has_not_happened(app) {
        app.undo(&Event::RecoveryClosed).await;
        assert_eq!(app.events(), [""; 0]);
    }
}

/// The first try loses to another transaction; only what the second one did has happened.
async fn a_failed_try_drops_its_events(app: TestApp) {
    const CONFLICT: &str = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$";
    let Db::Postgres(pool) = &app.core.db else { panic!("not PostgreSQL") };
    let (tried, ana) = (AtomicUsize::new(0), app.add_user("ana").await);
    let done = app.core.write(app.clock.now(), async |tx| {
        let nth = tried.fetch_add(1, Ordering::SeqCst);
        tx.record(Event::UserCodeRefused { user: ana, from: Whence::default() });
        if nth == 0 {
            sqlx::raw_sql(CONFLICT).execute(pool.executor()).await?;
        }
        Ok(Some(nth))
    });
    assert_eq!(done.await.unwrap(), Some(1));
    assert_eq!(app.told("user_code.refused"), 1, "{:?}", app.events());
}

#[test]
fn a_try_that_lost_to_another_transaction_is_not_told() {
    run(Store::Postgres, |_| (), a_failed_try_drops_its_events);
}

/// The names in a text, each between two of these marks.
fn names(text: &str, before: &str, after: &str) -> BTreeSet<String> {
    let found = text.split(before).skip(1).filter_map(|rest| rest.split_once(after).map(|(name, _)| name));
    found.map(ToOwned::to_owned).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_log_has_every_field_of_an_event() {
    let record = read("src/domain/event/record.rs");
    let (_, record) = record.split_once("pub struct EventRecord<'a> {").unwrap();
    let fields = names(record.split_once("\n}").unwrap().0, "pub ", ":");
    assert!(fields.len() > 20, "{fields:?}");
    let writer = read("src/service/writer.rs");
    let is_logged = |field: &String| {
        let value = format!("{field} = it.{field}");
        field == "severity"
            || writer.contains(&format!("{value},"))
            || writer.contains(&format!("{value}.map"))
    };
    let missing: Vec<&String> = fields.iter().filter(|field| !is_logged(field)).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_event_is_listed_and_asserted() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let record = read("src/domain/event/record.rs");
    let mut told = names(&record, "new(\"", "\"");
    told.extend(names(&record, "of_thief(\"", "\""));
    assert!(told.len() > 20, "{told:?}");
    assert_eq!(told, EVENT_NAMES.into_iter().map(str::to_owned).collect(), "those that can be chosen");
    let listed = names(&read("docs/events.md"), "\n| `", "`");
    assert_eq!(listed, told, "docs/events.md lists what src/domain/event/record.rs names");
    let tests = ["api", "processes"].map(|set| std::fs::read_dir(root.join("tests").join(set)).unwrap());
    let tests = tests.into_iter().flatten().map(|entry| entry.unwrap().path());
    let files = tests.filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    let asserted: String = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for name in told {
        assert!(asserted.contains(&format!("\"{name}")), "no test asserts {name}");
    }
}
