//! Verified addresses: one account has one, and its owner signs in by it.

use heirloom::service::admin::error::AdminError;
use heirloom::service::admin::users::{self, DetailChanges};
use heirloom::service::admin::{emails, janitor};
use serde_json::json;
use tokio::join;

use crate::browser::*;
use crate::database::both_databases;
use crate::harness::*;
use crate::schema::migrate;

impl TestApp {
    /// As an operator's `heirloom user update --email ADDRESS --email-verified` does.
    pub async fn try_give_email(&self, name: &str, email: &str, verified: bool) -> Result<(), AdminError> {
        let changes = DetailChanges { email: Some((Some(email.to_owned()), verified)), claims: None };
        users::change_details(&self.core, &name.parse().unwrap(), changes, self.clock.now()).await
    }

    pub async fn give_email(&self, name: &str, email: &str) {
        self.try_give_email(name, email, true).await.unwrap();
    }

    /// What apps are told of a user's address.
    pub async fn email_of(&self, name: &str) -> (Option<String>, bool) {
        let user = users::find(&self.core, &name.parse().unwrap()).await.unwrap();
        (user.email, user.email_verified)
    }

    async fn sub_of_login(&self, typed: &str, password: &str) -> Result<String, String> {
        let answer = self.post("/login", &json!({ "username": typed, "password": password })).await;
        if answer.status != 200 {
            return Err(answer.refusal());
        }
        Ok(answer.tokens().claims()["sub"].as_str().unwrap().to_owned())
    }
}

const REFUSED: &str = "401 invalid_grant The username or the password is wrong.";

both_stores! {
    async fn a_verified_address_is_of_one_account(app) {
        for name in ["ana", "ben", "cleo"] {
            app.add_user(name).await;
        }
        app.give_email("ana", "Ana@Example.com").await;
        for same in ["ana@example.com", "ANA@EXAMPLE.COM", "ａna@example.com"] {
            let refused = app.try_give_email("ben", same, true).await.unwrap_err();
            assert_eq!(refused.to_string(), format!("the address {same} is verified as another user's"));
        }
        assert_eq!(app.email_of("ben").await, (None, false));
        // Anybody may have it unverified, and nobody is told that it is theirs.
        app.try_give_email("ben", "ana@example.com", false).await.unwrap();
        assert_eq!(app.email_of("ben").await, (Some("ana@example.com".to_owned()), false));
        // The same one again, and who has let go of it.
        app.give_email("ana", "ana@example.com").await;
        app.give_email("ana", "ana@other.example").await;
        app.give_email("cleo", "ana@example.com").await;
        let change = DetailChanges { email: Some((None, false)), claims: None };
        users::change_details(&app.core, &"cleo".parse().unwrap(), change, app.clock.now()).await.unwrap();
        app.give_email("ben", "ana@example.com").await;
    }

    async fn of_two_who_get_one_address_at_once_one_has_it(app) {
        for name in ["ana", "ben"] {
            app.add_user(name).await;
        }
        for round in 0..20 {
            let address = format!("one{round}@example.com");
            let (ana, ben) = join!(app.try_give_email("ana", &address, true), app.try_give_email("ben", &address, true));
            assert!(ana.is_ok() != ben.is_ok(), "{ana:?} {ben:?}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM users WHERE email = 'one19@example.com'").await, 1);
    }

    async fn one_signs_in_by_a_verified_address_as_by_the_name(app) {
        app.with_apps().await;
        let ana = app.log_in("ana").await.claims()["sub"].as_str().unwrap().to_owned();
        app.give_email("ana", "Ana@example.com").await;
        for typed in ["Ana@example.com", "ana@EXAMPLE.com", " ana@example.com ", "ana"] {
            assert_eq!(app.sub_of_login(typed, PASSWORD).await.unwrap(), ana, "{typed}");
            let browser = Browser::new(&app);
            browser.sign_in(&browser.authorize(&[]).await, typed).await.code();
        }
        for typed in ["ben@example.com", "ana@example.co", "@example.com"] {
            assert_eq!(app.sub_of_login(typed, PASSWORD).await.unwrap_err(), REFUSED, "{typed}");
        }
        assert_eq!(app.sub_of_login("ana@example.com", "not hers").await.unwrap_err(), REFUSED);
        assert_eq!(app.told(&format!("login.refused client=heirloom user={ana}")), 1, "{:?}", app.events());
        // Nobody vouches for it any more.
        app.try_give_email("ana", "ana@example.com", false).await.unwrap();
        assert_eq!(app.sub_of_login("ana@example.com", PASSWORD).await.unwrap_err(), REFUSED);
    }

    async fn all_ways_to_name_an_account_share_its_tries(app) with |settings| settings.limits.account_attempts = 4; {
        app.add_user("ana").await;
        app.give_email("ana", "ana@example.com").await;
        for typed in ["ana", "ana@example.com", "Ana@example.com", "ANA"] {
            assert_eq!(app.sub_of_login(typed, "a wrong guess").await.unwrap_err(), REFUSED);
        }
        for typed in ["ana", "ana@example.com"] {
            assert!(app.sub_of_login(typed, PASSWORD).await.unwrap_err().starts_with("429 "), "{typed}");
        }
    }

    async fn a_name_comes_before_an_address_and_nobody_is_given_such_a_name(app) {
        let [named, _] = [app.add_user("ana@example.com").await, app.add_user("ana").await];
        app.give_email("ana", "ana@example.com").await;
        // Whoever was called so before goes on, whatever the other's password is.
        assert_eq!(app.sub_of_login("ana@example.com", PASSWORD).await.unwrap(), named.to_string());
        app.give_email("ana", "ana@other.example").await;
        for name in ["ana@other.example", "ANA@OTHER.example"] {
            let refused = app.try_add_user(name).await.unwrap_err();
            assert_eq!(refused, format!("{name} is the verified address of another user, who signs in by it"));
        }
    }
}

