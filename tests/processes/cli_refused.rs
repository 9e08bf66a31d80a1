//! What the command line and the start refuse, and in which words.

use crate::process::{MASTER_KEY, PASSWORD, Place, execute};

#[test]
fn commands_say_what_is_wrong() {
    let place = Place::sqlite();
    place.add_user("ana");
    let rows: [(&[&str], &str, &str); 19] = [
        (&["user", "add", "ANA", "--password-stdin"], PASSWORD, "there already is a user with the name ANA"),
        (&["user", "add", "bob"], PASSWORD, "--password-stdin"),
        (&["user", "add", "", "--password-stdin"], PASSWORD, "a username must have 1 to 255 bytes"),
        (&["user", "disable", "bob"], "", "there is no user with the name bob"),
        (&["client", "add", "x"], "", "--public|--confidential"),
        (&["client", "add", "x", "--public", "--confidential"], "", "cannot be used with"),
        (&["client", "add", "a b", "--public"], "", "a client id must be 1 to 255 visible ASCII characters"),
        (&["client", "add", "x", "--public", "--leeway", "8m"], "", "half the access-token lifetime"),
        (&["client", "add", "x", "--public", "--access-ttl", "25h"], "", "between 1s and 24h"),
        (&["client", "add", "x", "--public", "--access-ttl", "soon"], "", "expected a duration such as"),
        (
            &["client", "add", "x", "--public", "--grant", "client_credentials"],
            "",
            "a public client cannot use",
        ),
        (&["client", "add", "x", "--public", "--redirect-uri", "/relative"], "", "must be an absolute URI"),
        (
            &["client", "add", "x", "--public", "--redirect-uri", "https://*.example.com/cb"],
            "",
            "There are no wildcards",
        ),
        (
            &["client", "add", "x", "--public", "--redirect-uri", "javascript:alert(1)"],
            "",
            "a browser runs or reads",
        ),
        (
            &["client", "add", "x", "--public", "--post-logout-redirect-uri", "http://app.example/"],
            "",
            "with http must be for 127.0.0.1",
        ),
        (&["client", "update", "heirloom", "--redirect-uri", "https://a b"], "", "must be an absolute URI"),
        (
            &["client", "add", "x", "--public", "--origin", "null"],
            "",
            "an origin must be as browsers write it",
        ),
        (&["client", "update", "heirloom", "--origin", "https://a.example/"], "", "without a path"),
        (
            &["client", "add", "x", "--public", "--scope", "read,write"],
            "",
            "scopes have spaces between them: \"read write\"",
        ),
    ];
    for (arguments, input, said) in rows {
        let refusal = place.refused_with(arguments, input);
        assert!(refusal.contains(said), "{arguments:?}: {refusal}");
    }
    assert!(
        place
            .refused(&["client", "rotate-secret", "heirloom"])
            .contains("heirloom does not authenticate with a secret")
    );
    assert!(place.refused(&["client", "remove", "nobody"]).contains("there is no client nobody"));
    assert!(place.refused(&["family", "revoke"]).contains("required"));
}

#[test]
fn commands_refuse_what_no_row_can_hold() {
    let place = Place::sqlite();
    place.add_user("ana");
    let metadata = r#"{"client_uri": "https://app.example/\u0000"}"#;
    let claims = r#"{"nickname": "a\u0000b"}"#;
    for arguments in [
        ["client", "update", "heirloom", "--metadata", metadata].as_slice(),
        &["user", "update", "ana", "--claims", claims],
    ] {
        let refusal = place.refused(arguments);
        assert!(refusal.contains("a text in it holds the character U+0000"), "{arguments:?}: {refusal}");
    }
}

#[test]
fn commands_say_what_a_name_and_a_password_may_not_be() {
    let place = Place::sqlite();
    place.add_user("ana");
    let password = ["user", "add", "bob", "--password-stdin"];
    let rows: [(&[&str], &str, &str); 7] = [
        (&password, "short", "a password must have at least 8 characters"),
        (&password, &"x".repeat(1025), "a password must have at most 1,024 bytes"),
        (&password, "correct\0horse", "must not have the character U+0000"),
        (&password, "Password1", "this password is one of the most common"),
        (
            &["user", "set-password", "ana", "--password-stdin"],
            "heirloom1",
            "this password is little more than",
        ),
        (
            &["user", "add", "ana ", "--password-stdin"],
            PASSWORD,
            "a username must not begin or end with a blank",
        ),
        (
            &["user", "add", "a\u{202e}na", "--password-stdin"],
            PASSWORD,
            "that cannot be seen, such as U+202E",
        ),
    ];
    for (arguments, input, said) in rows {
        let refusal = place.refused_with(arguments, input);
        assert!(refusal.contains(said), "{arguments:?}: {refusal}");
    }
}

