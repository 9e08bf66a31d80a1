//! The browser package (`sdk/`) as it is shipped, in a real browser, against a server whose clock is in the test's
//! hand.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use chrono::TimeDelta;
use flate2::Compression;
use flate2::read::GzEncoder;
use heirloom::clock::Clock;
use heirloom::domain::client::{Client, GrantType};
use heirloom::domain::ids::UserId;
use heirloom::service::admin::families::{self, WantedFamilies};
use heirloom::settings::Settings;
use serde_json::{Value, json};

use crate::database::Database;
use crate::harness::{PASSWORD, Store, TestApp, TestClock, settings, start_with};
use crate::program::{Program, node, repository};

/// What its README promises.
const LARGEST: usize = 5 * 1024;

/// Packed as `npm publish` packs it, and unpacked as its user gets it: the package's folder.
fn package() -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk");
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        let sdk = repository().join("sdk");
        let packed = succeeds(
            Command::new("npm").args(["pack", "--json", "--pack-destination"]).arg(&folder).current_dir(sdk),
        );
        let packed: Value = serde_json::from_str(&packed[packed.find("[\n").unwrap_or(0)..]).unwrap();
        let archive = folder.join(packed[0]["filename"].as_str().unwrap());
        succeeds(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(&folder));
        folder.join("package")
    })
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}: run tests/clients/install, as tests/run does");
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A server that a proxy of the script's stands before; Ana, and two clients of the package.
async fn serve(
    store: Store,
    url: &str,
    issuer: &str,
    clock: Clock,
    change: fn(&mut Settings),
) -> (TestApp, crate::harness::Stop, UserId) {
    let own = settings(url, |settings| {
        settings.issuer = Some(issuer.parse().unwrap());
        change(settings);
    });
    let (app, stop) = start_with(store, own, TestClock::new(), clock).await;
    let ana = app.add_user("ana").await;
    app.add_client("spa", |it: &mut Client| {
        it.metadata = serde_json::from_value(json!({ "refresh_token_delivery": "cookie" })).unwrap();
    })
    .await;
    app.add_client("shop", |it: &mut Client| {
        it.grants.insert(GrantType::AuthorizationCode);
        it.redirect_uris = vec!["http://127.0.0.1/app/callback".to_owned()];
    })
    .await;
    (app, stop, ana)
}

/// Runs a script that knows the package, and answers what it asks about the server.
fn walk(store: Store, script: &str, more: &[(&str, &str)], change: fn(&mut Settings)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::make(store).await;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let issuer = format!("http://127.0.0.1:{port}");
        let ahead = Arc::new(AtomicI64::new(0));
        let clock = Clock::new({
            let ahead = Arc::clone(&ahead);
            move || Clock::system().now() + TimeDelta::seconds(ahead.load(Ordering::SeqCst))
        });
        let (app, stop, ana) = serve(store, &database.url, &issuer, clock.clone(), change).await;
        let mut command = node(script);
        command.envs([("ISSUER", issuer.as_str()), ("UPSTREAM", &app.url), ("PASSWORD", PASSWORD)]);
        command.env("PACKAGE", package()).envs(more.iter().copied());
        let mut program = Program::start(command);
        loop {
            let line = program.hear();
            let answer = match line.split(' ').collect::<Vec<_>>()[..] {
                ["done"] => break,
                ["ask", "families"] => json!(generations(&app, &clock).await),
                ["ask", "end"] => json!(families::end_of_user(&app.core, ana, clock.now()).await.unwrap()),
                ["ask", "advance", seconds] => {
                    json!(ahead.fetch_add(seconds.parse().unwrap(), Ordering::SeqCst))
                }
                _ => continue,
            };
            program.tell(&answer.to_string());
        }
        program.ends();
        stop.end().await;
        database.drop().await;
    });
}

/// The generations of the families that are live.
async fn generations(app: &TestApp, clock: &Clock) -> Vec<i64> {
    let all = families::list(&app.core, &WantedFamilies::default(), 50, clock.now()).await.unwrap();
    all.into_iter().filter(|family| family.state == "live").map(|family| family.generation).collect()
}

fn as_it_is(_: &mut Settings) {}

