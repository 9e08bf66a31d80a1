//! A commit that waits for a standby which is gone. PostgreSQL has written it down and tells nobody; but who cancels
//! that wait is told of success, with a warning. So a server never cancels: it closes the connection, and does not
//! know.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::asking::{Login, Way};
use crate::folder::Folder;
use crate::history::Said;
use crate::on_postgres::ways_to;
use crate::postgres::Postgres;
use crate::process::{block_on, eventually, execute, postgres_script};
use crate::replication::Pair;
use crate::run::Run;
use crate::seed;
use crate::world::{Size, World};

/// A pooler in transaction mode, gone with its owner.
struct Pooler(Folder);

impl Pooler {
    fn home(&self) -> String {
        self.0.path().join("pooler").to_str().unwrap().to_owned()
    }

    /// Gives the URL of the database by way of it.
    fn before(url: &str) -> (Self, String) {
        let pooler = Self(Folder::new());
        let through = postgres_script(&["pool", &pooler.home(), url, "20"]);
        (pooler, through)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        postgres_script(&["unpool", &self.home()]);
    }
}

/// A server, a login that goes on, and one that is to end.
struct Asked {
    server: usize,
    kept: Login,
    kept_token: String,
    ended: Login,
    ended_token: String,
}

impl Asked {
    async fn new(world: &World, server: usize) -> Self {
        let (who, _) = world.chain(0);
        let (kept, first) = world.log_in(server, &who).await.expect("a login");
        let (ended, ended_token) = world.log_in(server, &who).await.expect("a login");
        let (_, Some(kept_token)) = world.present(server, &kept, &first).await else { panic!("a refresh") };
        Self { server, kept, kept_token, ended, ended_token }
    }

    async fn refreshes(&self, world: &World) -> Said {
        world.present(self.server, &self.kept, &self.kept_token).await.0
    }

    async fn ends(&self, world: &World) -> bool {
        world.end(self.server, &self.ended, &self.ended_token, Way::Logout).await
    }

    async fn is_told_nothing(&self, world: &World) {
        // Of two, the first waits for the standby, and the next one for the row.
        for _ in 0..2 {
            assert_eq!(self.refreshes(world).await, Said::Unknown, "a refresh at {}", self.server);
        }
        assert!(!self.ends(world).await, "a logout at {}", self.server);
        assert!(world.log_in(self.server, &self.kept.who).await.is_none(), "a login at {}", self.server);
    }

    async fn goes_on(&self, world: &World) {
        let refreshes = async || matches!(self.refreshes(world).await, Said::Gave(_));
        eventually("the same token is good", refreshes).await;
        eventually("the other login ends", async || self.ends(world).await).await;
    }
}

fn to(url: &str) -> Vec<(&str, &str)> {
    vec![("HEIRLOOM_DATABASE_URL", url)]
}

/// What an operator must not do.
async fn cancel_waits(primary: &Postgres) {
    loop {
        let sql = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        block_in_place(|| execute(&primary.url, sql));
        sleep(Duration::from_millis(50)).await;
    }
}

/// Rotations that share a statement, rotations one by one, a role with a time-out (which does not count that wait), and
/// a pooler in transaction mode.
#[test]
fn nothing_is_acknowledged_before_the_standby_has_it() {
    block_on(async {
        let primary = block_in_place(Postgres::start);
        let ways = ways_to(&primary).await;
        let url = format!("postgres://postgres@{}/postgres", ways[0].address);
        let with_time_out = format!("{url}?options=-c%20statement_timeout%3D500");
        let (_pooler, pooled) = block_in_place(|| Pooler::before(&url));
        let stores = [
            to(&url),
            [to(&url), vec![("HEIRLOOM_DATABASE__BATCH_ROTATIONS", "false")]].concat(),
            to(&with_time_out),
            [to(&pooled), vec![("HEIRLOOM_DATABASE__STATEMENT_CACHE", "0")]].concat(),
            to(&primary.url),
        ];
        let run = Run::new("a standby that is gone", seed());
        let world = World::start(run, Arc::new(Folder::new()), &stores, Size { chains: 10, rest: 0 }).await;
        let pair = Pair::of(primary).await;
        pair.wait_for_standby();
        eventually("the standby is synchronous", async || pair.is_synchronous().await).await;
        let asked = join_all((0..4).map(|server| Asked::new(&world, server))).await;

        block_in_place(|| pair.standby.freeze());
        join_all(asked.iter().map(|it| it.is_told_nothing(&world))).await;
        assert_eq!(world.run.bad_excuses(), Vec::<String>::new());
        block_in_place(|| pair.standby.thaw());
        join_all(asked.iter().map(|it| it.goes_on(&world))).await;
        assert_eq!(ways[0].cancels(), 0, "nobody asks PostgreSQL to cancel anything");

        // The trap: PostgreSQL tells of success when somebody else cancels that wait; nobody can tell the difference.
        let another = Asked::new(&world, 0).await;
        block_in_place(|| pair.standby.freeze());
        eventually("a wait is cancelled", async || {
            tokio::select! {
                said = another.refreshes(&world) => matches!(said, Said::Gave(_)),
                () = cancel_waits(&pair.primary) => unreachable!("it goes on for ever"),
            }
        })
        .await;
        block_in_place(|| pair.standby.thaw());
        world.stop();
    });
}
