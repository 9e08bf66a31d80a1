//! A database with no room left, and then with some: SQLite ends a transaction by itself when there is none.

use crate::database::with_database;
use crate::harness::*;

use serde_json::json;

async fn try_to_log_in(app: &TestApp) -> u16 {
    app.post("/login", &json!({ "username": "ana", "password": PASSWORD })).await.status.as_u16()
}

#[test]
fn a_file_with_room_again_takes_writes_at_once() {
    with_database(Store::Sqlite, async |store, url| {
        let (app, stop) = start(store, &url, TestClock::new(), |_| {}).await;
        app.add_user("ana").await;
        for _ in 0..2 {
            // Until its connection is replaced, SQLite takes no more pages than there are.
            app.sql("PRAGMA max_page_count = 1").await;
            while try_to_log_in(&app).await == 200 {}
            let tokens = app.log_in("ana").await;
            app.rotate(&tokens).await;
        }
        stop.end().await;
    });
}
