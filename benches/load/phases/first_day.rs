//! A deployment's first day: few families, in a table that PostgreSQL has never looked at.

use anyhow::Context as _;

use super::Bench;
use crate::store::{FIRST_DAY, Store};
use crate::world::{How, World};

impl Bench<'_> {
    /// Against the maximum of the rounds, whose table is large and known.
    pub(super) async fn first_day(&mut self, maximum: f64) -> anyhow::Result<()> {
        self.progress.phase("256 families that were never analysed");
        let store = Store::open(&self.postgres.url).await?;
        store.execute("CREATE DATABASE first_day".to_owned()).await?;
        store.close().await;
        let (server, _) = self.postgres.url.rsplit_once('/').context("a database's URL")?;
        let (url, program) = (format!("{server}/first_day"), self.arguments.server.to_string_lossy());
        let world = World::seed(&self.folder, &url, FIRST_DAY, &program).await?;
        let how = How { lasting: self.arguments.lasting() / 2, counted: false, ..self.closed() };
        let measured = self.measure(&world, &world.place.serve()?, how).await?;
        let ratio = measured.driven.per_second() / maximum;
        self.report.at_least(
            "256 families, never analysed: throughput",
            ratio,
            "x",
            0.85,
            measured.describe(),
        );
        let cpu = measured.micros(measured.database) / 1e3;
        self.report.at_most("the same: CPU of the database", cpu, "ms", 0.05, String::new());
        Ok(())
    }
}
