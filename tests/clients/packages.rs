//! The packages for npm and `PyPI`, made of this very program by `deploy/release/build`, which starts each of them; and
//! what that command refuses.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::program::{repository, venv};

/// A program for Linux that takes any argument: what is packed does not matter to all tests.
const ANY_PROGRAM: &str = "/bin/true";

/// Runs `deploy/release/build` as it is in this folder.
fn build_in(root: &Path, arguments: &[&str]) -> Output {
    let list = repository().join("docs/event.schema.json");
    let mut command = Command::new(root.join("deploy/release/build"));
    command.arg("--licences").arg(repository().join("LICENSE")).arg("--sbom").arg(list);
    command.env("SOURCE_DATE_EPOCH", "1790000000").env("PYTHONDONTWRITEBYTECODE", "1");
    command.args(arguments).output().unwrap()
}

fn build(arguments: &[&str]) -> Output {
    build_in(repository(), arguments)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Files under a folder that have this ending, by name.
fn ending(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_str().unwrap().ends_with(ending));
    files.sort();
    files
}

/// A tool that would find nobody to ask, did it try: no cache, no setting of this machine's, and no way out.
fn alone(tool: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(tool);
    let path = std::env::var("PATH").unwrap();
    command.current_dir(folder).env_clear().env("HOME", folder);
    command.env("PATH", format!("{}:{path}", venv().join("bin").display()));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        command.env(name, "http://127.0.0.1:9");
    }
    command.env("npm_config_registry", "http://127.0.0.1:9").env("PIP_INDEX_URL", "http://127.0.0.1:9");
    command
}

#[test]
fn npm_and_pypi_carry_the_program_and_fetch_nothing() {
    let made = Folder::new();
    let out = made.path().join("out");
    let program = env!("CARGO_BIN_EXE_heirloom");
    let done = build(&["--only", "npm", "--only", "wheel", "--binary", program, out.to_str().unwrap()]);
    assert!(done.status.success(), "{}", said(&done));
    let shown = String::from_utf8(done.stdout).unwrap();
    for package in ["npm's", "PyPI's"] {
        assert!(shown.contains(&format!("ok: {package} package serves, logs in and refreshes")), "{shown}");
    }
    let version = succeeds(Command::new(program).arg("--version"));
    let whole_story = "another family begins";
    from_npm(&ending(&out.join("npm"), ".tgz"), &version, whole_story);
    let [wheel] = &ending(&out.join("pypi"), ".whl")[..] else { panic!("one wheel") };
    let from = ["--from", wheel.to_str().unwrap(), "heirloom", "--version"];
    let scratch = Folder::new();
    let mut uvx = alone("uvx", scratch.path());
    assert_eq!(succeeds(uvx.args(["--offline", "--no-config"]).args(from)), version);
    let mut pipx = alone("pipx", scratch.path());
    pipx.args(["run", "--pip-args=--no-index", "--spec", wheel.to_str().unwrap()]);
    assert_eq!(succeeds(pipx.args(["heirloom", "--version"])), version);
    let sums =
        succeeds(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&out));
    assert_eq!(sums.lines().filter(|line| line.ends_with(": OK")).count(), 5, "{sums}");
}

/// `npx heirloom`, after an installation from the files.
fn from_npm(files: &[PathBuf], version: &str, whole_story: &str) {
    let app = Folder::new();
    fs::write(app.path().join("package.json"), "{}").unwrap();
    let npm = |arguments: &[&str]| {
        let mut command = alone("npm", app.path());
        command.arg("--offline").args(arguments);
        command
    };
    succeeds(npm(&["install", "--no-audit", "--no-fund"]).args(files));
    let npx = |arguments: &[&str]| {
        let mut command = alone("npx", app.path());
        command.args(["--offline", "--no", "--", "heirloom"]).args(arguments);
        command
    };
    assert_eq!(succeeds(&mut npx(&["--version"])), version);
    let story = succeeds(&mut npx(&["demo", "--once"]));
    assert!(story.contains(whole_story), "{story}");
    let wrong = npx(&["--bogus"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2), "the program's own exit code");
    for package in ["heirloom", "heirloom-linux-x64", "heirloom-linux-arm64"] {
        let manifest = app.path().join("node_modules").join(package).join("package.json");
        let Ok(manifest) = fs::read(manifest) else { continue };
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!((&manifest["scripts"], &manifest["dependencies"]), (&Value::Null, &Value::Null));
        assert_eq!(json!(format!("heirloom {}\n", manifest["version"].as_str().unwrap())), json!(version));
    }
    the_launcher_says_what_is_missing(app.path());
}

