//! Orders to stop.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::process::{PASSWORD, Place, Tokens, block_on};

#[test]
fn a_login_under_way_is_answered_before_the_server_ends() {
    let place = Place::sqlite();
    place.add_user("ana");
    let place =
        place.with("HEIRLOOM_PASSWORDS__MEMORY_KIB", "131072").with("HEIRLOOM_PASSWORDS__ITERATIONS", "5");
    for signal in ["TERM", "INT"] {
        let mut server = place.serve();
        let (address, url, http) = (server.address().to_owned(), server.url.clone(), server.http.clone());
        block_on(async {
            let login = tokio::spawn(async move {
                let body = json!({ "username": "ana", "password": PASSWORD });
                let answer = http.post(format!("{url}/login")).json(&body).send().await.unwrap();
                Tokens::of((answer.status(), answer.json().await.unwrap()))
            });
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(!login.is_finished(), "the login takes a while");
            server.signal(signal);
            login.await.unwrap();
        });
        let (code, _) = server.wait();
        assert_eq!(code, Some(0), "{signal}");
        assert!(std::net::TcpStream::connect(&address).is_err(), "nobody listens any more");
    }
}

#[test]
fn an_idle_connection_holds_nobody_up() {
    let place = Place::sqlite();
    let mut server = place.serve();
    block_on(async {
        let mut idle = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        idle.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        server.signal("TERM");
        let (code, took) = tokio::task::block_in_place(|| server.wait());
        assert_eq!(code, Some(0));
        println!("ended after {took:?}");
        assert!(took < Duration::from_secs(9), "{took:?}");
    });
}

#[test]
fn whoever_sends_requests_has_the_time_to_look_elsewhere() {
    let place = Place::sqlite().with("HEIRLOOM_HTTP__DRAIN_DELAY", "3s");
    let mut server = place.serve();
    block_on(async {
        let get = async |path: &str| server.http.get(format!("{}{path}", server.url)).send().await.unwrap();
        let ready = get("/readyz").await;
        assert_eq!((ready.status().as_u16(), ready.headers().get("connection")), (200, None));
        server.signal("TERM");
        while get("/readyz").await.status() == 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let ready = get("/readyz").await;
        assert_eq!(ready.headers()["connection"], "close");
        assert_eq!(ready.json::<serde_json::Value>().await.unwrap()["reason"], "the server is about to stop");
        let answered = get("/.well-known/jwks.json").await;
        assert_eq!(
            (answered.status().as_u16(), &answered.headers()["connection"]),
            (200, &"close".parse().unwrap())
        );
    });
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn the_listener_for_certificates_stops_as_the_other_one_does() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let place = Place::sqlite();
    place.add_user("ana");
    let file = |name: &str, text: String| place.folder.keep(name, text).to_str().unwrap().to_owned();
    let (certificate, key) =
        (file("certificate.pem", made.cert.pem()), file("key.pem", made.signing_key.serialize_pem()));
    let place = place.with("HEIRLOOM_MTLS__LISTEN", "127.0.0.1:0");
    let told = place.refused(&["config", "check"]);
    assert!(told.contains("mtls.listen is set, so it needs a certificate"), "{told}");
    let place = place
        .with("HEIRLOOM_MTLS__CERTIFICATE", &certificate)
        .with("HEIRLOOM_MTLS__KEY", &key)
        .with("HEIRLOOM_PASSWORDS__MEMORY_KIB", "131072")
        .with("HEIRLOOM_PASSWORDS__ITERATIONS", "5");
    let told = place.ok(&["config", "check"]);
    assert!(told.ends_with("the settings are good\n") && told.contains("note: mtls.key: "), "{told}");
    let mut server = place.serve();
    let line = server.next_line();
    let url = line.strip_prefix("listening on ").unwrap().split(' ').next().unwrap().to_owned();
    assert_eq!(line, format!("listening on {url} for clients with certificates (mtls.url {url})"));
    let address = url.strip_prefix("https://").unwrap();
    block_on(async {
        let root = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
        let http = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
        // One that is idle, and a login under way.
        assert_eq!(http.get(format!("{url}/readyz")).send().await.unwrap().status(), 200);
        let _idle = tokio::net::TcpStream::connect(address).await.unwrap();
        let place = format!("{url}/login");
        let login = tokio::spawn(async move {
            let body = json!({ "username": "ana", "password": PASSWORD });
            let answer = http.post(place).json(&body).send().await.unwrap();
            Tokens::of((answer.status(), answer.json().await.unwrap()))
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!login.is_finished(), "the login takes a while");
        server.signal("TERM");
        login.await.unwrap();
    });
    let (code, took) = server.wait();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(9), "{took:?}");
    for address in [address, server.address()] {
        assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
    }
}
