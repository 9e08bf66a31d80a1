//! The embedded store.

use std::time::Duration;

use super::Bench;
use crate::report::median;
use crate::world::{How, World, first_answer};

impl Bench<'_> {
    pub(super) async fn embedded_start(&mut self) -> anyhow::Result<()> {
        self.progress.phase("starts on the embedded store");
        let mut starts = Vec::new();
        let mut idle = 0;
        for number in 0..5 {
            let (took, server) =
                first_answer(self.folder.path(), &self.arguments.server.to_string_lossy(), number).await?;
            starts.push(took.as_secs_f64() * 1e3);
            tokio::time::sleep(Duration::from_millis(300)).await;
            idle = server.memory()?.now;
        }
        self.report.at_most("embedded: start to first 200", median(starts), "ms", 100.0, String::new());
        self.report.at_most("embedded: idle memory", idle as f64 / 1e6, "MB", 20.0, String::new());
        Ok(())
    }

    /// The embedded store, durable, against the figure of PostgreSQL.
    pub(super) async fn embedded(&mut self, postgres: f64) -> anyhow::Result<()> {
        self.progress.phase("seeding the embedded store");
        let database = format!("sqlite:{}/heirloom.db", self.folder.path().display());
        let program = self.arguments.server.to_string_lossy().into_owned();
        let world = World::seed(&self.folder, &database, self.arguments.families, &program).await?;
        self.progress.phase("the embedded store");
        let server = world.place.serve()?;
        let (mut rates, mut answers) = (Vec::new(), 0);
        let mut detail = String::new();
        // The log is taken back a few times a second, and a short phase may meet that more or less often.
        for round in 0..3 {
            let how = How { lasting: self.arguments.lasting() / 2, warms_up: round == 0, ..self.closed() };
            let measured = self.measure(&world, &server, how).await?;
            rates.push(measured.driven.per_second() / postgres);
            answers += measured.driven.answers;
            detail = measured.describe();
        }
        self.report.at_least("embedded, batched, against PostgreSQL", median(rates), "x", 1.0, detail);
        while answers < 100_000 {
            let how = How { lasting: Duration::from_secs(2), ..self.closed() };
            answers += self.measure(&world, &server, how).await?.driven.answers;
        }
        let memory = server.memory()?.now as f64 / 1e6;
        self.report.at_most("embedded: memory after 100,000 refreshes", memory, "MB", 40.0, String::new());
        Ok(())
    }
}
