//! `heirloom init`: an empty folder becomes an app, or stays as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::process::Place;

const FRAMEWORKS: [&str; 7] = ["axum", "express", "fastapi", "flask", "go", "next", "vite"];

impl Place {
    /// A program on the path that does this.
    fn program(&self, name: &str, script: &str) {
        let programs = self.folder.path().join("programs");
        fs::create_dir_all(&programs).unwrap();
        let file = programs.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A folder with these programs on the path, and the usual ones that scripts need.
    fn with_programs(self, programs: &[(&str, &str)]) -> Self {
        for (name, script) in programs {
            self.program(name, script);
        }
        let path = self.folder.path().join("programs").to_str().unwrap().to_owned();
        self.with("PATH", &path)
    }

    fn has(&self, name: &str) -> bool {
        self.folder.path().join(name).exists()
    }

    /// Everything in the folder but the programs, hidden files too.
    fn everything(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "programs").collect()
    }
}

fn files_below(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

#[test]
fn each_framework_s_files_are_there_as_they_lie_in_the_repository() {
    let place = Place::elsewhere();
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/init/templates");
    for framework in FRAMEWORKS {
        let told = place.json(&["init", "--framework", framework, framework, "--no-install", "--json"]);
        let app = place.folder.path().join(framework);
        let files = told["files"].as_array().unwrap();
        assert!(files.iter().all(|name| app.join(name.as_str().unwrap()).is_file()), "{told}");
        // One more is the page about the app; the browser package comes with nine sources and its own page.
        let more = if framework == "vite" { 11 } else { 1 };
        assert_eq!(files.len(), files_below(&templates.join(framework)) + more, "{framework}");
        assert_eq!(files_below(&app), files.len());
        assert_eq!(told["steps"][0], format!("cd {framework}"));
        assert_eq!((&told["framework"], &told["installed"]), (&json!(framework), &json!(false)));
        let start = told["steps"].as_array().unwrap().last().unwrap().as_str().unwrap();
        let page = fs::read_to_string(app.join("README.md")).unwrap();
        assert!(page.contains(start) && page.contains(told["url"].as_str().unwrap()), "{page}");
        assert!(
            !["{start}", "{install}", "{url}", "{variables}"].iter().any(|it| page.contains(it)),
            "{page}"
        );
        assert!(app.join(".gitignore").is_file(), "{framework}");
    }
    assert_eq!(
        fs::read_dir(templates).unwrap().count(),
        FRAMEWORKS.len() + 3,
        "the pages' parts lie beside them"
    );
}

#[test]
fn what_is_needed_is_installed_and_the_next_steps_are_told() {
    let npm = "case $1 in --version) echo 10.8.2;; install) echo \"$@\" >installed;; esac";
    let place = Place::elsewhere().with_programs(&[("node", "echo v20.20.2"), ("npm", npm)]);
    let output = place.run_with(&["init", "--framework", "express", "shop"], "");
    let (said, noted) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{noted}");
    assert_eq!(
        said,
        "The app is in shop. Start it, and open http://localhost:3000:\n\n    cd shop\n    npm start\n"
    );
    assert!(noted.contains("note: there is no `heirloom` on the PATH"), "{noted}");
    let installed = fs::read_to_string(place.folder.path().join("shop/installed")).unwrap();
    assert!(installed.starts_with("install "), "{installed}");
    assert_eq!(place.everything(), ["shop"], "and nothing beside it");
}

#[test]
fn the_folder_where_one_is_will_do_if_it_is_empty() {
    let place = Place::elsewhere();
    place.ok(&["init", "--framework", "go", ".", "--no-install"]);
    assert!(place.has("main.go") && place.has(".gitignore"));
    let told = place.refused(&["init", "--framework", "go", ".", "--no-install"]);
    assert_eq!(told, "heirloom: . is not empty: name another folder, or empty this one\n");
    fs::create_dir(place.folder.path().join("inner")).unwrap();
    let told = place.json(&["init", "--framework", "flask", "inner", "--no-install", "--json"]);
    let steps: Vec<&str> = told["steps"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(steps.len(), 4, "{steps:?}");
    assert_eq!(
        (steps[1], steps[3]),
        ("python3 -m venv .venv", "heirloom dev -- .venv/bin/flask run --debug")
    );
}

#[test]
fn what_is_in_the_way_is_told_and_stays_as_it_is() {
    let place = Place::elsewhere();
    place.folder.keep("file", "hello");
    fs::create_dir(place.folder.path().join("full")).unwrap();
    place.folder.keep("full/.hidden", "hello");
    for (folder, said) in [
        ("full", "full is not empty: name another folder, or empty this one"),
        ("file", "file is a file: name a folder that is not there yet"),
        ("file/app", "file/app is a file: name a folder that is not there yet"),
    ] {
        let told = place.refused(&["init", "--framework", "express", folder, "--no-install"]);
        assert_eq!(told, format!("heirloom: {said}\n"));
    }
    let told = place.refused(&["init", "--framework", "express", "no/such/app", "--no-install"]);
    assert!(told.ends_with("/no/such to make no/such/app in: make that one first\n"), "{told}");
    assert_eq!(fs::read_to_string(place.folder.path().join("full/.hidden")).unwrap(), "hello");
    let mut left = place.everything();
    left.sort();
    assert_eq!(left, ["file", "full"]);
}

#[test]
fn a_framework_that_does_not_exist_is_told_with_those_that_do() {
    let place = Place::elsewhere();
    for (name, hint) in [
        ("expres", "did you mean express? "),
        ("Flask", "did you mean flask? "),
        ("fast-api", "did you mean fastapi? "),
        ("nextjs", "did you mean next? "),
        ("rails-on-something", ""),
    ] {
        let output = place.run_with(&["init", "--framework", name, "app"], "");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        let all = "there are axum, express, fastapi, flask, go, next, vite\n";
        assert!(told.contains(&format!("'{name}' for '--framework <NAME>': {hint}{all}")), "{told}");
    }
    assert!(place.everything().is_empty());
}

#[test]
fn a_tool_that_is_missing_or_too_old_is_told_before_anything_is_written() {
    for (framework, programs, said) in [
        (
            "express",
            &[][..],
            "express needs Node.js 20.0 or newer, and there is no node on the PATH: install it from https://nodejs.org",
        ),
        (
            "vite",
            &[("node", "echo v18.19.1")],
            "vite needs Node.js 20.0 or newer, and node is 18.19: install a newer one from https://nodejs.org",
        ),
        (
            "next",
            &[("node", "echo v22.1.0")],
            "next needs npm 9.0 or newer, and there is no npm on the PATH: install it from https://nodejs.org",
        ),
        (
            "flask",
            &[("python3", "echo Python 3.8.10")],
            "flask needs Python 3.10 or newer, and python3 is 3.8: install a newer one from https://www.python.org/downloads",
        ),
        (
            "go",
            &[],
            "go needs Go 1.26 or newer, and there is no go on the PATH: install it from https://go.dev/dl",
        ),
        (
            "axum",
            &[],
            "axum needs Rust 1.88 or newer, and there is no cargo on the PATH: install it from https://rustup.rs",
        ),
    ] {
        let place = Place::elsewhere().with_programs(programs);
        let told = place.refused(&["init", "--framework", framework, "app"]);
        assert_eq!(told, format!("heirloom: {said}, or write the files alone with --no-install\n"));
        assert!(place.everything().is_empty(), "{framework}");
    }
}

#[test]
fn an_install_that_fails_leaves_nothing_behind() {
    let npm = "case $1 in --version) echo 10.8.2;; install) echo half >node_modules; exit 1;; esac";
    let place = Place::elsewhere().with_programs(&[("node", "echo v20.20.2"), ("npm", npm)]);
    let told = place.refused(&["init", "--framework", "express", "app"]);
    let shown = "npm install --no-audit --no-fund --loglevel=error";
    assert_eq!(
        told,
        format!(
            "{shown}\nheirloom: `{shown}` failed, so nothing was made in app: try again, or write the files alone with \
             --no-install\n"
        )
    );
    assert!(place.everything().is_empty());
    // An empty folder that was there is there, and empty.
    fs::create_dir(place.folder.path().join("app")).unwrap();
    place.refused(&["init", "--framework", "express", "app"]);
    assert_eq!(fs::read_dir(place.folder.path().join("app")).unwrap().count(), 0);
    // With --json nothing but JSON is on standard output.
    let output = place.run_with(&["init", "--framework", "express", "app", "--json"], "");
    assert!(output.stdout.is_empty());
}

#[test]
fn with_json_what_tools_say_goes_elsewhere() {
    let npm = "case $1 in --version) echo 10.8.2;; install) echo added 65 packages;; esac";
    let place = Place::elsewhere().with_programs(&[("node", "echo v20.20.2"), ("npm", npm)]);
    let output = place.run_with(&["init", "--framework", "vite", "app", "--json"], "");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["installed"], &told["url"]), (&json!(true), &json!("http://localhost:5173")));
    assert!(String::from_utf8(output.stderr).unwrap().contains("added 65 packages"));
}
