//! Chromium, as people see the pages. `tests/screenshots` keeps pictures of what it sees.

use std::net::TcpListener;

use serde_json::json;

use crate::process::{Place, execute};
use crate::program::node;
use crate::world::{Proof, World};

#[test]
fn every_page_is_good_in_a_real_browser() {
    // Ana and Ben mistype twice, and in the end once too often.
    let place = Place::sqlite().with("HEIRLOOM_LIMITS__ACCOUNT_ATTEMPTS", "3");
    // A provider that nobody reaches.
    let nowhere = json!([
        { "id": "works", "name": "Example Works", "issuer": "http://127.0.0.1:1", "client_id": "heirloom" },
    ]);
    let world = World::with(
        place
            .with("HEIRLOOM_REGISTRATION__MODE", "open")
            .with("HEIRLOOM_PAGES__ACCOUNT_DELETION", "true")
            .with("HEIRLOOM_SIGN_IN__PROVIDERS", &nowhere.to_string()),
    );
    let client = world.confidential_client("web", Proof::Basic);
    world.place.add_user("ben");
    // The app is told of a sign-out at its own place, and says more of itself.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let metadata = json!({
        "client_uri": "https://shop.example.com/",
        "policy_uri": "https://shop.example.com/privacy",
        "tos_uri": "https://shop.example.com/terms",
        "frontchannel_logout_uri": format!("http://127.0.0.1:{port}/front"),
        "frontchannel_logout_session_required": true,
    });
    let [metadata, callback, bye] = [
        metadata.to_string(),
        format!("http://127.0.0.1:{port}/callback"),
        format!("http://127.0.0.1:{port}/bye"),
    ];
    let places = ["--redirect-uri", &callback, "--post-logout-redirect-uri", &bye];
    world.place.ok(&[&["client", "update", "web", "--metadata", &metadata][..], &places].concat());
    let mut walk = node("pages.mjs");
    walk.env("APP_PORT", port.to_string());
    world.run(walk, &client, &mut world.browser());
}

#[test]
fn people_look_after_their_accounts_by_mail() {
    let place = Place::sqlite();
    let mail = place.folder.path().join("mail");
    let place = place
        .with("HEIRLOOM_MAIL__FOLDER", mail.to_str().unwrap())
        .with("HEIRLOOM_ACCOUNTS__SIGN_UP", "open");
    let world = World::with(place);
    let client = world.confidential_client("web", Proof::Basic);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let callback = format!("http://127.0.0.1:{port}/callback");
    world.place.ok(&["client", "update", "web", "--redirect-uri", &callback]);
    let mut walk = node("accounts_by_mail.mjs");
    walk.env("APP_PORT", port.to_string()).env("MAIL", mail);
    world.run(walk, &client, &mut world.browser());
}

#[test]
fn when_the_store_is_gone_the_page_says_what_to_do() {
    let place = Place::postgres();
    let database = place.url().to_owned();
    let world = World::with(place);
    let client = world.confidential_client("web", Proof::Basic);
    execute(&database, "ALTER TABLE clients RENAME TO elsewhere");
    world.run(node("unavailable.mjs"), &client, &mut world.browser());
}

#[test]
fn a_second_click_and_a_second_tab_lead_on() {
    let world = World::new();
    let client = world.confidential_client("web", Proof::Basic);
    world.run(node("clicks.mjs"), &client, &mut world.browser());
}

#[test]
fn a_second_factor_is_set_up_asked_for_and_lost() {
    let world = World::new();
    let client = world.confidential_client("web", Proof::Basic);
    world.place.add_user("ben");
    world.run(node("factors.mjs"), &client, &mut world.browser());
}

#[test]
fn a_keyboard_is_enough_to_sign_in() {
    let world = World::new();
    let client = world.confidential_client("web", Proof::Basic);
    world.run(node("keyboard.mjs"), &client, &mut world.browser());
}

#[test]
fn scripts_of_an_apps_own_site_read_what_it_is_answered() {
    let world = World::new();
    let client = world.confidential_client("web", Proof::Basic);
    world.run(node("cors.mjs"), &client, &mut world.browser());
}
