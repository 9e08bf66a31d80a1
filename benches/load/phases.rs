//! The measurements, one after another, and the goals they are held against.

mod algorithms;
mod bound;
mod compared;
mod crowd;
mod embedded;
mod first_day;
mod import;
mod lists;
mod status_lists;

use std::cell::Cell;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{bail, ensure};
use clap::ValueEnum as _;

use crate::drive::{Driven, Pace, Reuse};
use crate::processes::{BusyLoop, Folder, POSTGRES_OPTIONS, Postgres, Server};
use crate::report::{Report, median};
use crate::world::{How, Measured, World};
use crate::{Arguments, Phase, Progress, chart, logins, now};

/// Phases beside the rounds, for the progress bar.
pub(crate) const COUNT: u64 = 20;

struct Bench<'a> {
    arguments: &'a Arguments,
    progress: &'a Progress,
    // Stopped before its folder goes.
    postgres: Postgres,
    folder: Folder,
    report: Report,
}

/// Measures everything.
pub(crate) async fn run(arguments: &Arguments, progress: &Progress) -> anyhow::Result<Report> {
    progress.phase("starting PostgreSQL");
    let folder = Folder::new()?;
    let postgres = Postgres::start(folder.path())?;
    let mut bench = Bench { arguments, progress, folder, postgres, report: Report::default() };
    if let Some(other) = &arguments.against {
        bench.postgres.prepare()?;
        match arguments.only.as_slice() {
            [] => bench.compare(other).await?,
            [Phase::Crowd] => bench.compare_crowds(other).await?,
            _ => bail!("beside --against, --only takes `crowd` alone"),
        }
        return Ok(bench.report);
    }
    if arguments.wants(Phase::Start) {
        bench.embedded_start().await?;
    }
    if arguments.only == [Phase::Start] {
        return Ok(bench.report);
    }
    bench.postgres.prepare()?;
    if arguments.only == [Phase::Crowd] {
        bench.crowd().await?;
        return Ok(bench.report);
    }
    progress.phase("seeding PostgreSQL");
    let program = arguments.server.to_string_lossy();
    let url = bench.postgres.url.clone();
    let world = World::seed(&bench.folder, &url, arguments.families, &program).await?;
    let maximum = if arguments.wants(Phase::Refreshes) {
        bench.rounds(&world).await?
    } else {
        bench.measure(&world, &world.place.serve()?, bench.closed()).await?.driven.per_second()
    };
    // What ends logins of seeded ones' positions comes last.
    for phase in Phase::value_variants().iter().filter(|phase| arguments.wants(**phase)) {
        match phase {
            // Before the world, and for its maximum.
            Phase::Start | Phase::Refreshes => {}
            Phase::OpenLoop => bench.open_loop(&world, maximum).await?,
            Phase::OneAlone => bench.one_alone(&world).await?,
            Phase::FewerFamilies => bench.fewer_families(&world, maximum).await?,
            Phase::FirstDay => bench.first_day(maximum).await?,
            Phase::NewConnections => bench.new_connections(&world).await?,
            Phase::Logins => bench.logins(&world, maximum).await?,
            Phase::Bound => bench.bound(&world, maximum).await?,
            Phase::Algorithms => bench.algorithms(&world).await?,
            Phase::Confirm => bench.confirm(&world).await?,
            Phase::SharedLogins => bench.shared_logins(&world).await?,
            Phase::Revocations => bench.revocations(&world).await?,
            Phase::Pollers => bench.pollers(&world).await?,
            Phase::Imports => bench.imports(&world).await?,
            Phase::Crowd => bench.crowd().await?,
            Phase::Lists => bench.lists(&world).await?,
            Phase::Embedded => bench.embedded(maximum).await?,
        }
    }
    bench.describe(&world);
    Ok(bench.report)
}

