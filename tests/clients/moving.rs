//! Users who move in with hashes that the programs they come from make here and now.

use std::fs;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::process::{Place, Tokens, block_on};
use crate::program::python;

/// A Firebase project's, from the documentation of its scrypt.
const SIGNER_KEY: &str =
    "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";

/// One who wants to move in.
struct Mover {
    name: String,
    line: Value,
    /// Or why the hash is not taken along.
    password: Result<String, String>,
}

fn movers() -> Vec<Mover> {
    let made = python("hashes.py").env("SIGNER_KEY", SIGNER_KEY).output();
    let made = made.unwrap_or_else(|error| panic!("{error}: run tests/clients/install, as tests/run does"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mover = |line: &str| {
        let mut told: Value = serde_json::from_str(line).unwrap();
        let text = |member: &Value| member.as_str().map(ToOwned::to_owned);
        let line = told["line"].take();
        let password = text(&told["password"]).ok_or_else(|| text(&told["refused"]).unwrap());
        Mover { name: text(&line["username"]).unwrap(), line, password }
    };
    String::from_utf8(made.stdout).unwrap().lines().map(mover).collect()
}

/// Whether those who guess are tried, too: each guess costs as much as the dearest hash of every kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guesses {
    Tried,
    Left,
}

fn hashes_made_elsewhere_are_right_once_and_argon2id_from_then_on(place: Place, guesses: Guesses) {
    let place = place
        .with("HEIRLOOM_PASSWORDS__MEMORY_KIB", "1024")
        .with("HEIRLOOM_LIMITS__ADDRESS_ATTEMPTS", "1000")
        .migrated();
    let movers = movers();
    let file = |name: &str, text: String| fs::write(place.folder.path().join(name), text).unwrap();
    let lines: Vec<String> = movers.iter().map(|mover| mover.line.to_string()).collect();
    file("users.jsonl", lines.join("\n"));
    file(
        "firebase.txt",
        format!(
            "hash_config {{\n  algorithm: SCRYPT,\n  base64_signer_key: {SIGNER_KEY},\n  base64_salt_separator: Bw==,\n  \
             rounds: 8,\n  mem_cost: 14,\n}}\n"
        ),
    );
    let moved = place.run_with(&["user", "import", "users.jsonl", "--firebase-config", "firebase.txt"], "");
    let said = String::from_utf8(moved.stderr).unwrap();
    let accepted =
        movers.iter().filter_map(|mover| Some((mover.name.as_str(), mover.password.as_ref().ok()?)));
    let accepted: Vec<(&str, &String)> = accepted.collect();
    assert!(accepted.len() > 30 && accepted.len() < movers.len(), "{} of {}", accepted.len(), movers.len());
    let told = format!("{} users are imported, 0 were there already\n", accepted.len());
    assert_eq!((moved.status.code(), String::from_utf8(moved.stdout).unwrap()), (Some(1), told), "{said}");
    for (number, mover) in (1..).zip(&movers) {
        let line = said.lines().find(|line| line.starts_with(&format!("line {number}: ")));
        match (&mover.password, line) {
            (Ok(_), None) => {}
            (Err(why), Some(line)) if line.contains("password_hash: ") && line.ends_with(why.as_str()) => {}
            (_, line) => panic!("{}: {line:?}", mover.name),
        }
    }
    let server = place.serve();
    let log_in = |name: &str, password: &str| {
        let answer = || block_on(server.post("/login", &json!({ "username": name, "password": password })));
        // A guess costs as much as all kinds together: on a busy machine more than a request may last.
        let mut tries = std::iter::repeat_with(answer).take(20);
        tries.find(|answer| answer.0 != StatusCode::SERVICE_UNAVAILABLE).unwrap()
    };
    for (name, password) in &accepted {
        if guesses == Guesses::Tried {
            let wrong = log_in(name, &password.replace('ö', "o"));
            assert_eq!(wrong.0, StatusCode::UNAUTHORIZED, "{name}: {}", wrong.1);
        }
        let answer = log_in(name, password);
        assert_eq!(answer.0, StatusCode::OK, "{name}: {}", answer.1);
    }
    let exported = place.ok(&["user", "export"]);
    assert_eq!(exported.lines().count(), accepted.len());
    for line in exported.lines() {
        let user: Value = serde_json::from_str(line).unwrap();
        let hash = user["password_hash"].as_str().unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=1024,t=1,p=1$"), "{user}");
    }
    for (name, password) in &accepted {
        Tokens::of(log_in(name, password));
    }
}

#[test]
fn hashes_made_elsewhere_are_right_once_and_argon2id_from_then_on_on_sqlite() {
    hashes_made_elsewhere_are_right_once_and_argon2id_from_then_on(Place::sqlite(), Guesses::Tried);
}

#[test]
fn hashes_made_elsewhere_are_right_once_and_argon2id_from_then_on_on_postgres() {
    hashes_made_elsewhere_are_right_once_and_argon2id_from_then_on(Place::postgres(), Guesses::Left);
}
