//! `config check` refuses what `serve` refuses, and makes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::process::{MASTER_KEY, Place, execute};

/// Both refuse, and say this.
#[track_caller]
fn both_refuse(place: &Place, said: &str) {
    for command in [&["config", "check"][..], &["serve"]] {
        let refusal = place.refused(command);
        assert!(refusal.contains(said), "{command:?}: {refusal}");
    }
}

#[test]
fn what_keeps_a_server_from_starting_fails_the_check_too() {
    let made = rcgen::generate_simple_self_signed(vec!["id.example".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["id.example".to_owned()]).unwrap();
    let files = |place: &Place| {
        place.folder.keep("c.pem", made.cert.pem());
        place.folder.keep("other.pem", other.signing_key.serialize_pem());
        let text = place.folder.keep("text", "hello");
        fs::set_permissions(text, fs::Permissions::from_mode(0o600)).unwrap();
        fs::create_dir(place.folder.path().join("pages")).unwrap();
        place.folder.keep("pages/sign_in.html", "{% if %}");
    };
    let rows: [(&[(&str, &str)], &str); 18] = [
        (&[("MASTER_KEY", "c2hvcnQ=")], "master key 1 is not 32 bytes in base64"),
        (&[("MASTER_KEY_FILE", "missing")], "cannot read the master key missing"),
        (&[("MASTER_KEY_FILE", "text")], "master key 1 is not 32 bytes in base64"),
        (&[("TLS__CERTIFICATE", "c.pem")], "tls.key must be, too"),
        (&[("TLS__CERTIFICATE", "missing"), ("TLS__KEY", "other.pem")], "missing"),
        (&[("TLS__CERTIFICATE", "c.pem"), ("TLS__KEY", "other.pem")], "other.pem"),
        (&[("PAGES__LOGO", "missing.png")], "cannot read missing.png"),
        (&[("PAGES__LOGO", "text")], "text is not a .svg, .png, .webp or .jpg file"),
        (&[("PAGES__TEMPLATES", "missing")], "cannot read missing"),
        (&[("PAGES__TEMPLATES", "pages")], "sign_in.html"),
        (&[("DATABASE_URL", "sqlite:text/below/it.db")], "cannot make"),
        (&[("DATA_DIR", "text")], "cannot make"),
        (&[("DATABASE_URL", "sqlite:text")], "cannot open sqlite:text"),
        (&[("LOG__FILTER", "verbose")], "expected log directives such as info"),
        (&[("OUTBOUND__CA_FILE", "missing")], "outbound.ca_file: cannot read missing"),
        (&[("MTLS__CLIENT_CA", "missing")], "mtls.client_ca: cannot read missing"),
        (
            &[("MTLS__LISTEN", "127.0.0.1:0")],
            "mtls.listen is set, so it needs a certificate: set mtls.certificate",
        ),
        (
            &[("MTLS__LISTEN", "127.0.0.1:0"), ("MTLS__CERTIFICATE", "c.pem"), ("MTLS__KEY", "other.pem")],
            "mtls.key: other.pem does not fit the certificate",
        ),
    ];
    for (settings, said) in rows {
        let place = Place::sqlite();
        files(&place);
        let place = settings
            .iter()
            .fold(place, |place, (name, value)| place.with(&format!("HEIRLOOM_{name}"), value));
        both_refuse(&place, said);
    }
}

#[test]
fn a_check_makes_nothing() {
    let place = Place::sqlite();
    assert!(place.ok(&["config", "check"]).ends_with("the settings are good\n"));
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 0);
    let place = place.with("HEIRLOOM_DATABASE_URL", "sqlite:a/b/c.db").with("HEIRLOOM_DATA_DIR", "d/e");
    assert!(place.ok(&["config", "check"]).ends_with("the settings are good\n"));
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 0);
}

fn a_store_that_no_server_could_use_fails_the_check(place: Place) {
    place.ok(&["client", "add", "tool", "--public", "--rotation", "every:1h"]);
    assert!(place.ok(&["config", "check"]).ends_with("the settings are good\n"));
    let place = place.with("HEIRLOOM_TOKENS__IDLE_TTL", "2h");
    both_refuse(&place, "client tool: change it with `heirloom client update`, or the settings");
    let place = place.with("HEIRLOOM_TOKENS__IDLE_TTL", "7d");
    let other = "HB4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en6ChoqOkpY=";
    let place = place.with("HEIRLOOM_MASTER_KEY", other);
    both_refuse(&place, "which is not among those given");
}

#[test]
fn a_store_that_no_server_could_use_fails_the_check_on_sqlite() {
    a_store_that_no_server_could_use_fails_the_check(
        Place::sqlite().with("HEIRLOOM_MASTER_KEY", MASTER_KEY).migrated(),
    );
}

#[test]
fn a_store_that_no_server_could_use_fails_the_check_on_postgres() {
    a_store_that_no_server_could_use_fails_the_check(Place::postgres());
}

#[test]
fn a_database_that_cannot_be_written_to_fails_the_check() {
    let place = Place::postgres();
    drop(place.serve());
    let name = place.url().rsplit_once('/').unwrap().1;
    execute(place.url(), &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    both_refuse(&place, "read-only");
}
