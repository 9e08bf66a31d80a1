//! Requests that take too long, or are too much.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::process::{Place, block_on, eventually};

/// Sends bytes, then reads until the server hangs up.
async fn talk(address: &str, bytes: &[u8]) -> String {
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    connection.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let reading = connection.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the server hangs up");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn slow_and_oversized_requests_are_cut_off() {
    let place = Place::sqlite()
        .with("HEIRLOOM_HTTP__HEADER_TIMEOUT", "1s")
        .with("HEIRLOOM_HTTP__REQUEST_TIMEOUT", "1s")
        .with("HEIRLOOM_HTTP__KEEP_ALIVE", "1s");
    let server = place.serve();
    block_on(async {
        let slow_header = talk(server.address(), b"POST /login HTTP/1.1\r\nhost: x\r\nx-a").await;
        assert!(slow_header.is_empty() || slow_header.starts_with("HTTP/1.1 408"), "{slow_header}");
        let slow_body =
            talk(server.address(), b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{").await;
        assert!(slow_body.starts_with("HTTP/1.1 503"), "{slow_body}");
        let long_header =
            format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "a".repeat(1 << 20));
        let mut connection = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        let _ = connection.write_all(long_header.as_bytes()).await;
        let mut answer = [0; 12];
        if connection.read_exact(&mut answer).await.is_ok() {
            assert!(answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
        }
        let healthy = server.http.get(format!("{}/healthz", server.url)).send().await.unwrap();
        assert_eq!(healthy.status(), 200);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn passwords_take_what_others_leave_of_the_processor() {
    const SCHED_IDLE: u32 = 5;
    let server = Place::sqlite().serve();
    // A thread steps back when it begins, which may be a moment after the server does.
    block_on(eventually("the threads that step back are those for passwords", async || {
        let tasks = server.process().tasks().unwrap().flatten().filter_map(|task| task.stat().ok());
        let (passwords, others): (Vec<_>, Vec<_>) =
            tasks.partition(|stat| stat.comm.starts_with("password-"));
        let stepped_back = |stat: &procfs::process::Stat| stat.policy == Some(SCHED_IDLE);
        !passwords.is_empty() && passwords.iter().all(stepped_back) && !others.iter().any(stepped_back)
    }));
}
