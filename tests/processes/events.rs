//! What happened, by the command line.

use serde_json::{Value, json};

use crate::process::{Place, block_on};

fn names(listed: &Value) -> Vec<&str> {
    listed.as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect()
}

fn what_happened_is_listed(place: &Place) {
    place.add_user("ana");
    let mut server = place.serve();
    let tokens = block_on(server.log_in("ana"));
    let refused = json!({ "username": "ana", "password": "short" });
    for _ in 0..3 {
        assert_eq!(block_on(server.post("/login", &refused)).0, 401);
    }
    assert_eq!(block_on(server.post("/logout", &json!({ "refresh_token": tokens.refresh }))).0, 204);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    let all = place.json(&["event", "list", "--json"]);
    assert!(all.as_array().unwrap().len() >= 5, "{all}");
    let (user, family) = (tokens.claim("sub"), tokens.claim("sid"));
    let of_ana = place.json(&["event", "list", "--user", "ANA", "--json"]);
    let mut of_her = names(&of_ana);
    of_her.sort_unstable();
    assert_eq!(of_her, ["family.ended", "login.refused", "login.succeeded", "user.changed"]);
    assert_eq!(place.json(&["event", "list", "--user", user.as_str().unwrap(), "--json"]), of_ana);
    let of_family = place.json(&["event", "list", "--family", family.as_str().unwrap(), "--json"]);
    assert_eq!(names(&of_family), ["family.ended", "login.succeeded"]);
    assert_eq!((&of_family[0]["reason"], &of_family[0]["times"]), (&json!("logout"), &json!(1)));
    let refused = place.json(&["event", "list", "--name", "login.refused", "--since", "1h", "--json"]);
    assert_eq!((names(&refused), &refused[0]["times"]), (vec!["login.refused"], &json!(3)));
    assert_eq!(place.json(&["event", "list", "--since", "2999-01-01T00:00:00Z", "--json"]), json!([]));
    assert_eq!(names(&place.json(&["event", "list", "--limit", "2", "--json"])).len(), 2);
    let table = place.ok(&["event", "list", "--name", "family.*"]);
    assert!(
        table.starts_with("TIME") && table.contains("family.ended  1      client=heirloom family="),
        "{table}"
    );
    for (arguments, said) in [
        (["--name", "family.end"], "no event is called so"),
        (["--since", "yesterday"], "expected a time such as 2026-01-31T12:00:00Z, or 36h"),
        (["--user", "nobody"], "there is no user with the name nobody"),
        (["--family", "x"], "invalid value"),
        (["--limit", "0"], "invalid value"),
    ] {
        let refusal = place.refused(&[&["event", "list"], &arguments[..]].concat());
        assert!(refusal.contains(said), "{arguments:?}: {refusal}");
    }
}

#[test]
fn what_happened_is_listed_on_sqlite() {
    what_happened_is_listed(&Place::sqlite());
}

#[test]
fn what_happened_is_listed_on_postgres() {
    what_happened_is_listed(&Place::postgres());
}

fn what_happened_is_exported(place: &Place) {
    place.add_user("ana");
    let server = place.serve();
    let tokens = block_on(server.log_in("ana"));
    block_on(server.post("/logout", &json!({ "refresh_token": tokens.refresh })));
    let exported = place.ok(&["event", "export"]);
    let lines: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut listed = place.json(&["event", "list", "--json"]);
    listed.as_array_mut().unwrap().reverse();
    assert_eq!(json!(lines), listed, "the same, the oldest first");
    assert_eq!(lines.last().unwrap()["event"], "family.ended");
    assert_eq!(place.ok(&["event", "export", "--since", "1h", "--until", "0s"]), exported);
    assert_eq!(place.ok(&["event", "export", "--until", "1h"]), "");
    assert_eq!(place.ok(&["event", "export", "--since", "2999-01-01T00:00:00Z"]), "");
    for (arguments, said) in [
        (&["--until", "tomorrow"][..], "--until: expected a time such as 2026-01-31T12:00:00Z, or 36h"),
        (&["--since", "x"], "--since: expected a time"),
        (&["--since", "1h", "--until", "2h"], "--until is not later than --since"),
        (&["--limit", "1"], "unexpected argument"),
    ] {
        let refusal = place.refused(&[&["event", "export"], arguments].concat());
        assert!(refusal.contains(said), "{arguments:?}: {refusal}");
    }
}

#[test]
fn what_happened_is_exported_on_sqlite() {
    what_happened_is_exported(&Place::sqlite());
}

#[test]
fn what_happened_is_exported_on_postgres() {
    what_happened_is_exported(&Place::postgres());
}

#[test]
fn a_backup_holds_what_happened_until_then() {
    let place = Place::sqlite();
    place.add_user("ana");
    let before = place.json(&["event", "list", "--json"]);
    place.ok(&["backup", "monday.db"]);
    place.add_user("ben");
    assert_eq!(
        place.json(&["event", "list", "--json"]).as_array().unwrap().len(),
        before.as_array().unwrap().len() + 1
    );
    place.ok(&["restore", "monday.db"]);
    assert_eq!(place.json(&["event", "list", "--json"]), before);
}
