//! `heirloom doctor`, on deployments that are well and on those that are not.

use std::fs;
use std::net::TcpListener;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::own_postgres::Postgres;
use crate::process::{MASTER_KEY, Place, Server, execute};

/// What is found: the exit code, and each thing's verdicts with what is said of it.
struct Found {
    code: i32,
    findings: Vec<(String, String, String)>,
}

impl Found {
    fn of(place: &Place) -> Self {
        let output = place.run_with(&["doctor", "--json"], "");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
            panic!("{} {}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        });
        let text = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
        let findings: Vec<_> = json["findings"].as_array().unwrap().iter().collect();
        let findings =
            findings.iter().map(|it| (text(it, "about"), text(it, "health"), text(it, "says"))).collect();
        let found = Self { code: output.status.code().unwrap(), findings };
        assert_eq!(json["wrong"], json!(found.that("wrong").len()));
        found
    }

    fn that(&self, verdict: &str) -> Vec<String> {
        let with = self.findings.iter().filter(|(_, its, _)| its == verdict);
        with.map(|(about, _, says)| format!("{about}: {says}")).collect()
    }

    /// The only thing that is wrong, beside what was not asked for.
    fn wrong(&self, expected: &str) {
        assert_eq!(self.code, 1);
        let wrong = self.that("wrong");
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].contains(expected), "{wrong:?}");
    }

    fn has(&self, verdict: &str, expected: &str) {
        let those = self.that(verdict);
        assert!(those.iter().any(|it| it.contains(expected)), "{expected:?} in {those:?}");
    }
}

fn well(place: Place) {
    place.add_user("ana");
    let server = place.serve();
    let place = place.with("HEIRLOOM_ISSUER", &server.url);
    let found = Found::of(&place);
    assert_eq!((found.code, found.that("wrong")), (0, Vec::new()));
    found.has("ok", &format!("issuer: {}/.well-known/openid-configuration answers", server.url));
    found.has("ok", "database: writes work");
    found.has("ok", "schema: it fits this binary");
    found.has("ok", "keys: the master key opens all; the signing key has signed for 0 days");
    found.has("ok", "MiB are free at");
    found.has("note", "settings: mail is off");
    let said = place.ok(&["doctor"]);
    assert!(
        said.lines().any(|line| line.starts_with("ok     keys         the master key opens all")),
        "{said}"
    );
    assert!(said.lines().any(|line| line.starts_with("note   settings     mail is off")), "{said}");
}

#[test]
fn nothing_is_wrong_with_a_server_that_runs_on_sqlite() {
    well(Place::sqlite());
}

#[test]
fn nothing_is_wrong_with_a_server_that_runs_on_postgres() {
    well(Place::postgres());
}

#[test]
fn a_server_that_does_not_answer_or_is_another_is_told_of() {
    let place = Place::sqlite().migrated();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = place.with("HEIRLOOM_ISSUER", &format!("http://{free}"));
    Found::of(&nobody)
        .wrong(&format!("issuer: http://{free}/.well-known/openid-configuration does not answer"));
    let said = nobody.refused(&["doctor"]);
    assert!(said.contains("one thing is wrong"), "{said}");
    let other = Place::sqlite().serve();
    let port = other.url.rsplit_once(':').unwrap().1;
    let elsewhere = nobody.with("HEIRLOOM_ISSUER", &format!("http://localhost:{port}"));
    Found::of(&elsewhere)
        .wrong(&format!("names {}, not http://localhost:{port}: clients must refuse it", other.url));
}

#[test]
fn a_look_makes_and_changes_nothing() {
    let place = Place::sqlite();
    let found = Found::of(&place);
    found.wrong("does not answer");
    found.has("ok", "database: there is no");
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 0);
}

/// A place with a server, so that nothing is wrong but what a test makes so.
fn served() -> (Place, Server) {
    let place = Place::sqlite().migrated();
    let server = place.serve();
    (place.with("HEIRLOOM_ISSUER", &server.url), server)
}

#[test]
fn a_certificate_that_ends_is_told_of() {
    // Nobody serves it: only what is in the files is looked at.
    let place = Place::sqlite().migrated().with("HEIRLOOM_ISSUER", "https://localhost:1");
    let with = |ends: DateTime<Utc>, place: Place| {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(
            ends.year(),
            u8::try_from(ends.month()).unwrap(),
            u8::try_from(ends.day()).unwrap(),
        );
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let at = |name: &str| place.folder.path().join(name);
        fs::write(at("certificate.pem"), certificate.pem()).unwrap();
        fs::write(at("key.pem"), key.serialize_pem()).unwrap();
        let path = |name: &str| at(name).to_str().unwrap().to_owned();
        let (certificate, key) = (path("certificate.pem"), path("key.pem"));
        place.with("HEIRLOOM_TLS__CERTIFICATE", &certificate).with("HEIRLOOM_TLS__KEY", &key)
    };
    let now = heirloom::clock::Clock::system().now();
    let place = with(now - TimeDelta::days(1), place);
    let found = Found::of(&place);
    found.has("wrong", "tls: the certificate was good until");
    let place = with(now + TimeDelta::days(5), place);
    Found::of(&place).has("note", "days more: renew it");
    let place = with(now + TimeDelta::days(90), place);
    Found::of(&place).has("ok", "tls: the certificate is good until");
    let certificate = place.folder.path().join("certificate.pem");
    fs::write(certificate, "garbage").unwrap();
    Found::of(&place).has("wrong", "tls.certificate");
}

