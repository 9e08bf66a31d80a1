//! Refreshes of two binaries, or of one with and without a setting, in turn: what a change costs.

use std::path::Path;
use std::time::Duration;

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
        let mut servers = Vec::new();
        for (which, world) in worlds.iter().enumerate() {
            let place = world.place.clone().with("HEIRLOOM_DATABASE__BATCH_ROTATIONS", &batched.to_string());
            let place = if which == 0 { self.with_settings(place) } else { place };
            let server = place.serve()?;
            self.measure(world, &server, self.slice(true)).await?;
            servers.push(server);
        }
        let (mut rates, mut costs) = (Vec::new(), Vec::new());
        for round in 0..self.slices() {
            let mut measured: [Option<Measured>; 2] = [None, None];
            for turn in 0..2 {
                let which = (round + turn) % 2;
                measured[which] =
                    Some(self.measure(worlds[which], &servers[which], self.slice(false)).await?);
            }
            let [Some(ours), Some(theirs)] = measured else { continue };
            rates.push(ours.driven.per_second() / theirs.driven.per_second());
            costs.push(
                ours.micros(ours.server + ours.database) / theirs.micros(theirs.server + theirs.database),
            );
        }
        let (spread, cost_spread) = (spread(&mut rates), spread(&mut costs));
        self.report.at_least(
            &format!("{what}: refreshes, against the other"),
            median(rates),
            "x",
            0.97,
            spread,
        );
        self.report.at_most(
            &format!("{what}: CPU, against the other"),
            median(costs),
            "x",
            1.03,
            cost_spread,
        );
        Ok(())
    }

    /// Short, so that a machine whose speed changes changes both.
    fn slice(&self, warms_up: bool) -> How {
        How { lasting: Duration::from_secs(1), counted: false, warms_up, ..self.closed() }
    }

    pub(super) fn slices(&self) -> usize {
        if self.arguments.quick { 20 } else { 60 }
    }

    fn with_settings(&self, place: Place) -> Place {
        let settings = self.arguments.with.iter().filter_map(|setting| setting.split_once('='));
        settings.fold(place, |place, (name, value)| place.with(name, value))
    }
}

/// What lies between the quarters, and how many there were.
fn spread(ratios: &mut [f64]) -> String {
    ratios.sort_by(f64::total_cmp);
    let quarter = ratios.len() / 4;
    let (low, high) = (ratios[quarter], ratios[ratios.len() - 1 - quarter]);
    format!("{} rounds of a second each in turn, half of them between {low:.2} and {high:.2}", ratios.len())
}
