//! Orders that cannot be carried out say so, and change nothing.

use serde_json::{Value, json};

use crate::process::{MASTER_KEY, PASSWORD, Place, Tokens, block_on};

fn phases(place: &Place) -> Vec<Value> {
    let keys = place.json(&["keys", "list", "--json"]);
    keys["signing_keys"].as_array().unwrap().iter().map(|key| key["phase"].clone()).collect()
}

fn only_a_master_key_that_is_there_is_dropped(place: Place) {
    let new = place.ok(&["keys", "new-master"]);
    let place = place.with("HEIRLOOM_MASTER_KEY", &format!("{},{MASTER_KEY}", new.trim()));
    let ids = place.json(&["keys", "list", "--json"])["master_keys"].clone();
    let (active, old) = (ids[0].as_str().unwrap(), ids[1].as_str().unwrap());
    let refused = |id: &str| place.refused(&["keys", "drop-master", id]);
    for mistyped in ["deadbeef", "", &old[1..]] {
        let said = refused(mistyped);
        assert!(
            said.contains(&format!("there is no master key {mistyped}; there are {active}, {old}")),
            "{said}"
        );
    }
    assert!(refused(active).contains("is the active one"));
    assert_eq!(phases(&place), ["signing"], "nothing is withdrawn");
    // As somebody else writes it down.
    assert!(
        place.ok(&["keys", "drop-master", &old.to_uppercase()]).contains(&format!("under master key {old}"))
    );
    assert_eq!(phases(&place), ["withdrawn", "signing"]);
    assert!(refused(old).contains("was dropped before"));
    assert_eq!(phases(&place), ["withdrawn", "signing"]);
}

#[test]
fn only_a_master_key_that_is_there_is_dropped_on_sqlite() {
    only_a_master_key_that_is_there_is_dropped(
        Place::sqlite().with("HEIRLOOM_MASTER_KEY", MASTER_KEY).migrated(),
    );
}

#[test]
fn only_a_master_key_that_is_there_is_dropped_on_postgres() {
    only_a_master_key_that_is_there_is_dropped(Place::postgres());
}

#[test]
fn a_duration_that_nobody_can_mean_is_refused() {
    let place = Place::sqlite().migrated();
    let rows: [(&[&str], &str); 9] = [
        (&["recovery", "open", "--for", "1000y"], "expected a duration from 1s to 366d"),
        (&["recovery", "open", "--for", "0s"], "expected a duration from 1s to 366d"),
        (&["registration-token", "new", "--expires", "1000y"], "expected a duration from 1s to 3650d"),
        (&["registration-token", "new", "--expires", "0s"], "expected a duration from 1s to 3650d"),
        (&["keys", "rotate", "--after", "1000y"], "expected a duration from 0s to 30d"),
        (
            &["client", "rotate-secret", "x", "--overlap", "400000000000y"],
            "expected a duration from 0s to 3650d",
        ),
        (&["client", "add", "x", "--public", "--leeway", "400000000000y"], "half the access-token lifetime"),
        (&["client", "add", "x", "--public", "--idle-ttl", "400000000000y"], "100 years"),
        (&["family", "list", "--limit", "0"], "0 is not in 1.."),
    ];
    for (arguments, said) in rows {
        let refusal = place.refused(arguments);
        assert!(refusal.contains(said), "{arguments:?}: {refusal}");
    }
    assert_eq!(place.ok(&["recovery", "status"]), "the recovery window is closed\n");
    assert_eq!(phases(&place), ["signing"]);
}

fn what_nobody_can_be_or_have_is_refused(place: &Place) {
    let address = "a mail address must be like ana@example.com";
    let role = "a role must have 1 to 255 bytes";
    let rows: [(&[&str], &str); 10] = [
        (&["user", "add", "ana", "--password-stdin", "--email", ""], address),
        (&["user", "add", "ana", "--password-stdin", "--email", "ana at example.com"], address),
        (&["user", "add", "ana", "--password-stdin", "--role", ""], role),
        (&["user", "update", "bob", "--email", ""], address),
        (&["user", "update", "bob"], "say what is to change: --email, --no-email or --claims"),
        (&["user", "update", "bob", "--no-email", "--email", "b@example.com"], "cannot be used with"),
        (&["user", "set-roles", "bob", "admin", ""], role),
        (&["client", "add", "x", "--public", "--name", ""], "a client's name must"),
        (&["client", "update", "heirloom", "--name", " "], "a client's name must"),
        (&["client", "update", "heirloom"], "say what is to change"),
    ];
    place.ok_with(
        &["user", "add", "bob", "--password-stdin", "--email", "b@example.com", "--role", "a"],
        PASSWORD,
    );
    let before = place.ok(&["user", "list", "--json"]);
    for (arguments, said) in rows {
        let refusal = place.refused_with(arguments, PASSWORD);
        assert!(refusal.contains(said), "{arguments:?}: {refusal}");
    }
    assert_eq!(place.ok(&["user", "list", "--json"]), before);
    place.ok(&["user", "update", "bob", "--no-email"]);
    assert_eq!(place.json(&["user", "list", "--json"])[0]["email"], Value::Null);
}

