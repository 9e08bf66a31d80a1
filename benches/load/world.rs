//! What every measurement works with: a database, seeded, with servers started on it as they are needed.

use std::path::Path;
use std::time::Duration;

use heirloom::domain::status_list::SIZE;
use heirloom_verifier::{Builder, Verifier};

use crate::chains::{Chains, family_id};
use crate::drive::{Driven, Load, Pace, Reuse, drive};
use crate::logins::{USERS, log_in, username};
use crate::processes::{Folder, MASTER_KEY, PASSWORD, Place, Postgres, Server};
use crate::proofs::Proofs;
use crate::store::{Counters, Store};

/// A seeded store with its chains.
pub(crate) struct World {
    pub(crate) place: Place,
    pub(crate) chains: Chains,
    /// Beside the server's own connections; none on SQLite, whose file the server has to itself.
    watch: Option<Store>,
}

/// One drive with what it cost.
pub(crate) struct Measured {
    pub(crate) driven: Driven,
    /// Processor time of the server, of PostgreSQL and of the load itself.
    pub(crate) server: Duration,
    pub(crate) database: Duration,
    pub(crate) load: Duration,
    pub(crate) counted: Counters,
    /// The server's resident memory at its peak, in bytes.
    pub(crate) peak_memory: u64,
}

impl World {
    /// Migrates, adds users, logs one in, and clones that login so many times.
    pub(crate) async fn seed(
        folder: &Folder,
        database: &str,
        families: usize,
        program: &str,
    ) -> anyhow::Result<Self> {
        let place = Place::new(folder.path(), database, program);
        let server = place.serve()?;
        for number in 0..USERS {
            let user = ["user", "add", &username(number), "--password-stdin", "--role", "editor"];
            place.run(&user, PASSWORD)?;
        }
        let token = log_in(&reqwest::Client::new(), &server, &username(0)).await?;
        drop(server);
        let store = Store::open(database).await?;
        store.seed(families).await?;
        let watch = if database.starts_with("postgres") {
            Some(store)
        } else {
            store.close().await;
            None
        };
        Ok(Self { place, chains: Chains::new(MASTER_KEY, &token.refresh_token, families)?, watch })
    }

    /// Drives a server and reads all meters before and after.
    pub(crate) async fn measure(
        &self,
        server: &Server,
        postgres: &Postgres,
        how: How,
        proofs: Option<&Proofs>,
    ) -> anyhow::Result<Measured> {
        let verifier = verifier(server).await?;
        let load = Load {
            address: &server.address,
            chains: &self.chains,
            verifier: &verifier,
            proofs,
            connections: how.connections,
            reuse: how.reuse,
            pace: how.pace,
            among: how.among.unwrap_or(usize::MAX),
            lasting: how.lasting,
        };
        if how.warms_up {
            // A database's new process has everything to map in first.
            drive(&Load { lasting: Duration::from_secs(1), pace: Pace::Closed, ..load }).await;
        }
        let before = if how.counted { self.counters().await? } else { Counters::default() };
        let meters = || anyhow::Ok((server.cpu()?, postgres.cpu()?, crate::processes::own_cpu()?));
        let began = meters()?;
        let driven = drive(&load).await;
        let ended = meters()?;
        let counted = if how.counted { self.counters().await?.since(&before) } else { before };
        Ok(Measured {
            driven,
            server: ended.0 - began.0,
            database: ended.1 - began.1,
            load: ended.2 - began.2,
            counted,
            peak_memory: server.memory()?.peak,
        })
    }

    /// Makes the tokens of the first `count` chains base, for long enough that a refresh has to note its time. Those
    /// that have been left behind before and not refreshed since are so already.
    pub(crate) async fn leave_behind(&self, count: usize) -> anyhow::Result<()> {
        let end = family_id(count);
        let sql = format!(
            "UPDATE families SET base = generation, generation = generation + 1, \
             rotated_at = rotated_at - INTERVAL '18 hours' WHERE id < '{end}' AND {RECENT}"
        );
        match &self.watch {
            Some(store) => store.execute(sql).await,
            None => Ok(()),
        }
    }

    /// Binds the first `count` families to a key, or to none.
    pub(crate) async fn bind(&self, count: usize, thumbprint: Option<&str>) -> anyhow::Result<()> {
        let end = family_id(count);
        let key = thumbprint.map_or_else(|| "NULL".to_owned(), |thumbprint| format!("'{thumbprint}'"));
        let sql = format!("UPDATE families SET key_thumbprint = {key} WHERE id < '{end}'");
        match &self.watch {
            Some(store) => store.execute(sql).await,
            None => Ok(()),
        }
    }

