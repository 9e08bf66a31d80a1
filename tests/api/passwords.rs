//! What a new password must be, the ways to type one, and what a wrong one costs.

use heirloom::domain::ids::UserId;
use heirloom::domain::secrets::Password;
use heirloom::domain::standard_claims::StandardClaims;
use heirloom::service::admin::janitor;
use heirloom::service::admin::users::{self, Change, NewUser};
use serde_json::json;

use crate::database::both_databases;
use crate::harness::*;
use crate::schema::migrate;

const COMPOSED: &str = "zwölf böse Füchse";
const DECOMPOSED: &str = "zwo\u{308}lf bo\u{308}se Fu\u{308}chse";
/// On a keyboard that writes one letter in one way and the next in another.
const MIXED: &str = "zwo\u{308}lf böse Füchse";

async fn log_in(app: &TestApp, name: &str, password: &str) -> u16 {
    app.post("/login", &json!({ "username": name, "password": password })).await.status.as_u16()
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

/// A hash that another release, or other settings, left: its memory in KiB, one pass.
fn hash(password: &str, memory: u32) -> String {
    use argon2::PasswordHasher as _;
    let params = argon2::Params::new(memory, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    argon2.hash_password(password.as_bytes()).unwrap().to_string()
}

impl TestApp {
    async fn stores_hash(&self, name: &str, hash: &str, cost: u32) {
        let changed = format!("password_hash = '{hash}', password_cost = {cost}");
        self.sql(&format!("UPDATE users SET {changed} WHERE username = '{name}'")).await;
    }

    /// What this password costs the server when it is wrong, in KiB.
    async fn cost_of_wrong(&self, name: &str, password: &str) -> u64 {
        let before = self.core.passwords.spent();
        assert_eq!(log_in(self, name, password).await, 401, "{name}");
        self.core.passwords.spent() - before
    }

    async fn tidies(&self) {
        janitor::tidy(&self.core, 100, self.clock.now()).await.unwrap();
    }

    async fn sets_password(&self, user: UserId, new: &str) -> String {
        let changed =
            users::change(&self.core, user, Change::Password(password(new)), self.clock.now()).await;
        changed.map_or_else(|failure| failure.to_string(), |_| "set".to_owned())
    }

    async fn adds(&self, name: &str, new: &str) -> String {
        let claims = json!({ "name": "Maximilian Ortner" });
        let new = NewUser {
            username: name.parse().unwrap(),
            password: Some(password(new)),
            email: Some("m.ortner@post.example".to_owned()),
            email_verified: false,
            claims: serde_json::from_value::<StandardClaims>(claims).unwrap(),
            roles: Vec::new(),
        };
        let added = users::add(&self.core, new, self.clock.now()).await;
        added.map_or_else(|error| error.to_string(), |_| "set".to_owned())
    }
}

both_stores! {
    async fn a_new_password_has_so_many_characters_and_not_bytes(app) with |settings| settings.passwords.min_length = 12; {
        let ana = app.add_user("ana").await;
        for short in ["", "short", "🦀🦀🦀", "11 characte", &"e\u{301}".repeat(11)] {
            for said in [app.sets_password(ana, short).await, app.adds("ben", short).await] {
                assert!(said.starts_with("a password must have at least 12 characters"), "{said}");
            }
        }
        assert_eq!(log_in(&app, "ana", PASSWORD).await, 200, "nothing was changed");
        let long = "ü".repeat(513);
        assert_eq!(app.sets_password(ana, &long).await, "a password must have at most 1,024 bytes");
        for fit in ["12 character", &"ö".repeat(512), &"o\u{308}".repeat(512)] {
            assert_eq!(app.sets_password(ana, fit).await, "set");
            assert_eq!(log_in(&app, "ana", fit).await, 200);
        }
        // One that was set when the rule was another.
        app.stores_hash("ana", &hash("8 bytes!", 8), 8).await;
        assert_eq!(log_in(&app, "ana", "8 bytes!").await, 200);
    }

    async fn no_door_takes_a_password_that_is_guessed_first(app) with |settings| {
        "Northwind Traders".clone_into(&mut settings.pages.name);
        settings.issuer = Some("https://login.contoso.example".parse().unwrap());
    }; {
        let ana = app.add_user("anastasia").await;
        for (common, own) in [("password", "anastasia1"), ("PaSSword", "Anastasia!"), ("Qwertyuiop", "northwind-2026"), ("12345678", "contoso.1")] {
            let said = app.sets_password(ana, common).await;
            assert!(said.starts_with("this password is one of the most common"), "{common}: {said}");
            let said = app.sets_password(ana, own).await;
            assert!(said.starts_with("this password is little more than"), "{own}: {said}");
        }
        for own in ["ortner2026", "m.ortner!", "Maximilian7", "post-1234"] {
            let said = app.adds("mo", own).await;
            assert!(said.starts_with("this password is little more than"), "{own}: {said}");
        }
        assert_eq!(app.adds("mo", "password1").await.split(':').next().unwrap(),
            "this password is one of the most common and would be guessed first");
        assert_eq!(app.adds("mo", "ortner and anastasia trade north").await, "set");
        assert_eq!(log_in(&app, "anastasia", PASSWORD).await, 200, "nothing was changed");
    }

    async fn a_password_is_right_however_its_letters_are_put_together(app) {
        let ana = app.add_user("ana").await;
        for set in [COMPOSED, DECOMPOSED, MIXED] {
            assert_eq!(app.sets_password(ana, set).await, "set");
            let before = app.core.passwords.spent();
            assert_eq!(log_in(&app, "ana", COMPOSED).await, 200);
            assert_eq!(app.core.passwords.spent() - before, 8, "it is stored in this form");
            for typed in [COMPOSED, DECOMPOSED, MIXED] {
                assert_eq!(log_in(&app, "ana", typed).await, 200, "{set:?} {typed:?}");
            }
            assert_eq!(log_in(&app, "ana", "zwolf bose Fuchse").await, 401);
        }
    }

    async fn a_password_from_before_is_right_in_every_form_and_stored_anew(app) {
        app.add_user("ana").await;
        let kept = async || app.number("SELECT COUNT(*) FROM users WHERE password_cost = 7").await;
        for (set, typed) in [(DECOMPOSED, COMPOSED), (DECOMPOSED, DECOMPOSED), (DECOMPOSED, MIXED), (MIXED, MIXED)] {
            app.stores_hash("ana", &hash(set, 8), 7).await;
            assert_eq!(log_in(&app, "ana", "zwölf gute Füchse").await, 401);
            assert_eq!(kept().await, 1);
            assert_eq!(log_in(&app, "ana", typed).await, 200, "{set:?} {typed:?}");
            assert_eq!(kept().await, 0, "another hash is stored");
            let before = app.core.passwords.spent();
            assert_eq!(log_in(&app, "ana", COMPOSED).await, 200);
            assert_eq!(app.core.passwords.spent() - before, 8, "of what is tried first");
        }
    }

    async fn every_form_together_is_one_attempt(app) with |settings| settings.limits.account_attempts = 2; {
        app.add_user("ana").await;
        for name in ["ana", "nobody"] {
            let mut statuses = Vec::new();
            for _ in 0..3 {
                statuses.push(log_in(&app, name, MIXED).await);
            }
            assert_eq!(statuses, [401, 401, 429], "{name}");
        }
    }

    async fn a_wrong_password_costs_the_same_whoever_it_is(app) with |settings| {
        settings.passwords.memory_kib = 64;
        settings.limits.account_attempts = 100;
    }; {
        for name in ["new", "old", "dear", "disabled"] {
            app.add_user(name).await;
        }
        app.sql("UPDATE users SET disabled_at = created_at WHERE username = 'disabled'").await;
        app.stores_hash("old", &hash(PASSWORD, 8), 8).await;
        let costs = async |password: &str| {
            let mut costs = Vec::new();
            for name in ["new", "old", "disabled", "nobody", "dear", "no\u{200b}body"] {
                costs.push(app.cost_of_wrong(name, password).await);
            }
            costs
        };
        assert_eq!(costs("a wrong horse").await, [64; 6]);
        assert_eq!(costs("a wröng horse").await, [128; 6]);
        assert_eq!(costs("a wro\u{308}ng hörse").await, [192; 6]);
        // Somebody's hash is dearer than the settings want by now.
        app.stores_hash("dear", &hash(PASSWORD, 256), 256).await;
        app.tidies().await;
        assert_eq!(costs("a wrong horse").await, [256; 6]);
        assert_eq!(log_in(&app, "old", PASSWORD).await, 200);
        assert_eq!(costs("a wrong horse").await, [256; 6]);
        // Until its owner comes and it is stored anew.
        assert_eq!(log_in(&app, "dear", PASSWORD).await, 200);
        app.tidies().await;
        assert_eq!(costs("a wrong horse").await, [64; 6]);
        // Another process with other settings stores one that nobody was told of.
        app.stores_hash("dear", &hash(PASSWORD, 128), 0).await;
        assert_eq!(app.cost_of_wrong("dear", "a wrong horse").await, 128);
        assert_eq!(costs("a wrong horse").await, [128; 6]);
    }
}

both_databases! {
    async fn a_server_knows_from_its_start_what_the_dearest_password_costs(store, url) {
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), |_| ()).await;
        app.add_user("ana").await;
        app.add_user("ben").await;
        app.stores_hash("ana", &hash(PASSWORD, 96), 0).await;
        app.stores_hash("ben", "rubbish", 0).await;
        // As the release before left it.
        app.sql("DROP INDEX users_by_password_cost; ALTER TABLE users DROP COLUMN password_cost; \
                 DELETE FROM _sqlx_migrations WHERE description = 'password costs'").await;
        stop.end().await;
        migrate(&url).await;
        let (app, stop) = start(store, &url, clock, |_| ()).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM users WHERE password_cost = 96").await, 1);
        assert_eq!(app.number("SELECT COUNT(*) FROM users WHERE password_cost IS NULL").await, 1);
        assert_eq!(app.cost_of_wrong("nobody", "a wrong horse").await, 96);
        stop.end().await;
    }
}
