//! Whoever pastes what the pages say, block after block, gets what they promise: in three shells, at a terminal.

use std::net::TcpListener;

use crate::process::{PASSWORD, Place};
use crate::program::{python, repository};

/// One reader's evening each.
const READINGS: [&[&str]; 2] =
    [&["README.md", "docs/api.md"], &["README.md#Run it", "docs/sign-in.md", "docs/protect-a-service.md"]];

fn paste(shell: &str) {
    for pages in READINGS {
        read(shell, pages, &Place::sqlite(), &[]);
    }
    let place = Place::empty_postgres();
    read(shell, &["README.md"], &place, &[("DATABASE", place.url())]);
}

fn read(shell: &str, pages: &[&str], place: &Place, more: &[(&str, &str)]) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let binaries = std::path::Path::new(env!("CARGO_BIN_EXE_heirloom")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let mut command = python("pasted.py");
    command
        .arg(shell)
        .args(pages.iter().map(|page| repository().join(page)))
        .current_dir(place.folder.path())
        .env("PATH", path)
        .env("HEIRLOOM_LISTEN", format!("127.0.0.1:{port}"))
        .envs([("PORT", port.as_str()), ("PASSWORD", PASSWORD)])
        .envs(more.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{pages:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn in_bash() {
    paste("bash");
}

#[test]
fn in_dash() {
    paste("dash");
}

#[test]
fn in_zsh() {
    paste("zsh");
}
