//! Users who move in by the admin API, where servers share the work, die at it, or are told to stop, and where nobody
//! wants it any more.

use std::sync::Arc;
use std::time::Duration;

use heirloom::crypto::master_key;
use heirloom::service::admin::imports::working::ImportWorker;
use heirloom::settings::Settings;
use reqwest::Method;
use tokio::sync::watch;

use crate::database::both_databases;
use crate::harness::*;
use crate::user_imports::{BCRYPT, RIGHTS, counts, users};

fn same_issuer(settings: &mut Settings) {
    settings.issuer = Some("https://login.example.com".parse().unwrap());
}

/// So many that a server needs a while.
const MANY: u32 = 3000;
const SOME_DONE: &str = "SELECT COALESCE(MAX(lines_done), 0) FROM import_jobs WHERE state = 'running'";

impl TestApp {
    /// Every user of the lines is there once.
    async fn has_all(&self) {
        let there = "SELECT COUNT(DISTINCT username) FROM users WHERE username LIKE 'user%'";
        assert_eq!(self.number(there).await, i64::from(MANY));
        assert_eq!(self.number("SELECT COUNT(*) FROM users").await, i64::from(MANY));
    }
}

both_databases! {
    async fn of_several_servers_one_works_at_an_import(store, url) {
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), same_issuer).await;
        let ops = app.operator(RIGHTS).await;
        let (told_to_stop, stopping) = watch::channel(false);
        let mut workers: Vec<_> = (0..4)
            .map(|_| {
                let mut worker = ImportWorker::new(Arc::clone(&app.core), clock.clock(), stopping.clone());
                tokio::spawn(async move {
                    loop {
                        // Some of them lose a race for the database.
                        let _ = worker.work().await;
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                })
            })
            .collect();
        let lines = users(0..MANY);
        let ids = [app.imports(&ops, "", &lines).await, app.imports(&ops, "", "x\n{\"username\":\"user1\"}").await];
        app.reaches(SOME_DONE, 100).await;
        app.sql("CREATE TABLE seen_workers AS SELECT id, worker FROM import_jobs WHERE state = 'running'").await;
        let others = "SELECT COUNT(*) FROM import_jobs JOIN seen_workers ON import_jobs.id = seen_workers.id \
                      WHERE import_jobs.worker <> seen_workers.worker";
        while app.number("SELECT COUNT(*) FROM import_jobs WHERE state = 'running'").await > 0 {
            assert_eq!(app.number(others).await, 0, "nobody takes it from whoever has it");
        }
        let jobs = [ops.ended(&ids[0]).await, ops.ended(&ids[1]).await];
        assert_eq!(counts(&jobs[0])[..2], [3000, 3000], "{jobs:?}");
        let count = |member: &str| jobs.iter().map(|job| job[member].as_u64().unwrap()).sum::<u64>();
        assert_eq!((count("imported"), count("there"), count("refused")), (3000, 1, 1), "{jobs:?}");
        for id in &ids {
            for (name, times) in [("import.queued", 1), ("import.started", 1), ("import.ended", 1)] {
                let of_it = format!("SELECT COUNT(*) FROM events WHERE name = '{name}' AND fields LIKE '%{id}%'");
                assert_eq!(app.number(&of_it).await, times, "{name}");
            }
        }
        let told = "SELECT COUNT(*) FROM events WHERE name = 'user.imported'";
        assert!(app.number(told).await <= 32, "each step is done once");
        app.has_all().await;
        told_to_stop.send_replace(true);
        for worker in &mut workers {
            worker.abort();
        }
        stop.end().await;
    }

    async fn a_server_that_dies_is_taken_over_from_where_it_was(store, url) {
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), same_issuer).await;
        let ops = app.operator(RIGHTS).await;
        let lines = users(0..MANY).replacen('\n', "\nx\n", 1);
        let id = app.imports(&ops, "", &lines).await;
        app.reaches(SOME_DONE, 100).await;
        // Another one has it by now, as if this one had slept, and dies in the middle of it.
        let lease = match store {
            Store::Sqlite => "UPDATE import_jobs SET worker = x'00000000000000000000000000000001'",
            Store::Postgres => "UPDATE import_jobs SET worker = '00000000-0000-0000-0000-000000000001'",
        };
        app.sql(&format!("{lease} WHERE state = 'running'")).await;
        let frozen = ops.job(&id).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(ops.job(&id).await, frozen, "whoever does not have it does nothing of it");
        let done = frozen["lines_done"].as_u64().unwrap();
        assert!((100..3000).contains(&done), "{frozen}");
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, i64::try_from(done).unwrap() - 1);
        clock.advance(SECOND * 20);
        app.core.import_jobs.notify_one();
        let job = ops.ended(&id).await;
        assert_eq!((job["state"].as_str().unwrap(), counts(&job)), ("done", [3001, 3001, 3000, 0, 1]), "no line twice, and none lost");
        assert_eq!(ops.refused_lines(&id).await.len(), 1);
        assert_eq!((app.told("import.started"), app.told("import.ended")), (1, 1));
        app.has_all().await;
        app.has_forgotten_what_was_sent().await;
        stop.end().await;
    }

    async fn a_server_that_is_stopped_leaves_the_rest_to_the_next(store, url) {
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), same_issuer).await;
        let ops = app.operator(RIGHTS).await;
        let write = app.imports(&ops, "", &users(0..MANY)).await;
        clock.advance(SECOND);
        let tell = app.imports(&ops, "?dry_run=true", &(users(0..10) + "x\n" + &users(MANY..4 * MANY) + &users(MANY..MANY + 1))).await;
        app.reaches(SOME_DONE, 100).await;
        stop.end().await;
        let (app, stop) = start(store, &url, clock.clone(), same_issuer).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM import_jobs WHERE state = 'done'").await, 0);
        let ops = app.operator_again().await;
        assert_eq!(counts(&ops.ended(&write).await), [3000, 3000, 3000, 0, 0], "at once, without a wait for the lease");
        app.reaches(SOME_DONE, 100).await;
        stop.end().await;
        // A dry run has seen nothing of what another server saw: it begins anew.
        let (app, stop) = start(store, &url, clock.clone(), same_issuer).await;
        let ops = app.operator_again().await;
        assert_eq!(counts(&ops.ended(&tell).await), [9012, 9012, 9000, 11, 1]);
        assert_eq!(ops.refused_lines(&tell).await.len(), 1);
        app.has_all().await;
        app.has_forgotten_what_was_sent().await;
        stop.end().await;
    }

    async fn nobody_does_what_is_cancelled(store, url) {
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), same_issuer).await;
        let ops = app.operator(RIGHTS).await;
        let (running, waiting) = (app.imports(&ops, "", &users(0..MANY)).await, app.imports(&ops, "", &users(MANY..MANY + 1)).await);
        app.reaches(SOME_DONE, 100).await;
        let cancel = async |id: &str| ops.asks(Method::DELETE, &format!("/jobs/{id}"), None).await;
        for id in [&waiting, &running, &running] {
            assert_eq!(cancel(id).await.status, 204);
        }
        app.has_forgotten_what_was_sent().await;
        let job = ops.job(&running).await;
        let users_then = app.number("SELECT COUNT(*) FROM users").await;
        assert_eq!((job["state"].as_str().unwrap(), counts(&job)[2]), ("cancelled", u64::try_from(users_then).unwrap()), "{job}");
        assert!(job["ended_at"].is_string() && (100..3000).contains(&users_then), "{job}");
        assert_eq!(counts(&ops.job(&waiting).await)[1..3], [0, 0]);
        // Whoever was at it does no more, and goes on to the next.
        let next = app.imports(&ops, "", &users(0..1)).await;
        assert_eq!(counts(&ops.ended(&next).await), [1, 1, 0, 1, 0]);
        assert_eq!(app.number("SELECT COUNT(*) FROM users").await, users_then);
        assert_eq!(ops.job(&running).await, job);
        assert_eq!(cancel(&next).await.whole_problem(), "409 conflict The job has ended: it is done.");
        let told = format!("import.ended change=import count={users_then} job={running} reason=cancelled");
        assert_eq!((app.told(&told), app.told("import.ended")), (1, 3));
        stop.end().await;
    }

    async fn what_waits_is_sealed_and_outlives_the_master_key(store, url) {
        let (clock, new) = (TestClock::new(), master_key::generate());
        let keys = |keys: String| {
            move |settings: &mut Settings| {
                same_issuer(settings);
                settings.master_key = Some(keys.into());
            }
        };
        let (app, stop) = start(store, &url, clock.clone(), keys(MASTER_KEY.to_owned())).await;
        let ops = app.operator(RIGHTS).await;
        let ana = format!("{{\"username\":\"ana\",\"password_hash\":\"{BCRYPT}\"}}");
        let lines = users(0..MANY - 1) + &ana;
        let (id, gone) = (app.imports(&ops, "", &lines).await, app.imports(&ops, "", &users(0..1)).await);
        app.reaches(SOME_DONE, 100).await;
        let hex = BCRYPT.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let column = match store {
            Store::Sqlite => "lower(hex(sealed))",
            Store::Postgres => "encode(sealed, 'hex')",
        };
        let readable = format!("SELECT COUNT(*) FROM import_chunks WHERE {column} LIKE '%{hex}%'");
        assert_eq!(app.number(&readable).await, 0);
        assert!(app.number("SELECT COUNT(*) FROM import_chunks").await > 1);
        stop.end().await;
        let waits = "UPDATE import_jobs SET state = 'queued', worker = NULL, leased_until = NULL";
        let (app, stop) = start(store, &url, clock.clone(), keys(format!("{},{MASTER_KEY}", *new))).await;
        app.sql(waits).await;
        stop.end().await;
        let (app, stop) = start(store, &url, clock.clone(), keys((*new).clone())).await;
        let ops = app.operator_again().await;
        let done = ops.ended(&id).await;
        assert_eq!((done["state"].as_str().unwrap(), counts(&done)), ("done", [3000, 3000, 3000, 0, 0]), "{done}");
        assert_eq!(ops.ended(&gone).await["state"], "done");
        // What does not open is told, and is in nobody's way.
        stop.end().await;
        let (app, stop) = start(store, &url, clock.clone(), keys((*new).clone())).await;
        let ops = app.operator_again().await;
        let id = app.imports(&ops, "", &users(0..MANY)).await;
        app.reaches(SOME_DONE, 100).await;
        app.sql("UPDATE import_chunks SET sealed = substr(sealed, 1, 20)").await;
        let failed = ops.ended(&id).await;
        assert_eq!(failed["error"], "what was sent cannot be read any more: the sealed value is damaged");
        assert_eq!(failed["state"], "failed");
        assert_eq!(app.told(&format!("import.ended change=import count={} job={id} reason=failed", failed["imported"])), 1);
        app.has_forgotten_what_was_sent().await;
        let next = app.imports(&ops, "", &users(0..1)).await;
        assert_eq!(ops.ended(&next).await["state"], "done");
        stop.end().await;
    }
}
