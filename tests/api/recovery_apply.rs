//! What a restore lost is done again from what was told: once, as far as it took rights away, and nothing else.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, SubsecRound as _, TimeDelta, Utc};
use heirloom::crypto::random;
use heirloom::domain::ids::uuid_v7;
use heirloom::domain::secrets::Password;
use heirloom::service::admin;
use heirloom::service::admin::applying::{Applying, RecoveryReport};
use heirloom::service::admin::events::{EventFilter, EventSpan, export};
use heirloom::service::admin::moving::import::Effect;
use heirloom::service::admin::users::Change;
use serde_json::{Value, json};

use crate::authenticator::Authenticator;
use crate::browser::*;
use crate::event_table::everything;
use crate::harness::*;
use crate::passkeys::{SITE, named};
use crate::webhooks::here;

/// A line that the store has lost.
fn line(at: DateTime<Utc>, event: &str, fields: Value) -> String {
    let mut line = json!({
        "v": 1,
        "id": uuid_v7(at, random::bytes()),
        "at": at.to_rfc3339_opts(SecondsFormat::Secs, true),
        "event": event,
        "times": 1,
    });
    let Value::Object(fields) = fields else { panic!("{fields}") };
    line.as_object_mut().unwrap().extend(fields);
    line.to_string()
}

fn counts(expected: &[(&str, u64)]) -> BTreeMap<String, u64> {
    expected.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect()
}

impl TestApp {
    async fn applies_since(&self, effect: Effect, since: DateTime<Utc>, lines: &[String]) -> RecoveryReport {
        let mut applying = Applying::new(&self.core, effect, since, 2, self.clock.now());
        for line in lines {
            assert_eq!(applying.take(line).await.unwrap(), Ok(()), "{line}");
        }
        applying.finish().await.unwrap()
    }

    async fn applies(&self, lines: &[String]) -> RecoveryReport {
        self.applies_since(Effect::Write, DateTime::UNIX_EPOCH, lines).await
    }

    async fn would_apply(&self, lines: &[String]) -> RecoveryReport {
        self.applies_since(Effect::Tell, DateTime::UNIX_EPOCH, lines).await
    }

    /// Each of these lines alone: it is told of first, then done, and so from then on.
    async fn does_again(&self, event: &str, line: &str) {
        let (lines, done) = ([line.to_owned()], counts(&[(event, 1)]));
        let rows = self.number("SELECT COUNT(*) FROM events").await;
        assert_eq!(self.would_apply(&lines).await.done, done, "{line}");
        assert_eq!(self.number("SELECT COUNT(*) FROM events").await, rows, "nothing happened: {line}");
        assert_eq!(self.applies(&lines).await.done, done, "{line}");
        let again = self.applies(&lines).await;
        assert_eq!((again.done, again.already), (counts(&[]), done), "{line}");
    }

    async fn done_by_recovery(&self, event: &str) -> usize {
        let of = EventFilter { name: event.parse().unwrap(), ..everything() };
        self.kept(&of).await.iter().filter(|event| event.fields.get("by") == Some(&json!("recovery"))).count()
    }
}

