//! Users who move in from another system.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::Bench;
use crate::drive::Driven;
use crate::processes::{Place, Server};
use crate::report::median;
use crate::store::Store;
use crate::world::{How, World};

/// Of "correct horse", by bcrypt 5.0.0 for Python.
const BCRYPT: &str = "$2b$08$RxlXmKIOcSlqKwLrgyIcQONyix0rEpkXaqwzsFtpJFtJNxvzxoeqq";

/// Users who move in gently while refreshes are measured: more than move in meanwhile.
const BESIDE: usize = 200_000;

/// An even number.
const ROUNDS: usize = 6;

impl Bench<'_> {
    /// Alone, each time into a database of its own; and gently, beside refreshes.
    pub(super) async fn imports(&mut self, world: &World) -> anyhow::Result<()> {
        self.progress.phase("users who move in, alone");
        let users = if self.arguments.quick { 200_000 } else { 1_000_000 };
        let file = self.lines("alone", users)?;
        let (mut rates, mut peaks, mut detail) = (vec![], vec![], String::new());
        for _ in 0..self.arguments.repeats() {
            let place = self.place_of_its_own("import").await?;
            let database = self.postgres.cpu()?;
            let run = place.start(&["user", "import", &file])?.end().await?;
            let database = (self.postgres.cpu()? - database).as_secs_f64();
            rates.push(users as f64 / run.took.as_secs_f64());
            peaks.push(run.peak as f64 / 1e6);
            let micros = |cpu: f64| cpu * 1e6 / users as f64;
            detail = format!(
                "{users} users, a tenth with an app, a tenth with a link: {}; the last: CPU µs: command {:.0}, database \
                 {:.0}",
                rates.iter().map(|rate| format!("{rate:.0}")).collect::<Vec<_>>().join(" "),
                micros(run.cpu.as_secs_f64()),
                micros(database),
            );
        }
        self.report.at_least("users imported, alone", median(rates), "a second", 20_000.0, detail);
        self.report.at_most("the same: memory", median(peaks), "MB", 100.0, String::new());
        self.beside_refreshes(world).await
    }

    /// A new database, migrated.
    async fn place_of_its_own(&self, name: &str) -> anyhow::Result<Place> {
        let database = self.database_of_its_own(name).await?;
        let place = Place::new(self.folder.path(), &database, &self.arguments.server.to_string_lossy());
        place.run(&["migrate"], "")?;
        Ok(place)
    }

    /// The URL of a new database.
    pub(super) async fn database_of_its_own(&self, name: &str) -> anyhow::Result<String> {
        let store = Store::open(&self.postgres.url).await?;
        store.execute(format!("DROP DATABASE IF EXISTS {name}")).await?;
        store.execute(format!("CREATE DATABASE {name}")).await?;
        store.close().await;
        let (server, _) = self.postgres.url.rsplit_once('/').context("a database's URL")?;
        Ok(format!("{server}/{name}"))
    }

    /// At 40 % of the maximum, as beside logins; quiet and not, in turn.
    async fn beside_refreshes(&mut self, world: &World) -> anyhow::Result<()> {
        self.progress.phase("users who move in gently, beside refreshes");
        let (server, store) = (world.place.serve()?, Store::open(&self.postgres.url).await?);
        let how = How { lasting: self.arguments.lasting() / 2, counted: false, ..self.closed() };
        let maximum = self.measure(world, &server, how).await?.driven.per_second();
        let how = How { lasting: self.arguments.lasting(), counted: false, ..self.open(0.4 * maximum) };
        // The first one finds files of the log to be made, and the table's first pages to be read.
        self.measure(world, &server, how).await?;
        let (mut ratios, mut rates) = (vec![], vec![]);
        let mut latencies: [Vec<f64>; 4] = Default::default();
        for round in 0..ROUNDS {
            // Which of the two comes first is nobody's advantage.
            let before = if round % 2 == 0 { Some(self.measure(world, &server, how).await?) } else { None };
            let (beside, rate) = self.beside_one((world, &server, &store), how, round).await?;
            let quiet = match before {
                Some(quiet) => quiet.driven,
                None => self.measure(world, &server, how).await?.driven,
            };
            ratios.push(beside.quantile(0.99) / quiet.quantile(0.99));
            rates.push(rate);
            let now =
                [quiet.quantile(0.5), quiet.quantile(0.99), beside.quantile(0.5), beside.quantile(0.99)];
            for (all, now) in latencies.iter_mut().zip(now) {
                all.push(now);
            }
        }
        let [quiet_p50, quiet_p99, p50, p99] = latencies.map(median);
        let rounds = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect::<Vec<_>>().join(" ");
        let detail = format!(
            "{:.0} refreshes a second, and {:.0} users; rounds: {rounds}; medians: quiet p50 {quiet_p50:.2} and p99 \
             {quiet_p99:.2} ms, beside p50 {p50:.2} and p99 {p99:.2} ms",
            0.4 * maximum,
            median(rates)
        );
        self.report.at_most("refresh p99 beside import --gently", median(ratios), "x quiet", 2.0, detail);
        store.close().await;
        Ok(())
    }

    /// Refreshes beside an import; gives how many users came a second, too.
    async fn beside_one(
        &self,
        (world, server, store): (&World, &Server, &Store),
        how: How,
        round: usize,
    ) -> anyhow::Result<(Driven, f64)> {
        let file = self.lines(&format!("beside{round}-"), BESIDE)?;
        let mut import = world.place.start(&["user", "import", &file, "--gently"])?;
        // It has begun.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = count(store).await?;
        let beside = self.measure(world, server, how).await?.driven;
        let moved = count(store).await? - before;
        ensure!(import.is_under_way()? && moved > 0, "the import did not last for as long as the refreshes");
        Ok((beside, moved as f64 / how.lasting.as_secs_f64()))
    }

    /// Writes a file of so many users; gives its path.
    fn lines(&self, name: &str, users: usize) -> anyhow::Result<String> {
        let path: PathBuf = self.folder.path().join(format!("{name}.jsonl"));
        let mut file = BufWriter::new(File::create(&path)?);
        for number in 0..users {
            let hash = format!("$2b$10${number:016x}{}", &BCRYPT[23..]);
            let more = match number % 10 {
                0 => format!(r#","totp":{{"secret":"GEZDGNBV{number:08}"}}"#)
                    .replace(['0', '1', '8', '9'], "A"),
                5 => format!(
                    r#","upstream_links":[{{"issuer":"https://id.example.com","subject":"{name}{number}"}}]"#
                ),
                _ => String::new(),
            };
            writeln!(
                file,
                r#"{{"username":"{name}{number}","email":"{name}{number}@example.com","email_verified":true,"claims":{{"given_name":"Ana","family_name":"Ortega"}},"roles":["member"],"password_hash":"{hash}","created_at":"2020-01-31T12:00:00Z"{more}}}"#
            )?;
        }
        file.flush()?;
        Ok(path.to_str().context("a path that is text")?.to_owned())
    }
}

async fn count(store: &Store) -> anyhow::Result<i64> {
    store.number("SELECT COUNT(*) FROM users".to_owned()).await
}
