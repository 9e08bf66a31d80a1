//! Who may read the server's files, and whose files it reads.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::process::{MASTER_KEY, PASSWORD, Place};

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

fn set_mode(file: &Path, mode: u32) {
    fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn files_of_the_embedded_store_are_their_owners_alone() {
    // The folder is there, and open: nothing but the files themselves keeps others out.
    let place = Place::sqlite().with("HEIRLOOM_DATABASE_URL", "sqlite:open/store.db");
    let folder = place.folder.path().join("open");
    fs::create_dir(&folder).unwrap();
    set_mode(&folder, 0o755);
    let files = ["store.db", "store.db-wal", "store.db-shm"].map(|name| folder.join(name));
    let server = place.serve();
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    server.kill();
    // As an older release left them.
    for file in &files {
        set_mode(file, 0o644);
    }
    let _server = place.serve();
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_group_that_was_let_in_stays_in() {
    let place = Place::sqlite();
    place.add_user("ana");
    let file = place.folder.path().join("heirloom-data/heirloom.db");
    set_mode(&file, 0o640);
    place.ok(&["user", "list"]);
    assert_eq!(mode(&file), 0o640);
}

#[test]
fn a_master_key_that_everybody_can_read_is_refused() {
    let place = Place::sqlite().with("HEIRLOOM_MASTER_KEY_FILE", "key");
    let file = place.folder.keep("key", MASTER_KEY);
    set_mode(&file, 0o600);
    let place = place.migrated();
    for open in [0o644, 0o604, 0o602] {
        set_mode(&file, open);
        let refusal = place.refused(&["user", "list"]);
        assert!(
            refusal.contains("the master key key is open to every user of this machine: `chmod 600` it"),
            "{refusal}"
        );
        assert!(place.refused(&["serve"]).contains("is open to every user"));
    }
    for closed in [0o600, 0o400, 0o440, 0o640] {
        set_mode(&file, closed);
        place.ok(&["user", "list"]);
    }
    // The one that the embedded store made for itself.
    let place = Place::sqlite();
    place.add_user("ana");
    set_mode(&place.folder.path().join("heirloom-data/master.key"), 0o644);
    assert!(place.refused(&["serve"]).contains("heirloom-data/master.key is open to every user"));
}

#[test]
fn a_master_key_that_was_never_filled_is_refused() {
    let zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let place = Place::sqlite().with("HEIRLOOM_MASTER_KEY_FILE", "key");
    for (text, said) in [
        ("", "master key 1 is not 32 bytes in base64"),
        ("\n", "master key 1 is not 32 bytes in base64"),
        (zeros, "master key 1 is 32 zero bytes"),
        (&format!("{MASTER_KEY},{zeros}"), "master key 2 is 32 zero bytes"),
    ] {
        set_mode(&place.folder.keep("key", text), 0o600);
        let refusal = place.refused(&["serve"]);
        assert!(refusal.contains(said) && !refusal.contains(zeros), "{text:?}: {refusal}");
    }
    let refusal = Place::sqlite().with("HEIRLOOM_MASTER_KEY", zeros).refused(&["serve"]);
    assert!(refusal.contains("32 zero bytes"), "{refusal}");
}

#[test]
fn a_command_in_a_strangers_folder_writes_nowhere() {
    let place = Place::sqlite();
    place.folder.keep(".env", "HEIRLOOM_DATABASE_URL=sqlite:theirs.db\n");
    let add = ["user", "add", "ana", "--password-stdin"];
    for arguments in [&add[..], &["migrate"], &["client", "list"]] {
        let refusal = place.refused_with(arguments, PASSWORD);
        assert!(
            refusal.contains("add --env-file .env if that one's is, or set HEIRLOOM_DATABASE_URL"),
            "{refusal}"
        );
    }
    let files = || {
        let mut names: Vec<_> = fs::read_dir(place.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(files(), [".env"]);
    place.ok(&["migrate", "--env-file", ".env"]);
    place.ok_with(&[&add[..], &["--env-file", ".env"]].concat(), PASSWORD);
    assert_eq!(files()[..2], [".env", "heirloom-data"]);
    assert!(place.folder.path().join("theirs.db").exists());
    // What the server goes by is shown and checked as it will be.
    assert!(place.ok(&["config", "print"]).contains("theirs.db"));
    drop(place.serve());
    let elsewhere = place.with("HEIRLOOM_DATABASE_URL", "sqlite:ours.db");
    elsewhere.ok(&["migrate"]);
    elsewhere.ok_with(&add, PASSWORD);
    assert!(elsewhere.folder.path().join("ours.db").exists());
}

#[test]
fn a_database_over_the_network_without_tls_is_told_of() {
    let told = |url: &str| {
        let place =
            Place::sqlite().with("HEIRLOOM_DATABASE_URL", url).with("HEIRLOOM_MASTER_KEY", MASTER_KEY);
        let output = place.run_with(&["config", "check"], "");
        String::from_utf8(output.stdout).unwrap()
    };
    // No such host: it is told before anything is tried.
    let host = "postgres://heirloom:hush@database.invalid/heirloom";
    for open in ["", "?sslmode=prefer", "?sslmode=disable", "?sslmode=allow"] {
        let told = told(&format!("{host}{open}"));
        assert!(told.contains("may be reached over the network without TLS"), "{told}");
        assert!(told.contains("sslmode=verify-full") && !told.contains("hush"), "{told}");
    }
    for anybody in ["?sslmode=require", "?sslmode=verify-ca"] {
        let told = told(&format!("{host}{anybody}"));
        assert!(told.contains("nothing makes sure that it is this server"), "{told}");
    }
    let safe = told(&format!("{host}?sslmode=verify-full"));
    assert!(!safe.contains("sslmode"), "{safe}");
    let local = Place::postgres().ok(&["config", "check"]);
    assert!(local.ends_with("the settings are good\n") && !local.contains("TLS"), "{local}");
}
