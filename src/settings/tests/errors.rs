//! Everything that can be wrong, word for word.

use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt};

use super::{LoadFrom, Settings, SettingsFolder, error};

const ISSUER: &str = "expected an http or https URL such as https://id.example.com, in lower case and without \
                      query, fragment, user or slash at the end";
const DATABASE: &str = "expected sqlite:PATH, sqlite::memory: or postgres://USER:PASSWORD@HOST/NAME, \
                        with reserved characters in the password written as %XX";

#[test]
fn a_misspelt_setting_is_told_with_the_one_that_was_meant() {
    for (name, hint) in [
        (
            "TOKENS__ACESS_TTL",
            r#""tokens.acess_ttl" (from the variable HEIRLOOM_TOKENS__ACESS_TTL): did you mean "tokens.access_ttl" (HEIRLOOM_TOKENS__ACCESS_TTL)?"#,
        ),
        (
            "TOKENS_LEEWAY",
            r#""tokens_leeway" (from the variable HEIRLOOM_TOKENS_LEEWAY): did you mean "tokens.leeway" (HEIRLOOM_TOKENS__LEEWAY)?"#,
        ),
        (
            "IDLE_TTL",
            r#""idle_ttl" (from the variable HEIRLOOM_IDLE_TTL): did you mean "tokens.idle_ttl" (HEIRLOOM_TOKENS__IDLE_TTL)?"#,
        ),
        (
            "JANITOR",
            r#""janitor" (from the variable HEIRLOOM_JANITOR): expected one of janitor.every, janitor.batch"#,
        ),
        (
            "LOG__COLOURS",
            r#""log.colours" (from the variable HEIRLOOM_LOG__COLOURS): expected one of log.format, log.filter"#,
        ),
        (
            "FROBNICATE",
            r#""frobnicate" (from the variable HEIRLOOM_FROBNICATE): expected one of listen, issuer, database_url, data_dir, master_key, master_key_file, tokens.*, sign_in.*, pages.*, accounts.*, registration.*, passwords.*, passkeys.*, limits.*, keys.*, status_lists.*, events.*, dpop.*, mail.*, admin.*, metrics.*, traces.*, mtls.*, http.*, outbound.*, tls.*, database.*, janitor.*, log.*"#,
        ),
        (
            "DB_PORT",
            r#""db_port" (from the variable HEIRLOOM_DB_PORT): expected one of listen, issuer, database_url, data_dir, master_key, master_key_file, tokens.*, sign_in.*, pages.*, accounts.*, registration.*, passwords.*, passkeys.*, limits.*, keys.*, status_lists.*, events.*, dpop.*, mail.*, admin.*, metrics.*, traces.*, mtls.*, http.*, outbound.*, tls.*, database.*, janitor.*, log.*"#,
        ),
    ] {
        assert_eq!(error(&[(&format!("HEIRLOOM_{name}"), "1")]), format!("unknown setting {hint}"));
    }
}

#[test]
fn a_misspelt_setting_in_a_file_is_told_with_the_file() {
    let place = SettingsFolder::new()
        .with("heirloom.toml", "[tokens]\nacess_ttl = \"5m\"\n[lgo]\nformat = \"json\"\n");
    let place = place.with(".env", "HEIRLOOM_LISTN=localhost:1\n");
    assert_eq!(
        place.load(&[]).unwrap_err().to_string(),
        "unknown setting \"lgo.format\" (from heirloom.toml): did you mean \"log.format\"?\n\
         unknown setting \"tokens.acess_ttl\" (from heirloom.toml): did you mean \"tokens.access_ttl\"?\n\
         unknown setting \"listn\" (from HEIRLOOM_LISTN in .env): did you mean \"listen\" (HEIRLOOM_LISTEN)?"
    );
}

