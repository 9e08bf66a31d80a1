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

/// Connections that say nothing, from `127.0.0.1`, for as long as they are kept. Who is not let in is hung up on.
#[cfg(target_os = "linux")]
async fn idle_connections(server: &Server, count: usize) -> Vec<tokio::net::TcpStream> {
    const PATIENCE: Duration = Duration::from_secs(3);
    let connect = |_| tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect(server.address()));
    let connected = futures_util::future::join_all((0..count).map(connect)).await;
    connected.into_iter().filter_map(|connected| connected.ok()?.ok()).collect()
}

/// Its limits of open files, the soft and the hard one.
#[cfg(target_os = "linux")]
fn open_files(server: &Server) -> [u64; 2] {
    let limit = server.process().limits().unwrap().max_open_files;
    [limit.soft_limit, limit.hard_limit].map(|limit| match limit {
        procfs::process::LimitValue::Value(number) => number,
        procfs::process::LimitValue::Unlimited => u64::MAX,
    })
}

#[cfg(target_os = "linux")]
#[test]
fn idle_connections_of_one_address_are_in_nobody_elses_way() {
    // The test holds the other ends.
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let trusted = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    // Nothing but the bounds may let anybody in.
    let patient = || Place::sqlite().with("HEIRLOOM_HTTP__HEADER_TIMEOUT", "5m");
    let (plain, secure) = (patient(), patient());
    let certificate = secure.folder.keep("certificate.pem", made.cert.pem());
    let key = secure.folder.keep("key.pem", made.signing_key.serialize_pem());
    let secure = secure
        .with("HEIRLOOM_TLS__CERTIFICATE", certificate.to_str().unwrap())
        .with("HEIRLOOM_TLS__KEY", key.to_str().unwrap());
    // The soft limit is raised to the hard one; where that is low, the server makes do with it.
    for (limit, place) in [
        ("ulimit -S -n 1024", &plain),
        ("ulimit -n 1024", &plain),
        ("ulimit -S -n 1024", &secure),
        ("ulimit -n 1024", &secure),
    ] {
        let server = place.serve_under(limit);
        let [soft, hard] = open_files(&server);
        assert_eq!(soft, hard, "{limit}");
        block_on(async {
            let idle = idle_connections(&server, 1100).await;
            // The rest may wait in the system's queue.
            assert!(idle.len() > 512, "{limit}: {} are connected", idle.len());
            let neighbour = reqwest::Client::builder()
                .local_address(std::net::IpAddr::from([127, 0, 0, 2]))
                .timeout(Duration::from_secs(20))
                .tls_certs_only([trusted.clone()]);
            let healthy = neighbour.build().unwrap().get(format!("{}/healthz", server.url)).send().await;
            assert_eq!(healthy.unwrap().status(), 200, "{limit} {}", server.url);
            let open = server.process().fd_count().unwrap();
            // A share of what there is, and what else the server has.
            assert!(hard > 1024 || open < 512, "{limit}: {open} files are open");
            let is_told = async || server.log.lock().unwrap().contains("an address holds its share");
            if hard == 1024 {
                eventually("the operator is told", is_told).await;
            }
        });
        let log = server.log.lock().unwrap();
        assert!(!log.contains("ccepting connection"), "{log}");
    }
}
