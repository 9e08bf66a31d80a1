//! A database that falls silent, as when its machine is gone: nobody is told, and nothing may wait for it forever.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::database::with_database;
use crate::harness::*;

/// A way to the database whose connections can be made to fall silent, all that there are; later ones are better.
#[derive(Clone)]
struct Relay {
    silenced: Arc<Notify>,
}

impl Relay {
    /// Gives the database's URL by way of itself.
    async fn to(url: &str) -> (Self, String) {
        let mut url = url::Url::parse(url).unwrap();
        let database = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let relay = Self { silenced: Arc::default() };
        let silenced = Arc::clone(&relay.silenced);
        tokio::spawn(async move {
            loop {
                let (mut here, _) = listener.accept().await.unwrap();
                let mut there = TcpStream::connect(&database).await.unwrap();
                let silenced = Arc::clone(&silenced);
                tokio::spawn(async move {
                    tokio::select! {
                        _ = copy_bidirectional(&mut here, &mut there) => {}
                        () = silenced.notified() => std::future::pending().await,
                    }
                });
            }
        });
        (relay, url.to_string())
    }

    fn silence(&self) {
        self.silenced.notify_waiters();
    }
}

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
