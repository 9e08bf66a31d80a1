//! What a crowd calls: alone, and in turn with another binary.

use std::path::Path;
use std::time::Duration;

use super::{Bench, median};
use crate::crowd::{Call, Site};
use crate::processes::{Place, Server};

/// What is wanted of each call: so many times what another binary does.
const GOALS: [(Call, f64); 9] = [
    (Call::CodeFlow, 5.0),
    (Call::Sessions, 3.0),
    (Call::Userinfo, 3.0),
    (Call::PushedRequest, 3.0),
    (Call::SignInPage, 2.0),
    (Call::Introspection, 2.5),
    (Call::ClientCredentials, 1.7),
    (Call::Discovery, 1.5),
    (Call::KeySet, 1.0),
];

/// One call for a while.
struct Called {
    per_second: f64,
    /// Microseconds of the server and of the database for each.
    server: f64,
    database: f64,
}

impl Bench<'_> {
    /// Each call for itself, against pgbench.
    pub(super) async fn crowd(&mut self) -> anyhow::Result<()> {
        let site = self.site(0, &self.arguments.server).await?;
        for call in Call::ALL {
            self.progress.phase(call.name());
            let lasting = self.arguments.lasting() / 2;
            self.called(&site, call, Duration::from_millis(500)).await?;
            let (update, _) = self.postgres.pgbench(32, lasting)?;
            let called = self.called(&site, call, lasting).await?;
            self.report.setup.push(format!(
                "{}: {:.0} a second, {:.2} x pgbench; CPU µs: server {:.0}, database {:.0}",
                call.name(),
                called.per_second,
                called.per_second / update,
                called.server,
                called.database
            ));
        }
        Ok(())
    }

    /// The same of two binaries, in turn.
    pub(super) async fn compare_crowds(&mut self, other: &Path) -> anyhow::Result<()> {
        let sites = [self.site(0, &self.arguments.server).await?, self.site(1, other).await?];
        for (call, goal) in GOALS {
            self.progress.phase(call.name());
            for site in &sites {
                self.called(site, call, Duration::from_secs(1)).await?;
            }
            let (mut rates, mut costs, mut last) = (Vec::new(), Vec::new(), String::new());
            for round in 0..self.slices() {
                let mut called: [Option<Called>; 2] = [None, None];
                for turn in 0..2 {
                    let which = (round + turn) % 2;
                    called[which] = Some(self.called(&sites[which], call, Duration::from_secs(1)).await?);
                }
                let [Some(ours), Some(theirs)] = called else { continue };
                rates.push(ours.per_second / theirs.per_second);
                costs.push(ours.server + ours.database);
                last = format!(
                    "the last: {:.0} against {:.0} a second; CPU µs: server {:.0} against {:.0}, database {:.0} against {:.0}",
                    ours.per_second,
                    theirs.per_second,
                    ours.server,
                    theirs.server,
                    ours.database,
                    theirs.database
                );
            }
            rates.sort_by(f64::total_cmp);
            let quarter = rates.len() / 4;
            let detail = format!(
                "{} rounds of a second in turn, half of them between {:.2} and {:.2}; median CPU {:.0} µs; {last}",
                rates.len(),
                rates[quarter],
                rates[rates.len() - 1 - quarter],
                median(costs)
            );
            let what = format!("{}, against the other", call.name());
            self.report.at_least(&what, median(rates), "x", goal, detail);
        }
        Ok(())
    }

    async fn site(&self, number: usize, program: &Path) -> anyhow::Result<Site> {
        self.progress.phase("users sign in");
        let database = self.database_of_its_own(&format!("crowd_{number}")).await?;
        let place = Place::new(self.folder.path(), &database, &program.to_string_lossy());
        // All of them come from one address.
        let place = place.with("HEIRLOOM_LIMITS__WAITING_REQUESTS", "1000000");
        Site::open(&place.with("HEIRLOOM_LIMITS__WAITING_WINDOW", "1s")).await
    }

    async fn called(&self, site: &Site, call: Call, lasting: Duration) -> anyhow::Result<Called> {
        let meters = |server: &Server| anyhow::Ok((server.cpu()?, self.postgres.cpu()?));
        let (began, before) = (crate::now(), meters(&site.server)?);
        let answers = site.drive(call, self.arguments.connections, lasting).await?;
        let (elapsed, after) = (began.elapsed(), meters(&site.server)?);
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / answers.max(1) as f64;
        Ok(Called {
            per_second: answers as f64 / elapsed.as_secs_f64(),
            server: each(after.0 - before.0),
            database: each(after.1 - before.1),
        })
    }
}