#[test]
fn bad_settings_stop_the_start_with_their_origin() {
    let refusal = Place::sqlite().with("HEIRLOOM_TOKENS__ACESS_TTL", "15m").refused(&["serve"]);
    assert!(
        refusal.contains("HEIRLOOM_TOKENS__ACESS_TTL") && refusal.contains("tokens.access_ttl"),
        "{refusal}"
    );
    let refusal = Place::sqlite().with("HEIRLOOM_TOKENS__ACCESS_TTL", "15 parsecs").refused(&["serve"]);
    assert!(refusal.contains("15 parsecs") && refusal.contains("expected a duration"), "{refusal}");
    let place = Place::sqlite();
    std::fs::write(place.folder.path().join("heirloom.toml"), "[tokens]\nleeway = \"1h\"\n").unwrap();
    let refusal = place.refused(&["serve"]);
    assert!(refusal.contains("tokens.leeway") && refusal.contains("heirloom.toml"), "{refusal}");
    let refusal = Place::sqlite().with("HEIRLOOM_MASTER_KEY", "c2hvcnQ=").refused(&["serve"]);
    assert!(refusal.contains("32 bytes in base64") && !refusal.contains("c2hvcnQ="), "{refusal}");
    let refusal = Place::sqlite().refused(&["serve", "--config", "missing.toml"]);
    assert!(refusal.contains("missing.toml"), "{refusal}");
}

#[test]
fn what_kubernetes_sets_is_passed_over() {
    let place = Place::sqlite()
        .with("HEIRLOOM_PORT", "tcp://10.0.0.1:8080")
        .with("HEIRLOOM_PORT_8080_TCP_ADDR", "10.0.0.1")
        .with("HEIRLOOM_SERVICE_HOST", "10.0.0.1");
    place.serve();
}

#[test]
fn settings_come_from_the_file_then_dotenv_then_the_environment() {
    let place = Place::sqlite();
    std::fs::write(
        place.folder.path().join("heirloom.toml"),
        "[tokens]\naccess_ttl = \"10m\"\nidle_ttl = \"2d\"\n",
    )
    .unwrap();
    std::fs::write(
        place.folder.path().join(".env"),
        "HEIRLOOM_TOKENS__ACCESS_TTL=11m\nHEIRLOOM_LOG__FORMAT=json\n",
    )
    .unwrap();
    let place = place.with("HEIRLOOM_LOG__FORMAT", "pretty");
    let json = place.json(&["config", "print", "--json"]);
    let value = |key: &str| json[key]["value"].as_str().unwrap().to_owned();
    assert_eq!(
        (value("tokens.idle_ttl"), value("tokens.access_ttl"), value("log.format")),
        ("2d".into(), "11m".into(), "pretty".into())
    );
}

#[test]
fn postgres_needs_a_master_key_and_a_schema() {
    let place = Place::empty_postgres().with("HEIRLOOM_MASTER_KEY", "");
    assert!(place.refused(&["serve"]).contains("`heirloom keys new-master` prints a new one"));
    let place = place.with("HEIRLOOM_MASTER_KEY", MASTER_KEY);
    let refusal = place.refused(&["serve"]);
    assert!(
        refusal.contains("run `heirloom migrate`, or start with `heirloom serve --migrate`"),
        "{refusal}"
    );
    assert!(place.refused(&["user", "list"]).contains("run `heirloom migrate`"));
    drop(place.serve_with(&["serve", "--migrate"]));
    assert!(place.ok(&["migrate"]).contains("up to date"));
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'later', TRUE, '', 0)";
    execute(place.url(), newer);
    execute(place.url(), "UPDATE schema_compatibility SET lowest = 9999");
    for command in ["serve", "migrate"] {
        assert!(place.refused(&[command]).contains("newer than this binary knows"), "{command}");
    }
}

#[test]
fn a_lost_master_key_is_noticed_at_the_start() {
    let place = Place::sqlite();
    drop(place.serve());
    std::fs::remove_file(place.folder.path().join("heirloom-data/master.key")).unwrap();
    let refusal = place.refused(&["serve"]);
    let said = "put it back as ./heirloom-data/master.key, or give it as HEIRLOOM_MASTER_KEY";
    assert!(refusal.contains(said), "{refusal}");
    assert!(!place.folder.path().join("heirloom-data/master.key").exists(), "no other one is made");
}

#[test]
fn a_database_that_is_not_there_is_named_without_its_password() {
    let place = Place::sqlite()
        .with("HEIRLOOM_DATABASE_URL", "postgres://ana:very-secret@127.0.0.1:1/heirloom")
        .with("HEIRLOOM_MASTER_KEY", MASTER_KEY);
    let refusal = place.refused(&["serve"]);
    assert!(refusal.contains("127.0.0.1:1/heirloom"), "{refusal}");
    assert_eq!(refusal.matches("refused").count(), 1, "the cause is told once: {refusal}");
    assert!(!refusal.contains("very-secret"), "{refusal}");
}

#[test]
fn a_database_in_memory_is_nobody_elses() {
    let place = Place::sqlite().with("HEIRLOOM_DATABASE_URL", "sqlite::memory:");
    assert!(place.refused(&["user", "list"]).contains("belongs to the process that serves it"));
    drop(place.serve());
}

#[test]
fn an_address_that_is_taken_is_named() {
    let place = Place::sqlite();
    let server = place.serve();
    let taken = server.address().to_owned();
    let refusal = Place::sqlite().with("HEIRLOOM_LISTEN", &taken).refused(&["serve"]);
    assert!(refusal.contains(&format!("cannot listen on {taken}")), "{refusal}");
}
