//! What happened is kept: with the transaction that it tells of, for a while, and what others cause in any number as a
//! count.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use heirloom::domain::event::{Event, EventChoice};
use heirloom::service::admin;
use heirloom::service::admin::events::{EventFilter, list};
use heirloom::service::admin::janitor;
use heirloom::service::admin::views::EventView;
use heirloom::settings::Settings;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::both_databases;
use crate::harness::*;

pub fn everything() -> EventFilter {
    EventFilter { user: None, family: None, name: EventChoice::all(), since: chrono::DateTime::UNIX_EPOCH }
}

fn proxied(settings: &mut Settings) {
    settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
}

impl TestApp {
    /// What is kept, the newest first, once all that was counted is stored: but for the server's first key.
    pub async fn kept(&self, filter: &EventFilter) -> Vec<EventView> {
        self.core.writer.store_counts(self.clock.now()).await.unwrap();
        let mut kept = list(&self.core, filter, None, 1000).await.unwrap();
        kept.retain(|event| event.event != "key.rotated");
        kept
    }

    async fn kept_names(&self, filter: &EventFilter) -> Vec<String> {
        self.kept(filter).await.into_iter().map(|event| event.event).collect()
    }

    /// A login that is refused before its password is looked at.
    async fn refused_from(&self, address: &str, name: &str) {
        let body = json!({ "username": name, "password": "" });
        let request = self.http.post(self.at("/login")).header("x-forwarded-for", address).json(&body);
        assert_eq!(self.send(request).await.status, 401);
    }

    pub async fn kept_rows(&self) -> i64 {
        self.number("SELECT COUNT(*) FROM events WHERE name <> 'key.rotated'").await
    }
}

fn whole(event: &EventView) -> Value {
    let mut whole = json!(event);
    let members = whole.as_object_mut().unwrap();
    assert_eq!(members.remove("id").unwrap().as_str().unwrap().as_bytes()[14], b'7', "a UUID of version 7");
    members.remove("at").unwrap();
    whole
}

