//! The chain of events: what a hand at the database takes away, changes or adds shows, and nothing else does.

use std::time::Duration;

use futures_util::future::join_all;
use heirloom::domain::ids::uuid_v7;
use heirloom::service::admin::janitor;
use heirloom::service::events::chain::{ChainRound, EVERY, extend};
use heirloom::service::events::verify::{ChainBreak, NotedLink, VerifiedChain, verify};
use heirloom::settings::Settings;
use heirloom::store::events::{self, StoredEvent};
use serde_json::json;
use uuid::Uuid;

use crate::database::both_databases;
use crate::harness::*;

const MARGIN: Duration = Duration::from_mins(5);
const LATE: Duration = Duration::from_mins(10);

fn kept_for_a_month(settings: &mut Settings) {
    settings.events.retention = 30 * DAY;
}

fn two_master_keys(settings: &mut Settings) {
    settings.master_key = Some(format!("{STANDARD_KEY},{MASTER_KEY}").into());
}

const STANDARD_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

impl TestApp {
    async fn chains(&self) -> ChainRound {
        extend(&self.core, self.clock.now()).await.unwrap()
    }

    /// A round at a time when all that there is may be in it.
    async fn chains_all(&self) -> ChainRound {
        self.core.writer.store_counts(self.clock.now()).await.unwrap();
        self.clock.advance(MARGIN + MINUTE);
        self.chains().await
    }

    async fn verifies(&self) -> Result<VerifiedChain, ChainBreak> {
        self.verifies_with(None).await
    }

    async fn verifies_with(&self, noted: Option<&NotedLink>) -> Result<VerifiedChain, ChainBreak> {
        verify(&self.core, noted, self.clock.now()).await.unwrap()
    }

    async fn event_rows(&self) -> u64 {
        self.number("SELECT COUNT(*) FROM events").await.try_into().unwrap()
    }

    /// Writes a row so long ago, as its id tells, whoever does it.
    async fn inserts(&self, ago: Duration) -> Uuid {
        let at = self.clock.now() - ago;
        let id = uuid_v7(at, [9; 10]);
        let (name, fields) = ("login.succeeded".to_owned(), json!({ "client": "shop" }).to_string());
        let event = StoredEvent { id, at, name, user: None, family: None, fields, times: 1 };
        let written = self.core.write(self.clock.now(), async |tx| {
            events::insert(tx, std::slice::from_ref(&event)).await.map(Some)
        });
        written.await.unwrap();
        id
    }

    /// A literal of an id in this store's SQL.
    fn literal(&self, id: Uuid) -> String {
        match self.store {
            Store::Sqlite => format!("X'{}'", id.simple()),
            Store::Postgres => format!("'{id}'"),
        }
    }

    /// Ana, ten logins, and a chain of all that.
    async fn with_chain(&self) -> VerifiedChain {
        // Events of one moment have no order.
        self.clock.advance(SECOND);
        self.add_user("ana").await;
        for _ in 0..10 {
            self.clock.advance(SECOND);
            self.log_in("ana").await;
        }
        let rows = self.event_rows().await;
        assert_eq!(self.chains_all().await, ChainRound::Linked(rows));
        let verified = self.verifies().await.unwrap();
        assert_eq!(
            (verified.events, verified.aged, verified.waiting),
            (rows, 0, 1),
            "it tells of its beginning"
        );
        verified
    }

    /// The nth event, by its link.
    async fn linked(&self, seq: i64) -> Uuid {
        let linked = heirloom::store::event_chain::linked(&self.core.db, (seq - 1, seq), 1).await.unwrap();
        linked[0].0.event
    }
}

