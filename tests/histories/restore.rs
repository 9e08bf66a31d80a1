//! A backup that is made while everything runs, and a restore, as docs/operate.md has it.

use std::path::PathBuf;

use heirloom::clock::Clock;
use tokio::task::block_in_place;

use crate::faults::{Stage, Store};
use crate::history::{Loss, Moment};
use crate::postgres::Postgres;
use crate::process::Place;
use crate::replica::Replica;
use crate::run::say;

pub struct Backup {
    copy: Copy,
    since: Moment,
    /// The same as an operator notes it down.
    time: String,
}

enum Copy {
    Postgres(Postgres),
    Sqlite(PathBuf),
}

impl Stage {
    pub async fn back_up(&self) -> Backup {
        let since = self.world.run.moment();
        let time = Clock::system().now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let store = self.store.lock().await;
        let copy = block_in_place(|| match &*store {
            Store::Postgres(postgres) => Copy::Postgres(postgres.copied()),
            Store::Elsewhere => unreachable!("a store that is elsewhere"),
            Store::Sqlite(_) => {
                let file = self.world.folder().path().join("monday.db");
                self.world.office.ok(&["backup", file.to_str().unwrap()]);
                Copy::Sqlite(file)
            }
        });
        Backup { copy, since, time }
    }

    /// Servers stop, the backup takes the store's place, ends are done again from the log, and servers start.
    pub async fn restore(&self, backup: Backup) {
        let (world, began) = (&self.world, self.world.run.moment());
        let mut store = self.store.lock().await;
        block_in_place(|| {
            world.replicas.iter().for_each(Replica::stop);
            match (&mut *store, backup.copy) {
                (Store::Postgres(postgres), Copy::Postgres(copy)) => {
                    postgres.kill();
                    *postgres = copy.in_place_of(postgres);
                }
                (_, Copy::Sqlite(file)) => drop(world.office.ok(&["restore", file.to_str().unwrap()])),
                (Store::Sqlite(_) | Store::Elsewhere, Copy::Postgres(_)) => {
                    unreachable!("a backup of another store")
                }
            }
            let logs: String = world.replicas.iter().map(Replica::said).collect();
            recover(&world.office, &backup.time, &logs);
        });
        let until = world.run.moment();
        world.run.note_loss(Loss { since: backup.since, until, ends_are_done_again: true });
        block_in_place(|| world.replicas.iter().for_each(Replica::start));
        world.run.note_fault("restored from a backup", began);
    }
}

/// Opens the recovery window and does again what took rights away; says what it did.
pub fn recover(office: &Place, since: &str, logs: &str) {
    office.ok(&["recovery", "open", "--for", "1h"]);
    println!("histories: {}", office.ok_with(&["recovery", "apply", "--since", since], logs).trim());
}

/// Says what the database has lost, as its clients have shown.
pub fn tell_losses(office: &Place) {
    let events = office.json(&["event", "list", "--name", "family.caught_up", "--limit", "100000", "--json"]);
    let times = events.as_array().unwrap().len();
    assert!(times > 0, "a database that lost rotations, and no client was ahead of it");
    say(&format!("  families that were ahead of their rows, and caught up: {times} times"));
}
