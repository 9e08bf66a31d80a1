//! Requests that take too long, or are too much.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::process::{Place, Server, Tokens, block_on, eventually};

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

/// The processor's ticks that each of the two password threads has had.
#[cfg(target_os = "linux")]
fn ticks(server: &Server) -> [u64; 2] {
    let stats = || server.process().tasks().unwrap().flatten().filter_map(|task| task.stat().ok());
    ["password-0", "password-1"].map(|name| stats().filter(|stat| stat.comm == name).map(|it| it.utime).sum())
}

#[cfg(target_os = "linux")]
#[test]
fn one_password_thread_rests_while_refreshes_come() {
    const MANY: u64 = 30;
    let place = Place::sqlite()
        .with("HEIRLOOM_PASSWORDS__MEMORY_KIB", "8192")
        .with("HEIRLOOM_PASSWORDS__THREADS", "2");
    place.add_user("ada");
    let server = place.serve();
    block_on(async {
        let mut tokens = server.log_in("ada").await;
        let log_in_for_ever = async || {
            loop {
                server.log_in("ada").await;
            }
        };
        let storm = futures_util::future::join_all((0..4).map(|_| log_in_for_ever()));
        let watching = async {
            eventually("both work", async || ticks(&server).into_iter().all(|it| it > MANY)).await;
            let before = ticks(&server);
            loop {
                tokens = Tokens::of(server.refresh(&tokens.refresh).await);
                let after = ticks(&server);
                let [first, last] = [after[0] - before[0], after[1] - before[1]];
                if first > MANY {
                    assert!(last < first / 2, "{last} ticks beside {first}");
                    break;
                }
            }
        };
        tokio::select! { _ = storm => {}, () = watching => {} }
    });
}

#[test]
fn a_password_thread_on_its_own_never_rests() {
    let place = Place::sqlite().with("HEIRLOOM_PASSWORDS__THREADS", "1");
    place.add_user("ada");
    let server = place.serve();
    block_on(async {
        let mut tokens = server.log_in("ada").await;
        let refresh_for_ever = async {
            loop {
                tokens = Tokens::of(server.refresh(&tokens.refresh).await);
            }
        };
        let log_in = async {
            for _ in 0..10 {
                server.log_in("ada").await;
            }
        };
        tokio::select! {
            () = refresh_for_ever => {}
            () = log_in => {}
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("logins wait for the refreshes to end"),
        }
    });
}
