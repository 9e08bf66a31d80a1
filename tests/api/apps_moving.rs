//! Authenticator apps that move in with their users, and out.

use heirloom::service::admin::moving::export;
use heirloom::service::admin::moving::import::{self, Batch, DryRun, Effect};
use heirloom::service::admin::moving::line::ReadLine;
use heirloom::service::admin::users::{self, Change};
use serde_json::{Value, json};

use crate::database::both_databases;
use crate::harness::*;
use crate::second_factors::{Authenticator, STEP, reached};

/// Of "correct horse", by bcrypt 5.0.0 for Python.
const BCRYPT: &str = "$2b$08$RxlXmKIOcSlqKwLrgyIcQONyix0rEpkXaqwzsFtpJFtJNxvzxoeqq";
/// As Google Authenticator's own generator made them: 80 bits.
const SECRET: &str = "GEZDGNBVGY3TQOJQ";

impl TestApp {
    async fn batch(&self, lines: &[Value]) -> Batch {
        let rules = import::begin(&self.core, None, Effect::Tell).await.unwrap();
        let mut batch = Batch::default();
        for (number, line) in (1..).zip(lines) {
            let read = ReadLine::read(line.to_string().as_bytes(), &rules).unwrap();
            batch.add(number, read, self.clock.now()).unwrap();
        }
        batch
    }

    /// How many were imported, were there, and were refused.
    async fn moves_in(&self, lines: &[Value]) -> (u64, u64, usize) {
        let moved = import::write(&self.core, self.batch(lines).await, self.clock.now()).await.unwrap();
        (moved.imported, moved.there, moved.refused.len())
    }

