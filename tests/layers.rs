//! The arrows of the architecture point down, and stay so.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// What a layer's files must not name.
struct Rule {
    layer: &'static str,
    words: &'static [&'static str],
}

const RULES: [Rule; 6] = [
    Rule {
        layer: "domain",
        words: &[
            "crate::store",
            "crate::crypto",
            "crate::service",
            "crate::http",
            "crate::cli",
            "crate::app",
            "tokio::",
        ],
    },
    Rule {
        layer: "crypto",
        words: &["crate::store", "crate::service", "crate::http", "crate::cli", "crate::app"],
    },
    Rule { layer: "store", words: &["crate::service", "crate::http", "crate::cli", "crate::app"] },
    Rule { layer: "service", words: &["crate::http", "crate::cli", "crate::app"] },
    Rule { layer: "http", words: &["crate::cli", "crate::app"] },
    Rule {
        layer: "settings",
        words: &["crate::store", "crate::service", "crate::http", "crate::cli", "crate::app"],
    },
];

/// Who may name a crate; nobody else.
const CRATES: [(&str, &[&str]); 2] = [
    ("sqlx::", &["store"]),
    // The demo's resource service is a server of its own.
    ("actix_web::", &["http", "app", "cli/resource_service"]),
];

/// Every source file below a folder: its path from there without the ending, and its lines of code.
fn sources(root: &Path) -> Vec<(String, Vec<String>)> {
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().with_extension("").to_str().unwrap().to_owned();
                let text = fs::read_to_string(&path).unwrap();
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                found.push((name, code.map(ToOwned::to_owned).collect()));
            }
        }
    }
    assert!(found.len() > 50, "the sources were found");
    found
}

fn is_in(name: &str, layer: &str) -> bool {
    name == layer || name.strip_prefix(layer).is_some_and(|rest| rest.starts_with('/'))
}

fn source() -> Vec<(String, Vec<String>)> {
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn no_layer_names_one_above_it() {
    for (name, code) in source() {
        for rule in RULES.iter().filter(|rule| is_in(&name, rule.layer)) {
            for word in rule.words {
                let found = code.iter().find(|line| line.contains(word));
                assert_eq!(found, None, "src/{name}.rs is in {} and names {word}", rule.layer);
            }
        }
    }
}

#[test]
fn the_database_and_the_web_stay_in_their_rooms() {
    for (name, code) in source() {
        for (word, rooms) in CRATES {
            if !rooms.iter().any(|room| is_in(&name, room)) {
                let found = code.iter().find(|line| line.contains(word));
                assert_eq!(found, None, "src/{name}.rs names {word}");
            }
        }
    }
}

#[test]
fn only_the_clock_reads_the_clock() {
    for (name, code) in source() {
        for word in ["Utc::now", "SystemTime::now", "Instant::now"] {
            let found = code.iter().find(|line| line.contains(word));
            assert!(name == "clock" || found.is_none(), "src/{name}.rs names {word}");
        }
    }
}
