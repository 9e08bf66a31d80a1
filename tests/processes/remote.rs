//! The command line over the admin API of a running server, against the same commands on its store, on both stores.

use std::fs;

use serde_json::{Value, json};

use crate::process::{PASSWORD, Place, Server, Tokens, block_on};

pub const ALL_RIGHTS: &str = "heirloom:users.read heirloom:users.write heirloom:clients.read heirloom:clients.write \
                              heirloom:families.read heirloom:families.write heirloom:keys.read heirloom:keys.write \
                              heirloom:events.read";

/// Whoever operates a server from another machine, by a client.
pub struct Operator {
    pub place: Place,
    pub url: String,
}

impl Operator {
    pub fn of(home: &Place, server: &Server, scope: &str) -> Self {
        let add =
            ["client", "add", "ops", "--confidential", "--grant", "client_credentials", "--scope", scope];
        let added = home.json(&add);
        let place = Place::elsewhere()
            .with("HEIRLOOM_CLIENT_ID", "ops")
            .with("HEIRLOOM_CLIENT_SECRET", added["client_secret"].as_str().unwrap());
        Self { place, url: server.url.clone() }
    }

    pub fn ok_with(&self, arguments: &[&str], input: &str) -> String {
        self.place.ok_with(&[&["--server", &self.url], arguments].concat(), input)
    }

    pub fn ok(&self, arguments: &[&str]) -> String {
        self.ok_with(arguments, "")
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(arguments)).unwrap()
    }

    /// The option stands behind a command as well.
    pub fn refused(&self, arguments: &[&str]) -> String {
        self.place.refused(&[arguments, &["--server", &self.url]].concat())
    }
}

fn log_in(server: &Server, name: &str, password: &str) -> (reqwest::StatusCode, Value) {
    block_on(server.post("/login", &json!({ "username": name, "password": password })))
}

fn lists_are_those_of_the_store(home: &Place) {
    home.ok(&["migrate"]);
    let lines: Vec<String> =
        (0..205).map(|n| json!({ "username": format!("user{n:03}") }).to_string()).collect();
    fs::write(home.folder.path().join("users.jsonl"), lines.join("\n")).unwrap();
    home.ok(&["user", "import", "users.jsonl"]);
    home.add_user("ana with a long name");
    home.ok(&["user", "set-roles", "user007", "a", "b"]);
    home.ok(&["user", "disable", "user008"]);
    home.ok(&["registration-token", "new", "--uses", "3"]);
    let server = home.serve();
    let ana = block_on(server.log_in("ana with a long name"));
    block_on(server.log_in("ana with a long name"));
    home.ok(&["family", "revoke", ana.claim("sid").as_str().unwrap()]);
    let ops = Operator::of(home, &server, ALL_RIGHTS);
    let sid = ana.claim("sid");
    let lists: [&[&str]; 19] = [
        &["user", "list"],
        &["user", "list", "--json"],
        &["client", "list"],
        &["client", "list", "--json"],
        &["client", "show", "ops"],
        &["family", "list"],
        &["family", "list", "--json"],
        &["family", "list", "--limit", "1"],
        &["family", "list", "--user", "ANA with a long name", "--limit", "1"],
        &["family", "list", "--user", "user007", "--json"],
        &["event", "list"],
        &["event", "list", "--json", "--limit", "3"],
        &["event", "list", "--limit", "1000", "--name", "user.*", "--since", "1h"],
        &["event", "list", "--user", "ana with a long name"],
        &["event", "list", "--family", sid.as_str().unwrap(), "--json"],
        &["keys", "list"],
        &["keys", "list", "--json"],
        &["registration-token", "list"],
        &["registration-token", "list", "--json"],
    ];
    for list in lists {
        assert_eq!(ops.ok(list), home.ok(list), "{list:?}");
    }
    assert_eq!(ops.json(&["user", "list", "--json"]).as_array().unwrap().len(), 206);
    assert_eq!(ops.json(&["event", "list", "--json", "--limit", "3"]).as_array().unwrap().len(), 3);
    assert_eq!(ops.ok(&["family", "list"]).lines().count(), 3);
}

#[test]
fn lists_are_those_of_the_store_on_sqlite() {
    lists_are_those_of_the_store(&Place::sqlite());
}

#[test]
fn lists_are_those_of_the_store_on_postgres() {
    lists_are_those_of_the_store(&Place::postgres());
}