fn the_launcher_says_what_is_missing(app: &Path) {
    let launch = |before: &str| {
        let preloaded = app.join("before.cjs");
        fs::write(&preloaded, before).unwrap();
        let mut command = alone("node", app);
        let output =
            command.arg("--require").arg(preloaded).arg("node_modules/.bin/heirloom").output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        said(&output)
    };
    let elsewhere = launch("Object.defineProperty(process, 'platform', { value: 'sunos' })");
    assert!(elsewhere.contains("there is no program for sunos-") && elsewhere.contains("container image"));
    for carrier in ["heirloom-linux-x64", "heirloom-linux-arm64"] {
        drop(fs::remove_dir_all(app.join("node_modules").join(carrier)));
    }
    let missing = launch("");
    assert!(missing.contains("is missing: install heirloom again, without --omit=optional"), "{missing}");
}

/// What is in a package of npm's, by name.
fn packed(file: &Path) -> BTreeMap<String, String> {
    let scratch = Folder::new();
    let mut unzipped = Vec::new();
    std::io::copy(&mut GzDecoder::new(fs::File::open(file).unwrap()), &mut unzipped).unwrap();
    fs::write(scratch.path().join("it.tar"), &unzipped).unwrap();
    succeeds(Command::new("tar").args(["-xf", "it.tar"]).current_dir(scratch.path()));
    let inside = scratch.path().join("package");
    fs::read_dir(inside)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn the_same_sources_give_the_same_bytes() {
    let made = Folder::new();
    let sums = |name: &str| {
        let out = made.path().join(name);
        let packages = ["--only", "npm", "--only", "wheel", "--no-check", "--binary", ANY_PROGRAM];
        let done = build(&[&packages[..], &[out.to_str().unwrap()]].concat());
        assert!(done.status.success(), "{}", said(&done));
        fs::read_to_string(out.join("SHA256SUMS")).unwrap()
    };
    assert_eq!(sums("one"), sums("two"));
    let carriers = ending(&made.path().join("one/npm"), ".tgz");
    let launcher = carriers.iter().find(|file| !file.to_str().unwrap().contains("-linux-")).unwrap();
    let manifest: Value = serde_json::from_str(&packed(launcher)["package.json"]).unwrap();
    let version = &manifest["version"];
    assert_eq!(
        manifest["optionalDependencies"],
        json!({ "heirloom-linux-x64": version, "heirloom-linux-arm64": version }),
        "npm chooses the one that fits"
    );
    let carrier = carriers.iter().find(|file| file.to_str().unwrap().contains("-linux-")).unwrap();
    let texts = packed(carrier);
    let manifest: Value = serde_json::from_str(&texts["package.json"]).unwrap();
    assert_eq!(manifest["os"], json!(["linux"]));
    assert!(texts["LICENCES-OF-DEPENDENCIES.txt"].contains("Apache License"));
}

/// The command refuses with these words, and leaves nothing behind.
#[track_caller]
fn refuses(root: &Path, arguments: &[&str], into: &Folder, words: &str) {
    let names = || {
        let entries = fs::read_dir(into.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<std::collections::BTreeSet<_>>()
    };
    let before = names();
    let output = build_in(root, arguments);
    let refusal = said(&output);
    assert!(!output.status.success() && refusal.contains(words), "{arguments:?}: {refusal}");
    assert!(!refusal.contains("Traceback"), "{refusal}");
    assert_eq!(names(), before, "nothing half-written stays");
}

#[test]
fn what_cannot_be_packed_is_refused_in_a_sentence_and_leaves_nothing() {
    let place = Folder::new();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(at("full")).unwrap();
    fs::write(at("full/note"), "mine").unwrap();
    fs::write(at("text"), "no program").unwrap();
    let (text, none) = (at("text"), at("none"));
    let npm = ["--only", "npm", "--no-check"];
    let rows: [(&[&str], &str, &str); 7] = [
        (&["--binary", ANY_PROGRAM], "full", "full is not empty: name a folder that is"),
        (&["--binary", ANY_PROGRAM], "no/where", "no is not there: make it first"),
        (&["--binary", &text], "out", "text is no Linux binary for x86_64 or aarch64"),
        (&["--binary", &none], "out", "none cannot be read: No such file"),
        (
            &["--binary", ANY_PROGRAM, "--only", "image"],
            "out",
            "is no static binary: pack it with --only npm",
        ),
        (&["--arch", "riscv64"], "out", "invalid choice: 'riscv64' (choose from"),
        (&["--arch", "x86_64", "--binary", ANY_PROGRAM], "out", "leave out --arch"),
    ];
    for (arguments, folder, words) in rows {
        let folder = at(folder);
        let all = [&npm[..], arguments, &[&folder]].concat();
        refuses(repository(), &all, &place, words);
    }
    assert_eq!(fs::read_to_string(at("full/note")).unwrap(), "mine");
    // A program that does not do what it is for: the check says so, and nothing stays of what was made.
    refuses(
        repository(),
        &["--only", "wheel", "--binary", ANY_PROGRAM, &at("out")],
        &place,
        "PyPI's package does not serve",
    );
}

/// A copy of what the command reads, in a repository of its own.
fn copy_of_the_sources() -> Folder {
    let copy = Folder::new();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        succeeds(
            command
                .arg("-C")
                .arg(copy.path())
                .args(["-c", "user.name=a", "-c", "user.email=a@b"])
                .args(arguments),
        )
    };
    fs::create_dir(copy.path().join("docs")).unwrap();
    for file in ["Cargo.toml", "LICENSE", ".gitignore", "docs/changelog.md"] {
        fs::copy(repository().join(file), copy.path().join(file)).unwrap();
    }
    let mut deploy = Command::new("cp");
    succeeds(deploy.arg("-r").arg(repository().join("deploy")).arg(copy.path()));
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "all"]);
    copy
}

