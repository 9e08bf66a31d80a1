//! Passkeys in a real browser.

use crate::process::Place;
use crate::program::node;
use crate::world::{Proof, World};

#[test]
fn passkeys_work_in_a_real_browser() {
    // The one host without https that browsers know passkeys at.
    let mut world = World::with(Place::sqlite().with("HEIRLOOM_LISTEN", "localhost:0"));
    let (_, port) = world.server.url.rsplit_once(':').unwrap();
    world.server.url = format!("http://localhost:{port}");
    let client = world.confidential_client("web", Proof::Basic);
    world.run(node("passkeys.mjs"), &client, &mut world.browser());
}
