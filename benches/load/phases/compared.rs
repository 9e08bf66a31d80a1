//! Refreshes of two binaries, or of one with and without a setting, in turn: what a change costs.

use std::path::Path;

use super::{Bench, How, median};
use crate::processes::Place;
use crate::world::{Measured, World};

/// A store, and whether rotations share statements there.
const KINDS: [(&str, &str, bool); 3] = [
    ("PostgreSQL, batched", "postgres", true),
    ("PostgreSQL, unbatched", "postgres", false),
    ("embedded, batched", "sqlite", true),
];

impl Bench<'_> {
    /// Each has a database of its own on the same server, and they change places every round.
    pub(super) async fn compare(&mut self, other: &Path) -> anyhow::Result<()> {
        let programs = [&self.arguments.server, other].map(|program| program.to_string_lossy().into_owned());
        let mut worlds = Vec::new();
        for (number, program) in programs.iter().enumerate() {
            self.progress.phase("seeding PostgreSQL");
            let database = self.database_of_its_own(&format!("compared_{number}")).await?;
            worlds.push(World::seed(&self.folder, &database, self.arguments.families, program).await?);
        }
        for (number, program) in programs.iter().enumerate() {
            self.progress.phase("seeding the embedded store");
            let database = format!("sqlite:{}/compared-{number}.db", self.folder.path().display());
            worlds.push(World::seed(&self.folder, &database, self.arguments.families, program).await?);
        }
        for (what, engine, batched) in KINDS {
            let first = if engine == "postgres" { 0 } else { 2 };
            self.compare_kind(what, [&worlds[first], &worlds[first + 1]], batched).await?;
        }
        Ok(())
    }

    async fn compare_kind(&mut self, what: &str, worlds: [&World; 2], batched: bool) -> anyhow::Result<()> {
        self.progress.phase(&format!("refreshes of both: {what}"));
        let (mut rates, mut costs) = (Vec::new(), Vec::new());
        for round in 0..2 * self.arguments.rounds() {
            let mut measured: [Option<Measured>; 2] = [None, None];
            for turn in 0..2 {
                let which = (round + turn) % 2;
                let mut place = worlds[which]
                    .place
                    .clone()
                    .with("HEIRLOOM_DATABASE__BATCH_ROTATIONS", &batched.to_string());
                if which == 0 {
                    place = self.with_settings(place);
                }
                let how = How { lasting: self.arguments.lasting() / 2, counted: false, ..self.closed() };
                measured[which] = Some(self.measure(worlds[which], &place.serve()?, how).await?);
            }
            let [Some(ours), Some(theirs)] = measured else { continue };
            rates.push(ours.driven.per_second() / theirs.driven.per_second());
            costs.push(
                ours.micros(ours.server + ours.database) / theirs.micros(theirs.server + theirs.database),
            );
        }
        let all =
            |ratios: &[f64]| ratios.iter().map(|ratio| format!("{ratio:.2}")).collect::<Vec<_>>().join(" ");
        let (rounds, cost_rounds) = (format!("rounds: {}", all(&rates)), format!("rounds: {}", all(&costs)));
        self.report.at_least(
            &format!("{what}: refreshes, against the other"),
            median(rates),
            "x",
            0.97,
            rounds,
        );
        self.report.at_most(
            &format!("{what}: CPU, against the other"),
            median(costs),
            "x",
            1.03,
            cost_rounds,
        );
        Ok(())
    }

    fn with_settings(&self, place: Place) -> Place {
        let settings = self.arguments.with.iter().filter_map(|setting| setting.split_once('='));
        settings.fold(place, |place, (name, value)| place.with(name, value))
    }
}
