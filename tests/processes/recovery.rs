//! An older backup is restored, and what it lost is done again from what was told meanwhile.

use heirloom::clock::Clock;
use serde_json::{Value, json};

use crate::process::{PASSWORD, Place, Server, Tokens, block_on, execute};

/// A copy of the whole store, and the way back to it.
struct Backup<'a>(&'a Place);

impl<'a> Backup<'a> {
    fn make(place: &'a Place) -> Self {
        match place.database_name() {
            None => drop(place.ok(&["backup", "monday.db"])),
            Some(name) => execute(&beside(place), &format!("CREATE DATABASE {name}_monday TEMPLATE {name}")),
        }
        Self(place)
    }

    fn restore(&self) {
        match self.0.database_name() {
            None => drop(self.0.ok(&["restore", "monday.db"])),
            Some(name) => {
                execute(&beside(self.0), &format!("DROP DATABASE {name} WITH (FORCE)"));
                execute(&beside(self.0), &format!("ALTER DATABASE {name}_monday RENAME TO {name}"));
            }
        }
    }
}

/// The server's own database: a database is copied while nobody uses it.
fn beside(place: &Place) -> String {
    format!("{}/postgres", place.url().rsplit_once('/').unwrap().0)
}

fn stop(mut server: Server) -> String {
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    server.log.lock().unwrap().clone()
}

fn refreshes(server: &Server, tokens: &Tokens) -> u16 {
    block_on(server.refresh(&tokens.refresh)).0.as_u16()
}

fn logs_in(server: &Server, name: &str, password: &str) -> u16 {
    let body = json!({ "username": name, "password": password });
    block_on(server.post("/login", &body)).0.as_u16()
}

/// From which lines it is done again.
enum Lines {
    Export,
    Log,
}

fn what_a_restore_undid_is_done_again(place: Place, from: &Lines) {
    let place = place.with("HEIRLOOM_LOG__FORMAT", "json");
    for name in ["ana", "ben", "cyn", "dan"] {
        place.add_user(name);
    }
    let server = place.serve();
    let log_in = |name: &str| block_on(server.log_in(name));
    let (logged_out, stolen, kept) = (log_in("ana"), log_in("ana"), log_in("ana"));
    let (bens, cyns, dans) = (log_in("ben"), log_in("cyn"), log_in("dan"));
    stop(server);
    let backup = Backup::make(&place);
    // As an operator writes it down.
    let since = Clock::system().now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);

    let server = place.serve();
    block_on(server.post("/logout", &json!({ "refresh_token": logged_out.refresh })));
    let second = Tokens::of(block_on(server.refresh(&stolen.refresh)));
    Tokens::of(block_on(server.refresh(&second.refresh)));
    assert_eq!(refreshes(&server, &stolen), 401, "a spent token comes back");
    let mut said = String::new();
    said.push_str(&place.told(&["user", "disable", "ben"], ""));
    said.push_str(&place.told(&["user", "remove", "cyn"], ""));
    said.push_str(
        &place.told(&["user", "set-password", "dan", "--password-stdin"], "another long passphrase"),
    );
    said.push_str(&stop(server));
    let export = place.ok(&["event", "export"]);
    let lines = match from {
        Lines::Export => export,
        Lines::Log => said,
    };

    backup.restore();
    let server = place.serve();
    assert_eq!(logs_in(&server, "ben", PASSWORD), 200, "the restore undid it");
    stop(server);
    let apply = ["recovery", "apply", "--since", &since];
    let told = place.ok_with(&[&apply[..], &["--dry-run"]].concat(), &lines);
    assert!(told.starts_with("to be done again (nothing was changed):\n"), "{told}");
    let server = place.serve();
    assert_eq!(logs_in(&server, "ben", PASSWORD), 200, "only told");
    stop(server);
    let done = place.ok_with(&apply, &lines);
    for line in [
        "done again:\n",
        // Those of the logout and the reuse, of Ben's first login, of Cyn's and of Dan's.
        "  family.ended: 5\n",
        "  user.changed (disabled): 1\n",
        "  user.changed (removed): 1\n",
        "yours to see to:\n  user.changed (password): 1\n    the former password is good again: heirloom user set-password NAME, to a new one\n    dan\n",
    ] {
        assert!(done.contains(line), "{line}: {done}");
    }
    let server = place.serve();
    for (whose, tokens) in
        [("logged out", &logged_out), ("stolen", &stolen), ("ben", &bens), ("cyn", &cyns), ("dan", &dans)]
    {
        assert_eq!(refreshes(&server, tokens), 401, "{whose}");
    }
    assert_eq!(refreshes(&server, &kept), 200, "what nobody ended goes on");
    assert_eq!((logs_in(&server, "ben", PASSWORD), logs_in(&server, "cyn", PASSWORD)), (401, 401));
    assert_eq!(logs_in(&server, "dan", PASSWORD), 200, "it says so");
    stop(server);
    let again = place.json_with(&[&apply[..], &["--json"]].concat(), &lines);
    assert_eq!(again["report"]["done"], json!({}), "{again}");
    let disabled = place.json(&["event", "list", "--name", "user.changed", "--limit", "2", "--json"]);
    assert!(disabled.as_array().unwrap().iter().all(|event| event["by"] == "recovery"), "{disabled}");
}

#[test]
fn what_a_restore_undid_is_done_again_on_sqlite() {
    what_a_restore_undid_is_done_again(Place::sqlite(), &Lines::Export);
}

#[test]
fn what_a_restore_undid_is_done_again_on_postgres() {
    what_a_restore_undid_is_done_again(Place::postgres(), &Lines::Export);
}

#[test]
fn what_a_restore_undid_is_done_again_from_the_log() {
    what_a_restore_undid_is_done_again(Place::sqlite(), &Lines::Log);
}

#[test]
fn a_line_that_cannot_be_read_is_named_and_stops_nothing() {
    let place = Place::sqlite();
    place.add_user("ana");
    let server = place.serve();
    let tokens = block_on(server.log_in("ana"));
    let ended = json!({
        "v": 1, "id": "01890a5d-ac96-774b-bcce-b302099a8057", "at": "2023-06-29T16:02:27Z", "event": "family.ended",
        "times": 1, "family": tokens.claim("sid"), "user": tokens.claim("sub"), "client": "heirloom", "reason": "owner",
    });
    let long = "x".repeat(70_000);
    let lines = format!("rubbish\n\n{{\"v\":2,\"event\":\"a.b\"}}\n{long}\n\u{feff}\n{ended}");
    let output = place.run_with(&["recovery", "apply"], &lines);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    for said in [
        "line 1: it is not a JSON object\n",
        "line 4: it is longer than 65536 bytes\n",
        "line 5: it is not a JSON object\n",
        "heirloom: lines that could not be read: 3\n",
    ] {
        assert!(err.contains(said), "{said}: {err}");
    }
    assert_eq!(out, "done again:\n  family.ended: 1\nin the form of a later release, passed over: 1\n");
    assert_eq!(refreshes(&server, &tokens), 401);
    let nothing = place.json_with(&["recovery", "apply", "--json"], "");
    assert_eq!((&nothing["lines"], &nothing["dry_run"]), (&json!(0), &Value::Bool(false)));
    let refused = place.refused(&["recovery", "apply", "--since", "monday"]);
    assert!(refused.contains("--since: expected a time such as 2026-01-31T12:00:00Z, or 36h"), "{refused}");
}
