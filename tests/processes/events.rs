//! What happened, by the command line.

use std::time::Duration;

use heirloom::clock::Clock;
use heirloom::domain::ids::uuid_v7;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use crate::process::{Place, block_on, eventually, execute};

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

/// A hand at the database.
fn sql(place: &Place, sql: &str) {
    if place.database_name().is_some() {
        return execute(place.url(), sql);
    }
    block_on(async {
        let store = place.folder.path().join("heirloom-data/heirloom.db");
        let mut connection = SqliteConnection::connect(&format!("sqlite:{}", store.display())).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

/// An event of hours ago, as the store's SQL has its id.
fn old_event(place: &Place, hours: u64) -> String {
    let at = Clock::system().now() - Duration::from_hours(hours);
    let id = uuid_v7(at, [7; 10]);
    let (id, at) = match place.database_name() {
        None => (format!("X'{}'", id.simple()), at.to_rfc3339()),
        Some(_) => (format!("'{id}'"), at.to_rfc3339()),
    };
    let values = format!("{id}, '{at}', 'login.succeeded', '{{}}', 1");
    sql(place, &format!("INSERT INTO events (id, at, name, fields, times) VALUES ({values})"));
    id
}

fn a_removed_event_breaks_the_chain(place: Place, servers: usize) {
    let place = place.with("HEIRLOOM_EVENTS__CHAIN", "true");
    place.add_user("ana");
    let ids: Vec<String> = (1..=5).map(|hours| old_event(&place, hours)).collect();
    assert!(place.refused(&["event", "verify"]).contains("there is no chain"));
    let serving: Vec<_> = (0..servers).map(|_| place.serve()).collect();
    let has_all = || async {
        let output = place.run_with(&["event", "verify"], "");
        output.status.success()
            && String::from_utf8(output.stdout).unwrap().starts_with("5 events, unbroken from ")
    };
    block_on(eventually("the chain", has_all));
    let told = place.json(&["event", "verify", "--json"]);
    assert_eq!((&told["events"], &told["aged"]), (&json!(5), &json!(0)), "{told}");
    let last = told["last_link"].as_str().unwrap();
    assert!(place.ok(&["event", "verify", "--holds", last]).contains(&format!("its last link is {last}\n")));
    let other = last.replace("5:", "4:");
    assert!(
        place
            .refused(&["event", "verify", "--holds", &other])
            .contains("link 4 is not the one that was noted")
    );
    for unfit in ["x", "5:AA", "5", "-1:"] {
        let refused = place.refused(&["event", "verify", &format!("--holds={unfit}")]);
        assert!(refused.contains("expected a link as heirloom event verify tells it"), "{refused}");
    }
    sql(&place, &format!("DELETE FROM events WHERE id = {}", ids[2]));
    let output = place.run_with(&["event", "verify"], "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap()), (Some(1), String::new()));
    assert!(said.contains("the chain is broken") && said.contains("(link 3) was removed"), "{said}");
    for server in serving {
        server.kill();
    }
    let place = place.with("HEIRLOOM_EVENTS__RETENTION", "0s");
    assert!(
        place.refused(&["event", "verify"]).contains("HEIRLOOM_EVENTS__CHAIN"),
        "nothing is kept to be chained"
    );
}

#[test]
fn a_removed_event_breaks_the_chain_on_sqlite() {
    a_removed_event_breaks_the_chain(Place::sqlite(), 1);
}

#[test]
fn a_removed_event_breaks_the_chain_of_two_servers_on_postgres() {
    a_removed_event_breaks_the_chain(Place::postgres(), 2);
}
