//! What operators' systems use: a compliance tester for SCIM, and whatever can be made of the admin API's description.

use crate::program::python;
use crate::world::{Proof, Registered, World};

#[test]
fn scim2_tester_finds_no_fault() {
    run("scim_tester.py", "heirloom:users.read heirloom:users.write");
}

#[test]
fn schemathesis_finds_the_admin_api_as_it_is_described() {
    let areas = ["users", "clients", "families", "keys", "events", "settings"];
    let scopes = areas.map(|area| format!("heirloom:{area}.read heirloom:{area}.write")).join(" ");
    run("described.py", &scopes);
}

/// Runs a program that is a client with these rights.
fn run(script: &str, scopes: &str) {
    let world = World::new();
    let add = ["client", "add", "operator", "--confidential", "--grant", "client_credentials"];
    let added = world.place.json(&[add.as_slice(), &["--scope", scopes, "--access-ttl", "24h"]].concat());
    let secret = added["client_secret"].as_str().unwrap().to_owned();
    let client = Registered { id: "operator".to_owned(), proof: Proof::Basic(secret) };
    world.run(python(script), &client, &mut world.browser());
}
