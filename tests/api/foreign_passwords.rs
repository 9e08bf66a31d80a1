//! Passwords whose hashes other systems made: right once, and argon2id from then on.

use std::collections::BTreeMap;

use heirloom::crypto::foreign_cost::ForeignKind;
use heirloom::crypto::foreign_hash::SignerKey;
use heirloom::crypto::password_hash::PasswordHash;
use heirloom::domain::secrets::Password;
use heirloom::service::admin::janitor;
use heirloom::service::admin::users::{self, Change};
use heirloom::service::keys::signer_keys;
use serde_json::json;

use crate::database::both_databases;
use crate::harness::*;

/// Of "correct horse", by bcrypt 5.0.0 for Python.
const BCRYPT: &str = "$2b$08$RxlXmKIOcSlqKwLrgyIcQONyix0rEpkXaqwzsFtpJFtJNxvzxoeqq";
/// Of "correct horse", by libpass 1.9.4.
const PBKDF2: &str =
    "$pbkdf2-sha256$i=20000$l7L2HmOsNUaodS5FaO09Rw$GdIbpZO3yb/heEBpgYy+/iujAul2FleLdaMDjfb9nJQ";
/// Of "user1password", from the documentation of Firebase's scrypt, and the key that it takes.
const FIREBASE: &str = "$firebase-scrypt$ln=14,r=8,k={}$42xEC+ixf3L2lwc$\
     lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ";
const SIGNER_KEY: &str =
    "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";

fn signer_key() -> SignerKey {
    use base64::Engine as _;
    SignerKey::new(base64::engine::general_purpose::STANDARD.decode(SIGNER_KEY).unwrap()).unwrap()
}

async fn log_in(app: &TestApp, name: &str, password: &str) -> u16 {
    app.post("/login", &json!({ "username": name, "password": password })).await.status.as_u16()
}

impl TestApp {
    /// As an import leaves it.
    async fn came_with(&self, name: &str, hash: &str) {
        let cost = PasswordHash::from_stored(hash.to_owned()).foreign_cost();
        let foreign = cost.map_or("foreign_kind = NULL, foreign_cost = NULL".to_owned(), |cost| {
            format!("foreign_kind = '{}', foreign_cost = {}", cost.kind.as_str(), cost.work)
        });
        let changed = format!("password_hash = '{hash}', password_cost = NULL, {foreign}");
        self.sql(&format!("UPDATE users SET {changed} WHERE username = '{name}'")).await;
    }

    async fn has_argon2id(&self, name: &str) -> bool {
        let sql = format!(
            "SELECT COUNT(*) FROM users WHERE username = '{name}' AND password_hash LIKE '$argon2id$%' \
             AND password_cost = 8 AND foreign_kind IS NULL AND foreign_cost IS NULL"
        );
        self.number(&sql).await == 1
    }

    async fn tidies_up(&self) {
        janitor::tidy(&self.core, 100, self.clock.now()).await.unwrap();
    }

    /// What this password costs the server when it is wrong: KiB of argon2, and what other kinds count.
    async fn whole_cost_of_wrong(&self, name: &str) -> (u64, BTreeMap<ForeignKind, u64>) {
        let (argon2, foreign) = (self.core.passwords.spent(), self.core.passwords.spent_on_foreign());
        assert_eq!(log_in(self, name, "a wrong horse").await, 401, "{name}");
        let spent = self.core.passwords.spent_on_foreign().into_iter();
        let spent = spent.map(|(kind, work)| (kind, work - foreign.get(&kind).copied().unwrap_or_default()));
        (self.core.passwords.spent() - argon2, spent.filter(|(_, work)| *work > 0).collect())
    }
}