both_stores! {
    async fn a_login_ends_again_for_the_reason_that_it_had(app) {
        let (stolen, kept) = (app.ana_logged_in().await, app.log_in("ana").await);
        let user = stolen.claims()["sub"].clone();
        app.clock.advance(MINUTE);
        let ended = |family: &str, reason: &str| {
            let fields = json!({ "family": family, "user": user, "client": "heirloom", "reason": reason });
            line(app.clock.now(), "family.ended", fields)
        };
        app.does_again("family.ended", &ended(&stolen.family(), "reuse")).await;
        assert_eq!(app.refresh(&stolen.refresh).await.refusal(), REUSED);
        assert_eq!(app.told(&format!("family.ended client=heirloom family={} reason=reuse", stolen.family())), 1);
        assert_eq!(app.done_by_recovery("family.ended").await, 1);
        let kept = app.rotate(&kept).await;
        // One that began after the backup is not there, and another release may know other reasons.
        let lost = line(app.clock.now(), "family.ended", json!({ "family": uuid_v7(app.clock.now(), [7; 10]), "reason": "owner" }));
        let report = app.applies(&[lost, ended(&kept.family(), "boredom")]).await;
        assert_eq!((report.done, report.already), (counts(&[("family.ended", 1)]), counts(&[("family.ended", 1)])));
        assert_eq!(app.refresh(&kept.refresh).await.refusal(), ENDED);
    }

    async fn the_last_word_on_a_user_counts_in_whatever_order_it_comes(app) {
        let now = app.clock.now();
        let at = |minute: i64| now + TimeDelta::minutes(minute);
        let [ana, ben, cyn, dan] = [app.add_user("ana").await, app.add_user("ben").await, app.add_user("cyn").await, app.add_user("dan").await];
        for name in ["ana", "ben", "cyn"] {
            app.log_in(name).await;
        }
        app.change_user(dan, Change::Disable).await;
        let word = |minute: i64, user, change: &str| line(at(minute), "user.changed", json!({ "user": user, "change": change }));
        let lines = [
            word(12, ana, "enabled"), word(11, ana, "disabled"),
            word(11, ben, "enabled"), word(12, ben, "disabled"),
            word(11, cyn, "disabled"), word(13, cyn, "removed"), word(12, cyn, "enabled"),
            word(11, dan, "enabled"),
        ];
        app.clock.advance(20 * MINUTE);
        let told = app.would_apply(&lines).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM users WHERE disabled_at IS NOT NULL").await, 1, "only told");
        let report = app.applies(&lines).await;
        assert_eq!((&told.done, &told.by_hand.len()), (&report.done, &report.by_hand.len()), "it does what it told");
        assert_eq!(report.done, counts(&[("user.changed (disabled)", 1), ("user.changed (removed)", 1)]));
        let left = &report.by_hand["user.changed (enabled)"];
        assert_eq!((left.count, left.hint, left.of.iter().map(String::as_str).collect::<Vec<_>>()), (1, "heirloom user enable NAME", vec!["dan"]));
        app.log_in("ana").await;
        for name in ["ben", "cyn", "dan"] {
            let refused = app.post("/login", &json!({ "username": name, "password": PASSWORD })).await;
            assert_eq!(refused.status, 401, "{name}");
        }
        assert_eq!((app.live_families().await, app.number("SELECT COUNT(*) FROM users").await), (2, 3));
        assert_eq!(app.applies(&lines).await.done, counts(&[]));
        // Somebody decides otherwise, and that stays.
        app.change_user(ben, Change::Enable).await;
        assert_eq!(app.applies(&lines).await.done, counts(&[]));
        app.log_in("ben").await;
    }

    async fn what_was_begun_before_a_lost_password_ends_and_what_came_after_goes_on(app) {
        app.with_apps().await;
        let user = app.log_in("ana").await.claims()["sub"].clone();
        Browser::new(&app).ana_signs_in(&[]).await;
        app.clock.advance(MINUTE);
        let changed = app.clock.now();
        app.clock.advance(MINUTE);
        let after = app.log_in("ana").await;
        let (later, ben) = (Browser::new(&app), app.log_in_as_ben().await);
        later.ana_signs_in(&[]).await;
        let lines = ["own_password", "totp_removed"].map(|change| line(changed, "user.changed", json!({ "user": user, "change": change })));
        assert_eq!(app.would_apply(&lines).await.done.len(), 2);
        let report = app.applies(&lines).await;
        assert_eq!(report.done, counts(&[("user.changed (own_password)", 1)]), "one end is enough");
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_sessions").await, 1);
        assert_eq!(app.live_families().await, 2);
        app.rotate(&after).await;
        app.rotate(&ben).await;
        later.authorize(&[]).await.code();
        let names: Vec<&str> = report.by_hand.keys().map(String::as_str).collect();
        assert_eq!(names, ["user.changed (own_password)", "user.changed (totp_removed)"]);
        assert!(report.by_hand.values().all(|left| left.of.iter().eq(["ana"])), "{report:?}");
        // Until somebody sets another one.
        let ana = user.as_str().unwrap().parse().unwrap();
        app.clock.advance(MINUTE);
        app.change_user(ana, Change::Password(Password::new("another passphrase altogether".to_owned()).unwrap())).await;
        let report = app.applies(&lines).await;
        assert_eq!(report.by_hand.keys().collect::<Vec<_>>(), ["user.changed (totp_removed)"]);
    }

    async fn what_the_store_has_not_lost_is_not_done_again(app) {
        let tokens = app.ana_logged_in().await;
        let ana = tokens.claims()["sub"].as_str().unwrap().parse().unwrap();
        for change in [
            Change::Disable,
            Change::Enable,
            Change::Password(Password::new(PASSWORD.to_owned()).unwrap()),
            Change::Roles(vec!["editor".to_owned()]),
            Change::ResetFactors,
        ] {
            app.clock.advance(SECOND);
            app.change_user(ana, change).await;
        }
        app.add_client("shop", |_| ()).await;
        let client = "shop".parse().unwrap();
        app.clock.advance(SECOND);
        admin::keys::replace(&app.core, None, app.clock.now()).await.unwrap();
        admin::clients::remove(&app.core, &client, 10, app.clock.now()).await.unwrap();
        admin::families::end_of_user(&app.core, ana, app.clock.now()).await.unwrap();
        app.clock.advance(SECOND);
        let after = app.log_in("ana").await;
        let all = export(&app.core, EventSpan { since: DateTime::UNIX_EPOCH, until: None }, None, 1000).await.unwrap();
        let lines: Vec<String> = all.iter().map(|event| json!(event).to_string()).collect();
        let rows = app.kept_rows().await;
        let report = app.applies(&lines).await;
        assert_eq!((&report.done, report.by_hand.len(), app.kept_rows().await), (&counts(&[]), 0, rows), "{report:?}");
        assert_eq!(report.already["user.changed (disabled)"], 1, "{report:?}");
        assert!(report.already.len() > 8 && report.nothing > 0, "{report:?}");
        app.rotate(&after).await;
        // The same lines where the backup is older.
        app.sql("DELETE FROM events").await;
        let report = app.applies(&lines).await;
        assert!(report.by_hand.contains_key("user.changed (password)"), "{report:?}");
        app.rotate(&after).await;
    }

    async fn consents_and_tokens_are_taken_back_again(app) {
        app.with_apps().await;
        let browser = Browser::new(&app);
        let page = browser.authorize(&[("client_id", "other")]).await;
        let page = browser.sign_in(&page, "ana").await;
        let code = browser.decide(&page, "allow").await.code();
        let tokens = app.exchange(&code, &[("client_id", "other")]).await.tokens();
        let user = tokens.claims()["sub"].clone();
        let of_other = json!({ "user": user, "client": "other" });
        // Given again after it was withdrawn, so that goes on.
        let before = line(app.clock.now() - TimeDelta::minutes(1), "consent.withdrawn", of_other.clone());
        assert_eq!(app.applies(&[before]).await.done, counts(&[]));
        app.clock.advance(SECOND);
        let now = app.clock.now();
        let revoked = json!({ "client": "other", "family": tokens.family(), "jti": tokens.claims()["jti"] });
        assert_eq!(app.get("/oauth/userinfo", &tokens.access).await.status, 200);
        app.does_again("token.revoked", &line(now, "token.revoked", revoked.clone())).await;
        assert_eq!(app.get("/oauth/userinfo", &tokens.access).await.status, 401);
        let expired = line(now - TimeDelta::hours(24), "token.revoked", json!({ "client": "other", "jti": "long-ago" }));
        assert_eq!(app.applies(&[expired]).await.done, counts(&[]), "no token lasts so long");
        let forgotten = json!({ "client": "other", "change": "consents_forgotten" });
        app.does_again("client.changed (consents_forgotten)", &line(now, "client.changed", forgotten)).await;
        // Once what is remembered of the client is forgotten.
        app.clock.advance(10 * SECOND);
        assert!(browser.authorize(&[("client_id", "other")]).await.body.contains("Other &amp; Sons"), "asked anew");
        app.does_again("consent.withdrawn", &line(now, "consent.withdrawn", of_other)).await;
        assert_eq!(app.live_families().await, 0);
        let refresh = [("grant_type", "refresh_token"), ("client_id", "other"), ("refresh_token", &*tokens.refresh)];
        assert_eq!(app.form("/oauth/token", &refresh).await.code(), "400 invalid_grant");
        let session = browser.session(&app).await.id;
        app.does_again("sign_in.ended", &line(now, "sign_in.ended", json!({ "user": user, "session": session }))).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM sign_in_sessions").await, 0);
        for event in ["token.revoked", "client.changed", "consent.withdrawn", "sign_in.ended"] {
            assert_eq!(app.done_by_recovery(event).await, 1, "{event}");
        }
    }

    async fn what_an_operator_took_away_is_taken_away_again(app) with here; {
        let tokens = app.ana_logged_in().await;
        app.add_client("shop", |_| ()).await;
        let of_shop: Vec<Tokens> = [app.log_in_with("shop", "ana").await, app.log_in_with("shop", "ana").await, app.log_in_with("shop", "ana").await].into();
        let (_remote, webhook, _) = app.hooked(&["*"]).await;
        let (token, _) = admin::registration_tokens::add(&app.core, 1, DAY, app.clock.now()).await.unwrap();
        let user = tokens.claims()["sub"].clone();
        app.clock.advance(MINUTE);
        let now = app.clock.now();
        app.does_again("webhook.removed", &line(now, "webhook.removed", json!({ "webhook": webhook }))).await;
        app.does_again("registration_token.removed", &line(now, "registration_token.removed", json!({ "token": token.id }))).await;
        app.does_again("client.changed (removed)", &line(now, "client.changed", json!({ "client": "shop", "change": "removed" }))).await;
        app.clock.advance(10 * SECOND);
        for tokens in of_shop {
            assert_ne!(app.refresh_with("shop", &tokens.refresh).await.status, 200);
        }
        app.does_again("user.changed (logins_ended)", &line(now, "user.changed", json!({ "user": user, "change": "logins_ended" }))).await;
        assert_eq!(app.refresh(&tokens.refresh).await.refusal(), ENDED);
        let access = app.log_in("ana").await.access;
        app.does_again("key.replaced", &line(app.clock.now(), "key.replaced", json!({ "key": "leaked" }))).await;
        assert_eq!(app.get("/sessions", &access).await.code(), "401 invalid_token");
        let of_key = |key: &str| line(now, "key.master_dropped", json!({ "key": key }));
        let active = app.core.keys.master_key_ids().next().unwrap();
        let report = app.applies(&[of_key("deadbeef"), of_key(&active)]).await;
        assert_eq!(report.already, counts(&[("key.master_dropped", 1)]), "it is given no more");
        assert!(report.by_hand["key.master_dropped"].hint.contains("active one"), "{report:?}");
        for event in ["webhook.removed", "registration_token.removed", "family.ended", "key.replaced"] {
            assert!(app.done_by_recovery(event).await > 0, "{event}");
        }
    }

    async fn a_removed_passkey_opens_nothing_again(app) with named; {
        app.add_user("ana").await;
        let browser = Browser::new(&app);
        let page = browser.opens_passkeys("ana").await;
        let page = browser.has_added(&page, &Authenticator::new(SITE), "Phone").await;
        let (passkey, ana) = (page.hidden("id"), app.ana().await);
        app.clock.advance(SECOND);
        let other = json!({ "user": ana, "passkey": uuid_v7(app.clock.now(), [1; 10]) });
        assert_eq!(app.applies(&[line(app.clock.now(), "passkey.removed", other)]).await.done, counts(&[]));
        let removed = line(app.clock.now(), "passkey.removed", json!({ "user": ana, "passkey": passkey }));
        app.does_again("passkey.removed", &removed).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM passkeys").await, 0);
        assert_eq!(app.done_by_recovery("passkey.removed").await, 1);
    }

    async fn lines_that_ask_for_nothing_are_counted_and_those_before_are_passed_over(app) {
        let tokens = app.ana_logged_in().await;
        let (user, now) = (tokens.claims()["sub"].clone(), app.clock.now());
        let ended = |at| line(at, "family.ended", json!({ "family": tokens.family(), "user": user, "reason": "owner" }));
        // Ids have whole milliseconds.
        let since = now.trunc_subsecs(3) + TimeDelta::minutes(1);
        let lines = [
            ended(now),
            line(since, "family.adopted", json!({ "family": tokens.family() })),
            line(since, "user.changed", json!({ "user": user, "change": "married" })),
            line(since, "user.changed", json!({ "user": user, "change": "roles" })),
            line(since, "user.changed", json!({ "user": uuid_v7(now, [3; 10]), "change": "roles" })),
            line(since, "user.imported", json!({ "count": 3 })),
            line(since, "login.refused", json!({})),
            line(since, "family.ended", json!({})).replace("\"v\":1", "\"v\":2"),
            json!({ "timestamp": "2026-01-31T12:00:00Z", "target": "heirloom", "message": "tidied up" }).to_string(),
        ];
        let report = app.applies_since(Effect::Write, since, &lines).await;
        assert_eq!(report.unknown, counts(&[("family.adopted", 1), ("user.changed (married)", 1)]));
        assert_eq!((report.before, report.of_later_form, report.nothing), (1, 1, 2), "{report:?}");
        assert_eq!(report.already, counts(&[("user.changed (roles)", 1)]), "that user is lost");
        assert_eq!(report.by_hand.keys().collect::<Vec<_>>(), ["user.changed (roles)", "user.imported"]);
        assert_eq!(report.done, counts(&[]));
        app.rotate(&tokens).await;
        // What cannot be read is refused, and what stands around it is done.
        let mut applying = Applying::new(&app.core, Effect::Write, DateTime::UNIX_EPOCH, 2, app.clock.now());
        for (bad, why) in [
            ("rubbish", "it is not a JSON object"),
            ("{}", "it tells of no event: a line of an export has v, id, at and event"),
            (&*line(now, "family.ended", json!({ "reason": "owner" })), "family is missing, or is not what it should be"),
        ] {
            assert_eq!(applying.take(bad).await.unwrap().unwrap_err().to_string(), why);
        }
        assert_eq!(applying.take(&ended(now)).await.unwrap(), Ok(()));
        assert_eq!(applying.finish().await.unwrap().done, counts(&[("family.ended", 1)]));
        assert_eq!(app.live_families().await, 0);
    }
}

impl TestApp {
    async fn log_in_as_ben(&self) -> Tokens {
        self.add_user("ben").await;
        self.log_in("ben").await
    }
}