#[test]
fn a_bad_value_is_told_with_what_would_be_right() {
    let number = "expected a whole number";
    let duration = "expected a duration such as 15m, 36h or 7d";
    let listen = "expected an address with a port such as 127.0.0.1:8080, [::]:8080 or localhost:8080";
    let networks = "expected networks or addresses with commas between them such as 10.0.0.0/8,192.0.2.7";
    let cases: &[(&str, &[&str], &str)] = &[
        (
            "listen",
            &["8080", ":8080", "localhost", "localhost:80:80", "::1:80", "u@h:80", "h/:80", "h:65536"],
            listen,
        ),
        ("issuer", &["id.test", "ftp://id.test", "https://", "mailto:a@id.test"], ISSUER),
        (
            "issuer",
            &["https://id.test/", "https://id.test/a/", "https://id.test?", "https://id.test/#"],
            ISSUER,
        ),
        (
            "issuer",
            &["https://u@id.test", "https://ID.test", "https://id.test:443", " https://id.test"],
            ISSUER,
        ),
        ("tokens.access_ttl", &["15 parsecs", "900", "-1m", "yes"], duration),
        ("passwords.memory_kib", &["-1", "1.5", "yes", "4294967296", "19MiB"], number),
        ("passwords.threads", &["all", "true"], number),
        ("registration.mode", &["yes", "closed"], "expected off, initial_access_token or open"),
        ("registration.code_protection", &["nonce", "PKCE"], "expected pkce, pkce-or-nonce or optional"),
        (
            "registration.scopes",
            &["a\"b", "openid,profile"],
            "expected scopes with spaces between them such as openid profile",
        ),
        (
            "registration.redirect_schemes",
            &["javascript", "cursor data", "file", "view-source", "https", "http", "Cursor", "cursor://"],
            "expected schemes of programs with spaces between them such as cursor vscode, and none that runs or reads",
        ),
        (
            "registration.audiences",
            &["https://a.example#b"],
            "expected services' URLs with spaces between them",
        ),
        (
            "passkeys.related_origins",
            &["shop.example.com", "https://shop.example.com/"],
            "expected origins of sites with spaces between them such as https://app.example.com",
        ),
        ("keys.algorithm", &["HS256", "none"], "expected ES256, EdDSA or RS256"),
        ("http.trusted_proxies", &["10.0.0.0/33", "proxy", "10.0.0.1,,10.0.0.2"], networks),
        ("outbound.allowed_networks", &["localhost", "10.0.0.0/8;127.0.0.1"], networks),
        ("log.format", &["xml"], "expected pretty or json"),
        (
            "log.filter",
            &["heirloom=loud", "inf", "info,", "info,heirloom"],
            "expected log directives such as info or info,heirloom=debug",
        ),
    ];
    for (key, values, expected) in cases {
        let variable = format!("HEIRLOOM_{}", key.to_uppercase().replace('.', "__"));
        for value in *values {
            let message = format!("\"{key}\" is {value:?} (from the variable {variable}): {expected}");
            assert_eq!(error(&[(&variable, value)]), message);
        }
    }
}

