//! Libraries in JavaScript and Python, each with every way to authenticate.

use crate::process::Place;
use crate::program::{node, python};
use crate::world::World;

#[test]
fn openid_client_does_all_of_it() {
    let world = World::secure();
    for client in world.clients() {
        world.run(node("openid-client.mjs"), &client, &mut world.browser());
    }
}

#[test]
fn oauth4webapi_does_all_of_it() {
    let world = World::secure();
    for client in world.clients() {
        world.run(node("oauth4webapi.mjs"), &client, &mut world.browser());
    }
}

/// Tokens that are bound to a key, with nonces and without them.
#[test]
fn libraries_in_javascript_prove_their_keys() {
    for nonces in ["false", "true"] {
        let world = World::secured(Place::sqlite().with("HEIRLOOM_DPOP__REQUIRE_NONCE", nonces));
        for client in world.clients() {
            let mut program = node("dpop.mjs");
            program.env("NONCES", nonces);
            world.run(program, &client, &mut world.browser());
        }
    }
}

/// On the algorithm that every OpenID Connect library knows: this one wants to see it (Discovery §3).
#[test]
fn authlib_does_all_of_it() {
    let world = World::secured(Place::sqlite().with("HEIRLOOM_KEYS__ALGORITHM", "RS256"));
    for client in world.clients() {
        world.run(python("authlib_client.py"), &client, &mut world.browser());
    }
}

#[test]
fn a_user_who_does_not_agree_sends_the_library_an_error() {
    let world = World::secure();
    let client = world.public_client();
    world.run(node("denied.mjs"), &client, &mut world.browser().deciding("deny"));
}

#[test]
fn openid_client_gets_a_device_in() {
    let world = World::secure();
    for client in world.clients() {
        world.run(node("device.mjs"), &client, &mut world.browser());
    }
}

#[test]
fn authlib_gets_a_device_in() {
    let world = World::secure();
    for client in world.clients() {
        world.run(python("device_client.py"), &client, &mut world.browser());
    }
}
