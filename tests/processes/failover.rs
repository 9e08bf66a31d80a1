//! What was the primary takes no writes any more: its connections live on, answer every read and refuse every write.

use std::time::Duration;

use futures_util::future::join_all;

use crate::own_postgres::Postgres;
use crate::process::{MASTER_KEY, Place, Tokens, block_on, eventually, execute};

impl Postgres {
    /// Runs a statement whatever sessions may do otherwise.
    fn command(&self, sql: &str) {
        execute(&format!("{}?options=-c%20default_transaction_read_only=off", self.url), sql);
    }

    /// Makes the sessions that there are read-only.
    fn demote(&self) {
        self.command("ALTER SYSTEM SET default_transaction_read_only = on");
        self.command("SELECT pg_reload_conf()");
        // The server's processes hear of it one after another.
        std::thread::sleep(Duration::from_millis(300));
    }

    /// Lets sessions that are opened from now on write.
    fn let_new_sessions_write(&self) {
        self.command("ALTER DATABASE postgres SET default_transaction_read_only = off");
    }
}

fn place(postgres: &Postgres) -> Place {
    let place = Place::sqlite()
        .with("HEIRLOOM_DATABASE_URL", &postgres.url)
        .with("HEIRLOOM_DATABASE__MAX_CONNECTIONS", "8")
        .with("HEIRLOOM_DATABASE__ACQUIRE_TIMEOUT", "1s")
        .with("HEIRLOOM_MASTER_KEY", MASTER_KEY);
    place.add_user("ana");
    place
}

#[test]
fn after_a_failover_nobody_waits_for_the_old_connections_to_go() {
    let postgres = Postgres::start();
    let server = place(&postgres).serve();
    block_on(async {
        let mut logins = join_all((0..8).map(|_| server.log_in("ana"))).await;
        postgres.let_new_sessions_write();
        postgres.demote();
        for _ in 0..3 {
            let refreshed = logins.iter().map(async |it| Tokens::of(server.refresh(&it.refresh).await));
            logins = join_all(refreshed).await;
            join_all((0..4).map(|_| server.log_in("ana"))).await;
        }
        assert_eq!(server.ready().await.0, 200);
    });
}

#[test]
fn a_server_without_a_primary_says_so_and_goes_on_when_there_is_one() {
    let postgres = Postgres::start();
    let place = place(&postgres);
    let server = place.serve();
    block_on(async {
        let tokens = server.log_in("ana").await;
        postgres.demote();
        let (status, refused) = server.refresh(&tokens.refresh).await;
        assert_eq!((status.as_u16(), &refused["error"]), (503, &"temporarily_unavailable".into()));
        let (status, json) = server.ready().await;
        assert_eq!((status, &json["reason"]), (503, &"the database takes no writes".into()));
        let sessions = server.http.get(format!("{}/sessions", server.url)).bearer_auth(&tokens.access);
        assert_eq!(
            sessions.send().await.unwrap().status(),
            503,
            "what was the primary may know what is long past"
        );
        let said = place.refused(&["user", "list"]);
        assert!(said.contains("the database takes no writes: it is a standby, or read-only"), "{said}");
        postgres.let_new_sessions_write();
        eventually("it is ready again", async || server.ready().await.0 == 200).await;
        Tokens::of(server.refresh(&tokens.refresh).await);
    });
}