impl Bench<'_> {
    fn closed(&self) -> How {
        How {
            connections: self.arguments.connections,
            reuse: Reuse::KeepAlive,
            pace: Pace::Closed,
            among: None,
            lasting: self.arguments.lasting(),
            counted: true,
            warms_up: true,
        }
    }

    fn open(&self, per_second: f64) -> How {
        // Enough that a late answer does not hold the schedule up.
        How { connections: 192, pace: Pace::Open(per_second), ..self.closed() }
    }

    async fn measure(&self, world: &World, server: &Server, how: How) -> anyhow::Result<Measured> {
        Self::all_served(world.measure(server, &self.postgres, how, None).await?)
    }

    fn all_served(measured: Measured) -> anyhow::Result<Measured> {
        let failed = &measured.driven;
        ensure!(failed.failed == 0, "{} requests failed: {:?}", failed.failed, failed.first_failure);
        Ok(measured)
    }

    /// pgbench, batched and unbatched in turn, so that a machine whose speed changes changes all three. Gives batched
    /// refreshes a second.
    async fn rounds(&mut self, world: &World) -> anyhow::Result<f64> {
        let (mut ratios, mut unbatched_ratios, mut rates, mut cpu) = (vec![], vec![], vec![], vec![]);
        let (mut batched, mut unbatched, mut yardstick) = (None, None, vec![]);
        let rounds = self.arguments.rounds();
        for round in 1..=rounds {
            let lasting = self.arguments.lasting() / 2;
            let how = How { lasting, counted: round == rounds, ..self.closed() };
            self.progress.phase("pgbench, 32 clients");
            let (pgbench, _) = self.postgres.pgbench(32, lasting)?;
            yardstick.push(pgbench);
            self.progress.phase("refresh, batched");
            let grouped = self.measure(world, &world.place.serve()?, how).await?;
            self.progress.phase("refresh, unbatched");
            let place = world.place.clone().with("HEIRLOOM_DATABASE__BATCH_ROTATIONS", "false");
            let single = self.measure(world, &place.serve()?, how).await?;
            rates.push(grouped.driven.per_second());
            ratios.push(grouped.driven.per_second() / pgbench);
            unbatched_ratios.push(single.driven.per_second() / pgbench);
            cpu.push(grouped.micros(grouped.server + grouped.database) / 1e3);
            (batched, unbatched) = (Some(grouped), Some(single));
        }
        let (Some(batched), Some(unbatched)) = (batched, unbatched) else { anyhow::bail!("no rounds") };
        let all =
            |ratios: &[f64]| ratios.iter().map(|ratio| format!("{ratio:.2}")).collect::<Vec<_>>().join(" ");
        let detail = format!("rounds: {}; the last: {}", all(&ratios), batched.describe());
        self.report.at_least("refresh, batched, against pgbench", median(ratios), "x", 1.2, detail);
        let detail = format!("rounds: {}; the last: {}", all(&unbatched_ratios), unbatched.describe());
        self.report.at_least(
            "refresh, unbatched, against pgbench",
            median(unbatched_ratios),
            "x",
            0.4,
            detail,
        );
        self.report.at_most(
            "CPU of a batched refresh, server + database",
            median(cpu),
            "ms",
            0.08,
            String::new(),
        );
        self.report.at_least("batched: updates that were HOT", batched.hot_share(), "%", 98.0, String::new());
        self.report.at_most(
            "batched: WAL",
            batched.each(batched.counted.wal_bytes),
            "B",
            400.0,
            String::new(),
        );
        self.report.at_most(
            "batched: flushes",
            batched.each(batched.counted.flushes),
            "a refresh",
            0.2,
            String::new(),
        );
        self.report.setup.push(format!(
            "pgbench, 32 clients, single-row update by key: median {:.0} a second; batched refreshes: {:.0}",
            median(yardstick),
            median(rates.iter().copied())
        ));
        Ok(median(rates))
    }

    /// Latency at a load that leaves some room; and, for the chart, at others.
    async fn open_loop(&mut self, world: &World, maximum: f64) -> anyhow::Result<()> {
        self.progress.phase("open loop at 70 % of the maximum");
        let server = world.place.serve()?;
        let (mut p99, mut p999, mut detail) = (vec![], vec![], String::new());
        for round in 0..3 {
            // The maximum of this very moment: the machine may have been faster a minute ago.
            let how = How { lasting: self.arguments.lasting() / 2, counted: false, ..self.closed() };
            let maximum = self.measure(world, &server, how).await?.driven.per_second();
            let how = How {
                lasting: how.lasting,
                counted: round == 2,
                warms_up: false,
                ..self.open(0.7 * maximum)
            };
            let measured = self.measure(world, &server, how).await?;
            p99.push(measured.driven.quantile(0.99));
            p999.push(measured.driven.quantile(0.999));
            detail = format!("the last: {}", measured.describe());
        }
        self.report.at_most("open loop at 70 % of the maximum: p99", median(p99), "ms", 10.0, detail);
        self.report.at_most("the same: p99.9", median(p999), "ms", 25.0, String::new());
        if let Some(path) = &self.arguments.chart {
            let mut points = Vec::new();
            for percent in [10, 20, 30, 40, 50, 60, 70, 80, 90, 100] {
                let per_second = maximum * f64::from(percent) / 100.0;
                let how = How { lasting: Duration::from_secs(4), ..self.open(per_second) };
                let driven = self.measure(world, &server, how).await?.driven;
                points.push((per_second, [0.5, 0.99, 0.999].map(|quantile| driven.quantile(quantile))));
            }
            chart::draw(path, &points)?;
        }
        Ok(())
    }

    async fn one_alone(&mut self, world: &World) -> anyhow::Result<()> {
        self.progress.phase("one client alone");
        let server = world.place.serve()?;
        let (mut ratios, mut ours, mut theirs) = (vec![], vec![], vec![]);
        for _ in 0..self.arguments.repeats() {
            let lasting = self.arguments.lasting() / 3;
            let (_, pgbench) = self.postgres.pgbench(1, lasting)?;
            let how = How { connections: 1, lasting, counted: false, ..self.closed() };
            let mean = self.measure(world, &server, how).await?.driven.latency.mean() / 1e3;
            ratios.push(mean / pgbench);
            ours.push(mean);
            theirs.push(pgbench);
        }
        let detail = format!("mean {:.2} ms, pgbench {:.2} ms", median(ours), median(theirs));
        self.report.at_most("one client alone against one of pgbench", median(ratios), "x", 1.3, detail);
        Ok(())
    }

    async fn fewer_families(&mut self, world: &World, maximum: f64) -> anyhow::Result<()> {
        self.progress.phase("10,000 families against all");
        let server = world.place.serve()?;
        let (mut ratios, few) = (vec![], 10_000.min(self.arguments.families));
        for _ in 0..self.arguments.repeats() {
            let how = How { lasting: self.arguments.lasting() / 2, counted: false, ..self.closed() };
            let all = self.measure(world, &server, how).await?.driven.per_second();
            let among_few =
                self.measure(world, &server, How { among: Some(few), warms_up: false, ..how }).await?;
            ratios.push((all / among_few.driven.per_second()).min(among_few.driven.per_second() / all));
        }
        let detail =
            format!("of {} families; the maximum of the rounds was {maximum:.0}/s", self.arguments.families);
        self.report.at_least("all families against 10,000: throughput", median(ratios), "x", 0.85, detail);
        Ok(())
    }

    async fn new_connections(&mut self, world: &World) -> anyhow::Result<()> {
        self.progress.phase("a new connection for each refresh");
        let how = How { reuse: Reuse::NewConnection, lasting: self.arguments.lasting() / 2, ..self.closed() };
        let measured = self.measure(world, &world.place.serve()?, how).await?;
        self.report.setup.push(format!("a new connection for each refresh: {}", measured.describe()));
        Ok(())
    }

    async fn logins(&mut self, world: &World, maximum: f64) -> anyhow::Result<()> {
        let server = world.place.serve()?;
        let (mut ratios, mut slowed) = (vec![], vec![]);
        let mut detail = String::new();
        for _ in 0..self.arguments.repeats() {
            self.progress.phase("logins against argon2 alone");
            let lasting = self.arguments.lasting() / 2;
            let alone = logins::argon2_alone(lasting)?;
            let began = now();
            let (rate, refused) = logins::storm(&server, 16, || began.elapsed() >= lasting).await;
            ratios.push(rate / alone);
            detail = format!("the last: {rate:.0} logins, {alone:.0} hashes a second; {refused} refused");
        }
        self.report.at_least("logins against argon2 alone", median(ratios), "x", 0.95, detail);
        let mut detail = String::new();
        for _ in 0..self.arguments.repeats() {
            self.progress.phase("refreshes during a login storm");
            let lasting = self.arguments.lasting() / 2;
            let how = How { lasting, counted: false, ..self.open(0.4 * maximum) };
            let quiet = self.measure(world, &server, how).await?.driven;
            let over = Cell::new(false);
            let measuring = async {
                let measured = self.measure(world, &server, how).await;
                over.set(true);
                measured
            };
            let (stormy, (logins, _)) = tokio::join!(measuring, logins::storm(&server, 32, || over.get()));
            let stormy = stormy?.driven;
            slowed.push(stormy.quantile(0.99) / quiet.quantile(0.99));
            let busy = BusyLoop::start()?;
            let beside_a_loop = self.measure(world, &server, how).await?.driven;
            drop(busy);
            let shape =
                |it: &Driven| format!("p50 {:.2} ms and p99 {:.2} ms", it.quantile(0.5), it.quantile(0.99));
            detail = format!(
                "at 40 % of the maximum; the last: {}; in the storm {}, beside {logins:.0} logins a second; without logins \
                 beside one busy loop of the idle class {}",
                shape(&quiet),
                shape(&stormy),
                shape(&beside_a_loop)
            );
        }
        self.report.at_most("refresh p99 in a login storm against quiet", median(slowed), "x", 2.0, detail);
        Ok(())
    }

    /// Every token that was handed out and not drawn since is presented once more.
    async fn confirm(&mut self, world: &World) -> anyhow::Result<()> {
        self.progress.phase("refreshing every token that was handed out");
        let how =
            How { pace: Pace::Confirm, lasting: Duration::from_mins(1), counted: false, ..self.closed() };
        let how = if self.arguments.quick { How { lasting: self.arguments.lasting(), ..how } } else { how };
        let measured = self.measure(world, &world.place.serve()?, how).await?;
        self.report.setup.push(format!(
            "{} tokens that were handed out were refreshed in their turn, none refused; {} of {} families were drawn; \
             pgbench updated {} rows of its million; {} access tokens of this last phase verified",
            world.chains.confirmed(),
            world.chains.distinct(),
            self.arguments.families,
            world.rows_of_pgbench().await?,
            measured.driven.verified,
        ));
        Ok(())
    }

    /// Logins that several programs share: nearly every refresh keeps the token and writes nothing, a few note the
    /// time.
    async fn shared_logins(&mut self, world: &World) -> anyhow::Result<()> {
        self.progress.phase("logins that programs share");
        world.place.run(&["client", "update", "heirloom", "--rotation", "every:1d"], "")?;
        let (mut kept, mut touched, mut detail) = (vec![], vec![], String::new());
        for _ in 0..self.arguments.repeats() {
            let how = How { lasting: self.arguments.lasting() / 2, ..self.closed() };
            let (select, _) = self.postgres.pgbench_select(32, how.lasting)?;
            let written = world.last_written().await?;
            let keep = self.measure(world, &world.place.serve()?, how).await?;
            ensure!(world.last_written().await? == written, "a kept token wrote its row");
            kept.push(keep.driven.per_second() / select);
            detail = format!("pgbench selects {select:.0}/s; the last: {}", keep.describe());
        }
        self.report.at_least("keep, against a pgbench select", median(kept), "x", 0.8, detail);
        let mut detail = String::new();
        for _ in 0..self.arguments.repeats() {
            let few = 100_000.min(self.arguments.families);
            world.leave_behind(few).await?;
            let lasting = self.arguments.lasting() / 2;
            let how = How { lasting, among: Some(few), warms_up: false, ..self.closed() };
            let (update, _) = self.postgres.pgbench(32, lasting)?;
            let touch = self.measure(world, &world.place.serve()?, how).await?;
            let written = world.caught_up(few).await? as f64;
            touched.push(written / touch.driven.elapsed.as_secs_f64() / update);
            let share = written / touch.driven.answers as f64;
            detail = format!(
                "pgbench updates {update:.0}/s; {share:.2} rows written each; the last: {}",
                touch.describe()
            );
        }
        self.report.at_least("touch, against a pgbench update", median(touched), "x", 0.4, detail);
        Ok(())
    }

    fn describe(&mut self, world: &World) {
        let cores = available_parallelism().map_or(1, Into::into);
        self.report.setup.insert(
            0,
            format!(
                "{cores} cores shared by load, server and PostgreSQL (fsync, synchronous_commit and full_page_writes on; \
                 {}); {} connections in closed loop",
                POSTGRES_OPTIONS.join(" "),
                self.arguments.connections
            ),
        );
        self.report.setup.push(format!("measured: {}", world.place.program()));
    }
}
