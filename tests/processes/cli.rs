//! The command line, for real, on both stores.

use std::os::unix::fs::PermissionsExt as _;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};

use crate::process::{PASSWORD, Place, Server, Tokens, block_on};

fn users_are_added_changed_and_removed(place: &Place) {
    let server = place.serve();
    let log_in = |password: &str| {
        let body = json!({ "username": "ana", "password": password });
        block_on(server.post("/login", &body))
    };
    let add = [
        "user",
        "add",
        "Ana",
        "--password-stdin",
        "--email",
        "ana@example.com",
        "--role",
        "a",
        "--role",
        "b",
        "--json",
    ];
    let added: Value = serde_json::from_str(&place.ok_with(&add, &format!("{PASSWORD}\n"))).unwrap();
    assert_eq!((&added["username"], &added["email"]), (&json!("Ana"), &json!("ana@example.com")));
    assert_eq!(added["roles"], json!(["a", "b"]));
    let tokens = Tokens::of(log_in(PASSWORD));
    assert_eq!(tokens.claim("sub"), added["id"]);
    place.ok(&["user", "set-roles", "ana", "admin"]);
    let tokens = Tokens::of(block_on(server.refresh(&tokens.refresh)));
    assert_eq!(tokens.claim("roles"), json!(["admin"]));
    let said = place.ok_with(&["user", "set-password", "ANA", "--password-stdin"], "another good password");
    assert_eq!(said, "ANA has a new password; 1 login has ended\n");
    assert_eq!(block_on(server.refresh(&tokens.refresh)).0, 401);
    assert_eq!(log_in(PASSWORD).0, 401);
    Tokens::of(log_in("another good password"));
    place.ok(&["user", "disable", "ana"]);
    assert_eq!(log_in("another good password").0, 401);
    assert!(place.json(&["user", "list", "--json"])[0]["disabled_at"].is_string());
    assert!(place.ok(&["user", "list"]).contains("disabled"));
    place.ok(&["user", "enable", "ana"]);
    Tokens::of(log_in("another good password"));
    details_are_changed_member_by_member(place);
    assert_eq!(place.ok(&["user", "remove", "ana"]), "ana is removed; 1 login has ended\n");
    assert_eq!(place.json(&["user", "list", "--json"]), json!([]));
    assert!(place.refused(&["user", "remove", "ana"]).contains("there is no user with the name ana"));
}