both_stores! {
    async fn events_are_chained_once_they_are_old_enough(app) {
        assert_eq!(app.verifies().await, Err(ChainBreak::NoChain));
        app.add_user("ana").await;
        app.log_in("ana").await;
        let rows = app.event_rows().await;
        app.clock.advance(MARGIN - SECOND);
        assert_eq!(app.chains().await, ChainRound::Linked(0));
        assert_eq!(app.told("chain.begun"), 1);
        let young = app.verifies().await.unwrap();
        assert_eq!((young.events, young.span, young.waiting), (0, None, i64::try_from(rows).unwrap() + 1));
        app.clock.advance(2 * SECOND);
        assert_eq!(app.chains().await, ChainRound::NotOurs, "too soon after the last round");
        app.clock.advance(EVERY.to_std().unwrap());
        assert_eq!(app.chains().await, ChainRound::Linked(rows));
        app.log_in("ana").await;
        let old = app.verifies().await.unwrap();
        assert_eq!((old.events, old.waiting, old.last.seq), (rows, 2, i64::try_from(rows).unwrap()));
        assert_eq!(app.chains_all().await, ChainRound::Linked(2));
        let all = app.verifies().await.unwrap();
        assert_eq!((all.events, all.waiting), (rows + 2, 0));
        assert_eq!(app.told("chain.begun"), 1);
        let (from, to) = all.span.unwrap();
        assert!(old.span.unwrap().0 == from && from < to && to < app.clock.now());
    }

    async fn what_a_hand_removes_changes_or_inserts_is_named(app) {
        app.with_chain().await;
        let (third, last) = (app.linked(3).await, app.linked(12).await);
        let at = |id: Uuid| chrono::DateTime::from_timestamp_millis((id.as_u128() >> 80).try_into().unwrap()).unwrap();
        let name = |seq: i64| if seq == 1 { "key.rotated" } else { "login.succeeded" }.to_owned();
        let changed = |event, seq| Err(ChainBreak::Changed { seq, event, at: at(event), name: name(seq) });
        let removed = |event, seq| Err(ChainBreak::Removed { seq, event, at: at(event) });
        let of = |id: Uuid| format!("WHERE id = {}", app.literal(id));
        for (id, seq) in [(third, 3), (last, 12)] {
            for set in [
                "times = times + 1",
                "fields = '{}'",
                "family_id = user_id",
                "user_id = NULL",
                "at = (SELECT MAX(begun_at) FROM event_chain)",
            ] {
                app.sql(&format!("CREATE TABLE kept AS SELECT * FROM events {}", of(id))).await;
                app.sql(&format!("UPDATE events SET {set} {}", of(id))).await;
                assert_eq!(app.verifies().await, changed(id, seq), "{set}");
                app.sql(&format!("DELETE FROM events {}", of(id))).await;
                assert_eq!(app.verifies().await, removed(id, seq));
                app.sql("INSERT INTO events SELECT * FROM kept").await;
                app.sql("DROP TABLE kept").await;
                app.verifies().await.unwrap();
            }
        }
        app.sql(&format!("UPDATE events SET name = 'login.refused' {}", of(third))).await;
        let Err(ChainBreak::Changed { name, .. }) = app.verifies().await else { panic!() };
        assert_eq!(name, "login.refused");
        app.sql(&format!("UPDATE events SET name = 'login.succeeded' {}", of(third))).await;
        let inserted = app.inserts(MARGIN + LATE + 2 * MINUTE).await;
        let expected = Err(ChainBreak::Inserted { event: inserted, at: at(inserted), name: "login.succeeded".to_owned() });
        assert_eq!(app.verifies().await, expected);
        app.chains_all().await;
        assert_eq!(app.verifies().await, expected, "it gets no link either");
        let told = app.verifies().await.unwrap_err().to_string();
        assert!(told.ends_with("login.succeeded, is in no link: it was inserted by hand") && told.contains(&inserted.to_string()), "{told}");
    }

    async fn who_has_the_database_alone_cannot_mend_the_chain(app) {
        let verified = app.with_chain().await;
        let third = app.literal(app.linked(3).await);
        let copy = ["event_links", "event_chain", "events"];
        for table in copy {
            app.sql(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await;
        }
        let last = verified.last.seq;
        let removed_with_link = format!("DELETE FROM events WHERE id = {third}; DELETE FROM event_links WHERE seq = 3");
        let and_closed = format!("{removed_with_link}; UPDATE event_links SET seq = seq - 1 WHERE seq > 3; UPDATE event_chain SET seq = seq - 1");
        let end_cut = format!("DELETE FROM events WHERE id = (SELECT event_id FROM event_links WHERE seq = {last}); DELETE FROM event_links WHERE seq = {last}");
        let and_end_moved = format!("{end_cut}; UPDATE event_chain SET seq = {last} - 1, link = (SELECT link FROM event_links WHERE seq = {last} - 1)");
        let beginning_cut = "DELETE FROM events WHERE id IN (SELECT event_id FROM event_links WHERE seq < 4); DELETE FROM event_links WHERE seq < 4";
        let and_anchor_moved = format!("UPDATE event_chain SET anchor_seq = 3, anchor_link = (SELECT link FROM event_links WHERE seq = 3); {beginning_cut}");
        let other_key = "UPDATE event_links SET key_id = 'deadbeef' WHERE seq = 3".to_owned();
        let copied_digest = "UPDATE event_links SET digest = (SELECT digest FROM kept_event_links WHERE seq = 4) WHERE seq = 3".to_owned();
        let other_event = format!("{removed_with_link}; UPDATE event_links SET seq = 3 WHERE seq = {last}");
        let later_horizon = "UPDATE event_chain SET horizon = begun_at".to_owned();
        for (done, expected) in [
            (removed_with_link.clone(), ChainBreak::MissingLink(3)),
            (and_closed, ChainBreak::Head),
            (end_cut, ChainBreak::MissingLink(last)),
            (and_end_moved, ChainBreak::Head),
            (beginning_cut.to_owned(), ChainBreak::MissingLink(1)),
            (and_anchor_moved, ChainBreak::Head),
            (other_key, ChainBreak::MissingKey("deadbeef".to_owned())),
            (copied_digest, ChainBreak::ForgedLink(3)),
            (other_event, ChainBreak::ForgedLink(3)),
            (later_horizon, ChainBreak::Head),
            ("DELETE FROM event_chain".to_owned(), ChainBreak::NoChain),
        ] {
            for statement in done.split("; ") {
                app.sql(statement).await;
            }
            assert_eq!(app.verifies().await, Err(expected.clone()), "{done}");
            if expected == ChainBreak::Head {
                app.clock.advance(MINUTE);
                assert_eq!(app.chains().await, ChainRound::Broken, "nobody blesses it: {done}");
            }
            for table in copy {
                app.sql(&format!("DELETE FROM {table}")).await;
                app.sql(&format!("INSERT INTO {table} SELECT * FROM kept_{table}")).await;
            }
            app.verifies().await.unwrap();
        }
    }

    async fn a_chain_that_was_made_anew_does_not_lead_through_what_was_noted(app) {
        let noted = app.with_chain().await.last;
        app.log_in("ana").await;
        app.chains_all().await;
        assert!(app.verifies_with(Some(&noted)).await.unwrap().last.seq > noted.seq);
        let newest = app.verifies().await.unwrap().last;
        app.sql("DELETE FROM events WHERE name = 'user.changed'").await;
        app.sql("DELETE FROM event_links").await;
        app.sql("DELETE FROM event_chain").await;
        app.chains_all().await;
        assert_eq!(app.told("chain.begun"), 2, "it is told of");
        app.verifies().await.unwrap();
        assert_eq!(app.verifies_with(Some(&noted)).await, Err(ChainBreak::NotAsNoted(noted.seq)));
        let ahead = NotedLink { seq: newest.seq + 100, ..newest };
        assert_eq!(app.verifies_with(Some(&ahead)).await, Err(ChainBreak::NotAsNoted(ahead.seq)));
    }

    async fn a_row_that_was_committed_late_is_chained_behind_younger_ones(app) {
        let before = app.with_chain().await;
        // Younger ones are chained already, and this one was not there yet.
        let late = app.inserts(MARGIN + 2 * MINUTE).await;
        assert_eq!(app.verifies().await.unwrap().events, before.events, "that is no forgery");
        app.clock.advance(MINUTE);
        app.chains().await;
        let seq = app.verifies().await.unwrap().last.seq;
        assert!(seq > before.last.seq);
        let newest = app.inserts(MARGIN + LATE - SECOND).await;
        assert!(newest < app.linked(seq).await);
        app.clock.advance(MINUTE);
        app.chains().await;
        let verified = app.verifies().await.unwrap();
        assert_eq!((verified.events + 1, verified.waiting), (app.event_rows().await, 1), "all but the chain's beginning");
        let mut linked = Vec::new();
        for seq in before.last.seq + 1..=verified.last.seq {
            linked.push(app.linked(seq).await);
        }
        assert!(linked.contains(&late) && linked.contains(&newest), "{linked:?}");
    }

    async fn what_is_counted_is_chained_when_it_grows_no_more(app) {
        app.with_chain().await;
        // Both are of one minute.
        let second = u32::try_from(app.clock.now().timestamp() % 60).unwrap();
        app.clock.advance(MINUTE - second * SECOND);
        let refused = json!({ "username": "ana", "password": "" });
        app.post("/login", &refused).await;
        app.core.writer.store_counts(app.clock.now()).await.unwrap();
        app.clock.advance(30 * SECOND);
        assert_eq!(app.chains().await, ChainRound::Linked(0));
        app.post("/login", &refused).await;
        app.core.writer.store_counts(app.clock.now()).await.unwrap();
        assert!(app.chains_all().await != ChainRound::Linked(0));
        let verified = app.verifies().await.unwrap();
        assert_eq!((verified.events, verified.waiting), (app.event_rows().await, 0));
        assert!(app.number("SELECT CAST(SUM(times) AS BIGINT) FROM events WHERE name = 'login.refused'").await == 2);
        app.sql("UPDATE events SET times = 1 WHERE name = 'login.refused'").await;
        assert!(matches!(app.verifies().await, Err(ChainBreak::Changed { .. })));
    }

    async fn what_is_deleted_for_its_age_is_no_break(app) with kept_for_a_month; {
        let first = app.with_chain().await;
        app.clock.advance(20 * DAY);
        app.log_in("ana").await;
        app.chains_all().await;
        app.clock.advance(10 * DAY);
        // The janitor comes first, the chain after it, and between them it is looked at.
        janitor::tidy(&app.core, 3, app.clock.now()).await.unwrap();
        let aged = app.verifies().await.unwrap();
        assert_eq!(aged.aged, first.events + 1);
        app.chains().await;
        let verified = app.verifies().await.unwrap();
        let links = |verified: &VerifiedChain| i64::try_from(verified.events).unwrap();
        assert_eq!((verified.aged, links(&verified)), (0, app.number("SELECT COUNT(*) FROM event_links").await));
        assert_eq!(links(&verified) + verified.waiting, i64::try_from(app.event_rows().await).unwrap());
        assert!(verified.last.seq > first.last.seq && verified.begun_at == first.begun_at, "it is the same chain");
        let head = heirloom::store::event_chain::head(&app.core.db).await.unwrap().unwrap();
        let anchor = NotedLink { seq: head.anchor_seq, link: head.anchor_link };
        assert_eq!(app.verifies_with(Some(&anchor)).await.unwrap().last, verified.last);
        let other = NotedLink { link: vec![0; 32], ..anchor };
        assert_eq!(app.verifies_with(Some(&other)).await, Err(ChainBreak::NotAsNoted(other.seq)));
        let earlier = NotedLink { seq: 3, link: vec![0; 32] };
        assert_eq!(app.verifies_with(Some(&earlier)).await, Err(ChainBreak::NotedTooLongAgo(3)));
        // The chain first, the janitor after it.
        app.clock.advance(20 * DAY);
        app.log_in("ana").await;
        app.chains_all().await;
        app.verifies().await.unwrap();
        janitor::tidy(&app.core, 3, app.clock.now()).await.unwrap();
        let verified = app.verifies().await.unwrap();
        assert_eq!(links(&verified) + verified.waiting, i64::try_from(app.event_rows().await).unwrap());
        assert_eq!(verified.aged, 0);
        // What is younger is not taken for it.
        app.sql("DELETE FROM events WHERE name = 'login.succeeded'").await;
        assert!(matches!(app.verifies().await, Err(ChainBreak::Removed { .. })));
    }

    async fn more_than_a_batch_is_chained_part_by_part(app) {
        app.add_user("ana").await;
        let now = app.clock.now();
        let event = |nth: u16| {
            let [high, low] = nth.to_be_bytes();
            let id = uuid_v7(now, [high, low, 1, 2, 3, 4, 5, 6, 7, 8]);
            let (name, fields) = ("login.succeeded".to_owned(), "{}".to_owned());
            StoredEvent { id, at: now, name, user: None, family: None, fields, times: 1 }
        };
        let many: Vec<StoredEvent> = (0..2_345).map(event).collect();
        app.core.write(now, async |tx| events::insert(tx, &many).await.map(Some)).await.unwrap();
        assert_eq!(app.chains_all().await, ChainRound::Linked(app.event_rows().await - 1));
        let verified = app.verifies().await.unwrap();
        assert_eq!((verified.events, verified.waiting), (app.event_rows().await - 1, 1));
    }
}

both_databases! {
    async fn servers_make_one_chain_together(store, url) {
        let clock = TestClock::new();
        let (one, stop_one) = start(store, &url, clock.clone(), |_| ()).await;
        let (other, stop_other) = start(store, &url, clock.clone(), |_| ()).await;
        one.add_user("ana").await;
        for _ in 0..20 {
            for app in [&one, &other] {
                app.log_in("ana").await;
            }
            clock.advance(MARGIN + MINUTE);
            let rounds = join_all([&one, &other, &one, &other].map(TestApp::chains)).await;
            let linked = rounds.iter().filter(|round| matches!(round, ChainRound::Linked(_))).count();
            assert!(linked <= 1, "{rounds:?}");
            assert!(!rounds.contains(&ChainRound::Broken), "{rounds:?}");
        }
        clock.advance(MARGIN + MINUTE);
        one.chains().await;
        let verified = other.verifies().await.unwrap();
        assert_eq!((verified.events, verified.waiting), (one.event_rows().await, 0));
        assert_eq!(one.number("SELECT MAX(seq) - COUNT(*) FROM event_links").await, 0);
        stop_one.end().await;
        stop_other.end().await;
    }

    async fn a_chain_goes_on_under_another_master_key(store, url) {
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), |_| ()).await;
        let before = app.with_chain().await;
        stop.end().await;
        let (app, stop) = start(store, &url, clock.clone(), two_master_keys).await;
        app.chains_all().await;
        let verified = app.verifies().await.unwrap();
        assert!(verified.events > before.events);
        assert_eq!(app.number("SELECT COUNT(DISTINCT key_id) FROM event_links").await, 2);
        stop.end().await;
        let old = heirloom::crypto::master_key::MasterKeys::parse(MASTER_KEY).unwrap().active().id();
        let (app, stop) = start(store, &url, clock.clone(), |settings| settings.master_key = Some(STANDARD_KEY.to_owned().into())).await;
        assert_eq!(app.verifies().await, Err(ChainBreak::MissingKey(old.to_string())));
        stop.end().await;
    }
}