both_stores! {
    async fn what_happens_is_kept_in_its_order_and_found_again(app) {
        let (ana, ben) = (app.add_user("ana").await, app.add_user("ben").await);
        app.clock.advance(MINUTE);
        let since = app.clock.now();
        let anas = app.log_in("ana").await;
        app.clock.advance(SECOND);
        app.log_in("ben").await;
        app.clock.advance(MINUTE);
        // A spent token: two events of one transaction.
        let next = app.rotate(&app.rotate(&anas).await).await;
        assert_eq!(app.refresh(&anas.refresh).await.refusal(), REUSED);
        let kept = app.kept(&everything()).await;
        let names: Vec<&str> = kept.iter().map(|event| event.event.as_str()).collect();
        let last = ["family.reused", "family.ended", "login.succeeded", "login.succeeded", "user.changed", "user.changed"];
        assert_eq!(names, last, "no rotation is among them");
        assert_eq!(whole(&kept[3]), json!({
            "v": 1, "event": "login.succeeded", "times": 1, "family": anas.family(), "user": ana, "client": "heirloom",
            "address": "127.0.0.1",
        }));
        assert_eq!(whole(&kept[1]), json!({
            "v": 1, "event": "family.ended", "times": 1, "family": next.family(), "user": ana, "client": "heirloom", "reason": "reuse",
        }));
        let times: Vec<&str> = kept.iter().map(|event| event.at.as_str()).collect();
        assert!(times.is_sorted_by(|later, earlier| later >= earlier), "{times:?}");
        let of = EventFilter { user: Some(ben), ..everything() };
        assert_eq!(app.kept_names(&of).await, ["login.succeeded", "user.changed"]);
        let of = EventFilter { family: Some(anas.family().parse().unwrap()), ..everything() };
        assert_eq!(app.kept_names(&of).await, ["family.reused", "family.ended", "login.succeeded"]);
        let of = EventFilter { user: Some(ben), ..of };
        assert_eq!(app.kept_names(&of).await, [""; 0], "not a login of his");
        for (name, count) in [("family.*", 2), ("family.ended", 1), ("user.changed", 2), ("user_code.*", 0)] {
            let of = EventFilter { name: name.parse().unwrap(), ..everything() };
            assert_eq!(app.kept(&of).await.len(), count, "{name}");
        }
        assert_eq!(app.kept(&EventFilter { since, ..everything() }).await.len(), 4);
        let first = list(&app.core, &everything(), None, 2).await.unwrap();
        let second = list(&app.core, &everything(), Some(first[1].id), 2).await.unwrap();
        let ids = |events: &[EventView]| events.iter().map(|event| event.id).collect::<Vec<_>>();
        assert_eq!([ids(&first), ids(&second)].concat(), ids(&kept[..4]), "part after part");
    }

    async fn events_of_one_transaction_stay_in_their_order(app) {
        let tokens: Vec<Uuid> = (0..100).map(Uuid::from_u128).collect();
        let added = app.core.write(app.clock.now(), async |tx| {
            for token in &tokens {
                tx.record(Event::RegistrationTokenAdded { token: *token });
            }
            Ok(Some(()))
        });
        added.await.unwrap();
        let of = EventFilter { name: "registration_token.added".parse().unwrap(), ..everything() };
        let kept = app.kept(&of).await.into_iter().rev();
        assert_eq!(kept.map(|event| event.fields["token"].clone()).collect::<Vec<_>>(), json!(tokens).as_array().unwrap()[..]);
    }

    async fn what_was_undone_leaves_no_row_and_a_refresh_writes_none(app) {
        let ana = app.add_user("ana").await;
        let tokens = app.log_in("ana").await;
        let rows = app.kept_rows().await;
        let now = app.clock.now();
        app.undo(&Event::RecoveryClosed).await;
        let next = app.rotate(&tokens).await;
        app.rotate(&tokens).await;
        app.rotate(&next).await;
        app.core.writer.store_counts(now).await.unwrap();
        assert_eq!(app.kept_rows().await, rows);
        // What cannot be kept has not happened.
        app.sql("ALTER TABLE events RENAME TO lost").await;
        let not_kept = app.core.write(now, async |tx| {
            tx.record(Event::RecoveryClosed);
            heirloom::store::users::touch(tx, ana, now).await.map(Some)
        });
        assert!(not_kept.await.is_err());
        assert_eq!(app.told("recovery.closed"), 0);
    }

    async fn two_thousand_refused_logins_of_a_minute_are_one_row(app) with proxied; {
        let ana = app.add_user("ana").await;
        let refused = stream::iter(0..2_000).map(|_| app.refused_from("192.0.2.1", "ana"));
        refused.buffer_unordered(8).collect::<Vec<()>>().await;
        let kept = app.kept(&everything()).await;
        assert_eq!(kept.len(), 2, "{kept:?}");
        let row = kept.iter().find(|event| event.event == "login.refused").unwrap();
        assert_eq!(whole(row), json!({
            "v": 1, "event": "login.refused", "times": 2_000, "user": ana, "client": "heirloom", "address": "192.0.2.1",
        }));
        // More in the same minute, and others beside it: whatever name is nobody's, it is one row.
        app.refused_from("192.0.2.1", "ANA").await;
        for number in 0..20 {
            app.refused_from("192.0.2.1", &format!("nobody{number}")).await;
            app.refused_from(&format!("2001:db8::{number:x}"), "ana").await;
        }
        app.kept(&everything()).await;
        app.clock.advance(MINUTE);
        app.refused_from("192.0.2.1", "ana").await;
        let of = EventFilter { name: "login.refused".parse().unwrap(), ..everything() };
        let mut times: Vec<i64> = app.kept(&of).await.iter().map(|event| event.times).collect();
        times.sort_unstable();
        assert_eq!(times.iter().sum::<i64>(), 2_042);
        assert!(times.contains(&2_001) && times.iter().filter(|times| **times == 20).count() == 2, "{times:?}");
        assert_eq!(times.len(), 4);
    }

    async fn the_end_of_many_logins_is_kept_login_by_login(app) {
        let ana = app.add_user("ana").await;
        for _ in 0..75 {
            app.log_in("ana").await;
        }
        admin::families::end_of_user(&app.core, ana, app.clock.now()).await.unwrap();
        let of = EventFilter { user: Some(ana), name: "family.ended".parse().unwrap(), ..everything() };
        let kept = app.kept(&of).await;
        assert_eq!(kept.len(), 75);
        assert!(kept.iter().all(|event| event.fields["reason"] == "operator" && event.fields.contains_key("family")));
        let families: std::collections::BTreeSet<_> = kept.iter().map(|event| event.fields["family"].as_str()).collect();
        assert_eq!(families.len(), 75);
    }

    async fn what_happened_long_ago_is_forgotten(app) with |settings| settings.events.retention = 30 * DAY; {
        for number in 0..5 {
            app.add_user(&format!("user{number}")).await;
        }
        app.clock.advance(DAY);
        app.add_user("ana").await;
        app.clock.advance(29 * DAY - SECOND);
        janitor::tidy(&app.core, 2, app.clock.now()).await.unwrap();
        assert_eq!(app.kept_rows().await, 6);
        app.clock.advance(SECOND + Duration::from_millis(1));
        assert_eq!(janitor::tidy(&app.core, 2, app.clock.now()).await.unwrap().deleted, 6, "batch after batch");
        assert_eq!(app.kept_rows().await, 1);
    }

    async fn nothing_is_kept_where_nobody_wants_it(app) with |settings| settings.events.retention = Duration::ZERO; {
        let tokens = app.ana_logged_in().await;
        app.post("/logout", &json!({ "refresh_token": tokens.refresh })).await;
        app.post("/login", &json!({ "username": "ana", "password": "short" })).await;
        assert_eq!(app.kept(&everything()).await.len(), 0);
        assert_eq!((app.told("family.ended"), app.told("login.refused")), (1, 1), "the log has them");
    }
}

both_databases! {
    async fn servers_add_to_the_same_counts_and_a_stop_stores_them(store, url) {
        let clock = TestClock::new();
        let (one, stop_one) = start(store, &url, clock.clone(), proxied).await;
        let (other, stop_other) = start(store, &url, clock.clone(), proxied).await;
        one.add_user("ana").await;
        for app in [&one, &other, &other] {
            app.refused_from("192.0.2.1", "ana").await;
        }
        stop_one.end().await;
        stop_other.end().await;
        let (app, stop) = start(store, &url, clock, proxied).await;
        let of = EventFilter { name: "login.refused".parse().unwrap(), ..everything() };
        let kept = app.kept(&of).await;
        assert_eq!(kept.iter().map(|event| event.times).collect::<Vec<_>>(), [3]);
        stop.end().await;
    }
}
