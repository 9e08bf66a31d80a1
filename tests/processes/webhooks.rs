//! Webhooks by the command line.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::process::{Place, Server, block_on, eventually};

/// A server that takes what it is told, or does not.
struct Receiver {
    url: String,
    status: Arc<Mutex<&'static str>>,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (status, bodies) = (Arc::new(Mutex::new("200 OK")), Arc::new(Mutex::new(Vec::new())));
        let (says, kept) = (Arc::clone(&status), Arc::clone(&bodies));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if let Some(told) = line.strip_prefix("content-length: ") {
                        length = told.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                let answer = format!(
                    "HTTP/1.1 {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                    says.lock().unwrap()
                );
                let _ = reader.into_inner().write_all(answer.as_bytes());
            }
        });
        Self { url, status, bodies }
    }

    fn told(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().clone()
    }
}

fn other_servers_are_told(place: &Place) {
    place.add_user("ana");
    let receiver = Receiver::start();
    let added = place.json(&[
        "webhook",
        "add",
        &receiver.url,
        "--event",
        "login.*",
        "--event",
        "family.ended",
        "--json",
    ]);
    let id = added["id"].as_str().unwrap();
    assert_eq!(added["events"], json!(["login.*", "family.ended"]));
    assert!(added["secret"].as_str().unwrap().starts_with("whsec_"), "{added}");
    let listed = place.json(&["webhook", "list", "--json"]);
    assert_eq!((&listed[0]["id"], listed[0].get("secret")), (&json!(id), None));
    assert!(place.ok(&["webhook", "list"]).contains(&receiver.url));
    assert_eq!(place.ok(&["webhook", "test", id]), format!("{id} has taken it\n"));
    assert_eq!(receiver.told()[0]["type"], "webhook.test");
    let server = place.serve();
    block_on(async {
        server.log_in("ana").await;
        eventually("it is told of a login", async || receiver.told().len() == 2).await;
    });
    assert_eq!(receiver.told()[1]["type"], "login.succeeded");
    // What a command does is told by the server.
    place.ok(&["family", "revoke", "--user", "ana"]);
    block_on(eventually("it is told of its end", async || receiver.told().len() == 3));
    assert_eq!(receiver.told()[2]["data"]["reason"], "operator");
    let delivery = one_that_is_gone_is_enabled(place, &server, &receiver, id);
    one_is_changed_and_disabled(place, id);
    what_is_not_there_is_refused(place, &receiver, (id, &delivery));
}

fn one_is_changed_and_disabled(place: &Place, id: &str) {
    let other = Receiver::start();
    let updated = place.ok(&["webhook", "update", id, "--url", &other.url, "--event", "user.*"]);
    assert_eq!(updated, format!("{id} is updated\n"));
    let listed = place.json(&["webhook", "list", "--json"]);
    assert_eq!((&listed[0]["url"], &listed[0]["events"]), (&json!(other.url), &json!(["user.*"])));
    assert_eq!(place.ok(&["webhook", "disable", id]), format!("{id} is disabled\n"));
    assert!(place.ok(&["webhook", "list"]).contains("disabled since"));
    place.ok(&["webhook", "test", id]);
    assert_eq!(other.told()[0]["type"], "webhook.test");
    assert!(place.refused(&["webhook", "disable", id]).contains("that is enabled"));
    place.ok(&["webhook", "enable", id]);
    assert!(place.refused(&["webhook", "update", id]).contains("required"));
}

/// Gives the delivery that was sent again.
fn one_that_is_gone_is_enabled(place: &Place, server: &Server, receiver: &Receiver, id: &str) -> String {
    *receiver.status.lock().unwrap() = "410 Gone";
    block_on(async {
        server.log_in("ana").await;
        let is_disabled = async || place.json(&["webhook", "list", "--json"])[0]["disabled_at"].is_string();
        eventually("it is disabled", is_disabled).await;
    });
    let all_dead = place.json(&["webhook", "deliveries", "--dead", "--json"]);
    let dead = &all_dead[0];
    assert_eq!((&dead["state"], &dead["failure"]), (&json!("dead"), &json!("the answer has status 410")));
    let delivery = dead["id"].as_str().unwrap();
    assert!(place.refused(&["webhook", "resend", delivery]).contains("`heirloom webhook enable`"));
    *receiver.status.lock().unwrap() = "204 No Content";
    assert_eq!(place.ok(&["webhook", "enable", id]), format!("{id} is enabled\n"));
    assert_eq!(place.ok(&["webhook", "resend", delivery]), format!("{delivery} is sent again\n"));
    block_on(eventually("it is told again", async || receiver.told().len() == 5));
    delivery.to_owned()
}

fn what_is_not_there_is_refused(place: &Place, receiver: &Receiver, (id, delivery): (&str, &str)) {
    assert!(place.ok(&["webhook", "rotate-secret", id, "--overlap", "1h"]).starts_with("whsec_"));
    assert_eq!(
        place
            .json(&["webhook", "deliveries", "--webhook", id, "--limit", "2", "--json"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert!(place.ok(&["webhook", "deliveries"]).contains("login.succeeded"));
    assert_eq!(place.ok(&["webhook", "remove", id]), format!("{id} is removed\n"));
    assert_eq!(place.json(&["webhook", "list", "--json"]), json!([]));
    for (arguments, said) in [
        (&["webhook", "remove", id][..], "there is no webhook"),
        (&["webhook", "rotate-secret", id], "there is no webhook"),
        (&["webhook", "update", id, "--event", "*"], "there is no webhook"),
        (&["webhook", "resend", delivery], "there is no delivery"),
        (
            &["webhook", "add", "http://192.168.0.1/"],
            "the address may not be reached; outbound.allowed_networks",
        ),
        (&["webhook", "add", "ftp://127.0.0.1/"], "a webhook's URL must be https"),
        (&["webhook", "add", &receiver.url, "--event", "famly.*"], "no event is called so"),
    ] {
        let refusal = place.refused(arguments);
        assert!(refusal.contains(said), "{arguments:?}: {refusal}");
    }
}

#[test]
fn other_servers_are_told_on_sqlite() {
    other_servers_are_told(&Place::sqlite().with("HEIRLOOM_OUTBOUND__ALLOWED_NETWORKS", "127.0.0.0/8"));
}

#[test]
fn other_servers_are_told_on_postgres() {
    other_servers_are_told(&Place::postgres().with("HEIRLOOM_OUTBOUND__ALLOWED_NETWORKS", "127.0.0.0/8"));
}

#[test]
fn what_a_backup_holds_is_told_after_its_restore() {
    let place = Place::sqlite().with("HEIRLOOM_OUTBOUND__ALLOWED_NETWORKS", "127.0.0.0/8");
    place.add_user("ana");
    let receiver = Receiver::start();
    place.ok(&["webhook", "add", &receiver.url, "--event", "user.*"]);
    // No server runs: it waits.
    place.ok(&["user", "set-roles", "ana", "admin"]);
    place.ok(&["backup", "monday.db"]);
    place.ok(&["user", "disable", "ana"]);
    place.ok(&["restore", "monday.db"]);
    assert_eq!(receiver.told(), [json!(null); 0]);
    let _server = place.serve();
    block_on(eventually("it is told", async || receiver.told().len() == 1));
    place.ok(&["user", "disable", "ana"]);
    block_on(eventually("it is told of what comes", async || receiver.told().len() == 2));
    let changes: Vec<Value> = receiver.told().iter().map(|told| told["data"]["change"].clone()).collect();
    assert_eq!(changes, ["roles", "disabled"], "and not of what was after the backup");
}
