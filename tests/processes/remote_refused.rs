//! What the command line does not do over the admin API, and what it says of it.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{Place, Server, block_on};
use crate::remote::Operator;

/// A server that is something else: whatever it is asked, it answers this. It counts how often.
struct Stranger {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Stranger {
    fn answering(answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let (own, count) = (url.clone(), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer(&own).as_bytes());
                // Closed before all of a request is read, the answer would be lost.
                let _ = stream.shutdown(Shutdown::Write);
                let _ = io::copy(&mut stream, &mut io::sink());
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn token(server: &Server, (id, secret): (&str, &str)) -> String {
    let request = server.http.post(format!("{}/oauth/token", server.url)).basic_auth(id, Some(secret));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer: Value = block_on(async {
        request.body("grant_type=client_credentials").send().await.unwrap().json().await.unwrap()
    });
    answer["access_token"].as_str().unwrap().to_owned()
}

/// A client with a token that lives so long, and its secret.
fn client(home: &Place, id: &str, scope: &str, lifetime: &str) -> String {
    let add = ["client", "add", id, "--confidential", "--grant", "client_credentials", "--scope", scope];
    let added = home.json(&[&add[..], &["--access-ttl", lifetime]].concat());
    added["client_secret"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_is_needed_and_comes_from_one_place() {
    let home = Place::sqlite().migrated();
    let server = home.serve();
    let secret = client(&home, "ops", "heirloom:users.read", "5m");
    let list = ["--server", &server.url, "user", "list", "--json"];
    let file = |place: &Place, text: &str| {
        let path = place.folder.path().join("secret");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let nobody = Place::elsewhere();
    let said = nobody.refused(&list);
    assert!(said.starts_with("heirloom: --server needs an access token: in HEIRLOOM_TOKEN,"), "{said}");
    let missing = nobody.refused(&[&list[..], &["--token-file", "missing"]].concat());
    assert!(missing.starts_with("heirloom: missing: No such file"), "{missing}");
    for text in ["", "two words", "ä"] {
        let path = file(&nobody, text);
        let said = nobody.refused(&[&list[..], &["--token-file", &path]].concat());
        assert!(said.ends_with(" is not an access token\n"), "{said}");
    }
    let access = token(&server, ("ops", &secret));
    let path = file(&nobody, &format!("{access}\n"));
    let by_file = [&list[..], &["--token-file", &path]].concat();
    assert_eq!(nobody.json(&by_file), json!([]));
    let said = nobody.with("HEIRLOOM_TOKEN", "x").ok(&by_file);
    assert_eq!(said, "[]\n", "the command line says it nearer");

    assert_eq!(Place::elsewhere().with("HEIRLOOM_TOKEN", &access).json(&list), json!([]));
    let by_client = Place::elsewhere().with("HEIRLOOM_CLIENT_ID", "ops");
    let said = by_client.refused(&list);
    assert!(said.contains("HEIRLOOM_CLIENT_ID needs HEIRLOOM_CLIENT_SECRET or"), "{said}");
    let by_client = by_client.with("HEIRLOOM_CLIENT_SECRET_FILE", &file(&home, &format!("{secret}\n")));
    assert_eq!(by_client.json(&list), json!([]));
    let by_client = by_client.with("HEIRLOOM_CLIENT_SECRET", "x");
    let said = by_client.refused(&list);
    assert!(said.contains("HEIRLOOM_CLIENT_SECRET and HEIRLOOM_CLIENT_SECRET_FILE are both set"), "{said}");
    let by_client = by_client.with("HEIRLOOM_CLIENT_SECRET_FILE", "");
    let said = by_client.refused(&list);
    assert!(said.contains("no access token for ops with the scope heirloom:users.read: "), "{said}");
    assert!(said.ends_with(" (invalid_client)\n"), "{said}");
    let said = by_client.with("HEIRLOOM_TOKEN", &access).refused(&list);
    assert!(said.contains("HEIRLOOM_TOKEN and HEIRLOOM_CLIENT_ID are both set"), "{said}");
    // They may lie beside the settings.
    assert_eq!(home.with("HEIRLOOM_TOKEN", "x").json(&["user", "list", "--json"]), json!([]));
}

#[test]
fn a_token_without_the_right_or_the_time_is_refused() {
    let home = Place::sqlite().migrated();
    let server = home.serve();
    let secret = client(&home, "ops", "heirloom:users.read", "5m");
    let access = token(&server, ("ops", &secret));
    let at = |arguments: &[&'static str]| [&["--server", &server.url], arguments].concat();
    let holder = Place::elsewhere().with("HEIRLOOM_TOKEN", &access);
    let said = holder.refused(&at(&["user", "add", "ana", "--no-password"]));
    assert_eq!(said, "heirloom: The access token lacks the scope heirloom:users.write.\n");
    let by_client =
        Place::elsewhere().with("HEIRLOOM_CLIENT_ID", "ops").with("HEIRLOOM_CLIENT_SECRET", &secret);
    let said = by_client.refused(&at(&["user", "disable", "ana"]));
    assert!(said.contains("heirloom:users.read heirloom:users.write"), "{said}");
    let bad = "heirloom: the server does not take the access token: it has expired, was revoked, or is none of its own\n";
    let brief = client(&home, "brief", "heirloom:users.read", "1s");
    let brief = token(&server, ("brief", &brief));
    thread::sleep(Duration::from_millis(1100));
    let late = Place::elsewhere().with("HEIRLOOM_TOKEN", &brief);
    assert_eq!(late.refused(&at(&["user", "list"])), bad);
    assert_eq!(holder.ok(&at(&["user", "list", "--json"])), "[]\n");
    assert_eq!(holder.with("HEIRLOOM_TOKEN", "x.y.z").refused(&at(&["user", "list"])), bad);
}

#[test]
fn nothing_is_sent_in_the_clear_to_another_machine() {
    let proxy = Stranger::answering(|_| http("200 OK", "", "{}"));
    let place = Place::elsewhere()
        .with("HEIRLOOM_TOKEN", "secret")
        .with("HTTP_PROXY", &proxy.url)
        .with("http_proxy", &proxy.url);
    for url in ["http://id.example", "http://192.0.2.1:8080", "http://localhost.example"] {
        let said = place.refused(&["--server", url, "user", "list"]);
        let why =
            "http is for this machine alone (127.0.0.1, [::1], localhost): any other server needs https";
        assert!(said.contains(why), "{said}");
        let said = place.refused(&["--server", "https://id.example", "--token-issuer", url, "user", "list"]);
        assert!(said.contains(why), "{said}");
    }
    let said = place.refused(&["--server", "id.example", "user", "list"]);
    assert!(said.contains("expected a URL such as https://id.example.com"), "{said}");
    let other = Stranger::answering(|_| {
        http("200 OK", "content-type: application/json\r\n", r#"{"items": [], "next": null}"#)
    });
    assert_eq!(place.ok(&["--server", &other.url, "user", "list", "--json"]), "[]\n");
    assert_eq!((other.asked(), proxy.asked()), (1, 0), "not over the proxy either");
}

#[test]
fn a_server_that_is_something_else_is_told_apart() {
    let place = Place::elsewhere().with("HEIRLOOM_TOKEN", "secret");
    let json = "content-type: application/json\r\n";
    for (status, headers, body) in [
        ("200 OK", "content-type: text/html\r\n", "<html>"),
        ("200 OK", json, "{}"),
        ("200 OK", json, "[]"),
        ("404 Not Found", json, r#"{"detail": "Gone."}"#),
        ("401 Unauthorized", "", ""),
        ("500 Internal Server Error", "", "x"),
    ] {
        let other = Stranger::answering(move |_| http(status, headers, body));
        let said = place.refused(&["--server", &other.url, "user", "list"]);
        let place = format!("heirloom: {}/admin/v1/users?limit=200", other.url);
        assert_eq!(said, format!("{place} answers {status}, and not as a Heirloom server does\n"));
    }
    let leading =
        Stranger::answering(|own| http("307 Temporary Redirect", &format!("location: {own}/x\r\n"), ""));
    let said = place.refused(&["--server", &leading.url, "user", "add", "ana", "--no-password"]);
    assert!(
        said.contains("answers 307 Temporary Redirect, and leads elsewhere: redirects are not followed"),
        "{said}"
    );
    assert_eq!(leading.asked(), 1);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = place.refused(&["--server", &format!("http://{silent}"), "user", "list"]);
    assert!(said.starts_with(&format!("heirloom: http://{silent} does not answer: ")), "{said}");
}

#[test]
fn a_secret_is_shown_to_the_server_that_was_meant_alone() {
    let place = Place::elsewhere().with("HEIRLOOM_CLIENT_ID", "ops").with("HEIRLOOM_CLIENT_SECRET", "secret");
    let list = |url: &str| place.refused(&["--server", url, "user", "list"]);
    let says = |issuer: &'static str, endpoint: &'static str| {
        Stranger::answering(move |own| {
            let issuer = if issuer.is_empty() { own } else { issuer };
            let body = json!({ "issuer": issuer, "token_endpoint": endpoint }).to_string();
            http("200 OK", "content-type: application/json\r\n", &body)
        })
    };
    let other = says("https://id.example", "http://127.0.0.1:1/token");
    let said = list(&other.url);
    let expected = "calls itself https://id.example: if that is the server that you mean, say --token-issuer https://id.example\n";
    assert!(said.ends_with(expected), "{said}");
    assert_eq!(other.asked(), 1);
    let clear = says("", "http://id.example/token");
    let said = list(&clear.url);
    assert!(said.contains("http://id.example/token: http is for this machine alone"), "{said}");
    let none = Stranger::answering(|_| http("404 Not Found", "", ""));
    let said = list(&none.url);
    assert!(
        said.contains("--token-issuer says where tokens are fetched: ")
            && said.contains("answers 404 Not Found"),
        "{said}"
    );
}

#[test]
fn the_api_may_have_a_listener_of_its_own() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let home = Place::sqlite().with("HEIRLOOM_ADMIN__LISTEN", &address).migrated();
    let server = home.serve();
    let secret = client(&home, "ops", "heirloom:users.read", "5m");
    let place = Place::elsewhere().with("HEIRLOOM_CLIENT_ID", "ops").with("HEIRLOOM_CLIENT_SECRET", &secret);
    let own = format!("http://{address}");
    assert_eq!(
        place.ok(&["--server", &own, "--token-issuer", &server.url, "user", "list", "--json"]),
        "[]\n"
    );
    let said = place.refused(&["--server", &own, "user", "list"]);
    assert!(said.contains("--token-issuer says where tokens are fetched"), "{said}");
    let said = place.refused(&["--server", &server.url, "user", "list"]);
    assert!(said.contains("answers 404 Not Found, and not as a Heirloom server does"), "{said}");
}

#[test]
fn what_works_on_the_store_alone_says_so() {
    let home = Place::sqlite().migrated();
    let server = home.serve();
    let ops = Operator::of(&home, &server, "heirloom:users.read");
    let commands: [(&[&str], &str); 14] = [
        (&["user", "invite", "ana@example.com"], "user invite"),
        (&["user", "invitations"], "user invitations"),
        (&["user", "uninvite", "ana@example.com"], "user uninvite"),
        (&["user", "export"], "user export"),
        (&["event", "export"], "event export"),
        (&["keys", "export"], "keys export"),
        (&["keys", "new-master"], "keys new-master"),
        (&["keys", "drop-master", "x"], "keys drop-master"),
        (&["audience", "list"], "audience"),
        (&["webhook", "list"], "webhook"),
        (&["apply", "-f", "x"], "apply"),
        (&["export"], "export"),
        (&["recovery", "status"], "recovery"),
        (&["event", "verify"], "event verify"),
    ];
    for (command, name) in commands {
        let said = ops.refused(command);
        let rest = "works on the store alone: run it beside the server, without --server";
        assert_eq!(said, format!("heirloom: `heirloom {name}` {rest}\n"));
    }
    for command in [&["serve"][..], &["doctor"], &["admin-api"], &["migrate"]] {
        let said = ops.refused(command);
        assert!(
            said.starts_with("heirloom: --server goes with user, client, family, event, keys and"),
            "{said}"
        );
    }
    for (option, said) in [
        (["--config", "x"], "heirloom: --server needs no settings: leave out --config and --env-file\n"),
        (["--env-file", "x"], "heirloom: --server needs no settings: leave out --config and --env-file\n"),
    ] {
        assert_eq!(ops.refused(&[&["user", "list"], &option[..]].concat()), said);
    }
    for option in [["--token-file", "x"], ["--token-issuer", "https://id.example"]] {
        let said = home.refused(&[&["user", "list"], &option[..]].concat());
        assert_eq!(said, "heirloom: --token-file and --token-issuer go with --server\n");
    }
}