fn details_are_changed_member_by_member(place: &Place) {
    let details = |arguments: &[&str]| {
        place.ok(&[&["user", "update", "ana"], arguments].concat());
        let user = place.json(&["user", "list", "--json"])[0].clone();
        let mut claims = user["claims"].clone();
        assert!(claims.as_object_mut().unwrap().remove("updated_at").unwrap().is_i64());
        (user["email"].clone(), user["email_verified"].clone(), claims)
    };
    let phone = json!({ "name": "Ana", "phone_number": "+43 1" });
    let changed = details(&["--claims", r#"{"name": "Ana", "phone_number": "+43 1"}"#]);
    assert_eq!(changed, (json!("ana@example.com"), json!(false), phone.clone()));
    assert_eq!(
        details(&["--email", "a@example.com", "--email-verified"]),
        (json!("a@example.com"), json!(true), phone)
    );
    let moved = details(&["--claims", r#"{"phone_number": null, "address": {"country": "AT"}}"#]);
    assert_eq!(moved.2, json!({ "name": "Ana", "address": { "country": "AT" } }));
    for (claims, problem) in [
        (r#"{"shoe_size": "42"}"#, "unknown field `shoe_size`"),
        (r#"{"name": ""}"#, "1 to 1,024 bytes"),
        (r#"{"birthdate": "29.2.2000"}"#, "YYYY-MM-DD, 0000-MM-DD or YYYY"),
        (r#"{"picture": "javascript:alert(1)"}"#, "it must be an http or https URL"),
    ] {
        assert!(place.refused(&["user", "update", "ana", "--claims", claims]).contains(problem), "{claims}");
    }
}

#[test]
fn users_are_added_changed_and_removed_on_sqlite() {
    users_are_added_changed_and_removed(&Place::sqlite());
}

#[test]
fn users_are_added_changed_and_removed_on_postgres() {
    users_are_added_changed_and_removed(&Place::postgres());
}

fn metadata_is_changed_member_by_member(place: &Place) {
    let metadata =
        |change: &str| place.json(&["client", "update", "service", "--metadata", change])["metadata"].clone();
    assert_eq!(
        metadata(r#"{"client_uri": "https://a.example"}"#),
        json!({ "client_uri": "https://a.example" })
    );
    let terms = json!({ "tos_uri": "https://a.example/terms" });
    assert_eq!(metadata(r#"{"client_uri": null, "tos_uri": "https://a.example/terms"}"#), terms);
    let refused = |change: &str| place.refused(&["client", "update", "service", "--metadata", change]);
    assert!(refused(r#"{"tos_uri": "javascript:alert(1)"}"#).contains("it must be an http or https URL"));
    assert!(refused(r#"{"tos": "https://a.example"}"#).contains("unknown field `tos`"));
    assert_eq!(metadata("{}"), terms);
    assert!(refused(r#"{"token_endpoint_auth_method": "private_key_jwt"}"#).contains("needs keys"));
    // OpenID Connect Core §8.1
    let hosts = ["--redirect-uri", "https://a.example", "--redirect-uri", "https://b.example"];
    let pairwise =
        [&["client", "add", "shy", "--public", "--metadata", r#"{"subject_type": "pairwise"}"#], &hosts[..]];
    assert!(place.refused(&pairwise.concat()).contains("needs a sector_identifier_uri"));
    let exchange =
        ["client", "add", "swap", "--public", "--grant", "urn:ietf:params:oauth:grant-type:token-exchange"];
    assert!(place.refused(&exchange).contains("it does not have a secret to show"));
}

fn further_sites_are_given_and_taken_away(place: &Place) {
    let origins = |arguments: &[&str]| {
        place.json(&[&["client", "update", "service"], arguments].concat())["origins"].clone()
    };
    let both = ["--origin", "capacitor://localhost", "--origin", "https://app.example.com"];
    assert_eq!(origins(&both), json!(["capacitor://localhost", "https://app.example.com"]));
    assert_eq!(origins(&["--origin", "ionic://localhost"]), json!(["ionic://localhost"]));
    assert_eq!(origins(&["--name", "Service"]), json!(["ionic://localhost"]));
    assert_eq!(origins(&["--no-origins"]), json!([]));
}

fn a_client_with_keys_gets_no_secret(place: &Place) {
    let metadata =
        r#"{"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://a.example/jwks"}"#;
    let added = place.json(&["client", "add", "keyed", "--confidential", "--metadata", metadata]);
    assert_eq!((&added["client_secret"], &added["kind"]), (&Value::Null, &json!("confidential")));
    assert_eq!(added["metadata"], serde_json::from_str::<Value>(metadata).unwrap());
    let refused = place.refused(&["client", "rotate-secret", "keyed"]);
    assert!(refused.contains("does not authenticate with a secret"), "{refused}");
    place.ok(&["client", "remove", "keyed"]);
}

fn a_client_can_be_one_of_bound_tokens_alone(place: &Place) {
    let bound = |client: &Value| client["metadata"]["dpop_bound_access_tokens"].clone();
    let added = place.json(&["client", "add", "wallet", "--public", "--dpop-bound-access-tokens"]);
    assert_eq!(bound(&added), json!(true));
    for (said, expected) in
        [("=false", Value::Null), ("=true", json!(true)), ("=false", Value::Null), ("", json!(true))]
    {
        let option = format!("--dpop-bound-access-tokens{said}");
        assert_eq!(bound(&place.json(&["client", "update", "wallet", &option])), expected, "{option}");
    }
    place.ok(&["client", "remove", "wallet"]);
}

fn a_change_that_may_end_logins_is_asked_about(place: &Place, server: &Server) {
    let rotation = |arguments: &[&str]| {
        let all = [&["client", "update", "heirloom", "--rotation"], arguments].concat();
        place.json(&all)["metadata"]["refresh_token_rotation"].clone()
    };
    place.add_user("ana");
    assert_eq!(rotation(&["every:60m"]), json!("every:1h"));
    assert_eq!(rotation(&["always"]), Value::Null, "nobody is logged in");
    rotation(&["every:1h"]);
    block_on(server.log_in("ana"));
    let refused = place.refused(&["client", "update", "heirloom", "--rotation", "always"]);
    assert!(refused.contains("live logins of heirloom: 1;") && refused.contains("--yes"), "{refused}");
    let by_metadata = r#"{"refresh_token_rotation": null}"#;
    assert!(place.refused(&["client", "update", "heirloom", "--metadata", by_metadata]).contains("--yes"));
    assert_eq!(rotation(&["always", "--yes"]), Value::Null);
    for (policy, problem) in [
        ("sometimes", "the rotation policy must be always, never, or every: and a period, such as every:1h"),
        ("every:1m", "must be between 15m"),
        ("every:3d", "1d 18h (a quarter of the idle lifetime)"),
    ] {
        let refused = place.refused(&["client", "update", "heirloom", "--rotation", policy]);
        assert!(refused.contains(problem), "{refused}");
    }
}

fn clients_are_added_changed_and_removed(place: &Place) {
    let server = place.serve();
    let token = |secret: &str| {
        let request =
            server.http.post(format!("{}/oauth/token", server.url)).basic_auth("service", Some(secret));
        let form = request.header("content-type", "application/x-www-form-urlencoded");
        block_on(async { form.body("grant_type=client_credentials").send().await.unwrap().status() })
    };
    let added = place.json(&[
        "client",
        "add",
        "service",
        "--confidential",
        "--scope",
        "read write",
        "--audience",
        "https://api.example.com",
        "--access-ttl",
        "5m",
        "--idle-ttl",
        "1h",
        "--absolute-ttl",
        "1d",
        "--leeway",
        "10s",
        "--grant",
        "client_credentials",
        "--grant",
        "refresh_token",
    ]);
    assert_eq!((&added["client_id"], &added["scope"]), (&json!("service"), &json!("read write")));
    assert_eq!((&added["access_ttl"], &added["leeway"]), (&json!("5m"), &json!("10s")));
    let first = added["client_secret"].as_str().unwrap();
    assert_eq!(token(first), 200);
    let rotated = place.json(&["client", "rotate-secret", "service", "--overlap", "0s"]);
    let second = rotated["client_secret"].as_str().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert_eq!((token(first).as_u16(), token(second).as_u16()), (401, 200));
    let updated = place.json(&["client", "update", "service", "--scope", "read", "--access-ttl", "1m"]);
    assert_eq!(
        (&updated["scope"], &updated["access_ttl"], &updated["leeway"]),
        (&json!("read"), &json!("1m"), &json!("10s"))
    );
    metadata_is_changed_member_by_member(place);
    further_sites_are_given_and_taken_away(place);
    a_change_that_may_end_logins_is_asked_about(place, &server);
    a_client_with_keys_gets_no_secret(place);
    a_client_can_be_one_of_bound_tokens_alone(place);
    let ids =
        |list: Value| list.as_array().unwrap().iter().map(|it| it["client_id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(place.json(&["client", "list", "--json"])), ["heirloom", "service"]);
    assert!(place.ok(&["client", "list"]).contains("confidential"));
    place.ok(&["client", "remove", "service"]);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert_eq!(token(second), 401);
    assert!(
        place.refused(&["client", "add", "service", "--public"]).contains("an id is never given out twice")
    );
    let app = place.json(&[
        "client",
        "add",
        "app",
        "--public",
        "--redirect-uri",
        "https://app.example.com/callback",
    ]);
    assert_eq!(app["grants"], json!(["authorization_code", "refresh_token"]));
    assert!(app["client_secret"].is_null());
}

#[test]
fn clients_are_added_changed_and_removed_on_sqlite() {
    clients_are_added_changed_and_removed(&Place::sqlite());
}

#[test]
fn clients_are_added_changed_and_removed_on_postgres() {
    clients_are_added_changed_and_removed(&Place::postgres());
}

#[test]
fn exported_keys_verify_what_the_server_signs() {
    for (algorithm, name) in
        [("ES256", Algorithm::ES256), ("EdDSA", Algorithm::EdDSA), ("RS256", Algorithm::RS256)]
    {
        let place = Place::sqlite().with("HEIRLOOM_KEYS__ALGORITHM", algorithm);
        place.add_user("ana");
        let server = place.serve();
        let access = block_on(server.log_in("ana")).access;
        let pem = place.ok(&["keys", "export", "--format", "pem"]);
        let from_pem = match name {
            Algorithm::ES256 => DecodingKey::from_ec_pem(pem.as_bytes()),
            Algorithm::EdDSA => DecodingKey::from_ed_pem(pem.as_bytes()),
            _ => DecodingKey::from_rsa_pem(pem.as_bytes()),
        };
        let jwks = place.json(&["keys", "export", "--format", "jwks"]);
        let jwk = serde_json::from_value(jwks["keys"][0].clone()).unwrap();
        let mut validation = Validation::new(name);
        validation.set_audience(&[&server.url]);
        validation.set_issuer(&[&server.url]);
        for key in [from_pem.unwrap(), DecodingKey::from_jwk(&jwk).unwrap()] {
            let read = decode::<Value>(&access, &key, &validation).unwrap();
            assert_eq!(read.claims["client_id"], "heirloom");
        }
    }
}

#[test]
fn keys_are_rotated_replaced_and_dropped() {
    let place = Place::postgres();
    place.add_user("ana");
    let phases = |place: &Place| -> Vec<Value> {
        let keys = place.json(&["keys", "list", "--json"]);
        keys["signing_keys"].as_array().unwrap().iter().map(|key| key["phase"].clone()).collect()
    };
    assert_eq!(phases(&place), ["signing"]);
    assert!(place.ok(&["keys", "rotate"]).contains("is published and signs from"));
    assert_eq!(phases(&place), ["signing", "next"]);
    assert!(place.ok(&["keys", "list"]).contains("master keys, the active one first: "));
    assert!(place.ok(&["keys", "rotate", "--compromised"]).contains("signs now"));
    assert_eq!(phases(&place).iter().filter(|phase| **phase == "withdrawn").count(), 2);
    let old = place.json(&["keys", "list", "--json"])["master_keys"][0].as_str().unwrap().to_owned();
    assert!(place.refused(&["keys", "drop-master", &old]).contains("is the active one"));
    let new = place.ok(&["keys", "new-master"]);
    let place = place.with("HEIRLOOM_MASTER_KEY", &format!("{},{}", new.trim(), crate::process::MASTER_KEY));
    assert!(place.ok(&["keys", "drop-master", &old]).contains("are refused from now on"));
    let place = place.with("HEIRLOOM_MASTER_KEY", new.trim());
    let server = place.serve();
    block_on(server.log_in("ana"));
}

fn families_are_listed_and_revoked(place: &Place) {
    place.add_user("ana");
    let server = place.serve();
    let (one, other) = block_on(async { (server.log_in("ana").await, server.log_in("ana").await) });
    let id = one.claim("sid").as_str().unwrap().to_owned();
    assert_eq!(place.ok(&["family", "revoke", &id]), format!("{id} has ended\n"));
    assert_eq!(block_on(server.refresh(&one.refresh)).0, 401);
    let families = place.json(&["family", "list", "--user", "ana", "--json"]);
    assert_eq!(families[0]["username"], "ana");
    let user = families[0]["user_id"].as_str().unwrap().to_owned();
    let states: Vec<&Value> = families.as_array().unwrap().iter().map(|family| &family["state"]).collect();
    assert!(states.contains(&&json!("live")) && states.contains(&&json!("ended: operator")), "{states:?}");
    assert_eq!(place.ok(&["family", "revoke", "--user", "ana"]), "ana: 1 login has ended\n");
    assert_eq!(block_on(server.refresh(&other.refresh)).0, 401);
    assert!(place.refused(&["family", "revoke", &id]).contains("there is no live family"));
    let listed = place.ok(&["family", "list"]);
    assert!(listed.contains("ended: operator") && listed.contains("  ana  "), "{listed}");
    assert!(!listed.contains(&user), "{listed}");
    place.ok(&["user", "remove", "ana"]);
    assert!(place.ok(&["family", "list"]).contains(&user), "of nobody, the id is left");
}

#[test]
fn families_are_listed_and_revoked_on_sqlite() {
    families_are_listed_and_revoked(&Place::sqlite());
}

#[test]
fn families_are_listed_and_revoked_on_postgres() {
    families_are_listed_and_revoked(&Place::postgres());
}

#[test]
fn registration_tokens_are_made_listed_and_removed() {
    let place = Place::sqlite().with("HEIRLOOM_REGISTRATION__MODE", "initial_access_token");
    let server = place.serve();
    let register = |token: &str| {
        let request =
            reqwest::Client::new().post(format!("{}/oauth/register", server.url)).bearer_auth(token);
        let request = request.json(&json!({ "redirect_uris": ["https://app.example/cb"] }));
        block_on(async { request.send().await.unwrap().status().as_u16() })
    };
    let token = place.ok(&["registration-token", "new", "--uses", "2", "--expires", "1h"]);
    assert_eq!(register(token.trim()), 201);
    let listed = place.json(&["registration-token", "list", "--json"]);
    assert_eq!((&listed[0]["uses_left"], listed.as_array().unwrap().len()), (&json!(1), 1));
    assert!(!listed.to_string().contains(token.trim()), "the secret is told once");
    let id = listed[0]["id"].as_str().unwrap();
    assert!(place.ok(&["registration-token", "list"]).contains(id));
    assert_eq!(place.ok(&["registration-token", "remove", id]), format!("{id} is removed\n"));
    assert_eq!(register(token.trim()), 401);
    assert!(place.refused(&["registration-token", "remove", id]).contains("there is no registration token"));
    assert!(place.refused(&["registration-token", "new", "--uses", "0"]).contains("0 is not in"));
}

#[test]
fn a_recovery_window_is_opened_shown_and_closed() {
    let place = Place::sqlite().migrated();
    assert_eq!(place.ok(&["recovery", "status"]), "the recovery window is closed\n");
    let said = place.ok(&["recovery", "open", "--for", "2d"]);
    assert!(said.contains("open until") && said.contains("heirloom recovery apply"));
    assert!(place.ok(&["recovery", "status"]).contains("open until"));
    place.ok(&["recovery", "close"]);
    let refused = "the recovery window is closed, and tokens that are ahead of their rows are refused until ";
    assert!(place.ok(&["recovery", "status"]).starts_with(refused));
    let said = place.ok(&["recovery", "decline", "--for", "2d"]);
    assert!(said.starts_with("tokens that are ahead of their rows are refused until "), "{said}");
    assert!(place.ok(&["recovery", "status"]).starts_with(refused));
}

#[test]
fn a_new_data_folder_is_private() {
    let place = Place::sqlite();
    place.add_user("ana");
    let mode =
        |path: &str| std::fs::metadata(place.folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("heirloom-data"), 0o700);
    place.serve();
    assert_eq!(mode("heirloom-data/master.key"), 0o600);
}

#[test]
fn what_stock_clients_make_of_lifetimes_is_said_where_they_are_set() {
    let place = Place::sqlite();
    place.ok(&["migrate"]);
    let said = |arguments: &[&str]| {
        let output = place.run_with(arguments, "");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let add = ["client", "add", "app", "--public"];
    let (short, strict) = ("renews without end", "is logged out");
    for (options, told) in [
        (&["--access-ttl", "61s", "--leeway", "1s"][..], [false, false]),
        (&["--access-ttl", "60s"], [true, false]),
        (&["--leeway", "0s"], [false, true]),
    ] {
        let id = format!("app-{}", options.join(""));
        let added = said(&[&["client", "add", &id, "--public"], options].concat());
        let updated = said(&[&["client", "update", "heirloom"], options].concat());
        for said in [added, updated] {
            assert_eq!([said.contains(short), said.contains(strict)], told, "{options:?}: {said}");
        }
    }
    assert!(!said(&add).contains("note"), "what is not set is not spoken of");
    let hasty = place.with("HEIRLOOM_TOKENS__ACCESS_TTL", "1m").with("HEIRLOOM_TOKENS__LEEWAY", "0s");
    let checked = hasty.ok(&["config", "check"]);
    assert!(checked.contains(short) && checked.contains(strict), "{checked}");
}

#[test]
fn health_and_settings_can_be_asked_for() {
    let place = Place::postgres();
    let server = place.serve();
    assert!(place.ok(&["healthcheck", &server.url]).contains("ready"));
    let url = server.url.clone();
    server.kill();
    assert!(place.refused(&["healthcheck", &url]).contains("does not answer"));
    let checked = place.ok(&["config", "check"]);
    assert!(checked.starts_with("note: passwords.min_length is 8; NIST"), "{checked}");
    assert!(checked.ends_with("\nthe settings are good\n") && checked.lines().count() == 4, "{checked}");
    let printed = place.ok(&["config", "print"]);
    assert!(
        printed.contains("access_ttl = \"15m\"") && printed.contains("HEIRLOOM_DATABASE_URL"),
        "{printed}"
    );
    assert!(!printed.contains(crate::process::MASTER_KEY), "secrets are masked");
    let json = place.json(&["config", "print", "--json"]);
    assert_eq!(json["listen"]["value"], "127.0.0.1:0");
}

#[test]
fn a_server_with_a_certificate_is_healthy_too() {
    let place = Place::sqlite();
    let made = rcgen::generate_simple_self_signed(vec!["id.example".to_owned()]).unwrap();
    let file = |name: &str, text: String| {
        let path = place.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (certificate, key) =
        (file("c.pem", made.cert.pem()), file("k.pem", made.signing_key.serialize_pem()));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = place
        .with("HEIRLOOM_TLS__CERTIFICATE", &certificate)
        .with("HEIRLOOM_TLS__KEY", &key)
        .with("HEIRLOOM_LISTEN", &format!("127.0.0.1:{port}"));
    let server = place.serve();
    assert!(server.url.starts_with("https://"), "{}", server.url);
    assert!(place.ok(&["healthcheck"]).contains("ready"));
}

#[test]
fn the_demo_tells_its_story() {
    let place = Place::sqlite();
    let story = place.ok(&["demo", "--once"]);
    assert_eq!(story.matches('✓').count(), 13, "{story}");
    assert_eq!(story.matches('✗').count(), 0, "{story}");
}

#[test]
fn who_has_seen_enough_ends_a_command_quietly() {
    let place = Place::sqlite();
    place.add_user("ana");
    let commands: [&[&str]; 5] = [
        &["demo", "--once"],
        &["user", "list"],
        &["user", "list", "--json"],
        &["keys", "list"],
        &["config", "print"],
    ];
    for arguments in commands {
        assert_eq!(place.run_unread(arguments), (Some(0), String::new()), "{arguments:?}");
    }
}

#[test]
fn help_is_a_command_too() {
    let place = Place::sqlite();
    assert_eq!(place.ok(&["help"]), place.ok(&["--help"]));
    assert_eq!(place.ok(&["help", "client", "add"]), place.ok(&["client", "add", "--help"]));
}
