//! Users who move in from other systems and out again, by the real command, on both stores.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::process::{PASSWORD, Place, Server, Tokens, block_on};

/// Of "correct horse", by bcrypt 5.0.0 for Python.
const BCRYPT: &str = "$2b$08$RxlXmKIOcSlqKwLrgyIcQONyix0rEpkXaqwzsFtpJFtJNxvzxoeqq";

/// Made by what they are called after; the parameters of the Firebase project are from its documentation.
fn movers() -> Vec<(Value, &'static str)> {
    let keycloak = json!({
        "credentialData": json!({ "hashIterations": 27_500, "algorithm": "pbkdf2-sha256", "additionalParameters": {} }).to_string(),
        "secretData": json!({
            "value": "qnA427fe69fAjkevcHZvnm7vp3MewnxKL4g2WLfI7U6teQVH1eR2L5DfcV0psPIfjGPtlZbkpnogYX+2TaSl6w==",
            "salt": "AAECAwQFBgcICQoLDA0ODw==",
            "additionalParameters": {},
        }).to_string(),
    });
    let django = "pbkdf2_sha256$20000$seasalt12345$9BQgfo89rRZoeOFLnV0brhASdD8RaTr4cCUEz945eF8=";
    let firebase = "$firebase-scrypt$42xEC+ixf3L2lw==$\
                    lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";
    vec![
        (
            json!({
                "id": "6f4c2a1e-8d1b-4b53-9c62-0d6b9d2f7a11", "username": "Bea", "email": "bea@example.com",
                "email_verified": true, "claims": { "name": "Bea Crypt", "locale": "de-AT" },
                "roles": ["admin", "editor"], "password_hash": BCRYPT, "created_at": "2020-01-31T12:00:00.123456Z",
            }),
            "correct horse",
        ),
        (json!({ "username": "django", "password_hash": django }), "correct horse"),
        (json!({ "username": "keycloak", "password_hash": keycloak }), "correct horse"),
        (json!({ "username": "firebase", "password_hash": firebase }), "user1password"),
        (
            json!({ "username": "ldap", "password_hash": "{SSHA}tt5amJzuc96QzQW4lsvOwKY0LNiF0Fpr" }),
            "correct horse",
        ),
    ]
}

const FIREBASE_CONFIG: &str = "hash_config {\n  algorithm: SCRYPT,\n  base64_signer_key: \
    jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,\n  \
    base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 14,\n}\n";

fn lines(users: &[Value]) -> String {
    users.iter().fold(String::new(), |mut lines, user| {
        writeln!(lines, "{user}").unwrap();
        lines
    })
}

