//! What must be found: a server that writes without comparing. The way to the database takes the condition out of its
//! statements, and nothing else of the server is changed.

use tokio::task::block_in_place;

use crate::checker::Promise;
use crate::on_postgres::stage;
use crate::postgres::Postgres;
use crate::process::{block_on, eventually};
use crate::proxy::Proxy;
use crate::world::Size;

/// The conditions on the generation: of rotations that share a statement, of one alone, of a decision's step.
const BLANKED: &[(&str, &str)] = &[
    ("generation = presented", "presented = presented "),
    ("generation = $2 AND secret_hash", "$2 > 0          AND secret_hash"),
    ("generation = $5 AND rotated_at = $6", "$5 > 0 AND $6 IS NOT NULL          "),
];

#[test]
fn a_server_that_does_not_compare_is_found_out() {
    let size = Size { chains: 60, rest: 10 };
    block_on(async {
        let postgres = block_in_place(Postgres::start);
        let address = postgres.address();
        let changing = || Proxy::changing(&address, BLANKED);
        let ways = [changing().await, changing().await, changing().await];
        let stage = stage("a server without its compare-and-swap", &postgres, ways, size).await;
        let found = async || stage.world.run.has_broken(Promise::OneSuccessor);
        stage.world.lives(size.chains, eventually("the checker finds it", found)).await;
        let broken = stage.world.judge().await;
        assert!(broken.contains(&Promise::OneSuccessor), "{broken:?}");
        stage.world.stop();
    });
}
