//! The console in a real browser, and the lines that it gives to paste.

use crate::process::PASSWORD;
use crate::program::{node, venv};
use crate::world::{Proof, World};

#[test]
fn administrators_work_at_the_console() {
    let world = World::new();
    for name in ["root", "wurzel"] {
        let add = ["user", "add", name, "--password-stdin", "--role", "heirloom-admin"];
        world.place.ok_with(&add, PASSWORD);
    }
    let client = world.confidential_client("web", Proof::Basic);
    let mut walk = node("console.mjs");
    walk.env("PYTHON", venv().join("bin/python")).env("SUBJECT", world.subject());
    world.run(walk, &client, &mut world.browser());
}