#[test]
fn a_bad_value_in_a_file_is_told_with_the_file() {
    for (toml, message) in [
        (
            "[tokens]\naccess_ttl = \"15 parsecs\"",
            r#""tokens.access_ttl" is "15 parsecs" (from heirloom.toml): expected a duration such as 15m, 36h or 7d"#,
        ),
        (
            "[tokens]\naccess_ttl = 900",
            r#""tokens.access_ttl" is "900" (from heirloom.toml): expected a duration such as 15m, 36h or 7d"#,
        ),
        ("[http]\nworkers = 2.7", r#""http.workers" is "2.7" (from heirloom.toml): expected a whole number"#),
        (
            "[http]\nworkers = true",
            r#""http.workers" is "true" (from heirloom.toml): expected a whole number"#,
        ),
        (
            "listen = [\"a:1\", \"b:2\"]",
            r#""listen" is "[a:1, b:2]" (from heirloom.toml): expected an address with a port such as 127.0.0.1:8080, [::]:8080 or localhost:8080"#,
        ),
        (
            "tokens = \"15m\"",
            r#"unknown setting "tokens" (from heirloom.toml): expected one of tokens.access_ttl, tokens.idle_ttl, tokens.absolute_ttl, tokens.leeway"#,
        ),
    ] {
        assert_eq!(
            SettingsFolder::new().with("heirloom.toml", toml).load(&[]).unwrap_err().to_string(),
            message
        );
    }
    let place = SettingsFolder::new().with(".env", "HEIRLOOM_LOG__FORMAT=xml");
    assert_eq!(
        place.load(&[]).unwrap_err().to_string(),
        r#""log.format" is "xml" (from HEIRLOOM_LOG__FORMAT in .env): expected pretty or json"#
    );
}

#[test]
fn a_number_or_duration_out_of_its_bounds_is_told_with_them() {
    for (key, value, bounds) in [
        ("tokens.access_ttl", "999ms", "a duration from 1s to 1d"),
        ("tokens.access_ttl", "25h", "a duration from 1s to 1d"),
        ("tokens.idle_ttl", "0s", "a duration from 1s to 3650d"),
        ("tokens.absolute_ttl", "11y", "a duration from 1s to 3650d"),
        ("passwords.min_length", "7", "a number from 8 to 64"),
        ("passwords.min_length", "65", "a number from 8 to 64"),
        ("passwords.memory_kib", "7", "a number from 8 to 4294967295"),
        ("passwords.iterations", "0", "a number from 1 to 4294967295"),
        ("passwords.parallelism", "0", "a number from 1 to 16777215"),
        ("passwords.threads", "0", "a number from 1 to 1024"),
        ("passwords.queue", "0", "a number from 1 to 100000"),
        ("limits.account_attempts", "0", "a number from 1 to 1000000"),
        ("limits.account_attempts_everywhere", "0", "a number from 1 to 1000000"),
        ("limits.address_attempts", "1000001", "a number from 1 to 1000000"),
        ("limits.attempts_window", "0s", "a duration from 1s to 1d"),
        ("limits.logins_per_user", "0", "a number from 1 to 1000000"),
        ("limits.waiting_requests", "0", "a number from 1 to 1000000"),
        ("limits.waiting_window", "2d", "a duration from 1s to 1d"),
        ("tls.reload_every", "0s", "a duration from 1ms to 1d"),
        ("keys.publish_ahead", "31d", "a duration from 1ms to 30d"),
        ("keys.poll_every", "0s", "a duration from 1ms to 1d"),
        ("status_lists.interval", "0s", "a duration from 1s to 1h"),
        ("status_lists.interval", "1500ms", "a duration of whole seconds"),
        ("dpop.nonce_lifetime", "9s", "a duration from 10s to 1h"),
        ("dpop.nonce_lifetime", "10500ms", "a duration of whole seconds"),
        ("admin.import_limit", "1023", "a number from 1024 to 68719476736"),
        ("http.workers", "0", "a number from 1 to 1024"),
        ("http.body_limit", "0", "a number from 1024 to 16777216"),
        ("http.request_timeout", "0s", "a duration from 1ms to 1d"),
        ("http.header_timeout", "0s", "a duration from 1ms to 1d"),
        ("http.keep_alive", "0s", "a duration from 1ms to 1d"),
        ("http.drain_delay", "2d", "a duration from 0s to 1d"),
        ("http.drain_timeout", "2d", "a duration from 1ms to 1d"),
        ("http.max_connections", "0", "a number from 1 to 1000000"),
        ("registration.per_hour", "0", "a number from 1 to 1000000"),
        ("registration.unused_ttl", "0s", "a duration from 1s to 3650d"),
        ("outbound.timeout", "61s", "a duration from 1ms to 1m"),
        ("outbound.timeout", "0s", "a duration from 1ms to 1m"),
        ("outbound.body_limit", "1048577", "a number from 1024 to 1048576"),
        ("database.max_connections", "0", "a number from 1 to 10000"),
        ("database.acquire_timeout", "0s", "a duration from 1ms to 1d"),
        ("database.statement_cache", "10001", "a number from 0 to 10000"),
        ("janitor.every", "0s", "a duration from 1ms to 1d"),
        ("janitor.batch", "0", "a number from 1 to 100000"),
    ] {
        let variable = format!("HEIRLOOM_{}", key.to_uppercase().replace('.', "__"));
        let told = error(&[(&variable, value)]);
        let message = format!("\"{key}\" is {value:?} (from the variable {variable}): expected {bounds}");
        assert!(told.lines().any(|line| line == message), "{told}\nlacks\n{message}");
    }
}

#[test]
fn settings_that_do_not_fit_each_other_are_told_with_both_origins() {
    for (variables, message) in [
        (
            &[("HEIRLOOM_TOKENS__ACCESS_TTL", "10s")][..],
            r#""tokens.leeway" is "30s" (from the default): expected at most half of "tokens.access_ttl", which is "10s" (from the variable HEIRLOOM_TOKENS__ACCESS_TTL)"#,
        ),
        (
            &[("HEIRLOOM_TOKENS__LEEWAY", "451s")],
            r#""tokens.leeway" is "451s" (from the variable HEIRLOOM_TOKENS__LEEWAY): expected at most half of "tokens.access_ttl", which is "15m" (from the default)"#,
        ),
        (
            &[("HEIRLOOM_TOKENS__IDLE_TTL", "91d")],
            r#""tokens.idle_ttl" is "91d" (from the variable HEIRLOOM_TOKENS__IDLE_TTL): expected at most "tokens.absolute_ttl", which is "90d" (from the default)"#,
        ),
        (
            &[("HEIRLOOM_PASSWORDS__MEMORY_KIB", "16"), ("HEIRLOOM_PASSWORDS__PARALLELISM", "4")],
            r#""passwords.memory_kib" is "16" (from the variable HEIRLOOM_PASSWORDS__MEMORY_KIB): expected at least eight times "passwords.parallelism", which is "4" (from the variable HEIRLOOM_PASSWORDS__PARALLELISM)"#,
        ),
        (
            &[("HEIRLOOM_KEYS__PUBLISH_AHEAD", "1s")],
            r#""keys.poll_every" is "5s" (from the default): expected at most "keys.publish_ahead", which is "1s" (from the variable HEIRLOOM_KEYS__PUBLISH_AHEAD)"#,
        ),
        (
            &[("HEIRLOOM_EVENTS__CHAIN", "true"), ("HEIRLOOM_EVENTS__RETENTION", "0s")],
            r#""events.chain" is "true" (from the variable HEIRLOOM_EVENTS__CHAIN): expected false where nothing is kept by "events.retention", which is "0s" (from the variable HEIRLOOM_EVENTS__RETENTION)"#,
        ),
        (
            &[("HEIRLOOM_MASTER_KEY", "c2VjcmV0"), ("HEIRLOOM_MASTER_KEY_FILE", "/run/key")],
            r#""master_key" (not shown, from the variable HEIRLOOM_MASTER_KEY): expected nothing beside "master_key_file", which is "/run/key" (from the variable HEIRLOOM_MASTER_KEY_FILE)"#,
        ),
        (
            &[
                ("HEIRLOOM_TLS__CERTIFICATE", "/c.pem"),
                ("HEIRLOOM_TLS__KEY", "/k.pem"),
                ("HEIRLOOM_ISSUER", "http://id.test"),
            ],
            r#""issuer" is "http://id.test" (from the variable HEIRLOOM_ISSUER): expected an https URL beside "tls.certificate", which is "/c.pem" (from the variable HEIRLOOM_TLS__CERTIFICATE)"#,
        ),
    ] {
        assert_eq!(error(variables), message);
    }
    let exactly_half = [("HEIRLOOM_TOKENS__LEEWAY", "450s")];
    assert!(SettingsFolder::new().load(&exactly_half).is_ok());
}

#[test]
fn all_problems_are_told_together() {
    let place = SettingsFolder::new()
        .with("heirloom.toml", "[log]\nformat = \"xml\"\n")
        .with(".env", "HEIRLOOM_NOPE=1\n");
    let variables = [("HEIRLOOM_TOKENS__ACCESS_TTL", "soon"), ("HEIRLOOM_TOKENS__IDLE_TTL", "91d")];
    let told = place.load(&variables).unwrap_err().to_string();
    let starts =
        ["unknown setting \"nope\"", "\"tokens.access_ttl\"", "\"log.format\"", "\"tokens.idle_ttl\""];
    assert_eq!(told.lines().count(), starts.len(), "{told}");
    for (line, start) in told.lines().zip(starts) {
        assert!(line.starts_with(start), "{told}");
    }
}

#[test]
fn a_rule_is_silent_about_a_value_that_could_not_be_read() {
    let told = error(&[("HEIRLOOM_TOKENS__ACCESS_TTL", "soon"), ("HEIRLOOM_TOKENS__LEEWAY", "1h")]);
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let told = SettingsFolder::new().load_with(Some("none.toml"), &[]).unwrap_err().to_string();
    assert_eq!(told, "cannot read none.toml: No such file or directory (os error 2)");
}

#[test]
fn a_file_that_cannot_be_read_is_not_passed_over() {
    for file in ["heirloom.toml", ".env"] {
        let place = SettingsFolder::new();
        fs::create_dir(place.0.join(file)).unwrap();
        let told = place.load(&[]).unwrap_err().to_string();
        assert_eq!(told, format!("cannot read {file}: Is a directory (os error 21)"));
    }
}

#[test]
fn a_broken_file_is_told_by_its_place_and_not_quoted() {
    for (toml, reason) in [
        (
            "a = \"b\"\ndatabase_url = postgres://u:hush@h/d\n",
            "TOML parse error at line 2, column 16: string values must be quoted, expected literal string",
        ),
        (
            "master_key = \"hush\n",
            "TOML parse error at line 1, column 19: invalid basic string, expected `\"`",
        ),
        ("master_key = 'hush'\nmaster_key = 'hush'\n", "TOML parse error at line 2, column 1: duplicate key"),
        ("listen = 99999999999999999999\n", "number too large to fit in target type"),
    ] {
        let told = SettingsFolder::new().with("heirloom.toml", toml).load(&[]).unwrap_err().to_string();
        assert_eq!(told, format!("heirloom.toml: {reason}"));
    }
    let place = SettingsFolder::new()
        .with(".env", "A=1\nHEIRLOOM_MASTER_KEY=hush hush\nHEIRLOOM_LISTEN=localhost:1\n");
    assert_eq!(
        place.load(&[]).unwrap_err().to_string(),
        ".env: line 2: expected NAME=value, in quotes if the value has spaces or a #"
    );
}

#[test]
fn a_variable_of_ours_must_be_text() {
    let environment = ["HEIRLOOM_DATA_DIR", "HEIRLOOM_DATA_DUR"]
        .map(|name| (name.into(), OsString::from_vec(vec![b'x', 0xFF])))
        .to_vec();
    let from = LoadFrom { environment, working_dir: SettingsFolder::new().0.clone(), ..LoadFrom::default() };
    assert_eq!(
        Settings::load(&from).unwrap_err().to_string(),
        "\"data_dir\" (not shown, from the variable HEIRLOOM_DATA_DIR): expected text in UTF-8\n\
         unknown setting \"data_dur\" (from the variable HEIRLOOM_DATA_DUR): did you mean \"data_dir\" (HEIRLOOM_DATA_DIR)?"
    );
}

#[test]
fn what_libpq_lets_a_url_ask_for_is_had_or_refused() {
    for several in [
        "postgres://u:hush@a,b/d",
        "postgres://u:hush@a:1,b:2/d",
        "postgres:///d?host=a,b",
        "postgresql://a/d?port=1,2",
    ] {
        let told = error(&[("HEIRLOOM_DATABASE_URL", several)]);
        let expected = "expected one host, whose address leads to the primary after a failover, too: a name that follows \
             it, or a proxy; not several";
        assert!(told.ends_with(expected) && !told.contains("hush"), "{several}: {told}");
    }
    let told = error(&[("HEIRLOOM_DATABASE_URL", "postgres://h/d?target_session_attrs=standby")]);
    assert!(told.ends_with("no server is used but one that takes writes"), "{told}");
    for had in ["postgres://u:1,2@h/d", "postgres://h/d?target_session_attrs=read-write&sslmode=require"] {
        SettingsFolder::new().load(&[("HEIRLOOM_DATABASE_URL", had)]).unwrap();
    }
}

#[test]
fn a_secret_is_not_in_an_error() {
    for url in [
        "mysql://u:hush@h/d",
        "postgres:u:hush",
        "postgres://u:hush/hush@h/d",
        "postgres://u:1/hush@h/d",
        "postgres://u:1?hush@h/d",
        "postgres://u:1#hush@h/d",
        "sqlite:hush?mode=ro",
        "sqlite:",
    ] {
        let told = error(&[("HEIRLOOM_DATABASE_URL", url)]);
        let message = "\"database_url\" (not shown, from the variable HEIRLOOM_DATABASE_URL)";
        assert_eq!(told, format!("{message}: {DATABASE}"));
    }
    let place = SettingsFolder::new().with("heirloom.toml", "master_key = [\"hush\"]");
    assert_eq!(
        place.load(&[]).unwrap_err().to_string(),
        "\"master_key\" (not shown, from heirloom.toml): expected text"
    );
}

#[test]
fn passkeys_are_for_a_domain_that_the_issuer_is_in() {
    let of = |id, issuer| error(&[("HEIRLOOM_PASSKEYS__RP_ID", id), ("HEIRLOOM_ISSUER", issuer)]);
    for (id, issuer) in [
        ("example.org", "https://id.example.com"),
        ("d.example.com", "https://id.example.com"),
        ("id.example.com:8443", "https://id.example.com:8443"),
        ("1", "http://127.0.0.1"),
    ] {
        let expected = format!(
            "\"passkeys.rp_id\" is {id:?} (from the variable HEIRLOOM_PASSKEYS__RP_ID): expected the host, or a domain \
             that it is in, of \"issuer\", which is {issuer:?} (from the variable HEIRLOOM_ISSUER)"
        );
        assert_eq!(of(id, issuer), expected);
    }
}
