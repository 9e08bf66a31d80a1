//! Requests byte by byte, as no library would write them.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::TestApp;

/// Longer than any answer takes: who waits so long has none coming.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is answered to these bytes until the server hangs up: the statuses of all answers, or `closed`.
pub async fn statuses(app: &TestApp, bytes: &[u8]) -> String {
    let answers = exchange(app, bytes).await;
    let statuses: Vec<&str> = answers
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| answer.split(' ').next().unwrap_or_default())
        .collect();
    if statuses.is_empty() { "closed".to_owned() } else { statuses.join(" ") }
}

/// All that comes back to these bytes until the server hangs up.
pub async fn exchange(app: &TestApp, bytes: &[u8]) -> String {
    let mut connection = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
    // It may hang up before it has read all.
    let _ = connection.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, connection.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection stays open: {:?}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request's head with these further lines, each with its end, for a connection that is closed after it.
pub fn head(method: &str, target: &str, lines: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}\r\n").into_bytes()
}
