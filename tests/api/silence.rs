//! A database that falls silent, as when its machine is gone: nobody is told, and nothing may wait for it forever.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::database::with_database;
use crate::harness::*;
use crate::relay::Relay;

/// What is answered once the connections that fell silent are given up.
async fn served(ask: impl AsyncFn() -> Answer) -> Tokens {
    let answered = async {
        loop {
            let answer = ask().await;
            if answer.status == 200 {
                break answer.tokens();
            }
            assert_eq!(answer.status, 503, "an outage is no refusal: {answer:?}");
        }
    };
    timeout(Duration::from_secs(20), answered).await.expect("the server has waited for too long")
}

async fn refreshes_go_on(store: Store, url: String, batched: bool) {
    let (relay, url) = Relay::to(&url).await;
    let change = |settings: &mut heirloom::settings::Settings| {
        settings.database.batch_rotations = batched;
        // Two for everything: those that fall silent are soon all there are.
        settings.database.max_connections = 4;
        settings.http.request_timeout = Duration::from_secs(4);
    };
    let (app, stop) = start(store, &url, TestClock::new(), change).await;
    let first = app.ana_logged_in().await;
    let second = app.rotate(&first).await;
    relay.silence();
    let third = served(async || app.refresh(&second.refresh).await).await;
    assert_eq!(third.generation(), second.generation() + 1);
    app.rotate(&third).await;
    // A login may still meet a connection that fell silent.
    let credentials = json!({ "username": "ana", "password": PASSWORD });
    served(async || app.post("/login", &credentials).await).await;
    stop.end().await;
}

#[test]
fn refreshes_go_on_batched() {
    with_database(Store::Postgres, |store, url| refreshes_go_on(store, url, true));
}

#[test]
fn refreshes_go_on_alone() {
    with_database(Store::Postgres, |store, url| refreshes_go_on(store, url, false));
}