both_stores! {
    async fn a_password_from_elsewhere_is_right_once_and_argon2id_from_then_on(app) {
        app.add_user("ana").await;
        for hash in [BCRYPT, PBKDF2, "{SSHA}tt5amJzuc96QzQW4lsvOwKY0LNiF0Fpr"] {
            app.came_with("ana", hash).await;
            assert_eq!(log_in(&app, "ana", "correct h0rse").await, 401);
            assert!(!app.has_argon2id("ana").await, "a wrong one changes nothing");
            assert_eq!(log_in(&app, "ana", "correct horse").await, 200, "{hash}");
            assert!(app.has_argon2id("ana").await);
            assert_eq!(log_in(&app, "ana", "correct horse").await, 200, "{hash}");
            assert_eq!(log_in(&app, "ana", "correct h0rse").await, 401);
        }
        // No password matches what stands for none.
        app.came_with("ana", "!").await;
        assert_eq!(log_in(&app, "ana", "!").await, 401);
        assert_eq!(log_in(&app, "ana", "correct horse").await, 401);
    }

    async fn a_short_password_from_elsewhere_is_looked_at(app) {
        app.add_user("ana").await;
        // Of "sesame", by crypt(3) of glibc 2.36.
        app.came_with("ana", "$5$rounds=1000$saltsaltsaltsalt$6JG2pT4dwkds3RjqH0K9RfPbS8JlhlSRGw9PqEKkw.8").await;
        assert_eq!(log_in(&app, "ana", "sesam").await, 401);
        assert_eq!(log_in(&app, "ana", "").await, 401);
        assert_eq!(log_in(&app, "ana", "sesame").await, 200);
        assert_eq!(log_in(&app, "ana", "sesame").await, 200);
    }

    async fn two_first_logins_at_once_are_both_let_in(app) {
        app.add_user("ana").await;
        for round in 1..=5 {
            app.came_with("ana", BCRYPT).await;
            let log_in = || log_in(&app, "ana", "correct horse");
            assert_eq!(tokio::join!(log_in(), log_in(), log_in()), (200, 200, 200));
            assert!(app.has_argon2id("ana").await);
            assert_eq!(app.live_families().await, 3 * round);
        }
    }

    async fn a_password_that_is_set_beside_a_first_login_stays(app) with |settings| settings.limits.account_attempts = 1000; {
        let ana = app.add_user("ana").await;
        for _ in 0..5 {
            app.came_with("ana", BCRYPT).await;
            let new = Password::new("another good password".to_owned()).unwrap();
            let setting = users::change(&app.core, ana, Change::Password(new), app.clock.now());
            let (beside, set) = tokio::join!(log_in(&app, "ana", "correct horse"), setting);
            set.unwrap();
            assert!(beside == 200 || beside == 401, "{beside}");
            assert_eq!(log_in(&app, "ana", "correct horse").await, 401, "it ended with the new one");
            assert_eq!(log_in(&app, "ana", "another good password").await, 200);
        }
    }

    async fn a_wrong_password_costs_the_same_wherever_hashes_were_made(app) with |settings| {
        settings.limits.account_attempts = 1000;
        settings.limits.address_attempts = 1000;
    }; {
        for name in ["ours", "bcrypt", "pbkdf2"] {
            app.add_user(name).await;
        }
        assert_eq!(app.whole_cost_of_wrong("nobody").await, (8, BTreeMap::new()));
        app.came_with("bcrypt", BCRYPT).await;
        app.came_with("pbkdf2", PBKDF2).await;
        app.tidies_up().await;
        let all = BTreeMap::from([(ForeignKind::Bcrypt, 256), (ForeignKind::Pbkdf2Sha256, 20_000)]);
        for name in ["ours", "bcrypt", "pbkdf2", "nobody", "no\u{200b}body"] {
            assert_eq!(app.whole_cost_of_wrong(name).await, (8, all.clone()), "{name}");
        }
        // As long as somebody's hash is of its kind.
        assert_eq!(log_in(&app, "bcrypt", "correct horse").await, 200);
        app.tidies_up().await;
        let rest = BTreeMap::from([(ForeignKind::Pbkdf2Sha256, 20_000)]);
        for name in ["ours", "bcrypt", "pbkdf2", "nobody"] {
            assert_eq!(app.whole_cost_of_wrong(name).await, (8, rest.clone()), "{name}");
        }
        // One that nobody was told of is made up for from its first try on.
        app.came_with("ours", &BCRYPT.replace("$08$", "$09$")).await;
        let costs = app.whole_cost_of_wrong("ours").await;
        assert_eq!(costs.1.get(&ForeignKind::Bcrypt), Some(&512));
        assert_eq!(app.whole_cost_of_wrong("nobody").await, costs);
    }

    async fn wrong_passwords_of_imported_users_are_counted_like_all_others(app) with |settings| settings.limits.account_attempts = 2; {
        app.add_user("ana").await;
        app.came_with("ana", BCRYPT).await;
        for status in [401, 401, 429] {
            assert_eq!(log_in(&app, "ana", "a wrong horse").await, status);
        }
    }
}

both_databases! {
    async fn a_signer_key_is_learnt_while_serving_and_outlives_the_master_key(store, url) {
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), |_| ()).await;
        let hash = FIREBASE.replace("{}", &signer_key().id().to_string());
        for name in ["ana", "ben", "eve"] {
            app.add_user(name).await;
            app.came_with(name, &hash).await;
        }
        assert_eq!(log_in(&app, "ana", "user1password").await, 401, "nobody gave the key");
        // A command keeps it beside the server.
        signer_keys::keep(&app.core.keys, &app.core.db, &signer_key()).await.unwrap();
        assert_eq!(log_in(&app, "ana", "user1passwort").await, 401);
        assert_eq!(log_in(&app, "ana", "user1password").await, 200);
        stop.end().await;
        let newer = "ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A=";
        let both = format!("{newer},{MASTER_KEY}");
        let (app, stop) = start(store, &url, clock.clone(), |it| it.master_key = Some(both.into())).await;
        assert_eq!(log_in(&app, "ben", "user1password").await, 200);
        let resealed = "SELECT COUNT(*) FROM events WHERE name = 'key.resealed' AND fields LIKE '%firebase signer key%'";
        assert_eq!(app.number(resealed).await, 1);
        stop.end().await;
        let (app, stop) = start(store, &url, clock.clone(), |it| it.master_key = Some(newer.to_owned().into())).await;
        assert_eq!(log_in(&app, "eve", "user1password").await, 200);
        stop.end().await;
        let refused = start_refused(&url, |_| ()).await;
        assert!(refused.contains("is sealed under master key"), "{refused}");
    }
}
