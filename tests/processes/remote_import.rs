//! Users who move in over the admin API: by the command line, as on the store, and whatever becomes of the server.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::process::{Place, Server, block_on, eventually};
use crate::remote::Operator;

const RIGHTS: &str = "heirloom:users.read heirloom:users.write";
/// Of "correct horse", by bcrypt 5.0.0 for Python.
const BCRYPT: &str = "$2b$08$RxlXmKIOcSlqKwLrgyIcQONyix0rEpkXaqwzsFtpJFtJNxvzxoeqq";

/// What a command says on standard output, and on standard error but for the log.
fn said(place: &Place, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let output = place.run_with(arguments, input);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let is_ours = |line: &&str| !line.contains("audit") && !line.starts_with("the job ");
    let errors =
        text(output.stderr).lines().filter(is_ours).fold(String::new(), |said, line| said + line + "\n");
    (output.status.code(), text(output.stdout), errors)
}

/// The numbers first: on the store a line that cannot be read is told before what becomes of those before it.
fn sorted((code, out, errors): (Option<i32>, String, String)) -> (Option<i32>, String, BTreeSet<String>) {
    (code, out, errors.lines().map(ToOwned::to_owned).collect())
}

fn the_command_says_the_same_as_on_the_store(home: &Place, other: &Place) {
    home.add_user("taken");
    other.add_user("taken");
    let server = home.serve();
    let ops = Operator::of(home, &server, RIGHTS);
    let ana = json!({ "username": "ana", "password_hash": BCRYPT });
    let long = format!(r#"{{"username":"{}"}}"#, "x".repeat(70_000));
    let lines =
        format!("\u{feff}{ana}\n\n{long}\n{{\"username\":\"TAKEN\"}}\n{{\"username\":\"ben\"}}\n{ana}\n[]");
    let here = |place: &Place, arguments: &[&str]| {
        fs::write(place.folder.path().join("users.jsonl"), &lines).unwrap();
        said(place, arguments, "")
    };
    let over = |arguments: &[&str]| {
        here(&ops.place, &[&["--server", &ops.url, "user", "import"], arguments].concat())
    };
    let on = |arguments: &[&str]| here(other, &[&["user", "import"], arguments].concat());
    for (options, told) in [
        (
            &["users.jsonl", "--dry-run", "--rejects", "dry.jsonl"][..],
            "2 users would be imported, 1 are there already\n",
        ),
        (
            &["users.jsonl", "--gently", "--rejects", "rejects.jsonl"],
            "2 users are imported, 1 were there already\n",
        ),
    ] {
        let there = over(options);
        assert_eq!((there.0, there.1.as_str()), (Some(1), told), "{}", there.2);
        assert!(
            there.2.contains("line 3: it has more than 65536 bytes\nline 4: the name is taken by"),
            "{}",
            there.2
        );
        assert_eq!(sorted(there), sorted(on(options)));
    }
    let rejects = |place: &Place, name: &str| fs::read_to_string(place.folder.path().join(name)).unwrap();
    for name in ["dry.jsonl", "rejects.jsonl"] {
        assert_eq!(rejects(&ops.place, name), format!("{long}\n{{\"username\":\"TAKEN\"}}\n[]\n"), "{name}");
        let mode = fs::metadata(ops.place.folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let login = json!({ "username": "ana", "password": "correct horse" });
    assert_eq!(block_on(server.post("/login", &login)).0, 200);
    fs::write(
        ops.place.folder.path().join("mended.jsonl"),
        "{\"username\":\"emil\"}\n{\"username\":\"ben\"}",
    )
    .unwrap();
    assert_eq!(
        over(&["mended.jsonl", "--rejects", "none.jsonl"]),
        (Some(0), "1 users are imported, 1 were there already\n".to_owned(), String::new())
    );
    assert!(!ops.place.folder.path().join("none.jsonl").exists(), "an empty file would be in the way");
    let from_stdin =
        said(&ops.place, &["--server", &ops.url, "user", "import", "-"], "{\"username\":\"ida\"}");
    assert_eq!(from_stdin.1, "1 users are imported, 0 were there already\n", "{}", from_stdin.2);
    let events = home.json(&["event", "list", "--json", "--name", "user.imported", "--limit", "1"]);
    assert_eq!((&events[0]["by"], &events[0]["count"]), (&json!("client ops"), &json!(1)));
}

#[test]
fn the_command_says_the_same_as_on_the_store_on_sqlite() {
    the_command_says_the_same_as_on_the_store(&Place::sqlite(), &Place::sqlite());
}

#[test]
fn the_command_says_the_same_as_on_the_store_on_postgres() {
    the_command_says_the_same_as_on_the_store(&Place::postgres(), &Place::postgres());
}

#[test]
fn what_cannot_be_sent_is_told() {
    let home = Place::sqlite().migrated().with("HEIRLOOM_ADMIN__IMPORT_LIMIT", "1024");
    let server = home.serve();
    let ops = Operator::of(&home, &server, RIGHTS);
    let import = |options: &[&str]| ops.refused(&[&["user", "import"], options].concat());
    assert!(import(&["nowhere.jsonl"]).starts_with("heirloom: cannot read nowhere.jsonl: No such file"));
    assert_eq!(import(&["."]), "heirloom: cannot read .: it is a folder\n");
    let options = ["-", "--firebase-config", "x"];
    assert_eq!(
        import(&options),
        "heirloom: --firebase-config works on the store alone: run it beside the server, without --server\n"
    );
    let options = ["-", "--rejects", "x"];
    assert_eq!(import(&options), "heirloom: --rejects reads the file once more: standard input cannot be\n");
    let write = |text: &str| fs::write(ops.place.folder.path().join("users.jsonl"), text).unwrap();
    write("\n");
    assert_eq!(import(&["users.jsonl"]), "heirloom: There is no line in the body.\n");
    write(&"x".repeat(1025));
    assert_eq!(import(&["users.jsonl"]), "heirloom: The request body is too long.\n");
    let add = ["client", "add", "reader", "--confidential", "--grant", "client_credentials", "--scope"];
    let added = home.json(&[&add[..], &["heirloom:users.read"]].concat());
    let reader = Place::elsewhere()
        .with("HEIRLOOM_CLIENT_ID", "reader")
        .with("HEIRLOOM_CLIENT_SECRET", added["client_secret"].as_str().unwrap());
    fs::write(reader.folder.path().join("users.jsonl"), "{}").unwrap();
    let lacking = reader.refused(&["--server", &ops.url, "user", "import", "users.jsonl"]);
    assert!(lacking.contains("heirloom:users.write"), "{lacking}");
    assert_eq!(home.json(&["user", "list", "--json"]), json!([]));
}

/// Asks a server with a token that each of them takes.
struct Asker<'a> {
    server: &'a Server,
    token: &'a str,
}

impl Asker<'_> {
    async fn job(&self, id: &str) -> Value {
        let url = format!("{}/admin/v1/jobs/{id}", self.server.url);
        let answer = self.server.http.get(url).bearer_auth(self.token).send().await.unwrap();
        answer.json().await.unwrap()
    }
}

fn access_token(server: &Server, secret: &str) -> String {
    let request = server.http.post(format!("{}/oauth/token", server.url)).basic_auth("ops", Some(secret));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer: Value = block_on(async {
        request.body("grant_type=client_credentials").send().await.unwrap().json().await.unwrap()
    });
    answer["access_token"].as_str().unwrap().to_owned()
}

/// Kills a server in the middle of an import. `next` serves then, or has served beside it.
fn an_import_survives_a_kill(home: &Place, next: impl FnOnce() -> Server) {
    const USERS: usize = 4000;
    let add = ["client", "add", "ops", "--confidential", "--grant", "client_credentials", "--scope", RIGHTS];
    let secret = home.json(&add)["client_secret"].as_str().unwrap().to_owned();
    let server = home.serve();
    let token = access_token(&server, &secret);
    let user =
        |number: usize| json!({ "username": format!("user{number}"), "password_hash": BCRYPT }).to_string();
    let lines: Vec<String> =
        (0..USERS).map(|number| if number == 7 { "x".to_owned() } else { user(number) }).collect();
    let id = block_on(async {
        let request = server.http.post(format!("{}/admin/v1/users/import", server.url)).bearer_auth(&token);
        let request = request.header("content-type", "application/x-ndjson").body(lines.join("\n"));
        let begun: Value = request.send().await.unwrap().json().await.unwrap();
        let id = begun["id"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned();
        let asker = Asker { server: &server, token: &token };
        eventually("a part is done", async || asker.job(&id).await["lines_done"].as_u64().unwrap() >= 500)
            .await;
        id
    });
    server.kill();
    let next = next();
    let asker = Asker { server: &next, token: &token };
    let seen = block_on(asker.job(&id));
    assert_eq!(seen["state"], "running", "{seen}");
    assert!(seen["lines_done"].as_u64().unwrap() < 3000, "it was killed in the middle: {seen}");
    let began = crate::process::now();
    let job = loop {
        let job = block_on(asker.job(&id));
        if job["state"] != "running" {
            break job;
        }
        assert!(began.elapsed().as_secs() < 120, "{job}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    };
    assert_eq!([&job["state"], &job["lines_done"]], [&json!("done"), &json!(USERS)], "{job}");
    assert_eq!(
        [&job["imported"], &job["there"], &job["refused"]],
        [&json!(USERS - 1), &json!(0), &json!(1)],
        "{job}"
    );
    let users = home.json(&["user", "list", "--json"]);
    let names: BTreeSet<&str> =
        users.as_array().unwrap().iter().map(|it| it["username"].as_str().unwrap()).collect();
    assert_eq!((names.len(), users.as_array().unwrap().len()), (USERS - 1, USERS - 1));
    let events = home.json(&["event", "list", "--name", "user.imported", "--json", "--limit", "1000"]);
    let told: u64 = events.as_array().unwrap().iter().map(|event| event["count"].as_u64().unwrap()).sum();
    assert_eq!(told, u64::try_from(USERS - 1).unwrap(), "what is there is told, and nothing else");
}

#[test]
fn an_import_survives_a_kill_on_sqlite() {
    let home = Place::sqlite().migrated().with("HEIRLOOM_ISSUER", "https://login.example.com");
    an_import_survives_a_kill(&home, || home.serve());
}

#[test]
fn an_import_survives_a_kill_on_postgres() {
    let home = Place::postgres().with("HEIRLOOM_ISSUER", "https://login.example.com");
    let other = home.serve();
    an_import_survives_a_kill(&home, || other);
}