fn users_are_changed_from_elsewhere(home: &Place) {
    let server = home.serve();
    let ops = Operator::of(home, &server, "heirloom:users.read heirloom:users.write");
    let ana = || home.json(&["user", "list", "--json"])[0].clone();
    let add =
        ["user", "add", "Ana", "--password-stdin", "--email", "a@example.com", "--role", "a", "--role", "b"];
    let claims = ["--claims", r#"{"name": "Ana", "locale": "de-AT"}"#, "--email-verified"];
    let added = ops.ok_with(&[&add[..], &claims].concat(), &format!("{PASSWORD}\n"));
    assert_eq!(added, format!("user Ana ({}) is added\n", ana()["id"].as_str().unwrap()));
    assert_eq!((&ana()["email"], &ana()["email_verified"]), (&json!("a@example.com"), &json!(true)));
    assert_eq!((&ana()["roles"], &ana()["claims"]["locale"]), (&json!(["a", "b"]), &json!("de-AT")));
    Tokens::of(log_in(&server, "ana", PASSWORD));
    assert_eq!(ops.ok(&["user", "set-roles", "ANA", "admin"]), "ANA has new roles\n");
    assert_eq!(ana()["roles"], json!(["admin"]));
    let new = "another good password";
    let said = ops.ok_with(&["user", "set-password", "ana", "--password-stdin"], new);
    assert_eq!(said, "ana has a new password; 1 login has ended\n");
    assert_eq!(log_in(&server, "ana", PASSWORD).0, 401);
    Tokens::of(log_in(&server, "ana", new));
    let update = |options: &[&str]| ops.ok(&[&["user", "update", "ana"], options].concat());
    assert_eq!(update(&["--claims", r#"{"locale": null}"#]), "ana is updated\n");
    assert_eq!((&ana()["claims"]["locale"], &ana()["claims"]["name"]), (&Value::Null, &json!("Ana")));
    update(&["--email", "b@example.com"]);
    assert_eq!((&ana()["email"], &ana()["email_verified"]), (&json!("b@example.com"), &json!(false)));
    update(&["--no-email"]);
    assert_eq!(ana()["email"], Value::Null);
    let reset = ["user", "reset-mfa", "ana"];
    assert_eq!(ops.ok(&reset), home.ok(&reset));
    assert_eq!(ops.ok(&["user", "disable", "ana"]), "ana is disabled; 1 login has ended\n");
    assert_eq!(log_in(&server, "ana", new).0, 401);
    assert_eq!(ops.ok(&["user", "enable", " ana "]), " ana  is enabled\n", "as on the store");
    Tokens::of(log_in(&server, "ana", new));
    let events = home.json(&["event", "list", "--json", "--name", "user.changed", "--limit", "1"]);
    assert_eq!((&events[0]["by"], &events[0]["change"]), (&json!("client ops"), &json!("enabled")));
    let json = ["user", "add", "zoe@example.com", "--no-password", "--json"];
    let zoe = ops.json(&json);
    assert_eq!(zoe, home.json(&["user", "list", "--json"])[1]);
    assert_eq!(ops.ok(&["user", "remove", "ana"]), "ana is removed; 1 login has ended\n");
    assert_eq!(home.json(&["user", "list", "--json"]), json!([zoe]));
    for refused in [&["user", "remove", "ana"][..], &["user", "update", "zoe@example.com"]] {
        assert_eq!(ops.refused(refused), home.refused(refused), "{refused:?}");
    }
    assert_eq!(ops.refused(&json), "heirloom: There already is a user with the name zoe@example.com.\n");
}

#[test]
fn users_are_changed_from_elsewhere_on_sqlite() {
    users_are_changed_from_elsewhere(&Place::sqlite());
}

#[test]
fn users_are_changed_from_elsewhere_on_postgres() {
    users_are_changed_from_elsewhere(&Place::postgres());
}

const KEYS: &str = r#"{"jwks": {"keys": [{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"}]}}"#;

/// What a client is called, when it was made, and its secret are of its own.
fn without_its_own(mut client: Value) -> Value {
    for own in ["client_id", "created_at", "client_secret"] {
        client.as_object_mut().unwrap().remove(own).unwrap();
    }
    client
}

fn clients_are_changed_from_elsewhere(home: &Place) {
    let server = home.serve();
    let ops = Operator::of(home, &server, "heirloom:clients.read heirloom:clients.write");
    let service = "--confidential --scope read --audience https://a.example --serves https://b.example --access-ttl 5m \
                   --idle-ttl 1h --absolute-ttl 1d --leeway 10s --grant client_credentials --grant refresh_token";
    let app = "--public --first-party --name App --redirect-uri https://a.example/cb --origin capacitor://localhost \
               --post-logout-redirect-uri https://a.example --rotation every:1h --dpop-bound-access-tokens";
    let nonce = "--confidential --redirect-uri https://a.example/cb --code-protection pkce-or-nonce";
    let bank = "--confidential --profile fapi2 --redirect-uri https://b.example/cb --metadata KEYS";
    let of_certificate = format!("{bank} --tls-client-certificate-bound-access-tokens");
    let words = |text: &'static str| text.split(' ').map(|word| if word == "KEYS" { KEYS } else { word });
    let of_certificate: &'static str = of_certificate.leak();
    for (number, options) in [service, app, nonce, bank, of_certificate].into_iter().enumerate() {
        let (there, here) = (format!("there{number}"), format!("here{number}"));
        let options: Vec<&str> = words(options).collect();
        let made = ops.json(&[&["client", "add", &there], &options[..]].concat());
        let expected = home.json(&[&["client", "add", &here], &options[..]].concat());
        assert_eq!(made["client_secret"].is_null(), expected["client_secret"].is_null(), "{options:?}");
        assert_eq!(without_its_own(made), without_its_own(expected), "{options:?}");
    }
    for (number, options) in [
        (0, "--scope write --serves-nothing --leeway 0s --third-party"),
        (1, "--rotation never --dpop-bound-access-tokens=false --no-origins"),
        (
            1,
            r#"--rotation every:2h --metadata {"refresh_token_rotation":"never","client_uri":"https://a.example"}"#,
        ),
        (2, "--first-party --access-ttl 7m"),
    ] {
        let update = |id: &str| {
            [&["client", "update", id], &words(options).collect::<Vec<_>>()[..]].concat().join("\n")
        };
        let (there, here) = (update(&format!("there{number}")), update(&format!("here{number}")));
        let updated = ops.json(&there.split('\n').collect::<Vec<_>>());
        let expected = home.json(&here.split('\n').collect::<Vec<_>>());
        assert_eq!(without_its_own(updated), without_its_own(expected), "{options}");
    }
    a_change_that_may_end_logins_is_asked_about(home, &server, &ops);
    let rotated = ops.json(&["client", "rotate-secret", "there0", "--overlap", "90d"]);
    assert_eq!(rotated["client_id"], "there0");
    let request = server.http.post(format!("{}/oauth/token", server.url));
    let request = request.basic_auth("there0", rotated["client_secret"].as_str());
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let status =
        block_on(async { request.body("grant_type=client_credentials").send().await.unwrap().status() });
    assert_eq!(status, 200);
    let odd = "https://a.example/b?c=%20#d";
    ops.ok(&["client", "add", odd, "--public", "--redirect-uri", "https://a.example/cb"]);
    let show = ["client", "show", odd];
    assert_eq!(ops.ok(&show), home.ok(&show));
    assert_eq!(ops.ok(&["client", "remove", odd]), format!("{odd} is removed; 0 logins have ended\n"));
    assert!(home.refused(&show).contains("was removed"));
    assert!(ops.refused(&show).contains(&format!("The client {odd} was removed")));
    assert!(ops.refused(&["client", "show", ".."]).contains("a URL cannot have the name .. in it"));
    assert_eq!(ops.refused(&["client", "update", "there0"]), home.refused(&["client", "update", "here0"]));
}

fn a_change_that_may_end_logins_is_asked_about(home: &Place, server: &Server, ops: &Operator) {
    home.add_user("ana");
    let rotation = |policy: &'static str| ["client", "update", "heirloom", "--rotation", policy];
    ops.ok(&rotation("every:1h"));
    block_on(server.log_in("ana"));
    let refused = ops.refused(&rotation("always"));
    assert_eq!(refused.to_lowercase(), home.refused(&rotation("always")).to_lowercase());
    assert!(
        refused.contains("ive logins of heirloom: 1;") && refused.contains("tokens; --yes changes"),
        "{refused}"
    );
    assert_eq!(home.json(&["client", "show", "heirloom"])["metadata"]["refresh_token_rotation"], "every:1h");
    let changed = ops.json(&[&rotation("always")[..], &["--yes"]].concat());
    assert_eq!(changed["metadata"]["refresh_token_rotation"], Value::Null);
    let options = ["client", "update", "heirloom", "--leeway", "0s"];
    let output = ops.place.run_with(&[&["--server", &ops.url], &options[..]].concat(), "");
    assert!(String::from_utf8(output.stderr).unwrap().contains("note: strict mode"));
}

#[test]
fn clients_are_changed_from_elsewhere_on_sqlite() {
    clients_are_changed_from_elsewhere(&Place::sqlite());
}

#[test]
fn clients_are_changed_from_elsewhere_on_postgres() {
    clients_are_changed_from_elsewhere(&Place::postgres());
}

fn families_end_from_elsewhere(home: &Place) {
    home.add_user("ana");
    home.add_user("bob");
    let server = home.serve();
    let ops = Operator::of(home, &server, "heirloom:families.read heirloom:families.write");
    let tokens = block_on(server.log_in("ana"));
    let sid = tokens.claim("sid").as_str().unwrap().to_owned();
    assert_eq!(ops.ok(&["family", "revoke", &sid]), format!("{sid} has ended\n"));
    assert_eq!(block_on(server.refresh(&tokens.refresh)).0, 401);
    for (whose, said) in [
        (&["--user", "ana"][..], "ana: 1 login has ended\n"),
        (&["--client", "heirloom"], "heirloom: 1 login has ended\n"),
        (&["--all"], "1 login has ended\n"),
    ] {
        let tokens = block_on(server.log_in("ana"));
        let ending = [&["family", "revoke"], whose].concat();
        assert_eq!(ops.ok(&ending), said);
        assert_eq!(block_on(server.refresh(&tokens.refresh)).0, 401, "{whose:?}");
        assert_eq!(ops.ok(&ending), said.replace("1 login has", "0 logins have"));
    }
    let gone = ["family", "revoke", &sid];
    assert_eq!(ops.refused(&gone), format!("heirloom: There is no live family {sid}.\n"));
    assert_eq!(
        ops.refused(&["family", "list", "--user", "zoe"]),
        "heirloom: There is no user with the name zoe.\n"
    );
    let lacking = ops.refused(&["user", "list"]);
    assert!(lacking.contains("heirloom:users.read"), "{lacking}");
}

#[test]
fn families_end_from_elsewhere_on_sqlite() {
    families_end_from_elsewhere(&Place::sqlite());
}

#[test]
fn families_end_from_elsewhere_on_postgres() {
    families_end_from_elsewhere(&Place::postgres());
}

fn keys_and_registration_tokens_are_made_from_elsewhere(home: &Place) {
    let server = home.serve();
    let ops = Operator::of(home, &server, ALL_RIGHTS);
    let said = ops.ok(&["keys", "rotate", "--after", "36h"]);
    let keys = home.json(&["keys", "list", "--json"])["signing_keys"].clone();
    let next = keys.as_array().unwrap().iter().find(|key| key["phase"] == "next").unwrap();
    let (kid, from) = (next["kid"].as_str().unwrap(), next["signs_from"].as_str().unwrap());
    assert_eq!(said, format!("{kid} is published and signs from {from}\n"));
    assert!(ops.ok(&["keys", "rotate", "--algorithm", "RS256"]).contains(" is published and signs from "));
    let said = ops.ok(&["keys", "rotate", "--compromised", "--algorithm", "RS256"]);
    let rest = "signs now; every older RS256 key is withdrawn, and so are the access tokens they signed\n";
    assert!(said.ends_with(rest), "{said}");
    let said = ops.ok(&["keys", "rotate", "--compromised"]);
    assert!(said.ends_with(&rest.replace("RS256 ", "")), "{said}");
    assert_eq!(ops.ok(&["keys", "list"]), home.ok(&["keys", "list"]));

    let new =
        [&["--server", &ops.url], &["registration-token", "new", "--uses", "2", "--expires", "90d"][..]];
    let output = ops.place.run_with(&new.concat(), "");
    let listed = home.json(&["registration-token", "list", "--json"]);
    let end = listed[0]["expires_at"].as_str().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, format!("it is good for 2 clients until {end}; it is not shown again\n"));
    let token = String::from_utf8(output.stdout).unwrap();
    let local = home.ok(&["registration-token", "new"]);
    assert_eq!((token.len(), token.lines().count()), (local.len(), 1));
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!(ops.ok(&["registration-token", "remove", id]), format!("{id} is removed\n"));
    assert_eq!(home.json(&["registration-token", "list", "--json"]).as_array().unwrap().len(), 1);
    let refused = ops.refused(&["registration-token", "remove", id]);
    assert_eq!(refused, format!("heirloom: There is no registration token {id}.\n"));
}

#[test]
fn keys_and_registration_tokens_are_made_from_elsewhere_on_sqlite() {
    keys_and_registration_tokens_are_made_from_elsewhere(&Place::sqlite());
}

#[test]
fn keys_and_registration_tokens_are_made_from_elsewhere_on_postgres() {
    keys_and_registration_tokens_are_made_from_elsewhere(&Place::postgres());
}
