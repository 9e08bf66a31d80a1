//! `heirloom migrate --citus` where there is no Citus, and what it leaves to be found. `tests/citus` has a cluster.

use std::fs;

use crate::own_postgres::Postgres;
use crate::process::{MASTER_KEY, Place, Tokens, block_on, eventually, execute};

const NOT_THERE: &str = "does not have Citus: install it on every server, put it first in shared_preload_libraries, and \
                         run `CREATE EXTENSION citus` in the database on each";
const ONE_BY_ONE: &str = "the database is distributed: each rotation goes in a statement of its own";

#[test]
fn a_server_without_citus_is_told_so_and_nothing_is_changed() {
    let place = Place::empty_postgres();
    let said = place.refused(&["migrate", "--citus"]);
    assert!(
        said.starts_with("heirloom: --citus: the server of postgres://") && said.contains(NOT_THERE),
        "{said}"
    );
    let said = place.refused(&["user", "list"]);
    assert!(said.contains("the database does not have the Heirloom schema yet"), "{said}");
    place.ok(&["migrate"]);
    let said = place.refused(&["migrate", "--citus", "--no-lock"]);
    assert!(said.contains(NOT_THERE), "{said}");
    assert_eq!(place.ok(&["migrate"]).lines().count(), 1, "nothing is said of servers where there is one");
}

#[test]
fn an_embedded_store_is_not_distributed() {
    let place = Place::sqlite();
    let said = place.refused(&["migrate", "--citus"]);
    let expected = "is an embedded store, of one machine; Citus distributes PostgreSQL databases";
    assert!(said.starts_with("heirloom: --citus: sqlite:") && said.contains(expected), "{said}");
    assert!(place.refused(&["user", "list"]).contains("there is no"), "no store is made");
    let said = place.migrated().refused(&["migrate", "--citus"]);
    assert!(said.contains(expected), "{said}");
}

/// As after a dump of a distributed database was put back into a server without Citus.
#[test]
fn a_server_believes_the_mark_says_so_and_doctor_tells_what_to_do_about_it() {
    let place = Place::postgres();
    place.add_user("ana");
    let doctor = |expected: bool| {
        let output = place.run_with(&["doctor"], "");
        let said = String::from_utf8(output.stdout).unwrap();
        let found = said.lines().find(|line| line.contains("distribution"));
        assert_eq!(found.is_some(), expected, "{said}");
        found.unwrap_or_default().to_owned()
    };
    doctor(false);
    let before = place.serve();
    execute(place.url(), "INSERT INTO distribution (engine) VALUES ('citus')");
    let after = place.serve();
    let said = |server: &crate::process::Server| server.log.lock().unwrap().clone();
    block_on(async {
        eventually("it says so", async || said(&after).contains(ONE_BY_ONE)).await;
        let tokens = Tokens::of(after.refresh(&after.log_in("ana").await.refresh).await);
        Tokens::of(before.refresh(&tokens.refresh).await);
    });
    assert!(!said(&before).contains(ONE_BY_ONE), "it was not marked then");
    let found = doctor(true);
    assert!(found.starts_with("WRONG") && found.contains("is marked as distributed, and is not"), "{found}");
    assert!(place.ok(&["migrate"]).contains("the schema is up to date"), "and a migration goes on");
    execute(place.url(), "DELETE FROM distribution");
    doctor(false);
}

/// What spreads tables over several servers takes no others.
#[test]
fn each_statement_of_a_migration_is_sent_alone() {
    let postgres = Postgres::start();
    execute(&postgres.url, "ALTER DATABASE postgres SET log_statement = 'all'");
    let place =
        Place::sqlite().with("HEIRLOOM_DATABASE_URL", &postgres.url).with("HEIRLOOM_MASTER_KEY", MASTER_KEY);
    place.ok(&["migrate"]);
    let log = fs::read_to_string(postgres.log()).unwrap();
    // A statement goes on in the lines that begin with a tab.
    let mut statements: Vec<String> = Vec::new();
    for line in log.lines() {
        match (line.split_once("LOG:  statement: "), line.strip_prefix('\t'), statements.last_mut()) {
            (Some((_, statement)), ..) => statements.push(statement.to_owned()),
            (None, Some(more), Some(statement)) => statement.push_str(more),
            _ => {}
        }
    }
    let made = |what: &str| statements.iter().filter(|statement| statement.starts_with(what)).count();
    assert!(made("CREATE TABLE") > 40 && made("CREATE INDEX") > 40, "{log}");
    assert!(made("ALTER TABLE") > 20 && made("UPDATE") > 4, "{log}");
    for statement in statements {
        let inner = statement.trim().trim_end_matches(';');
        assert!(!inner.contains(';'), "several at once: {statement}");
    }
}
