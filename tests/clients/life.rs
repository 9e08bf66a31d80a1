//! The life of an account in a real browser.

use serde_json::json;

use crate::process::Place;
use crate::program::node;
use crate::world::{Proof, World};

/// A server at the one host without https that browsers know passkeys at.
pub fn at_localhost(place: Place) -> World {
    let mut world = World::with(place.with("HEIRLOOM_LISTEN", "localhost:0"));
    let (_, port) = world.server.url.rsplit_once(':').unwrap();
    world.server.url = format!("http://localhost:{port}");
    world
}

#[test]
fn an_account_lives_from_sign_up_to_a_lost_phone_and_a_forgotten_password() {
    let place = Place::sqlite();
    let mail = place.folder.path().join("mail");
    let place = place
        .with("HEIRLOOM_MAIL__FOLDER", mail.to_str().unwrap())
        .with("HEIRLOOM_ACCOUNTS__SIGN_UP", "open")
        .with("HEIRLOOM_ACCOUNTS__MAILED_SIGN_IN", "code");
    let world = at_localhost(place);
    let client = world.confidential_client("web", Proof::Basic);
    let mut walk = node("life.mjs");
    walk.env("MAIL", mail);
    world.run(walk, &client, &mut world.browser());
}

#[test]
fn somebody_comes_from_elsewhere_and_goes_again() {
    let there = World::new();
    let provider = json!([{
        "id": "works", "name": "Example Works", "issuer": there.server.url, "client_id": "here", "create": true,
    }]);
    let place = Place::sqlite()
        .with("HEIRLOOM_SIGN_IN__PROVIDERS", &provider.to_string())
        .with("HEIRLOOM_SIGN_IN__SECOND_FACTOR", "required")
        .with("HEIRLOOM_PAGES__ACCOUNT_DELETION", "true")
        .with("HEIRLOOM_OUTBOUND__ALLOWED_NETWORKS", "127.0.0.0/8");
    // Browsers do not tell ports apart: the two have hosts of their own.
    let world = at_localhost(place);
    let back = format!("{}/sign-in/back/works", world.server.url);
    there.register("here", "--public", &["--redirect-uri", &back]);
    let client = world.confidential_client("web", Proof::Basic);
    let mut walk = node("elsewhere.mjs");
    walk.env("PROVIDER", &there.server.url);
    world.run(walk, &client, &mut world.browser());
}
