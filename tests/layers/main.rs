//! The arrows of the architecture point down, and stay so.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod circles;
mod map;
mod migrations;
mod named_tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each layer's files may name of this crate; nothing else.
const LAYERS: [(&str, &[&str]); 8] = [
    ("domain", &["domain"]),
    // What they measure they tell the figures.
    ("crypto", &["domain", "crypto", "clock", "figures", "spans"]),
    // Of the clock the two name the stopwatch; the clients that are known are given the clock.
    ("store", &["domain", "crypto", "store", "clock", "figures", "spans"]),
    ("outbound", &["domain", "outbound", "spans"]),
    ("service", &["domain", "crypto", "store", "outbound", "service", "clock", "spans"]),
    ("http", &["domain", "crypto", "service", "http", "clock", "spans"]),
    ("settings", &["domain", "crypto", "settings"]),
    ("cli", &["domain", "crypto", "service", "settings", "app", "master_keys", "telemetry", "clock", "cli"]),
];

/// Who may name a crate; nobody else.
const CRATES: [(&str, &[&str]); 13] = [
    ("sqlx", &["store"]),
    // The demo's resource service is a server of its own.
    ("actix_web", &["http", "app", "cli/resource_service"]),
    ("actix_http", &["http"]),
    ("actix_service", &["http"]),
    ("actix_tls", &["http"]),
    // Below these an error is a value that somebody has to tell apart. The master keys are read while composing.
    ("anyhow", &["main", "app", "cli", "master_keys", "tls"]),
    ("tokio", &["main", "app", "cli", "http", "service", "store", "crypto", "outbound"]),
    ("webauthn_rs", &["crypto"]),
    // Whatever the server fetches goes out by the one guarded way; commands call their own server.
    ("reqwest", &["outbound", "cli"]),
    ("lettre", &["outbound"]),
    ("prometheus", &["figures", "http/metrics"]),
    ("opentelemetry_otlp", &["app/traces"]),
    ("procfs", &["http/metrics"]),
];

/// Every source file below a folder of ours: its path from there without the ending, and its text.
fn files_of(folder: &str) -> Vec<(String, String)> {
    let root = &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.extend(Some(path).filter(|path| !path.ends_with("node_modules")));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().with_extension("").to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "the sources were found");
    found
}

fn is_in(name: &str, layer: &str) -> bool {
    name == layer || name.strip_prefix(layer).is_some_and(|rest| rest.starts_with('/'))
}

/// The lines of this crate's code.
fn source() -> Vec<(String, Vec<String>)> {
    let code = |text: &str| {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.map(ToOwned::to_owned).collect()
    };
    files_of("src").into_iter().map(|(name, text)| (name, code(&text))).collect()
}

/// The modules of this crate that a line names. A group (`crate::{…}`) could hide one, so it counts as `{`.
fn modules_named(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric());
        let name = &rest[..end.unwrap_or(rest.len())];
        if name.is_empty() { "{" } else { name }
    })
}

fn names(line: &str, word: &str) -> bool {
    line.split(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric()).any(|found| found == word)
}

#[test]
fn no_layer_names_one_above_it() {
    let source = source();
    for (layer, allowed) in LAYERS {
        let files: Vec<_> = source.iter().filter(|(name, _)| is_in(name, layer)).collect();
        assert!(!files.is_empty(), "there is no layer {layer}");
        for (name, code) in files {
            for line in code {
                let found = modules_named(line).find(|module| !allowed.contains(module));
                assert_eq!(found, None, "src/{name}.rs is in {layer}: {line}");
            }
        }
    }
}

#[test]
fn the_database_and_the_web_stay_in_their_rooms() {
    for (name, code) in source() {
        for (word, rooms) in CRATES {
            if !rooms.iter().any(|room| is_in(&name, room)) {
                let found = code.iter().find(|line| names(line, word));
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

#[test]
fn comments_are_120_columns_wide_at_most() {
    for folder in ["src", "tests", "benches", "verifier/src", "verifier/tests"] {
        for (name, text) in files_of(folder) {
            let wide =
                text.lines().find(|line| line.trim_start().starts_with("//") && line.chars().count() > 120);
            assert_eq!(wide, None, "{folder}/{name}.rs");
        }
    }
}

#[test]
fn a_types_name_is_defined_once() {
    let mut defined = BTreeMap::new();
    for (name, code) in source() {
        for line in code {
            let words: Vec<&str> = line.split(|letter: char| !letter.is_alphanumeric()).collect();
            let found =
                words.windows(2).find(|pair| matches!(pair[0], "struct" | "enum" | "trait" | "union"));
            let Some(named) =
                found.map(|pair| pair[1]).filter(|_| line.trim_end().ends_with(['{', ';', '>', ')']))
            else {
                continue;
            };
            if named.starts_with(|letter: char| letter.is_ascii_uppercase()) {
                let before = defined.insert(named.to_owned(), name.clone());
                assert_eq!(before, None, "{named} is defined in src/{name}.rs, too");
            }
        }
    }
    assert!(defined.len() > 100, "the types were found");
}