    /// How many of the first `count` families noted the time since they were left behind: the table itself tells it, as
    /// PostgreSQL's counters wait for each connection to be idle for ten seconds.
    pub(crate) async fn caught_up(&self, count: usize) -> anyhow::Result<i64> {
        let end = family_id(count);
        let sql = format!("SELECT COUNT(*) FROM families WHERE id < '{end}' AND {RECENT}");
        match &self.watch {
            Some(store) => store.number(sql).await,
            None => Ok(0),
        }
    }

    /// Adds logins that were ended, in the status list of the one with this entry.
    pub(crate) async fn end_one_in_a_hundred(&self, entry: (u32, u32)) -> anyhow::Result<()> {
        match &self.watch {
            Some(store) => store.seed_ended(entry, SIZE / 100).await,
            None => Ok(()),
        }
    }

    /// When a family was last written, in microseconds since 1970.
    pub(crate) async fn last_written(&self) -> anyhow::Result<i64> {
        const SQL: &str = "SELECT (EXTRACT(EPOCH FROM MAX(rotated_at)) * 1000000)::BIGINT FROM families";
        match &self.watch {
            Some(store) => store.number(SQL.to_owned()).await,
            None => Ok(0),
        }
    }

    /// How many rows of its table pgbench has updated.
    pub(crate) async fn rows_of_pgbench(&self) -> anyhow::Result<i64> {
        const SQL: &str = "SELECT COUNT(*) FROM pgbench_accounts WHERE abalance > 0";
        match &self.watch {
            Some(store) => store.number(SQL.to_owned()).await,
            None => Ok(0),
        }
    }

    async fn counters(&self) -> anyhow::Result<Counters> {
        match &self.watch {
            Some(store) => store.counters().await,
            None => Ok(Counters::default()),
        }
    }
}

/// Of the families: those whose time was noted in this run.
const RECENT: &str = "rotated_at > CURRENT_TIMESTAMP - INTERVAL '12 hours'";

/// How one drive goes.
#[derive(Clone, Copy)]
pub(crate) struct How {
    pub(crate) connections: usize,
    pub(crate) reuse: Reuse,
    pub(crate) pace: Pace,
    /// Only the first so many families.
    pub(crate) among: Option<usize>,
    pub(crate) lasting: Duration,
    /// Whether the database's own counters are read, which it takes more than two seconds to bring up to date.
    pub(crate) counted: bool,
    /// Whether it goes on for a second before anything is measured.
    pub(crate) warms_up: bool,
}

impl Measured {
    /// Microseconds of processor time for each answer.
    pub(crate) fn micros(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.driven.answers.max(1) as f64
    }

    pub(crate) fn each(&self, count: i64) -> f64 {
        count as f64 / self.driven.answers.max(1) as f64
    }

    pub(crate) fn hot_share(&self) -> f64 {
        100.0 * self.counted.hot_updates as f64 / self.counted.updates.max(1) as f64
    }

    /// The whole in one line.
    pub(crate) fn describe(&self) -> String {
        let driven = &self.driven;
        format!(
            "{:.0}/s, p50 {:.2} p99 {:.2} p99.9 {:.2} ms; CPU µs: server {:.0}, database {:.0}, load {:.0}; WAL {:.0} B, \
             HOT {:.1} %, {:.3} flushes; peak {:.0} MB{}",
            driven.per_second(),
            driven.quantile(0.5),
            driven.quantile(0.99),
            driven.quantile(0.999),
            self.micros(self.server),
            self.micros(self.database),
            self.micros(self.load),
            self.each(self.counted.wal_bytes),
            self.hot_share(),
            self.each(self.counted.flushes),
            self.peak_memory as f64 / 1e6,
            driven
                .first_failure
                .as_ref()
                .map(|why| format!("; {} FAILED: {why}", driven.failed))
                .unwrap_or_default()
        )
    }
}

/// A service that looks at tokens alone.
async fn verifier(server: &Server) -> anyhow::Result<Verifier> {
    Ok(service_of(server).ignore_status_lists().build().await?)
}

/// A service that verifies offline, and follows status lists.
pub(crate) fn service_of(server: &Server) -> Builder {
    let issuer = format!("http://{}", server.address);
    let jwks = format!("{issuer}/.well-known/jwks.json");
    Verifier::builder(issuer.clone()).audience(issuer).jwks_url(jwks)
}

/// A server on a new embedded store: gives how long the process took from its start to its first 200, and the server.
pub(crate) async fn first_answer(
    folder: &Path,
    program: &str,
    number: usize,
) -> anyhow::Result<(Duration, Server)> {
    let folder = folder.join(format!("embedded-{number}"));
    std::fs::create_dir(&folder)?;
    let database = format!("sqlite:{}/heirloom.db", folder.display());
    let began = crate::now();
    let server = Place::new(&folder, &database, program).serve()?;
    let ready = reqwest::get(format!("http://{}/readyz", server.address)).await?;
    ready.error_for_status()?;
    Ok((began.elapsed(), server))
}