    async fn moved_out(&self) -> Result<Vec<Value>, String> {
        let lines = export::lines(&self.core, None, 100).await.map_err(|error| error.to_string())?;
        Ok(lines.unwrap().0.iter().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    async fn begins(&self, name: &str) -> Answer {
        self.post("/login", &json!({ "username": name, "password": "correct horse" })).await
    }

    /// The status of a login with this code.
    async fn shows(&self, name: &str, code: &str) -> u16 {
        let begun = self.begins(name).await;
        assert_eq!(begun.status, 403, "{begun:?}");
        let shown = json!({ "mfa_token": begun.text("mfa_token"), "code": code });
        self.post("/login/mfa", &shown).await.status.as_u16()
    }
}

fn movers() -> [Value; 3] {
    [
        json!({
            "username": "ana", "email": "ana@example.com", "email_verified": true, "password_hash": BCRYPT,
            "claims": { "name": "Ana Ortega", "locale": "de-AT" }, "roles": ["admin", "editor"],
            "totp": { "secret": SECRET.to_lowercase(), "algorithm": "SHA1", "digits": 6, "period": 30 },
            "upstream_links": [{ "issuer": "https://id.example", "subject": "a-1", "label": "ana" }],
        }),
        json!({ "username": "ben", "password_hash": BCRYPT }),
        json!({ "username": "eve", "password_hash": BCRYPT, "totp": { "secret": "MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK" } }),
    ]
}

both_stores! {
    async fn who_moves_in_with_an_app_signs_in_with_its_codes(app) {
        let lines = movers();
        let told = DryRun::default().tell(&app.core, app.batch(&lines).await).await.unwrap();
        assert_eq!((told.imported, app.number("SELECT COUNT(*) FROM totp_secrets").await), (3, 0));
        assert_eq!(app.moves_in(&lines).await, (3, 0, 0));
        let authenticator = Authenticator::with(SECRET);
        assert_eq!(app.begins("ben").await.status, 200, "who has no app");
        assert_eq!(app.begins("ana").await.code(), "403 mfa_required");
        // What the app shows now may have been used where its user comes from.
        let now = app.clock.now();
        for (code, status) in [
            (authenticator.code(now), 401), (authenticator.code(now - STEP), 401), ("000000".to_owned(), 401),
            (authenticator.code(now + STEP), 200), (authenticator.code(now + STEP), 401),
        ] {
            assert_eq!(app.shows("ana", &code).await, status, "{code}");
        }
        app.clock.advance(MINUTE);
        let code = authenticator.code(app.clock.now());
        assert_eq!(app.shows("eve", &code).await, 401, "it is another's");
        assert_eq!(app.shows("ana", &code).await, 200);
        // The same line again changes nothing: a code that was taken stays so.
        assert_eq!(app.moves_in(&lines).await, (0, 3, 0));
        assert_eq!(app.shows("ana", &code).await, 401);
        let kept = "SELECT COUNT(*) FROM totp_secrets WHERE LENGTH(sealed) > 30";
        assert_eq!(app.number(kept).await, 2);
    }

    async fn what_moves_out_moves_in_again_as_it_was(app) {
        assert_eq!(app.moves_in(&movers()).await, (3, 0, 0));
        let first = app.moved_out().await.unwrap();
        let whole = json!({ "secret": SECRET, "algorithm": "SHA1", "digits": 6, "period": 30 });
        assert_eq!((&first[0]["totp"], first[1].get("totp")), (&whole, None));
        for member in ["email", "email_verified", "claims", "roles", "upstream_links", "password_hash"] {
            assert_eq!(first[0][member], movers()[0][member], "{member}");
        }
        for user in ["ana", "ben", "eve"] {
            let user = users::find(&app.core, &user.parse().unwrap()).await.unwrap();
            app.change_user(user.id, Change::Remove).await;
        }
        for table in ["users", "totp_secrets", "upstream_links"] {
            assert_eq!(app.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
        }
        assert_eq!(app.moves_in(&first).await, (3, 0, 0));
        assert_eq!(app.moved_out().await.unwrap(), first);
        app.clock.advance(MINUTE);
        let code = Authenticator::with("MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK").code(app.clock.now());
        assert_eq!(app.shows("eve", &code).await, 200);
    }

    async fn an_app_that_cannot_be_read_does_not_get_lost_on_the_way_out(app) {
        assert_eq!(app.moves_in(&movers()).await, (3, 0, 0));
        app.sql("UPDATE totp_secrets SET sealed = (SELECT sealed FROM totp_secrets ORDER BY user_id LIMIT 1)").await;
        let refused = app.moved_out().await.unwrap_err();
        let told = "cannot be told: the sealed value is damaged. With the master key it can; `heirloom user reset-mfa` \
                    takes the app away";
        assert!(refused.starts_with("the authenticator app of ") && refused.ends_with(told), "{refused}");
        app.clock.advance(MINUTE);
        let codes = ["GEZDGNBVGY3TQOJQ", "MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK"];
        let codes = codes.map(|secret| Authenticator::with(secret).code(app.clock.now()));
        let mut let_in = 0;
        for (name, code) in ["ana", "eve"].iter().zip(&codes) {
            let_in += usize::from(app.shows(name, code).await == 200);
        }
        let alarms = app.told("alarm.raised reason=the sealed secret of a user's second factor does not open");
        assert_eq!((let_in, alarms), (1, 1));
    }

    async fn whose_link_is_another_users_moves_in_with_nothing(app) {
        let link = |subject: &str| json!([{ "issuer": "https://id.example", "subject": subject }]);
        let first = json!({ "username": "ana", "totp": { "secret": SECRET }, "upstream_links": link("1") });
        assert_eq!(app.moves_in(&[first]).await, (1, 0, 0));
        let lines = [
            json!({ "username": "ben", "totp": { "secret": SECRET }, "upstream_links": link("1") }),
            json!({ "username": "eve", "totp": { "secret": SECRET }, "upstream_links": link("2") }),
            json!({ "username": "joe", "totp": { "secret": SECRET } }),
        ];
        assert_eq!(app.moves_in(&lines).await, (2, 0, 1));
        for table in ["users", "totp_secrets"] {
            assert_eq!(app.number(&format!("SELECT COUNT(*) FROM {table}")).await, 3, "{table}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM upstream_links").await, 2);
    }
}

both_databases! {
    async fn many_apps_are_sealed_anew_and_one_that_is_damaged_is_in_nobodys_way(store, url) {
        const OTHER: &str = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=";
        // More than are sealed anew in a transaction.
        const USERS: i64 = 2345;
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), |it| reached(it, MASTER_KEY)).await;
        let user = |number| json!({ "username": format!("user{number}"), "password_hash": BCRYPT, "totp": { "secret": SECRET } });
        let lines: Vec<Value> = (0..USERS).map(user).collect();
        assert_eq!(app.moves_in(&lines).await, (2345, 0, 0));
        let of = |name: &str| format!("(SELECT id FROM users WHERE username = '{name}')");
        let damage = format!(
            "UPDATE totp_secrets SET sealed = (SELECT sealed FROM totp_secrets WHERE user_id = {}) WHERE user_id = {}",
            of("user7"), of("user8")
        );
        app.sql(&damage).await;
        stop.end().await;
        for keys in [&format!("{OTHER},{MASTER_KEY}"), OTHER] {
            clock.advance(MINUTE);
            let (app, stop) = start(store, &url, clock.clone(), |it| reached(it, keys)).await;
            let under = |user: &str| format!("(SELECT substr(sealed, 2, 4) FROM totp_secrets WHERE user_id = {})", of(user));
            let anew = format!("SELECT COUNT(*) FROM totp_secrets WHERE substr(sealed, 2, 4) = {}", under("user7"));
            let left = format!("SELECT COUNT(*) FROM totp_secrets WHERE substr(sealed, 2, 4) = {}", under("user8"));
            assert_eq!((app.number(&anew).await, app.number(&left).await), (USERS - 1, 1));
            let code = Authenticator::with(SECRET).code(clock.now());
            for (user, status) in [("user0", 200), ("user2344", 200), ("user8", 401)] {
                assert_eq!(app.shows(user, &code).await, status, "{user}");
            }
            stop.end().await;
        }
    }
}