async fn of_the_release_before(app: &TestApp) {
    app.sql("DROP INDEX users_by_verified_email").await;
    app.sql("DROP INDEX users_with_unsettled_email").await;
    app.sql("ALTER TABLE users DROP COLUMN verified_email_key").await;
    app.sql("DELETE FROM _sqlx_migrations WHERE version = 31").await;
}

both_databases! {
    async fn of_accounts_that_had_one_verified_address_the_oldest_keeps_it(store, url) {
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), |_| ()).await;
        for name in ["ana", "ben", "cleo", "dora", "eva", "finn"] {
            app.add_user(name).await;
            app.clock.advance(SECOND);
        }
        of_the_release_before(&app).await;
        for (name, email, verified) in [
            ("ana", "Same@example.com", true), ("ben", "same@example.com", true), ("cleo", "same@example.com", false),
            ("dora", "größe@example.com", true), ("eva", "GRÖSSE@example.com", true), ("finn", "finn@example.com", true),
        ] {
            app.sql(&format!("UPDATE users SET email = '{email}', email_verified = {verified} WHERE username = '{name}'")).await;
        }
        stop.end().await;
        migrate(&url).await;
        let (app, stop) = start(store, &url, clock, |_| ()).await;
        let mut verified = Vec::new();
        for name in ["ana", "ben", "cleo", "dora", "eva", "finn"] {
            verified.push(app.email_of(name).await.1);
        }
        assert_eq!(verified, [true, false, false, true, false, true]);
        assert_eq!(app.number("SELECT COUNT(*) FROM users WHERE verified_email_key IS NOT NULL").await, 3);
        assert_eq!(app.number("SELECT COUNT(*) FROM events WHERE fields LIKE '%email_unverified%'").await, 2);
        // A replica of the release before goes on for a while: it knows of no key.
        app.sql("UPDATE users SET email = 'finn@example.com', email_verified = TRUE WHERE username = 'cleo'").await;
        app.sql("UPDATE users SET email = 'moved@example.com' WHERE username = 'ana'").await;
        assert_eq!(app.sub_of_login("same@example.com", PASSWORD).await.unwrap_err(), REFUSED, "it is hers no more");
        janitor::tidy(&app.core, 100, app.clock.now()).await.unwrap();
        assert_eq!((app.email_of("cleo").await.1, app.email_of("finn").await.1), (false, true));
        assert_eq!(app.told("user.changed change=email_unverified"), 1);
        emails::settle(&app.core.writer, app.clock.now()).await.unwrap();
        stop.end().await;
    }
}
