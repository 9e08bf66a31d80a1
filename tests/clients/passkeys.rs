//! Passkeys in a real browser.

use crate::life::at_localhost;
use crate::process::Place;
use crate::program::node;
use crate::world::Proof;

#[test]
fn passkeys_work_in_a_real_browser() {
    let world = at_localhost(Place::sqlite());
    let client = world.confidential_client("web", Proof::Basic);
    world.run(node("passkeys.mjs"), &client, &mut world.browser());
}
