//! The plans of PostgreSQL, as its own counters tell of them: a refresh goes to its row by the primary key, whatever
//! the planner takes the table for, and events are found by their name.

use std::time::Duration;

use futures_util::future::join_all;
use heirloom::service::admin::events::{EventFilter, list};
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::database::with_database;
use crate::event_table::everything;
use crate::harness::*;

const ROWS: usize = 200_000;
const OTHERS: &str = "user_id, subject, client_id, scope, audiences, roles, secret_hash, generation, rotated_at, \
     auth_time, amr, created_at, expires_at";

async fn rotate_all(app: &TestApp, logins: &mut [Tokens]) {
    let rotated = join_all(logins.iter().map(|tokens| app.rotate(tokens))).await;
    logins.clone_from_slice(&rotated);
}

/// How often something of the families' table was scanned.
async fn scans(app: &TestApp, what: &str) -> i64 {
    let sql = format!(
        "SELECT {what} FROM pg_stat_user_tables AS families \
         JOIN pg_stat_user_indexes AS by_id ON by_id.indexrelname = 'families_pkey' \
         JOIN pg_stat_user_indexes AS by_client ON by_client.indexrelname = 'families_client' \
         WHERE families.relname = 'families'"
    );
    app.number(&sql).await
}

/// The table is known as one of a few rows, if at all; then it grows, and the connections with what they prepared stay.
async fn grows_unseen(app: &TestApp, is_analysed: bool) {
    app.sql("ALTER TABLE families SET (autovacuum_enabled = false)").await;
    app.add_user("ana").await;
    let mut logins = vec![app.log_in("ana").await];
    if is_analysed {
        app.sql("ANALYZE families").await;
    }
    for _ in 0..6 {
        logins.push(app.log_in("ana").await);
        // PostgreSQL makes a lasting plan of a statement that it has run five times.
        rotate_all(app, &mut logins).await;
        rotate_all(app, &mut logins).await;
    }
    app.sql(&format!(
        "INSERT INTO families (id, {OTHERS}) SELECT gen_random_uuid(), {OTHERS} FROM generate_series(1, {ROWS}), \
         (SELECT * FROM families ORDER BY id DESC LIMIT 1) AS one"
    ))
    .await;
    // What ends a login, and what replaces a token that was lost, go by the id as well.
    let (ended, lost) = (logins.remove(0), logins.remove(0));
    assert_eq!(app.post("/logout", &json!({ "refresh_token": ended.refresh })).await.status, 204);
    app.rotate(&lost).await;
    app.clock.advance(MINUTE);
    assert_eq!(app.rotate(&lost).await.generation(), lost.generation() + 2);
    let so_far = scans(app, "by_id.idx_scan").await;
    let counted = async {
        // A connection reports its counters once a second, after a statement.
        while scans(app, "by_id.idx_scan").await < so_far + 100 {
            rotate_all(app, &mut logins).await;
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(30), counted).await.expect("no row is looked up by its id");
    assert_eq!(scans(app, "families.seq_scan").await, 0, "sequential scans");
    assert_eq!(scans(app, "by_client.idx_scan").await, 0, "scans of the index of live families");
}

fn looks_rows_up_by_their_ids(statement_cache: usize, batched: bool, is_analysed: bool) {
    with_database(Store::Postgres, async |store, url| {
        let change = |settings: &mut heirloom::settings::Settings| {
            settings.database.statement_cache = statement_cache;
            settings.database.batch_rotations = batched;
        };
        let (app, stop) = start(store, &url, TestClock::new(), change).await;
        grows_unseen(&app, is_analysed).await;
        stop.end().await;
    });
}

#[test]
fn batches_look_rows_up_by_their_ids_in_a_table_that_was_never_analysed() {
    looks_rows_up_by_their_ids(100, true, false);
}

#[test]
fn batches_look_rows_up_by_their_ids_in_a_table_that_was_analysed_when_it_was_small() {
    looks_rows_up_by_their_ids(100, true, true);
}

#[test]
fn single_rotations_look_rows_up_by_their_ids_in_a_table_that_was_never_analysed() {
    looks_rows_up_by_their_ids(100, false, false);
}

#[test]
fn batches_without_prepared_statements_look_rows_up_by_their_ids() {
    looks_rows_up_by_their_ids(0, true, true);
}

#[test]
fn events_of_a_user_are_found_without_those_of_others() {
    const SCANS: &str = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'events_user'";
    with_database(Store::Postgres, async |store, url| {
        let (app, stop) = start(store, &url, TestClock::new(), |_| ()).await;
        let ana = app.add_user("ana").await;
        app.sql(
            "INSERT INTO events (id, at, name, user_id, fields, times) \
             SELECT gen_random_uuid(), now(), 'login.succeeded', gen_random_uuid(), '{}', 1 \
             FROM generate_series(1, 50000)",
        )
        .await;
        app.sql("ANALYZE events").await;
        let of = EventFilter { user: Some(ana), ..everything() };
        let found = async {
            while app.number(SCANS).await == 0 {
                assert_eq!(list(&app.core, &of, None, 51).await.unwrap().len(), 1);
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(30), found).await.expect("the index of users is not used");
        stop.end().await;
    });
}

#[test]
fn events_of_a_rare_name_are_found_without_those_of_others() {
    const SCANS: &str = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'events_name'";
    with_database(Store::Postgres, async |store, url| {
        let (app, stop) = start(store, &url, TestClock::new(), |_| ()).await;
        app.add_user("ana").await;
        app.sql(
            "INSERT INTO events (id, at, name, fields, times) SELECT gen_random_uuid(), now(), 'login.succeeded', '{}', 1 \
             FROM generate_series(1, 50000)",
        )
        .await;
        app.sql("ANALYZE events").await;
        let of = EventFilter { name: "user.changed".parse().unwrap(), ..everything() };
        let found = async {
            while app.number(SCANS).await == 0 {
                assert_eq!(list(&app.core, &of, None, 100).await.unwrap().len(), 1);
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(30), found).await.expect("the index of names is not used");
        stop.end().await;
    });
}