impl Place {
    fn writes(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn reads(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Runs an import; gives its exit code, and what it says on standard output and standard error.
    fn imports(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.run_with(&[&["user", "import"], arguments].concat(), "");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        // The log tells of it, too.
        let said: String = text(output.stderr).lines().filter(|line| !line.contains("audit")).fold(
            String::new(),
            |mut said, line| {
                said.extend([line, "\n"]);
                said
            },
        );
        (output.status.code(), text(output.stdout), said)
    }

    fn exported(&self) -> Vec<Value> {
        self.ok(&["user", "export"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn imported_of_events(&self) -> i64 {
        let events = self.json(&["event", "list", "--name", "user.imported", "--json", "--limit", "1000"]);
        events.as_array().unwrap().iter().map(|event| event["count"].as_i64().unwrap()).sum()
    }
}

fn log_in(server: &Server, name: &str, password: &str) -> Tokens {
    Tokens::of(block_on(server.post("/login", &json!({ "username": name, "password": password }))))
}

fn users_move_in_and_out(place: &Place, elsewhere: &Place) {
    let server = place.serve();
    let (users, passwords): (Vec<Value>, Vec<&str>) = movers().into_iter().unzip();
    place.writes("users.jsonl", &lines(&users));
    place.writes("firebase.txt", FIREBASE_CONFIG);
    let import = ["users.jsonl", "--firebase-config", "firebase.txt"];
    let imported = place.imports(&import);
    assert_eq!(imported, (Some(0), "5 users are imported, 0 were there already\n".to_owned(), String::new()));
    assert_eq!(place.imported_of_events(), 5);
    let exported = place.exported();
    for (name, password) in users.iter().map(|user| user["username"].as_str().unwrap()).zip(&passwords) {
        assert_eq!(
            block_on(server.post("/login", &json!({ "username": name, "password": "a wrong horse" }))).0,
            401
        );
        for _ in 0..2 {
            let tokens = log_in(&server, name, password);
            if name == "Bea" {
                assert_eq!(tokens.claim("sub"), "6f4c2a1e-8d1b-4b53-9c62-0d6b9d2f7a11");
                assert_eq!(tokens.claim("roles"), json!(["admin", "editor"]));
            }
        }
    }
    // Each is known by its line, whatever became of it since.
    place.ok(&["user", "set-roles", "django", "manager"]);
    let again = place.imports(&import);
    assert_eq!(again, (Some(0), "0 users are imported, 5 were there already\n".to_owned(), String::new()));
    assert_eq!(place.imported_of_events(), 5);
    let now = place.exported();
    for user in &now {
        assert!(user["password_hash"].as_str().unwrap().starts_with("$argon2id$"), "{user}");
        assert!(user["last_login_at"].is_string());
    }
    move_on(elsewhere, &exported, &now, &passwords);
}

/// Before anybody signed in, and after everybody has.
fn move_on(place: &Place, before: &[Value], after: &[Value], passwords: &[&str]) {
    let bea = &before[0];
    let told = |name: &str| bea[name].clone();
    assert_eq!([told("username"), told("email"), told("password_hash")], ["Bea", "bea@example.com", BCRYPT]);
    assert_eq!([told("email_verified"), told("roles")], [json!(true), json!(["admin", "editor"])]);
    assert_eq!(told("claims"), json!({ "name": "Bea Crypt", "locale": "de-AT" }));
    assert_eq!(told("created_at"), "2020-01-31T12:00:00.123456Z");
    for (users, name) in [(before, "before"), (after, "after")] {
        place.writes("users.jsonl", &lines(users));
        place.writes("firebase.txt", FIREBASE_CONFIG);
        let imported = place.imports(&["users.jsonl", "--firebase-config", "firebase.txt"]);
        assert_eq!(imported.1, "5 users are imported, 0 were there already\n", "{name}: {}", imported.2);
        assert_eq!(place.exported(), users, "nothing is lost");
        let server = place.serve();
        for (user, password) in ["Bea", "django", "keycloak", "firebase", "ldap"].iter().zip(passwords) {
            log_in(&server, user, password);
            place.ok(&["user", "remove", user]);
        }
    }
}

#[test]
fn users_move_in_and_out_of_sqlite() {
    users_move_in_and_out(&Place::sqlite(), &Place::postgres());
}

#[test]
fn users_move_in_and_out_of_postgres() {
    users_move_in_and_out(&Place::postgres(), &Place::sqlite().migrated());
}

fn good_lines(id: &str) -> [(u64, String); 4] {
    [
        (1, r#"{"username":"ana"}"#.to_owned()),
        (2, format!(r#"{{"username":"ben","id":"{id}","email":"ben@example.com","email_verified":true}}"#)),
        (7, "  ".to_owned()),
        (10, r#" {"username":"ana"} "#.to_owned()),
    ]
}

fn bad_lines_are_told_and_can_be_mended(place: &Place) {
    place.add_user("carl");
    let long = format!(r#"{{"username":"long","claims":{{"name":"{}"}}}}"#, "x".repeat(200_000));
    let id = "6f4c2a1e-8d1b-4b53-9c62-0d6b9d2f7a11";
    let bad = [
        (3, r#"{"username":"dora","totp":{"secret":"?"}}"#.to_owned(), "totp: secret is not base32"),
        (
            4,
            r#"{"username":"CARL"}"#.to_owned(),
            "the name is taken by a user who did not come from this line",
        ),
        (5, long, "it has more than 65536 bytes"),
        (
            6,
            r#"{"username":"emil","password_hash":"$1$salt$hash"}"#.to_owned(),
            "password_hash: MD5-crypt is not taken along",
        ),
        (8, r#"{"username":"ANA","email":"ana@example.com"}"#.to_owned(), "the name is taken by"),
        (9, format!(r#"{{"username":"fritz","id":"{id}"}}"#), "the id is taken by another user"),
        (11, r#"{"username":"gerd""#.to_owned(), "EOF while parsing"),
        (
            12,
            r#"{"username":"hans","email":"BEN@example.com","email_verified":true}"#.to_owned(),
            "the address is verified as another user's",
        ),
    ];
    let good = good_lines(id);
    let mut all: Vec<(u64, &str)> = bad.iter().map(|(number, line, _)| (*number, line.as_str())).collect();
    all.extend(good.iter().map(|(number, line)| (*number, line.as_str())));
    all.sort_unstable();
    let text: Vec<&str> = all.iter().map(|(_, line)| *line).collect();
    // What some editors put at the beginning, and no end of the last line.
    place.writes("users.jsonl", &format!("\u{feff}{}", text.join("\n")));
    for (arguments, told) in [
        (
            &["users.jsonl", "--dry-run", "--rejects", "dry.jsonl"][..],
            "2 users would be imported, 1 are there already\n",
        ),
        (&["users.jsonl", "--rejects", "rejects.jsonl"][..], "2 users are imported, 1 were there already\n"),
    ] {
        let before = place.exported();
        let (code, out, said) = place.imports(arguments);
        assert_eq!((code, out.as_str()), (Some(1), told), "{said}");
        let mut lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.pop(), Some("heirloom: 8 lines are refused"));
        assert_eq!(lines.len(), bad.len(), "{said}");
        for (number, _, reason) in &bad {
            let beginning = format!("line {number}: {reason}");
            assert!(lines.iter().any(|line| line.starts_with(&beginning)), "{beginning} in {said}");
        }
        let (file, count) =
            if arguments.contains(&"--dry-run") { ("dry.jsonl", 0) } else { ("rejects.jsonl", 2) };
        assert_eq!(place.exported().len() - before.len(), count);
        let mut rejects: Vec<String> = place.reads(file).lines().map(ToOwned::to_owned).collect();
        let mut refused: Vec<String> = bad.iter().map(|(_, line, _)| line.clone()).collect();
        rejects.sort_unstable();
        refused.sort_unstable();
        assert_eq!(rejects, refused, "none is lost");
        let mode = fs::metadata(place.folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let said = place.refused(&["user", "import", "users.jsonl", "--rejects", "rejects.jsonl"]);
    assert!(said.contains("cannot make rejects.jsonl: File exists"), "{said}");
    mended_lines_are_imported(place);
    // Nobody was changed.
    let server = place.serve();
    log_in(&server, "carl", PASSWORD);
    files_that_cannot_be_read_are_named(place);
    assert_eq!(
        place.ok_with(&["user", "import", "-"], "{\"username\":\"ida\"}"),
        "1 users are imported, 0 were there already\n"
    );
}

/// With one that is in order already.
fn mended_lines_are_imported(place: &Place) {
    place
        .writes("mended.jsonl", "{\"username\":\"dora\"}\n{\"username\":\"emil\"}\n{\"username\":\"ana\"}\n");
    let (code, out, said) = place.imports(&["mended.jsonl", "--rejects", "none.jsonl"]);
    assert_eq!((code, out.as_str()), (Some(0), "2 users are imported, 1 were there already\n"), "{said}");
    assert!(!place.folder.path().join("none.jsonl").exists(), "an empty file would be in the way");
}

fn files_that_cannot_be_read_are_named(place: &Place) {
    let said = place.refused(&["user", "import", "nowhere.jsonl"]);
    assert!(said.contains("cannot read nowhere.jsonl"), "{said}");
    place.writes("bad.txt", "hash_config { }");
    let said = place.refused(&["user", "import", "mended.jsonl", "--firebase-config", "bad.txt"]);
    assert!(said.contains("bad.txt: algorithm is missing"), "{said}");
}

#[test]
fn bad_lines_are_told_and_can_be_mended_on_sqlite() {
    bad_lines_are_told_and_can_be_mended(&Place::sqlite());
}

#[test]
fn bad_lines_are_told_and_can_be_mended_on_postgres() {
    bad_lines_are_told_and_can_be_mended(&Place::postgres());
}

fn an_import_that_is_killed_goes_on(place: &Place) {
    const USERS: usize = 12_345;
    let users: Vec<Value> = (0..USERS)
        .map(|number| json!({ "username": format!("user{number}"), "password_hash": BCRYPT }))
        .collect();
    place.writes("users.jsonl", &lines(&users));
    let mut import = place.spawn(&["user", "import", "users.jsonl", "--gently"]);
    let mut there = 0;
    while there < 1000 {
        there = place.ok(&["user", "export"]).lines().count();
        assert!(import.try_wait().unwrap().is_none(), "it is under way");
    }
    import.kill().unwrap();
    import.wait().unwrap();
    let there = place.ok(&["user", "export"]).lines().count();
    assert!(there < USERS, "it was stopped in the middle");
    assert_eq!(
        place.imported_of_events(),
        i64::try_from(there).unwrap(),
        "what is there is told, and nothing else"
    );
    let told = format!("{} users are imported, {there} were there already\n", USERS - there);
    assert_eq!(place.imports(&["users.jsonl"]), (Some(0), told, String::new()));
    let names: std::collections::BTreeSet<String> =
        place.exported().iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), USERS);
    assert_eq!(place.imported_of_events(), i64::try_from(USERS).unwrap());
}

#[test]
fn an_import_that_is_killed_goes_on_on_sqlite() {
    an_import_that_is_killed_goes_on(&Place::sqlite().migrated());
}

#[test]
fn an_import_that_is_killed_goes_on_on_postgres() {
    an_import_that_is_killed_goes_on(&Place::postgres());
}