fn with_nonces(settings: &mut Settings) {
    settings.dpop.require_nonce = true;
}

#[test]
fn the_package_is_small_and_has_what_it_needs_and_nothing_else() {
    let mut files: Vec<String> = Vec::new();
    for folder in [package().to_owned(), package().join("dist")] {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                files.push(entry.path().strip_prefix(package()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort_unstable();
    let expected = [
        "LICENSE",
        "README.md",
        "dist/client.d.ts",
        "dist/error.d.ts",
        "dist/index.d.ts",
        "dist/index.js",
        "dist/index.js.map",
        "dist/types.d.ts",
        "package.json",
    ];
    assert_eq!(files, expected);
    let script = fs::read(package().join("dist/index.js")).unwrap();
    let mut zipped = Vec::new();
    std::io::copy(&mut GzEncoder::new(script.as_slice(), Compression::best()), &mut zipped).unwrap();
    assert!(zipped.len() < LARGEST, "{} bytes", zipped.len());
    let told: Value = serde_json::from_slice(&fs::read(package().join("package.json")).unwrap()).unwrap();
    assert_eq!((&told["dependencies"], &told["type"]), (&Value::Null, &json!("module")));
}

#[test]
fn eight_tabs_share_a_login_on_sqlite() {
    walk(Store::Sqlite, "sdk_tabs.mjs", &[], as_it_is);
}

#[test]
fn eight_tabs_share_a_login_on_postgres() {
    walk(Store::Postgres, "sdk_tabs.mjs", &[], with_nonces);
}

#[test]
fn a_hundred_cuts_in_the_middle_of_a_refresh_sign_nobody_out() {
    walk(Store::Postgres, "sdk_cuts.mjs", &[("DELIVERY", "token")], as_it_is);
}

#[test]
fn a_hundred_cuts_in_the_middle_of_a_refresh_by_cookie_sign_nobody_out() {
    walk(Store::Sqlite, "sdk_cuts.mjs", &[("DELIVERY", "cookie")], as_it_is);
}

#[test]
fn a_clock_that_jumps_and_a_laptop_that_sleeps_sign_nobody_out() {
    walk(Store::Sqlite, "sdk_clocks.mjs", &[], as_it_is);
}

#[test]
fn a_clock_that_jumps_and_a_laptop_that_sleeps_sign_nobody_out_where_proofs_need_nonces() {
    walk(Store::Postgres, "sdk_clocks.mjs", &[], with_nonces);
}

#[test]
fn all_ways_in_lead_in_and_say_what_is_wrong() {
    walk(Store::Sqlite, "sdk_login.mjs", &[], as_it_is);
}

#[test]
fn all_ways_in_lead_in_where_proofs_need_nonces() {
    walk(Store::Postgres, "sdk_login.mjs", &[], with_nonces);
}

#[test]
fn browsers_that_lack_something_do_what_they_can() {
    walk(Store::Sqlite, "sdk_without.mjs", &[], as_it_is);
}

/// Whoever copies the README's lines gets no complaints from a compiler.
#[test]
fn the_examples_are_of_the_types_that_the_package_has() {
    let readme = fs::read_to_string(package().join("README.md")).unwrap();
    let blocks: Vec<&str> =
        readme.split("```ts\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 6);
    let folder = package().parent().unwrap().join("example");
    let modules = folder.join("node_modules");
    fs::create_dir_all(&modules).unwrap();
    drop(std::os::unix::fs::symlink(package(), modules.join("heirloom-browser")));
    let example = folder.join("example.ts");
    let compile = |text: &str| {
        fs::write(&example, text).unwrap();
        let mut compiler = Command::new(repository().join("sdk/node_modules/.bin/tsc"));
        let strict = [
            "--noEmit",
            "--strict",
            "--target",
            "es2022",
            "--module",
            "es2022",
            "--moduleResolution",
            "bundler",
        ];
        compiler.args(strict).arg(&example).current_dir(&folder).output().unwrap()
    };
    let good = compile(&blocks.concat());
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stdout));
    // The compiler does look.
    let wrong = compile(&blocks.concat().replace("clientId", "clientID"));
    assert!(String::from_utf8_lossy(&wrong.stdout).contains("'clientID' does not exist in type 'Options'"));
}
