//! What the console gives to paste is what Go's and Java's compilers take, with the libraries that it names. The lines
//! for a shell, JavaScript and Python are run by `tests/clients/console.mjs`.

use std::process::Command;

use crate::folder::Folder;
use crate::languages::{folder, java_client, run};
use crate::process::block_on;
use crate::world::World;

const KINDS: [(&str, &[&str]); 3] = [
    (
        "web",
        &[
            "--confidential",
            "--redirect-uri",
            "https://shop.example.com/callback",
            "--scope",
            "openid profile",
        ],
    ),
    ("app", &["--public", "--redirect-uri", "https://shop.example.com/callback", "--scope", "openid"]),
    (
        "service",
        &[
            "--confidential",
            "--grant",
            "client_credentials",
            "--scope",
            "orders:read",
            "--audience",
            "https://orders.example.com",
        ],
    ),
];

/// The lines for this language, of a client of each kind.
fn lines_for(language: &str) -> Vec<(&'static str, String)> {
    let world = World::new();
    world.place.ok(&["user", "set-roles", "ana", "heirloom-admin"]);
    let mut browser = world.browser();
    let lines = |(kind, said): (&'static str, &[&str])| {
        world.place.ok(&[&["client", "add", kind], said].concat());
        let page = block_on(browser.visit(&format!("{}/admin/clients/{kind}", world.server.url))).body;
        let (_, rest) = page.split_once(&format!("<summary>{language}</summary>")).unwrap();
        let (_, rest) = rest.split_once("<code>").unwrap();
        let (lines, _) = rest.split_once("</code>").unwrap();
        let plain = [
            ("&quot;", "\""),
            ("&#x2f;", "/"),
            ("&#x27;", "'"),
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&amp;", "&"),
        ];
        (kind, plain.iter().fold(lines.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain)))
    };
    KINDS.into_iter().map(lines).collect()
}

#[track_caller]
fn is_taken(mut command: Command, kind: &str, lines: &str) {
    let judged = command.output().unwrap();
    let said = [judged.stdout, judged.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(judged.status.success(), "{kind}: {}\n{lines}", said.concat());
}

mod go {
    use super::*;

    #[test]
    fn the_compiler_takes_the_lines() {
        for (kind, lines) in lines_for("Go") {
            let file = Folder::new();
            let mut vet = run("go", &["vet".into(), file.keep("heirloom.go", &lines)]);
            vet.current_dir(folder("go")).envs([("GOTOOLCHAIN", "local"), ("GOFLAGS", "-mod=readonly")]);
            is_taken(vet, kind, &lines);
        }
    }
}

mod java {
    use super::*;

    #[test]
    fn the_compiler_takes_the_lines() {
        for (kind, lines) in lines_for("Java") {
            let file = Folder::new();
            let source = file.keep("Heirloom.java", &lines);
            let classes = file.path().to_owned();
            is_taken(
                run("javac", &["-cp".into(), java_client(), "-d".into(), classes, source]),
                kind,
                &lines,
            );
        }
    }
}
