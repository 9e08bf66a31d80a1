//! Users who delete their own accounts, where the operator lets them.

use heirloom::settings::Settings;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::browser::*;
use crate::database::with_database;
use crate::harness::*;
use crate::pages::is_sound;
use crate::remote::Remote;

const PLACE: &str = "/account/delete";
const GONE: &str = "Your account was deleted";

fn allowed(settings: &mut Settings) {
    settings.pages.account_deletion = true;
    settings.outbound.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
}

/// What the page's form is sent with.
fn filled(page: &Seen, password: &str) -> [(&'static str, String); 4] {
    let hidden = |name| page.hidden(name);
    [
        ("csrf", hidden("csrf")),
        ("user", hidden("user")),
        ("mark", hidden("mark")),
        ("password", password.to_owned()),
    ]
}

impl Browser<'_> {
    async fn opens_removal(&self, name: &str) -> Seen {
        self.sign_in(&self.follow(self.get(PLACE).await).await, name).await
    }

    async fn deletes(&self, page: &Seen, password: &str) -> Seen {
        let form = filled(page, password);
        self.post(&page.action(), &form.each_ref().map(|(name, value)| (*name, value.as_str()))).await
    }
}

impl TestApp {
    async fn users(&self) -> i64 {
        self.number("SELECT COUNT(*) FROM users").await
    }
}

/// Where rows are locked one by one, the moment between looking at a password and deleting can be held.
#[test]
fn a_password_that_was_changed_at_that_moment_deletes_nothing() {
    const WAITS: &str = "SELECT COUNT(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    with_database(Store::Postgres, async |store, url| {
        let (app, stop) = start(store, &url, TestClock::new(), allowed).await;
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.opens_removal("ana").await;
        let mut other = PgConnection::connect(&url).await.unwrap();
        let change = "BEGIN; UPDATE users SET password_hash = '!', password_cost = NULL";
        sqlx::raw_sql(change).execute(&mut other).await.unwrap();
        let commit = async {
            while app.number(WAITS).await == 0 {
                tokio::time::sleep(SECOND / 100).await;
            }
            sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
        };
        let (seen, ()) = tokio::join!(browser.deletes(&page, PASSWORD), commit);
        assert!(!seen.body.contains(GONE), "{seen:?}");
        assert_eq!((app.users().await, app.told("user.changed change=own_removal")), (1, 0));
        other.close().await.unwrap();
        stop.end().await;
    });
}

