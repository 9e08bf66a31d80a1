//! One server on the embedded store, which is killed, finds its disk full, and is restored.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::checker::Promise;
use crate::faults::{Fault, Stage, Store};
use crate::folder::Folder;
use crate::process::block_on;
use crate::restore::tell_losses;
use crate::run::Run;
use crate::small_disk::SmallDisk;
use crate::world::{Size, World};
use crate::{is_long, long_operations, seed};

const FAULTS: [Fault; 7] = [
    Fault::ServerKilled,
    Fault::DiskFull,
    Fault::ServerKilled,
    Fault::AnswersCut,
    Fault::ConnectionsHalfOpen,
    Fault::SigningKeyRotated,
    Fault::MasterKeyRotated,
];

#[test]
fn one_server_on_sqlite_keeps_every_promise_whatever_happens_to_it() {
    let size = if is_long() { Size { chains: 200, rest: 10 } } else { Size { chains: 60, rest: 40 } };
    block_on(async {
        let folder = Arc::new(Folder::new());
        let disk = block_in_place(|| SmallDisk::mount("a full disk under SQLite", "64m"));
        let data = disk.as_ref().map_or_else(|| folder.path().join("data"), SmallDisk::path);
        let store = vec![("HEIRLOOM_DATA_DIR", data.to_str().unwrap())];
        let run = Run::new("a server on SQLite", seed());
        let world = World::start(run, Arc::clone(&folder), &[store.clone(), store], size).await;
        let stage =
            Stage { world: Arc::new(world), store: Mutex::new(Store::Sqlite(disk)), ways: Vec::new() };
        let faults: Vec<_> = FAULTS.into_iter().filter(|fault| stage.can(*fault)).collect();
        let happening = async {
            stage.trouble_for(&faults, long_operations() / 4).await;
            let backup = stage.back_up().await;
            sleep(Duration::from_secs(1)).await;
            stage.restore(backup).await;
            sleep(Duration::from_secs(1)).await;
        };
        stage.world.lives(size.chains, happening).await;
        let broken = stage.world.judge().await;
        block_in_place(|| tell_losses(&stage.world.office));
        assert_eq!(broken, Vec::<Promise>::new());
        stage.world.stop();
    });
}
