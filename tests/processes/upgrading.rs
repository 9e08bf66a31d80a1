//! Two releases and one database: the schema of the release before, and that of the next one.

use std::path::Path;

use sqlx::migrate::Migrator;

use crate::process::{Place, Tokens, block_on, eventually, execute};

/// What the release after this one does to the database: it adds, and says that older ones may go on.
const NEXT: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                    VALUES (9999, 'later', TRUE, '', 0); ALTER TABLE families ADD COLUMN later TEXT";

fn steps() -> Migrator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    block_on(Migrator::new(folder)).unwrap()
}

/// A database as the release before the last step left it: its number, and that of the step.
fn before_the_last_step(place: &Place) -> (i64, i64) {
    let mut steps = steps();
    let last = steps.migrations.to_mut().pop().unwrap().version;
    let before = steps.iter().last().unwrap().version;
    block_on(async {
        let pool = sqlx::PgPool::connect(place.url()).await.unwrap();
        steps.run(&pool).await.unwrap();
        pool.close().await;
    });
    (before, last)
}

#[test]
fn on_the_schema_before_every_command_says_which_one_helps() {
    let place = Place::empty_postgres();
    let (before, last) = before_the_last_step(&place);
    let refusal = format!(
        "the database's schema is version {before}, this binary needs {last}: run `heirloom migrate`, or start with \
         `heirloom serve --migrate`"
    );
    for command in [&["serve"][..], &["user", "list"], &["config", "check"]] {
        let said = place.refused(command);
        assert!(said.contains(&refusal), "{command:?}: {said}");
    }
    let said = place.ok(&["migrate"]);
    assert!(said.ends_with(&format!("the schema is migrated to version {last}\n")), "{said}");
    place.add_user("ana");
    let server = place.serve();
    block_on(async {
        let tokens = server.log_in("ana").await;
        Tokens::of(server.refresh(&tokens.refresh).await);
    });
}

#[test]
fn a_server_may_be_started_on_the_schema_before_and_bring_it_up_to_date() {
    let place = Place::empty_postgres();
    before_the_last_step(&place);
    let server = place.serve_with(&["serve", "--migrate"]);
    block_on(async {
        assert_eq!(server.ready().await.0, 200);
    });
    assert!(place.ok(&["migrate"]).contains("the schema is up to date"));
}

#[test]
fn on_the_schema_of_the_next_release_a_server_serves_and_says_so() {
    let place = Place::postgres();
    place.add_user("ana");
    let running = place.serve();
    let known = steps().iter().last().unwrap().version;
    block_on(async {
        let tokens = running.log_in("ana").await;
        execute(place.url(), NEXT);
        let tokens = Tokens::of(running.refresh(&tokens.refresh).await);
        assert_eq!(running.ready().await.0, 200);
        let started = place.serve();
        assert_eq!(started.ready().await.0, 200);
        Tokens::of(started.refresh(&tokens.refresh).await);
        let said = || started.log.lock().unwrap().clone();
        let sentence = "a newer release migrated the database; its schema still serves this one, too";
        eventually("it says so", async || said().contains(sentence)).await;
        let line = said().lines().find(|line| line.contains(sentence)).unwrap().to_owned();
        assert!(line.contains("9999") && line.contains(&known.to_string()), "{line}");
        assert!(!running.log.lock().unwrap().contains(sentence), "it was there before");
        // The release after next takes something away.
        execute(place.url(), "UPDATE schema_compatibility SET lowest = 9999");
        assert_eq!(started.ready().await.0, 503);
    });
    let refusal = format!(
        "the database's schema is version 9999, newer than this binary knows ({known}): run the newer heirloom that \
         migrated it"
    );
    let said = place.refused(&["serve"]);
    assert!(said.contains(&refusal), "{said}");
}