#[test]
fn what_nobody_can_be_or_have_is_refused_on_sqlite() {
    what_nobody_can_be_or_have_is_refused(&Place::sqlite().migrated());
}

#[test]
fn what_nobody_can_be_or_have_is_refused_on_postgres() {
    what_nobody_can_be_or_have_is_refused(&Place::postgres());
}

fn who_names_a_removed_client_is_told_so(place: &Place) {
    place.ok(&["client", "add", "shop", "--confidential"]);
    place.ok(&["client", "remove", "shop"]);
    let rows: [&[&str]; 4] = [
        &["client", "update", "shop", "--scope", "read"],
        &["client", "rotate-secret", "shop"],
        &["client", "remove", "shop"],
        &["family", "revoke", "--client", "shop"],
    ];
    for arguments in rows {
        let refusal = place.refused(arguments);
        assert!(refusal.contains("the client shop was removed; an id is never given out twice"), "{refusal}");
    }
    assert!(
        place.refused(&["client", "update", "shpo", "--scope", "read"]).contains("there is no client shpo")
    );
}

#[test]
fn who_names_a_removed_client_is_told_so_on_sqlite() {
    who_names_a_removed_client_is_told_so(&Place::sqlite().migrated());
}

#[test]
fn who_names_a_removed_client_is_told_so_on_postgres() {
    who_names_a_removed_client_is_told_so(&Place::postgres());
}

#[test]
fn a_database_in_memory_is_not_migrated() {
    let place = Place::sqlite().with("HEIRLOOM_DATABASE_URL", "sqlite::memory:");
    assert!(place.refused(&["migrate"]).contains("belongs to the process that serves it"));
}

fn families_of_a_client_and_of_everybody_are_revoked(place: Place) {
    // More than a batch of them.
    let place = place.with("HEIRLOOM_JANITOR__BATCH", "2");
    place.add_user("ana");
    place.add_user("bob");
    place.ok(&["client", "add", "app", "--public", "--first-party", "--scope", "read"]);
    let server = place.serve();
    let log_in = |client: &str, name: &str| {
        let body = json!({ "username": name, "password": PASSWORD, "client_id": client });
        Tokens::of(block_on(server.post("/login", &body)))
    };
    let refresh = |client: &str, tokens: &Tokens| {
        let body = json!({ "refresh_token": tokens.refresh, "client_id": client });
        block_on(server.post("/refresh", &body)).0.as_u16()
    };
    let of_app: Vec<Tokens> =
        ["ana", "bob", "ana", "bob", "ana"].into_iter().map(|name| log_in("app", name)).collect();
    let others = [log_in("heirloom", "ana"), log_in("heirloom", "bob")];
    let refused = place.refused(&["family", "revoke", "--client", "ap"]);
    assert!(refused.contains("there is no client ap"), "{refused}");
    for both in [&["--all", "--client", "app"][..], &["--all", "--user", "ana"]] {
        assert!(place.refused(&[&["family", "revoke"], both].concat()).contains("cannot be used with"));
    }
    assert_eq!(place.ok(&["family", "revoke", "--client", "app"]), "app: 5 logins have ended\n");
    assert!(of_app.iter().all(|tokens| refresh("app", tokens) == 401));
    assert_eq!(others.each_ref().map(|tokens| refresh("heirloom", tokens)), [200, 200]);
    assert_eq!(place.ok(&["family", "revoke", "--client", "app"]), "app: 0 logins have ended\n");
    log_in("app", "ana");
    assert_eq!(place.ok(&["family", "revoke", "--all"]), "3 logins have ended\n");
    assert_eq!(others.each_ref().map(|tokens| refresh("heirloom", tokens)), [401, 401]);
    assert_eq!(place.ok(&["family", "revoke", "--all"]), "0 logins have ended\n");
}

#[test]
fn families_of_a_client_and_of_everybody_are_revoked_on_sqlite() {
    families_of_a_client_and_of_everybody_are_revoked(Place::sqlite());
}

#[test]
fn families_of_a_client_and_of_everybody_are_revoked_on_postgres() {
    families_of_a_client_and_of_everybody_are_revoked(Place::postgres());
}
