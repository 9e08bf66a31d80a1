//! A primary and a standby by plain streaming: the primary dies under load, and the standby takes its place.

use std::time::Duration;

use heirloom::clock::Clock;
use sqlx::Connection as _;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::checker::Promise;
use crate::faults::Stage;
use crate::history::Loss;
use crate::is_long;
use crate::on_postgres::{stage, ways_to};
use crate::postgres::Postgres;
use crate::process::{block_on, eventually, execute};
use crate::proxy::{Proxy, Trouble};
use crate::replica::Replica;
use crate::restore::{recover, tell_losses};
use crate::world::Size;

/// A primary, whatever stands between it and its standby, and the standby.
pub struct Pair {
    pub primary: Postgres,
    pub stream: Proxy,
    pub standby: Postgres,
}

impl Pair {
    pub async fn of(primary: Postgres) -> Self {
        let stream = Proxy::to(&primary.address()).await;
        let standby = block_in_place(|| primary.standby(stream.address.port()));
        let pair = Self { primary, stream, standby };
        eventually("the standby follows", async || pair.reached().await.is_some()).await;
        pair
    }

    /// Nothing is acknowledged from now on before the standby has it on its disk.
    pub fn wait_for_standby(&self) {
        block_in_place(|| {
            execute(&self.primary.url, "ALTER SYSTEM SET synchronous_standby_names = 'standby'");
            execute(&self.primary.url, "SELECT pg_reload_conf()");
        });
    }

    pub async fn is_synchronous(&self) -> bool {
        let state: Option<String> = self.ask("SELECT sync_state FROM pg_stat_replication").await;
        state.as_deref() == Some("sync")
    }

    /// How much of the primary's log the standby has on its disk.
    async fn reached(&self) -> Option<i64> {
        self.ask("SELECT (flush_lsn - '0/0')::BIGINT FROM pg_stat_replication").await
    }

    async fn written(&self) -> i64 {
        self.ask("SELECT (pg_current_wal_flush_lsn() - '0/0')::BIGINT").await.unwrap()
    }

    /// Asks the primary.
    async fn ask<T>(&self, sql: &'static str) -> Option<T>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let mut connection = sqlx::PgConnection::connect(&self.primary.url).await.unwrap();
        let answer: Option<Option<T>> =
            sqlx::query_scalar(sql).fetch_optional(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        answer.flatten()
    }

    /// The primary is gone, in one way or another, and the standby is what is left.
    pub async fn promoted(self, stage: &Stage, is_silent: bool) -> Postgres {
        let Self { primary, standby, .. } = self;
        block_in_place(|| if is_silent { primary.freeze() } else { primary.kill() });
        sleep(Duration::from_millis(300)).await;
        block_in_place(|| {
            standby.promote();
            execute(&standby.url, "ALTER SYSTEM RESET synchronous_standby_names");
            execute(&standby.url, "SELECT pg_reload_conf()");
            // Commands come first; whoever waits for what is frozen is told nothing.
            stage.office_way().lead_to(&standby.address());
        });
        // Nobody may come back to it.
        drop(primary);
        standby
    }
}

/// How often the primary dies.
fn rounds() -> usize {
    if is_long() { 12 } else { 1 }
}

#[test]
fn nothing_acknowledged_is_lost_with_a_primary_whose_standby_is_synchronous() {
    let size = Size { chains: 60, rest: 30 };
    block_on(async {
        let primary = block_in_place(Postgres::start);
        let ways = ways_to(&primary).await;
        let stage = stage("a synchronous standby", &primary, ways, size).await;
        let happening = async {
            let mut primary = primary;
            for round in 0..rounds() {
                let pair = Pair::of(primary).await;
                pair.wait_for_standby();
                eventually("the standby is synchronous", async || pair.is_synchronous().await).await;
                sleep(Duration::from_secs(2)).await;
                let began = stage.world.run.moment();
                let is_silent = round % 2 == 1;
                primary = pair.promoted(&stage, is_silent).await;
                stage.lead_to(&primary);
                let what = if is_silent { "the primary was silent" } else { "the primary was killed" };
                stage.world.run.note_fault(what, began);
                sleep(Duration::from_secs(1)).await;
            }
            primary
        };
        let _primary = stage.world.lives(size.chains, happening).await;
        assert_eq!(stage.world.judge().await, Vec::<Promise>::new());
        let ahead = block_in_place(|| {
            stage.world.office.json(&["event", "list", "--name", "family.caught_up", "--json"])
        });
        assert_eq!(ahead, serde_json::json!([]), "no token was ahead of its row");
        stage.world.stop();
    });
}

#[test]
fn what_an_asynchronous_standby_lacked_is_told_and_nobody_is_logged_out_by_it() {
    let size = Size { chains: 60, rest: 30 };
    block_on(async {
        let primary = block_in_place(Postgres::start);
        let ways = ways_to(&primary).await;
        let stage = stage("an asynchronous standby", &primary, ways, size).await;
        let run = &stage.world.run;
        let happening = async {
            let mut primary = primary;
            for _ in 0..rounds() {
                let pair = Pair::of(primary).await;
                sleep(Duration::from_secs(2)).await;
                // All that was acknowledged until here, it has.
                let (since, time) = (run.moment(), Clock::system().now());
                let written = pair.written().await;
                eventually("the standby has it", async || pair.reached().await >= Some(written)).await;
                pair.stream.is_in(Trouble::Silence);
                sleep(Duration::from_secs(1)).await;
                let began = run.moment();
                primary = pair.promoted(&stage, false).await;
                let logs: String = stage.world.replicas.iter().map(Replica::said).collect();
                let time = time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
                block_in_place(|| recover(&stage.world.office, &time, &logs));
                run.note_loss(Loss { since, until: run.moment(), ends_are_done_again: true });
                stage.lead_to(&primary);
                run.note_fault("the primary was killed, and its last second is lost", began);
                sleep(Duration::from_secs(1)).await;
            }
            primary
        };
        let _primary = stage.world.lives(size.chains, happening).await;
        let broken = stage.world.judge().await;
        block_in_place(|| tell_losses(&stage.world.office));
        assert_eq!(broken, Vec::<Promise>::new());
        stage.world.stop();
    });
}
