//! The apps that `heirloom init` makes, started as their readers start them, and clicked through in Chromium.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::folder::Folder;
use crate::process::{block_on, eventually};
use crate::program::{Program, node, repository, venv};

/// The program itself is where apps look for it.
fn heirloom() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_heirloom"))
}

fn path() -> OsString {
    let usual = std::env::var_os("PATH").unwrap();
    let own = heirloom().parent().unwrap().to_owned();
    std::env::join_paths([own].into_iter().chain(std::env::split_paths(&usual))).unwrap()
}

/// An app that runs beside its server: all of its process group is told to end, as npm does not tell it on.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

/// Makes an app, with libraries that tests/clients/install has got already.
fn make(framework: &str, libraries: (&str, PathBuf)) -> Folder {
    let folder = Folder::new();
    let made = Command::new(heirloom())
        .args(["init", "--framework", framework, "app", "--no-install"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (name, there) = libraries;
    std::os::unix::fs::symlink(there, folder.path().join("app").join(name)).unwrap();
    folder
}

/// Starts it by this line, and clicks through it.
fn click_through(folder: &Folder, start: &[&str], port_variable: &str) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let url = format!("http://localhost:{port}");
    let mut command = Command::new(start[0]);
    command.args(&start[1..]).current_dir(folder.path().join("app")).env("PATH", path());
    command.env("HEIRLOOM_LISTEN", "127.0.0.1:0").env(port_variable, port);
    command.envs([("HEIRLOOM_PASSWORDS__MEMORY_KIB", "8"), ("HEIRLOOM_PASSWORDS__ITERATIONS", "1")]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _running = Running(command.process_group(0).spawn().unwrap());
    block_on(eventually("the app answers", || async { reqwest::get(&url).await.is_ok() }));
    let mut walk = node("made_app.mjs");
    walk.arg(&url);
    let mut walk = Program::start(walk);
    while walk.hear() != "done" {}
    walk.ends();
}

#[test]
fn express_signs_in_calls_its_api_and_signs_out() {
    let folder = make("express", ("node_modules", repository().join("tests/clients/node_modules")));
    click_through(&folder, &["npm", "start"], "PORT");
}

#[test]
fn flask_signs_in_calls_its_api_and_signs_out() {
    let folder = make("flask", (".venv", venv().canonicalize().unwrap()));
    let start = ["heirloom", "dev", "--", ".venv/bin/flask", "run", "--debug"];
    click_through(&folder, &start, "FLASK_RUN_PORT");
}
