//! What the tree of dependencies may hold: licences, crates, versions. `cargo metadata` says what it does hold, for
//! this platform, with every feature.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking, and tell what they looked at"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What may be built into Heirloom and given away: nobody has to open what is built with it. MPL-2.0 asks that for
/// changes of its own files, of which there are none.
const LICENCES: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that must not come in, and why.
const BANNED: [(&str, &str); 8] = [
    ("openssl", "TLS is rustls'; a system's library would have to be there"),
    ("openssl-sys", "TLS is rustls'"),
    ("native-tls", "TLS is rustls'"),
    ("boring", "cryptography is aws-lc's"),
    ("paseto", "tokens are JWT (RFC 9068)"),
    ("serde_yaml", "nobody keeps it"),
    ("serde_yml", "nobody keeps it, and it is unsound"),
    ("atty", "the language has it"),
];

/// Crates that are there in several versions, and who still asks for the older one.
const SEVERAL: &[(&str, &str)] = &[
    ("actix-web's", "http"),
    (
        "openidconnect's",
        "const-oid crypto-common der digest hmac pem-rfc7468 pkcs1 pkcs8 rand_chacha rsa sha2 signature spki block-buffer cpufeatures",
    ),
    ("openidconnect's and OpenTelemetry's", "getrandom rand rand_core"),
    ("serde_with's, of openidconnect and webauthn-rs", "hashbrown indexmap jiff jiff-core schemars"),
    ("webauthn-rs's", "argon2 base64 blake2 nom password-hash synstructure thiserror thiserror-impl"),
    ("most derives'", "syn"),
    ("aws-lc-rs's", "untrusted"),
];

struct Package {
    name: String,
    version: String,
    licence: String,
    source: Option<String>,
}

/// All that is built into the programs or into what builds them; tests have more.
fn shipped() -> Vec<Package> {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let rustc = String::from_utf8(rustc).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let cargo = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["metadata", "--locked", "--format-version", "1", "--all-features", "--filter-platform", host])
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let nodes: BTreeMap<String, Value> = list(metadata.pointer("/resolve/nodes").unwrap())
        .into_iter()
        .map(|node| (text(&node["id"]), node))
        .collect();
    let (mut reached, mut next) = (BTreeSet::new(), Vec::new());
    next.extend(list(&metadata["workspace_members"]).iter().map(text));
    while let Some(id) = next.pop() {
        if !reached.insert(id.clone()) {
            continue;
        }
        for dependency in list(&nodes[&id]["deps"]) {
            if list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev") {
                next.push(text(&dependency["pkg"]));
            }
        }
    }
    let packages =
        list(&metadata["packages"]).into_iter().filter(|package| reached.contains(&text(&package["id"])));
    let packages = packages.map(|package| Package {
        name: text(&package["name"]),
        version: text(&package["version"]),
        licence: package["license"].as_str().unwrap_or_default().to_owned(),
        source: package["source"].as_str().map(ToOwned::to_owned),
    });
    packages.collect()
}

/// Whether somebody may take this under one of [`LICENCES`] (SPDX, with the older slash for `OR`).
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace(" WITH LLVM-exception", "").replace('/', " OR ");
    let mut tokens = Vec::new();
    for word in expression.replace('(', " ( ").replace(')', " ) ").split_whitespace() {
        tokens.push(word.to_owned());
    }
    let mut tokens = tokens.into_iter().peekable();
    let allowed = alternatives(&mut tokens);
    allowed && tokens.next().is_none()
}

type Tokens = std::iter::Peekable<std::vec::IntoIter<String>>;

fn alternatives(tokens: &mut Tokens) -> bool {
    let mut allowed = all_of(tokens);
    while tokens.next_if(|token| token == "OR").is_some() {
        let other = all_of(tokens);
        allowed |= other;
    }
    allowed
}

fn all_of(tokens: &mut Tokens) -> bool {
    let mut allowed = one(tokens);
    while tokens.next_if(|token| token == "AND").is_some() {
        let other = one(tokens);
        allowed &= other;
    }
    allowed
}

fn one(tokens: &mut Tokens) -> bool {
    match tokens.next().as_deref() {
        Some("(") => {
            let allowed = alternatives(tokens);
            allowed && tokens.next().as_deref() == Some(")")
        }
        Some(licence) => LICENCES.contains(&licence),
        None => false,
    }
}

#[test]
fn licences_are_read_as_they_are_meant() {
    for (expression, allowed) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("MIT AND (GPL-3.0 OR ISC)", true),
        ("(MIT OR ISC) AND GPL-3.0", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("", false),
        ("MIT MIT", false),
    ] {
        assert_eq!(is_allowed(expression), allowed, "{expression}");
    }
}

#[test]
fn everything_may_be_given_away() {
    let packages = shipped();
    let unfit = packages.iter().filter(|package| !is_allowed(&package.licence));
    let unfit: Vec<String> =
        unfit.map(|it| format!("{} {}: {:?}", it.name, it.version, it.licence)).collect();
    println!(
        "dependencies: {} packages, {} of them under a licence that is not on the list",
        packages.len(),
        unfit.len()
    );
    assert!(packages.len() > 100 && unfit.is_empty(), "{unfit:?}");
}

#[test]
fn the_tree_has_nothing_that_is_banned() {
    let packages = shipped();
    for (name, why) in BANNED {
        assert!(packages.iter().all(|package| package.name != name), "{name} came in: {why}");
    }
    // Whatever is not ours comes from where everybody sees it.
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let elsewhere =
        packages.iter().filter(|it| it.source.as_deref().is_some_and(|source| source != registry));
    assert_eq!(elsewhere.map(|it| it.name.as_str()).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn several_versions_are_there_for_a_reason() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in shipped() {
        versions.entry(package.name).or_default().insert(package.version);
    }
    let several: BTreeSet<&str> =
        versions.iter().filter(|(_, versions)| versions.len() > 1).map(|(name, _)| name.as_str()).collect();
    let known: BTreeSet<&str> = SEVERAL.iter().flat_map(|(_, names)| names.split(' ')).collect();
    let new: Vec<&&str> = several.difference(&known).collect();
    let gone: Vec<&&str> = known.difference(&several).collect();
    println!("dependencies: {} crates in several versions", several.len());
    assert!(new.is_empty(), "in several versions without a reason in this file: {new:?}");
    assert!(gone.is_empty(), "in one version only by now; take them out of this file: {gone:?}");
}
