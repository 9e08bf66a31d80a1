//! Chromium, as people see the pages. `tests/screenshots` keeps pictures of what it sees.

use crate::program::node;
use crate::world::{Proof, World};

#[test]
fn every_page_is_good_in_a_real_browser() {
    let world = World::new();
    let client = world.confidential_client("web", Proof::Basic);
    world.run(node("pages.mjs"), &client, &mut world.browser());
}

#[test]
fn a_keyboard_is_enough_to_sign_in() {
    let world = World::new();
    let client = world.confidential_client("web", Proof::Basic);
    world.run(node("keyboard.mjs"), &client, &mut world.browser());
}