#[test]
fn a_release_is_of_a_commit_and_of_a_version_that_the_list_of_changes_knows() {
    let place = Folder::new();
    let out = place.path().join("out");
    let out = out.to_str().unwrap();
    let copy = copy_of_the_sources();
    fs::write(copy.path().join("docs/changelog.md"), "# Changes\n").unwrap();
    let compiled = ["--only", "npm", out];
    refuses(
        copy.path(),
        &compiled,
        &place,
        "no commit holds (docs/changelog.md): commit them, or stash them",
    );
    let given = ["--only", "npm", "--no-check", "--binary", ANY_PROGRAM, out];
    refuses(copy.path(), &given, &place, "docs/changelog.md has no section");
}

#[test]
fn a_missing_tool_is_named_with_the_way_to_it() {
    let place = Folder::new();
    let tools = place.path().join("tools");
    fs::create_dir(&tools).unwrap();
    let python = succeeds(Command::new("python3").args(["-c", "import sys; print(sys.executable)"]));
    for (tool, found) in [("env", "/usr/bin/env"), ("python3", python.trim())] {
        std::os::unix::fs::symlink(found, tools.join(tool)).unwrap();
    }
    let out = place.path().join("out");
    let mut command = Command::new(repository().join("deploy/release/build"));
    command.env("PATH", &tools).env("SOURCE_DATE_EPOCH", "1790000000").args([
        "--only",
        "npm",
        "--binary",
        ANY_PROGRAM,
    ]);
    let list = repository().join("docs/event.schema.json");
    command.arg("--licences").arg(repository().join("LICENSE")).arg("--sbom").arg(list).arg(&out);
    let refusal = said(&command.output().unwrap());
    assert!(refusal.contains("npm is missing: install it (on Debian: apt-get install npm)"), "{refusal}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "nothing half-written stays");
}
