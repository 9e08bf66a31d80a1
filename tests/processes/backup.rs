//! The embedded store is one file after a clean stop, copied while it is served, and put back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use sqlx::{Connection as _, SqliteConnection};

use crate::process::{MASTER_KEY, PASSWORD, Place, Server, Tokens, block_on};

const STORE: &str = "heirloom-data/heirloom.db";

fn file(place: &Place, name: &str) -> PathBuf {
    place.folder.path().join(name)
}

fn names(place: &Place, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(file(place, folder)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The first page of what holds the users.
fn root_page(store: &Path, kind: &str) -> usize {
    let sql = "SELECT rootpage FROM sqlite_master WHERE tbl_name = 'users' AND type = $1 LIMIT 1";
    let page: i64 = block_on(async {
        let mut connection = SqliteConnection::connect(&format!("sqlite:{}", store.display())).await.unwrap();
        let page = sqlx::query_scalar(sql).bind(kind).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        page
    });
    page.try_into().unwrap()
}

fn stop(mut server: Server) {
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
}

/// Another place, with the files of this one's store that are named.
fn copied(place: &Place, files: &[&str]) -> Place {
    let other = Place::sqlite();
    fs::create_dir(file(&other, "heirloom-data")).unwrap();
    for name in files {
        fs::copy(
            file(place, &format!("heirloom-data/{name}")),
            file(&other, &format!("heirloom-data/{name}")),
        )
        .unwrap();
    }
    other
}

#[test]
fn after_a_clean_stop_the_file_alone_is_the_whole_store() {
    let place = Place::sqlite();
    place.add_user("ana");
    assert_eq!(
        names(&place, "heirloom-data"),
        ["heirloom.db", "master.key"],
        "a command leaves no log behind"
    );
    let server = place.serve();
    let tokens = block_on(server.log_in("ana"));
    stop(server);
    let other = copied(&place, &["heirloom.db", "master.key"]);
    let server = other.serve();
    assert_eq!(block_on(server.refresh(&tokens.refresh)).0, 200);
    stop(server);
    assert_eq!(names(&other, "heirloom-data"), ["heirloom.db", "master.key"]);
}

#[test]
fn a_log_that_cannot_be_taken_back_at_the_stop_is_told_of() {
    let place = Place::sqlite().with("HEIRLOOM_DATABASE__ACQUIRE_TIMEOUT", "300ms");
    place.add_user("ana");
    let server = place.serve();
    let log = Arc::clone(&server.log);
    let told = block_on(async {
        let url = format!("sqlite:{}", file(&place, STORE).display());
        let mut reader = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql("BEGIN; SELECT COUNT(*) FROM users").execute(&mut reader).await.unwrap();
        server.log_in("ana").await;
        tokio::task::block_in_place(|| stop(server));
        let told = log.lock().unwrap().contains("somebody else uses the store");
        reader.close().await.unwrap();
        told
    });
    assert!(told, "{}", log.lock().unwrap());
}

#[test]
fn a_backup_is_made_while_the_store_is_in_use() {
    let place = Place::sqlite();
    place.add_user("ana");
    let server = place.serve();
    let (first, during, place) = block_on(async {
        let first = server.log_in("ana").await;
        let work = async {
            let mut tokens = server.log_in("ana").await;
            for _ in 0..300 {
                tokens = Tokens::of(server.refresh(&tokens.refresh).await);
            }
            tokens
        };
        let backup = tokio::task::spawn_blocking(move || {
            for number in 0..3 {
                place.ok(&["backup", &format!("{number}.db"), "--with-key"]);
            }
            place
        });
        let (during, place) = tokio::join!(work, backup);
        (first, during, place.unwrap())
    });
    for number in 0..3 {
        for name in [format!("{number}.db"), format!("{number}.db.key")] {
            assert_eq!(
                fs::metadata(file(&place, &name)).unwrap().permissions().mode() & 0o777,
                0o600,
                "{name}"
            );
        }
    }
    stop(server);
    let other = Place::sqlite();
    for name in ["2.db", "2.db.key"] {
        fs::copy(file(&place, name), file(&other, name)).unwrap();
    }
    let said = other.ok(&["restore", "2.db", "--with-key"]);
    assert!(
        said.contains("is restored from 2.db") && said.contains("heirloom recovery open --for 7d"),
        "{said}"
    );
    assert_eq!(names(&other, "heirloom-data"), ["heirloom.db", "master.key"]);
    let server = other.serve();
    assert_eq!(block_on(server.refresh(&first.refresh)).0, 200);
    // What was written while it was copied is there, as far as it had come.
    other.ok(&["recovery", "open", "--for", "1d"]);
    assert_eq!(Tokens::of(block_on(server.refresh(&during.refresh))).generation(), 302);
    assert_eq!(names(&other, "."), ["2.db", "2.db.key", "heirloom-data"], "nothing is left over");
}

#[test]
fn what_a_restore_replaces_is_kept() {
    let place = Place::sqlite();
    place.add_user("ana");
    let said = place.ok(&["backup", "monday.db"]);
    assert!(said.contains("keep a copy of ./heirloom-data/master.key, in another place"), "{said}");
    assert!(!file(&place, "monday.db.key").exists());
    place.add_user("bob");
    let server = place.serve();
    let refused = place.refused(&["restore", "monday.db"]);
    assert!(refused.contains("is in use: stop the server"), "{refused}");
    block_on(server.log_in("bob"));
    server.kill();
    let said = place.ok(&["restore", "monday.db"]);
    let kept = said.lines().find_map(|line| line.strip_prefix("what was there is kept as ")).unwrap();
    let users = |place: &Place| place.json(&["user", "list", "--json"]).as_array().unwrap().len();
    assert_eq!(users(&place), 1);
    let place = place.with("HEIRLOOM_DATABASE_URL", &format!("sqlite:{kept}"));
    assert_eq!(users(&place), 2, "with all that was in its log");
}

#[test]
fn apps_go_on_after_a_restore() {
    let place = Place::sqlite();
    place.add_user("ana");
    let server = place.serve();
    let mut tokens = block_on(server.log_in("ana"));
    place.ok(&["backup", "monday.db"]);
    for _ in 0..5 {
        tokens = Tokens::of(block_on(server.refresh(&tokens.refresh)));
    }
    stop(server);
    place.ok(&["restore", "monday.db"]);
    place.ok(&["recovery", "open", "--for", "7d"]);
    let server = place.serve();
    assert_eq!(block_on(server.refresh(&tokens.refresh)).0, 200);
}

#[test]
fn a_backup_that_is_of_no_use_is_refused_and_changes_nothing() {
    let place = Place::sqlite();
    place.add_user("ana");
    let refused = |arguments: &[&str], said: &str| {
        let refusal = place.refused(arguments);
        assert!(refusal.contains(said), "{arguments:?}: {refusal}");
    };
    place.ok(&["backup", "good.db", "--with-key"]);
    refused(&["backup", "good.db"], "good.db is there already");
    refused(&["backup", "missing/folder.db"], "missing/folder.db");
    let whole = fs::read(file(&place, "good.db")).unwrap();
    // A page of a table or of an index is torn, it is cut short, it is another file, or another program's.
    for (name, kind) in [("table.db", "table"), ("index.db", "index")] {
        let page = root_page(&file(&place, "good.db"), kind);
        let mut torn = whole.clone();
        torn[(page - 1) * 4096..page * 4096].fill(0xa5);
        place.folder.keep(name, torn);
        refused(&["restore", name], &format!("{name}: it is damaged"));
    }
    place.folder.keep("short.db", &whole[..whole.len() / 2]);
    place.folder.keep("other.db", "hello");
    place.folder.keep("empty.db", "");
    for name in ["short.db", "other.db", "empty.db"] {
        let refusal = place.refused(&["restore", name]);
        let said = ["it is damaged", "cannot copy", "cannot open", "it is not a store of Heirloom's"];
        assert!(said.iter().any(|said| refusal.contains(said)), "{name}: {refusal}");
    }
    refused(&["restore", "missing.db"], "there is no store");
    // Of another master key.
    let other = Place::sqlite();
    other.add_user("eve");
    fs::copy(file(&place, "good.db"), file(&other, "good.db")).unwrap();
    let refusal = other.refused(&["restore", "good.db"]);
    assert!(refusal.contains("it does not open with this master key"), "{refusal}");
    assert_eq!(other.json(&["user", "list", "--json"])[0]["username"], json!("eve"));
    let nobodys = Place::sqlite();
    fs::copy(file(&place, "good.db"), file(&nobodys, "good.db")).unwrap();
    let refusal = nobodys.refused(&["restore", "good.db"]);
    assert!(refusal.contains("--with-key takes the one in good.db.key"), "{refusal}");
    assert_eq!(names(&nobodys, "."), ["good.db"], "no key and no store is made");
    let set = nobodys.with("HEIRLOOM_MASTER_KEY", MASTER_KEY);
    assert!(set.refused(&["restore", "good.db", "--with-key"]).contains("restore without --with-key"));
    assert_eq!(names(&place, "heirloom-data"), ["heirloom.db", "master.key"], "nothing is left over");
    assert!(names(&place, ".").iter().all(|name| !name.contains("draft")));
}

#[test]
fn other_stores_have_backups_of_their_own() {
    let place = Place::postgres();
    for command in ["backup", "restore"] {
        assert!(place.refused(&[command, "x.db"]).contains("with its own tools, such as pg_dump"));
    }
    let place = Place::sqlite().with("HEIRLOOM_DATABASE_URL", "sqlite::memory:");
    assert!(place.refused(&["backup", "x.db"]).contains("belongs to the process that serves it"));
}

#[test]
fn a_command_elsewhere_makes_no_store_and_no_key() {
    let place = Place::sqlite();
    let add = ["user", "add", "ana", "--password-stdin"];
    let rows: [&[&str]; 5] =
        [&add, &["user", "list"], &["keys", "list"], &["recovery", "open"], &["backup", "x.db"]];
    for arguments in rows {
        let refusal = place.refused_with(arguments, PASSWORD);
        let whole = file(&place, STORE);
        assert!(refusal.contains(&format!("there is no store {}", whole.display())), "{refusal}");
    }
    assert_eq!(names(&place, "."), <[String; 0]>::default());
    let server = place.serve();
    let log = server.log.lock().unwrap().clone();
    assert!(
        log.contains("this is a new store") && log.contains(&*file(&place, STORE).to_string_lossy()),
        "{log}"
    );
    drop(server);
    place.ok_with(&add, PASSWORD);
}