#[test]
fn ways_that_are_not_secret_or_not_believed_are_told_of() {
    let (place, _server) = served();
    let open = place.with("HEIRLOOM_ISSUER", "http://id.example.test");
    Found::of(&open).has("wrong", "cookies: the issuer is http");
    let proxied = open.with("HEIRLOOM_ISSUER", "https://id.example.test");
    let found = Found::of(&proxied);
    found.has("wrong", "proxies: the issuer is https and there is no tls.certificate");
    found.has("ok", "cookies: the issuer is https");
    let believed = proxied.with("HEIRLOOM_HTTP__TRUSTED_PROXIES", "127.0.0.1");
    Found::of(&believed).has("ok", "proxies: believed are 127.0.0.1/32");
}

#[test]
fn a_mail_server_that_is_not_there_is_told_of() {
    let (place, _server) = served();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = place
        .with("HEIRLOOM_MAIL__HOST", "127.0.0.1")
        .with("HEIRLOOM_MAIL__PORT", &free.port().to_string())
        .with("HEIRLOOM_MAIL__TLS", "none")
        .with("HEIRLOOM_MAIL__FROM", "no-reply@example.com");
    Found::of(&place).wrong("mail: mail.host: connecting");
}

#[test]
fn another_master_key_is_told_of() {
    let place = Place::postgres();
    place.add_user("ana");
    let server = place.serve();
    let place = place.with("HEIRLOOM_ISSUER", &server.url);
    let other = place.with("HEIRLOOM_MASTER_KEY", "/////////////////////////////////////////wA=");
    Found::of(&other).wrong("keys: ");
    let garbage = other.with("HEIRLOOM_MASTER_KEY", "garbage");
    Found::of(&garbage).has("wrong", "keys: ");
}

#[test]
fn a_schema_that_does_not_fit_is_told_of() {
    let place = Place::empty_postgres();
    Found::of(&place)
        .has("wrong", "schema: the database does not have the Heirloom schema yet: run `heirloom migrate`");
    let place = place.migrated();
    Found::of(&place).has("ok", "schema: it fits this binary");
}

#[test]
fn a_database_that_is_not_there_is_told_of_and_hides_nothing_else() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Place::sqlite()
        .with("HEIRLOOM_DATABASE_URL", &format!("postgres://nobody@{free}/heirloom"))
        .with("HEIRLOOM_DATABASE__ACQUIRE_TIMEOUT", "1s")
        .with("HEIRLOOM_MASTER_KEY", MASTER_KEY);
    let found = Found::of(&place);
    found.has("wrong", "database: cannot open postgres://");
    found.has("wrong", "does not answer");
    found.has("ok", "MiB are free");
}

#[test]
fn a_server_that_takes_no_writes_or_too_few_connections_is_told_of() {
    let postgres = Postgres::start();
    let place = Place::sqlite()
        .with("HEIRLOOM_DATABASE_URL", &postgres.url)
        .with("HEIRLOOM_MASTER_KEY", MASTER_KEY)
        .with("HEIRLOOM_DATABASE__ACQUIRE_TIMEOUT", "1s")
        .migrated();
    let many = place.with("HEIRLOOM_DATABASE__MAX_CONNECTIONS", "5000");
    Found::of(&many).has("wrong", "takes up to 5000 (database.max_connections): that is more than there are");
    let few = many.with("HEIRLOOM_DATABASE__MAX_CONNECTIONS", "5");
    Found::of(&few).has("ok", "connections: the server has ");
    execute(&postgres.url, "ALTER SYSTEM SET default_transaction_read_only = on");
    execute(&postgres.url, "SELECT pg_reload_conf()");
    std::thread::sleep(std::time::Duration::from_millis(300));
    Found::of(&few).has("wrong", "takes no writes");
}

#[test]
fn a_restore_that_waits_for_a_word_is_told_of() {
    let place = Place::postgres();
    execute(
        place.url(),
        "INSERT INTO restore_refusals (id, refused_from, refused_until)
         VALUES (gen_random_uuid(), now() + interval '1 hour', now() + interval '25 hours')",
    );
    Found::of(&place).has("wrong", "recovery: a token came that is ahead of the store");
    place.ok(&["recovery", "decline"]);
    assert!(Found::of(&place).that("wrong").iter().all(|it| !it.starts_with("recovery")));
}
