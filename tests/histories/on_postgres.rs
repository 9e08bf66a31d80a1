//! Two servers on one PostgreSQL, while all of the faults happen, and then a restore.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::checker::Promise;
use crate::faults::{self, Stage, Store};
use crate::folder::Folder;
use crate::postgres::Postgres;
use crate::process::block_on;
use crate::proxy::Proxy;
use crate::restore::tell_losses;
use crate::run::Run;
use crate::small_disk::SmallDisk;
use crate::world::{Size, World};
use crate::{is_long, long_operations, seed};

/// Two servers and commands, each with a way of its own to the database.
pub async fn stage(name: &'static str, postgres: &Postgres, ways: [Proxy; 3], size: Size) -> Stage {
    let database = postgres.url.rsplit_once('/').unwrap().1;
    let urls = ways.clone().map(|way| format!("postgres://postgres@{}/{database}", way.address));
    let stores: Vec<_> = urls.iter().map(|url| vec![("HEIRLOOM_DATABASE_URL", url.as_str())]).collect();
    let world = World::start(Run::new(name, seed()), Arc::new(Folder::new()), &stores, size).await;
    Stage { world: Arc::new(world), store: Mutex::new(Store::Elsewhere), ways: ways.into() }
}

/// Ways to a database that nobody troubles yet.
pub async fn ways_to(postgres: &Postgres) -> [Proxy; 3] {
    let address = postgres.address();
    [Proxy::to(&address).await, Proxy::to(&address).await, Proxy::to(&address).await]
}

#[test]
fn two_servers_keep_every_promise_whatever_happens_to_them() {
    let size = if is_long() { Size { chains: 400, rest: 20 } } else { Size { chains: 200, rest: 60 } };
    block_on(async {
        let disk = block_in_place(|| SmallDisk::mount("a full disk under PostgreSQL", "400m"));
        let postgres = block_in_place(|| disk.map_or_else(Postgres::start, Postgres::on));
        let ways = ways_to(&postgres).await;
        let stage = stage("two servers on PostgreSQL", &postgres, ways, size).await.holding(postgres);
        let faults: Vec<_> = faults::ALL.into_iter().filter(|fault| stage.can(*fault)).collect();
        let (early, late) = faults.split_at(faults.len() / 2);
        let happening = async {
            sleep(Duration::from_secs(1)).await;
            if is_long() {
                stage.trouble_for(&faults, long_operations() / 2).await;
            }
            stage.trouble_for(early, 0).await;
            let backup = stage.back_up().await;
            stage.trouble_for(late, 0).await;
            stage.restore(backup).await;
            sleep(Duration::from_secs(1)).await;
            // The backup lies on a disk that cannot be filled.
            let rest: Vec<_> = faults.iter().copied().filter(|fault| stage.can(*fault)).collect();
            if is_long() {
                stage.trouble_for(&rest, long_operations()).await;
            }
        };
        stage.world.lives(size.chains, happening).await;
        let broken = stage.world.judge().await;
        block_in_place(|| tell_losses(&stage.world.office));
        assert_eq!(broken, Vec::<Promise>::new());
        stage.world.stop();
    });
}
