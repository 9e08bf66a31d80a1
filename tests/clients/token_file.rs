//! Several processes of one tool, by the official MCP SDK, that keep their tokens in one file: each notices by itself
//! that the access token has expired, and none of them knows of the others.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::mcp::Workshop;
use crate::process::block_on;
use crate::program::{Program, node};

const PROCESSES: usize = 4;
const ROUNDS: usize = 6;

#[test]
fn processes_that_share_a_token_file_do_not_log_each_other_out() {
    let workshop = Workshop::open();
    let file = workshop.world.place.folder.path().join("tokens.json");
    let start = || {
        let mut program = node("token_file.mjs");
        program.env("TOKEN_FILE", &file).env("METADATA_URL", &workshop.document.url);
        workshop.start(program)
    };
    let mut first = start();
    let mut browser = workshop.world.browser();
    first.goes_on_until("signed in", &mut browser);
    let mut all: Vec<Program> = (1..PROCESSES).map(|_| start()).collect();
    for program in &mut all {
        // A process that finds the file asks nobody.
        assert_eq!(program.hear(), "signed in");
    }
    all.push(first);
    for round in 0..ROUNDS {
        let before = read(&file);
        spoil(&file);
        // Each has read the same; then all of them find out at once that its time is over.
        let kept = all_do("read", &mut all);
        assert_eq!(kept, before["tokens"]["refresh_token"], "round {round}");
        let successor = all_do("call", &mut all);
        assert_ne!(successor, kept, "round {round}");
        assert_eq!(successor, read(&file)["tokens"]["refresh_token"], "round {round}");
    }
    for mut program in all {
        program.tell("end");
        assert_eq!(program.hear(), "done");
        program.ends();
    }
    let families = workshop.world.place.json(&["family", "list", "--user", "ana", "--json"]);
    assert_eq!(families.as_array().unwrap().len(), 1, "{families}");
    block_on(still_good(&workshop, &read(&file)));
}

/// Lets all do the same at the same time; gives the refresh token that each of them has then.
fn all_do(what: &str, all: &mut [Program]) -> String {
    for program in &mut *all {
        program.tell(what);
    }
    let heard: BTreeSet<String> = all.iter_mut().map(Program::hear).collect();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let heard = heard.first().unwrap();
    heard.strip_prefix(&format!("{what} ")).unwrap_or_else(|| panic!("{heard}")).to_owned()
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// As if the access token's time were over: no service takes it any more.
fn spoil(file: &Path) {
    let mut kept = read(file);
    kept["tokens"]["access_token"] = json!("expired");
    fs::write(file, kept.to_string()).unwrap();
}

/// What is in the file in the end goes on.
async fn still_good(workshop: &Workshop, kept: &Value) {
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", workshop.document.url.as_str()),
        ("refresh_token", kept["tokens"]["refresh_token"].as_str().unwrap()),
    ];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let server = &workshop.world.server;
    let asked = server.http.post(format!("{}/oauth/token", server.url)).body(body);
    let asked = asked.header("content-type", "application/x-www-form-urlencoded");
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}
