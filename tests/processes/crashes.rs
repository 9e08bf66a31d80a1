//! Power cuts: whatever was acknowledged is still there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::own_postgres::Postgres;
use crate::process::{MASTER_KEY, Place, Server, Tokens, block_on, eventually};

/// Kills the server the moment it has answered, several times over.
fn survives_kills_of_the_server(place: &Place) {
    place.add_user("ana");
    let mut server = place.serve();
    let mut tokens = block_on(server.log_in("ana"));
    for _ in 0..4 {
        server.kill();
        server = place.serve();
        let next = Tokens::of(block_on(server.refresh(&tokens.refresh)));
        assert_eq!(next.generation(), tokens.generation() + 1);
        tokens = next;
    }
    assert_eq!(place.json(&["family", "list", "--json"])[0]["generation"], 5);
}

#[test]
fn an_answered_refresh_survives_a_kill_of_the_server_on_sqlite() {
    survives_kills_of_the_server(&Place::sqlite());
}

#[test]
fn an_answered_refresh_survives_a_kill_of_the_server_on_postgres() {
    survives_kills_of_the_server(&Place::postgres());
}

/// Refreshes in a loop until told to stop, trying again while the server cannot answer; gives the last token that was
/// acknowledged, and how many were.
async fn keep_refreshing(server: &Server, stop: &AtomicBool) -> (Tokens, u32, u32) {
    let mut tokens = server.log_in("ana").await;
    let (mut answered, mut unavailable) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let (status, json) = server.refresh(&tokens.refresh).await;
        if status == 503 {
            assert_eq!(json["error"], "temporarily_unavailable");
            unavailable += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        } else {
            tokens = Tokens::of((status, json));
            answered += 1;
        }
    }
    (tokens, answered, unavailable)
}

#[test]
fn answered_refreshes_survive_a_kill_of_the_database_and_the_same_tokens_work_when_it_is_back() {
    let postgres = Postgres::start();
    let place = Place::sqlite()
        .with("HEIRLOOM_DATABASE_URL", &postgres.url)
        .with("HEIRLOOM_MASTER_KEY", MASTER_KEY)
        .with("HEIRLOOM_DATABASE__ACQUIRE_TIMEOUT", "1s");
    place.ok(&["migrate"]);
    place.add_user("ana");
    let server = Arc::new(place.serve());
    let stop = Arc::new(AtomicBool::new(false));
    block_on(async {
        let load: Vec<_> = (0..8)
            .map(|_| {
                let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
                tokio::spawn(async move { keep_refreshing(&server, &stop).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(700)).await;
        tokio::task::block_in_place(|| postgres.kill());
        let quiet = server.post("/refresh", &json!({ "refresh_token": "rubbish" })).await;
        assert_eq!(quiet.0, 401, "what is no token is refused without any database");
        let ready = server.http.get(format!("{}/readyz", server.url)).send().await.unwrap();
        assert_eq!(ready.status(), 503);
        // Longer than anybody waits for a connection.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        tokio::task::block_in_place(|| postgres.restart());
        tokio::time::sleep(Duration::from_millis(1500)).await;
        stop.store(true, Ordering::Relaxed);
        for chain in load {
            let (last, answered, unavailable) = chain.await.unwrap();
            assert!(answered > 5 && unavailable > 0, "{answered} answered, {unavailable} unavailable");
            Tokens::of(server.refresh(&last.refresh).await);
        }
    });
}

#[test]
fn while_the_database_is_down_the_client_is_asked_to_come_back() {
    let postgres = Postgres::start();
    let place = Place::sqlite()
        .with("HEIRLOOM_DATABASE_URL", &postgres.url)
        .with("HEIRLOOM_MASTER_KEY", MASTER_KEY)
        .with("HEIRLOOM_DATABASE__ACQUIRE_TIMEOUT", "500ms");
    place.ok(&["migrate"]);
    place.add_user("ana");
    let server = place.serve();
    block_on(async {
        let tokens = server.log_in("ana").await;
        tokio::task::block_in_place(|| postgres.kill());
        let body = json!({ "refresh_token": tokens.refresh });
        for path in ["/refresh", "/login"] {
            let body = if path == "/login" {
                json!({ "username": "ana", "password": "x".repeat(20) })
            } else {
                body.clone()
            };
            let answer = server.http.post(format!("{}{path}", server.url)).json(&body).send().await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), answer.headers().get("retry-after").is_some()),
                (503, true),
                "{path}"
            );
        }
        tokio::task::block_in_place(|| postgres.restart());
        // The very first request after the database is back.
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(Tokens::of(server.refresh(&tokens.refresh).await).generation(), 2);
    });
}

/// Sends a refresh and hangs up as soon as the row has moved, without reading the answer.
async fn lose_the_answer(place: &Place, server: &Server, token: &str, client: &str, generation: i64) {
    let body = json!({ "refresh_token": token, "client_id": client }).to_string();
    let mut connection = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let head = format!(
        "POST /refresh HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all((head + &body).as_bytes()).await.unwrap();
    let moved = async || place.json(&["family", "list", "--json"])[0]["generation"] == generation;
    eventually("the rotation is committed", moved).await;
    drop(connection);
}

fn a_lost_answer_logs_nobody_out(place: &Place) {
    place.add_user("ana");
    let hasty =
        ["client", "add", "hasty", "--public", "--first-party", "--access-ttl", "2s", "--leeway", "1s"];
    place.ok(&hasty);
    let server = place.serve();
    block_on(async {
        let login = json!({ "username": "ana", "password": crate::process::PASSWORD, "client_id": "hasty" });
        let first = Tokens::of(server.post("/login", &login).await);
        let again = async |token: &str| {
            Tokens::of(
                server.post("/refresh", &json!({ "refresh_token": token, "client_id": "hasty" })).await,
            )
        };
        lose_the_answer(place, &server, &first.refresh, "hasty", 2).await;
        let second = again(&first.refresh).await;
        assert!(matches!(second.generation(), 2 | 3), "at once");
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let late = again(&first.refresh).await;
        assert_eq!(late.generation(), second.generation() + 1, "after the leeway");
        again(&late.refresh).await;
    });
}

#[test]
fn a_lost_answer_logs_nobody_out_on_sqlite() {
    a_lost_answer_logs_nobody_out(&Place::sqlite());
}

#[test]
fn a_lost_answer_logs_nobody_out_on_postgres() {
    a_lost_answer_logs_nobody_out(&Place::postgres());
}
