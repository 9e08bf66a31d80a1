//! How often a request asks PostgreSQL something: each exchange is a wait, and work on both sides. The numbers are
//! exact, so that none is added unseen.

use serde_json::json;

use crate::browser::*;
use crate::database::with_database;
use crate::harness::*;
use crate::relay::Relay;

/// Tries of each: at first a statement is prepared, and a connection that nobody used for half a second is tried.
const TRIES: usize = 6;

struct Counted {
    relay: Relay,
    rows: Vec<(&'static str, usize, usize)>,
}

impl Counted {
    /// Asks several times; the fewest exchanges count.
    async fn row(&mut self, name: &'static str, expected: usize, mut ask: impl AsyncFnMut()) {
        let mut fewest = usize::MAX;
        let mut run = Vec::new();
        for _ in 0..TRIES {
            let (before, run_before) = (self.relay.exchanges(), self.relay.all_run(0).len());
            ask().await;
            let exchanges = self.relay.exchanges() - before;
            if exchanges < fewest {
                (fewest, run) = (exchanges, self.relay.all_run(run_before));
            }
        }
        println!("{name}: {fewest} exchanges:\n  {}", run.join("\n  "));
        self.rows.push((name, expected, fewest));
    }
}

async fn nothing_is_asked_in_vain(store: Store, url: String) {
    let (relay, url) = Relay::to(&url).await;
    let (app, stop) = start(store, &url, TestClock::new(), |_| ()).await;
    app.with_apps().await;
    let service = app.add_service("api", &["https://api.example"]).await;
    let browser = Browser::new(&app);
    let code = browser.ana_signs_in(&[]).await;
    let mut tokens = app.exchange(&code, &[]).await.tokens();
    let lasting = app.log_in("ana").await;
    let mut counted = Counted { relay, rows: Vec::new() };
    counted.row("authorize", 2, async || drop(browser.authorize(&[]).await.code())).await;
    let mut codes = Vec::new();
    for _ in 0..TRIES {
        codes.push(browser.authorize(&[]).await.code());
    }
    counted
        .row("code exchange", 7, async || {
            tokens = app.exchange(&codes.pop().unwrap(), &[]).await.tokens();
        })
        .await;
    counted
        .row("refresh", 1, async || tokens = app.refresh_with("app", &tokens.refresh).await.tokens())
        .await;
    counted
        .row("userinfo", 2, async || {
            assert_eq!(app.get("/oauth/userinfo", &tokens.access).await.status, 200);
        })
        .await;
    counted
        .row("sessions", 2, async || assert_eq!(app.get("/sessions", &lasting.access).await.status, 200))
        .await;
    counted
        .row("login", 7, async || {
            let credentials = json!({ "username": "ana", "password": PASSWORD });
            assert_eq!(app.post("/login", &credentials).await.status, 200);
        })
        .await;
    counted
        .row("pushed authorization request", 1, async || assert_eq!(app.push(&[]).await.status, 201))
        .await;
    let code = browser.authorize(&[]).await.code();
    let of_api = app.exchange(&code, &[("resource", "https://api.example")]).await.tokens();
    counted
        .row("introspection", 1, async || {
            let token = [("token", of_api.access.as_str())];
            let answer = app.form_as("/oauth/introspect", ("api", &service), &token).await;
            assert_eq!(answer.json["active"], true, "{answer:?}");
        })
        .await;
    stop.end().await;
    let more: Vec<_> = counted.rows.iter().filter(|(_, expected, seen)| seen != expected).collect();
    assert!(more.is_empty(), "name, expected, seen: {more:?}");
}

#[test]
fn requests_ask_the_database_as_often_as_is_known() {
    with_database(Store::Postgres, nothing_is_asked_in_vain);
}