both_stores! {
    async fn a_user_deletes_the_own_account_with_all_that_belongs_to_it(app) with allowed; {
        let remote = Remote::start().await;
        remote.answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        app.with_apps().await;
        app.add_user("ben").await;
        app.add_app("told", |it| {
            it.party = heirloom::domain::client::Party::First;
            it.metadata = serde_json::from_value(json!({
                "backchannel_logout_uri": remote.at("/bye"), "frontchannel_logout_uri": "https://app.example/bye",
            })).unwrap();
        }).await;
        let ben = app.log_in("ben").await;
        let ana = app.log_in("ana").await;
        let (browser, phone) = (Browser::new(&app), Browser::new(&app));
        let told = app.lets_in(&browser, "told", "openid").await.tokens();
        let unused = phone.ana_signs_in(&[]).await;
        browser.decide(&browser.authorize(&[("client_id", "other")]).await, "allow").await.code();
        let page = browser.get(PLACE).await;
        for text in ["at once and for good", "href=\"/account/data\"", "autocomplete=\"current-password\""] {
            assert!(page.body.contains(text), "{text}: {page:?}");
        }
        is_sound(&page, PLACE);
        let gone = browser.deletes(&page, PASSWORD).await;
        is_sound(&gone, "account deleted");
        assert!(gone.status == 200 && gone.body.contains(GONE), "{gone:?}");
        assert!(gone.body.contains("<iframe src=\"https:&#x2f;&#x2f;app.example&#x2f;bye?iss="), "{gone:?}");
        assert!(gone.header("content-security-policy").contains("frame-src https://app.example;"), "{gone:?}");
        assert_eq!(browser.cookie("heirloom-session"), None, "the browser forgets it");
        // All of it ended in that transaction.
        assert_eq!(app.refresh(&ana.refresh).await.refusal(), ENDED);
        assert_eq!(app.refresh_with("told", &told.refresh).await.refusal(), ENDED);
        assert_eq!(app.exchange(&unused, &[]).await.code(), "400 invalid_grant");
        assert_eq!(phone.authorize(&[("prompt", "none")]).await.error(), "login_required");
        assert_eq!(app.users().await, 1);
        for table in ["sign_in_sessions", "consents", "authorization_codes"] {
            assert_eq!(app.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM logout_deliveries").await, 1, "the app is told");
        assert_eq!(app.told("user.changed change=own_removal"), 1);
        let ended = app.events().iter().filter(|event| event.contains(" reason=user_removed")).count();
        assert_eq!((app.told("sign_in.ended"), ended), (2, 2));
        let named = app.number("SELECT COUNT(*) FROM events WHERE fields LIKE '%\"ana\"%'").await;
        assert_eq!(named, 0, "events keep ids alone");
        // Nobody else is touched, and the name opens nothing.
        app.rotate(&ben).await;
        let refused = app.post("/login", &json!({ "username": "ana", "password": PASSWORD })).await;
        assert_eq!(refused.status, 401);
    }

    async fn it_takes_the_password_and_the_limits_of_sign_ins_hold(app) with |settings| {
        allowed(settings);
        settings.limits.account_attempts = 3;
    }; {
        app.with_apps().await;
        let tokens = app.log_in("ana").await;
        let browser = Browser::new(&app);
        let mut page = browser.opens_removal("ana").await;
        for password in ["", "not hers", "not hers either"] {
            page = browser.deletes(&page, password).await;
            assert!(page.status == 403 && page.body.contains("That is not your current password."), "{page:?}");
        }
        let again = browser.deletes(&page, "nor this").await;
        let held = browser.deletes(&again, PASSWORD).await;
        assert!(held.status == 429 && !held.header("retry-after").is_empty(), "{held:?}");
        assert_eq!(app.users().await, 1);
        app.rotate(&tokens).await;
        let german = browser.get(&format!("{PLACE}?ui_locales=de")).await;
        assert!(german.body.contains("Konto endgültig löschen"), "{german:?}");
        app.clock.advance(DAY / 2);
        let gone = browser.deletes(&german, PASSWORD).await;
        assert!(gone.body.contains("Ihr Konto wurde gelöscht"), "{gone:?}");
    }

    async fn a_second_click_or_another_tab_ends_well(app) with allowed; {
        app.with_apps().await;
        app.add_user("ben").await;
        let browser = Browser::new(&app);
        let page = browser.opens_removal("ana").await;
        let (one, other) = tokio::join!(browser.deletes(&page, PASSWORD), browser.deletes(&page, PASSWORD));
        for seen in [&one, &other] {
            assert!(seen.status == 200 && seen.body.contains(GONE), "{seen:?}");
        }
        assert_eq!((app.users().await, app.told("user.changed change=own_removal")), (1, 1));
        // The page loaded again, or its other tab.
        let again = browser.deletes(&page, "whatever").await;
        assert!(again.status == 200 && again.body.contains(GONE), "{again:?}");
        // The way back leads to the sign-in.
        for place in [PLACE, "/account", "/account/data"] {
            assert_eq!(browser.get(place).await.location(), format!("/sign-in?to={place}"));
        }
        // In a browser that is somebody else's by now nothing happens.
        let bens = browser.opens_removal("ben").await;
        assert!(bens.body.contains("name=\"mark\""), "{bens:?}");
        assert_eq!(browser.deletes(&page, PASSWORD).await.location(), "/account/delete?done=nothing");
        assert_eq!(app.users().await, 1);
    }

    async fn a_form_that_is_left_over_says_nothing_of_an_account_that_is_there(app) with allowed; {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.opens_removal("ana").await;
        let out = browser.get("/oauth/logout").await;
        browser.post(&out.action(), &[("csrf", &out.hidden("csrf"))]).await;
        let to_sign_in = "/sign-in?to=/account/delete";
        assert_eq!(browser.deletes(&page, PASSWORD).await.location(), to_sign_in, "signed out, not deleted");
        assert_eq!(app.users().await, 1);
        // Nobody learns from here which users there are.
        let nobody = "00000000-0000-7000-8000-000000000000";
        for mark in ["", "x", &page.hidden("mark")] {
            let form = [("user", nobody), ("mark", mark), ("password", PASSWORD)];
            assert_eq!(browser.post(PLACE, &form).await.location(), to_sign_in, "{mark}");
        }
        assert_eq!(Browser::new(&app).deletes(&page, PASSWORD).await.location(), to_sign_in);
        // Another site's form does nothing.
        let page = browser.opens_removal("ana").await;
        let stale = browser.post(PLACE, &[("csrf", "x"), ("password", PASSWORD)]).await;
        assert_eq!(stale.location(), "/account/delete?done=nothing");
        assert!(page.body.contains("Nobody can bring it back"), "{page:?}");
        assert_eq!(app.users().await, 1);
    }

    async fn unless_the_operator_says_so_nobody_deletes_an_account(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        browser.ana_signs_in(&[]).await;
        assert_eq!(browser.get(PLACE).await.status, 404);
        assert_eq!(browser.post(PLACE, &[("password", PASSWORD)]).await.status, 404);
        let data = browser.get("/account/data").await;
        assert!(data.status == 200 && !data.body.contains("Delete account"), "{data:?}");
    }
}
