//! Chromium, as people see the pages. `tests/screenshots` keeps pictures of what it sees.

use crate::process::Place;
use crate::program::node;
use crate::world::{Proof, World};

#[test]
fn every_page_is_good_in_a_real_browser() {
    // On each walk somebody mistypes twice.
    let world = World::with(Place::sqlite().with("HEIRLOOM_LIMITS__ACCOUNT_ATTEMPTS", "100"));
    let client = world.confidential_client("web", Proof::Basic);
    world.run(node("pages.mjs"), &client, &mut world.browser());
}

#[test]
fn a_keyboard_is_enough_to_sign_in() {
    let world = World::new();
    let client = world.confidential_client("web", Proof::Basic);
    world.run(node("keyboard.mjs"), &client, &mut world.browser());
}
