//! A real pooler in transaction mode before the database: each transaction may run on another connection.

use std::thread;

use futures_util::future::join_all;

use crate::folder::Folder;
use crate::process::{Place, Server, Tokens, block_on, execute, postgres_script};

/// The pooler, in a folder of its own.
struct Pooler(Folder);

impl Pooler {
    /// Stands before a place's database, with so many connections to it: gives the place that goes through it.
    fn before(place: Place, connections: u32) -> (Self, Place) {
        let pooler = Self(Folder::new());
        let url = postgres_script(&["pool", &pooler.home(), place.url(), &connections.to_string()]);
        (pooler, place.with("HEIRLOOM_DATABASE_URL", &url))
    }

    fn home(&self) -> String {
        self.0.path().join("pooler").to_str().unwrap().to_owned()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        postgres_script(&["unpool", &self.home()]);
    }
}

fn unnamed(place: Place) -> Place {
    place.with("HEIRLOOM_DATABASE__STATEMENT_CACHE", "0")
}

/// A login, then one refresh after another, over both servers in turn.
async fn keep_refreshing(servers: &[Server; 2], times: u32) -> Tokens {
    let mut tokens = servers[0].log_in("ana").await;
    for turn in 0..times {
        let server = &servers[usize::from(turn % 2 == 0)];
        tokens = Tokens::of(server.refresh(&tokens.refresh).await);
    }
    tokens
}

fn many_refresh_through_few_connections(batched: &str) {
    const CHAINS: usize = 24;
    const TIMES: u32 = 15;
    let (_pooler, place) = Pooler::before(Place::empty_postgres(), 3);
    let place = unnamed(place)
        .with("HEIRLOOM_ISSUER", "https://login.example.com")
        .with("HEIRLOOM_DATABASE__BATCH_ROTATIONS", batched);
    place.ok(&["migrate"]);
    place.add_user("ana");
    let servers = [place.serve(), place.serve()];
    block_on(async {
        let all = join_all((0..CHAINS).map(|_| keep_refreshing(&servers, TIMES))).await;
        assert!(all.iter().all(|tokens| tokens.generation() == TIMES + 1));
        let spent = servers[0].refresh(&all[0].refresh).await;
        Tokens::of(servers[1].refresh(&Tokens::of(spent).refresh).await);
        // Two generations back: reuse, which ends that family and no other.
        assert_eq!(servers[1].refresh(&all[0].refresh).await.0, 401);
        Tokens::of(servers[1].refresh(&all[1].refresh).await);
    });
    let families = place.json(&["family", "list", "--json"]);
    let families: Vec<_> = families.as_array().unwrap().iter().map(|family| &family["state"]).collect();
    let ended = families.iter().filter(|state| state.as_str().unwrap().starts_with("ended: reuse")).count();
    assert_eq!((families.len(), ended), (CHAINS, 1), "{families:?}");
}

#[test]
fn many_refresh_together_through_few_connections() {
    many_refresh_through_few_connections("true");
}

#[test]
fn many_refresh_one_by_one_through_few_connections() {
    many_refresh_through_few_connections("false");
}

#[test]
fn several_migrate_at_once_through_a_pooler() {
    let (_pooler, place) = Pooler::before(Place::empty_postgres(), 3);
    let place = unnamed(place);
    let said: Vec<String> = thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| place.ok(&["migrate"]))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(said.iter().any(|said| said.contains("migrated to version")), "{said:?}");
    assert!(place.ok(&["migrate"]).contains("the schema is up to date"));
    place.serve();
}

/// All of them are one transaction there, so the first two of the steps are gone with the third.
#[test]
fn a_migration_that_failed_through_a_pooler_can_be_run_again() {
    let (_pooler, place) = Pooler::before(Place::empty_postgres(), 1);
    let place = unnamed(place);
    execute(place.url(), "CREATE TABLE pushed_requests (id INTEGER)");
    assert!(place.refused(&["migrate"]).contains("already exists"));
    execute(place.url(), "DROP TABLE pushed_requests");
    assert!(place.ok(&["migrate"]).contains("migrated to version"));
}

#[test]
fn who_did_not_say_that_there_is_a_pooler_is_told_what_to_say() {
    let place = Place::postgres();
    let (_pooler, place) = Pooler::before(place, 1);
    place.run_with(&["family", "list"], "");
    let said = place.refused(&["family", "list"]);
    assert!(said.contains("set database.statement_cache to 0"), "{said}");
}
