//! The services: each a program of its own in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::repository;

/// A service and a client, and with which algorithms its libraries can do.
pub struct Language {
    pub name: &'static str,
    pub service: fn() -> Command,
    /// Rust's is run in `tests/clients/rust_client.rs`.
    pub client: Option<fn() -> Command>,
    pub algorithms: &'static [&'static str],
    /// What it takes a key of when keys are rotated.
    pub next_algorithm: &'static str,
}

const ALL: &[&str] = &["ES256", "EdDSA", "RS256"];

const NODE: Language = Language {
    name: "Node.js (jose)",
    service: || run("node", &[folder("node/service.mjs")]),
    client: Some(|| run("node", &[folder("node/client.mjs")])),
    algorithms: ALL,
    next_algorithm: "EdDSA",
};

const PYTHON: Language = Language {
    name: "Python (PyJWT)",
    service: || run(installed("python/bin/python"), &[folder("python/service.py")]),
    client: Some(|| run(installed("python/bin/python"), &[folder("python/client.py")])),
    algorithms: ALL,
    next_algorithm: "EdDSA",
};

const GO: Language = Language {
    name: "Go (golang-jwt, keyfunc)",
    service: || run(installed("go/service"), &[]),
    client: Some(|| run(installed("go/client"), &[])),
    algorithms: ALL,
    next_algorithm: "EdDSA",
};

/// It runs for seconds alone.
pub const FAST: &str = "-XX:TieredStopAtLevel=1";

/// Nimbus takes no Ed25519 key from a key set; and Spring learns but once which algorithms there are.
const JAVA: Language = Language {
    name: "Java (Spring Security, Nimbus)",
    service: || run("java", &[FAST.into(), "-jar".into(), installed("java/orders-1.jar")]),
    client: Some(|| run("java", &[FAST.into(), "-cp".into(), java_client(), "orders.Client".into()])),
    algorithms: &["ES256", "RS256"],
    next_algorithm: "ES256",
};

const RUST: Language = Language {
    name: "Rust (heirloom-verifier)",
    service: || run(example("interop-verifier"), &[]),
    client: None,
    algorithms: ALL,
    next_algorithm: "EdDSA",
};

const RUST_PLAIN: Language = Language {
    name: "Rust (jsonwebtoken)",
    service: || run(example("interop-jsonwebtoken"), &[]),
    client: None,
    algorithms: ALL,
    next_algorithm: "EdDSA",
};

macro_rules! services {
    ($($name:ident: $language:ident),* $(,)?) => {$(
        mod $name {
            use super::$language;
            use crate::orders;

            #[test]
            fn the_service_takes_good_tokens_and_refuses_the_table_of_bad_ones() {
                orders::opens_to_good_tokens_alone(&$language);
            }

            #[test]
            fn the_service_refuses_nobody_while_keys_rotate() {
                orders::goes_on_while_keys_rotate(&$language);
            }

            #[test]
            fn the_service_learns_of_a_logout() {
                orders::learns_of_a_logout(&$language);
            }
        }
    )*};
}

/// Services that take tokens that are bound to a key (DPoP, RFC 9449), from a client in Node.js.
mod dpop {
    mod node {
        use crate::languages::{JAVA, Language, NODE, RUST, folder, run};
        use crate::orders::is_called_with_a_key;

        fn client() -> std::process::Command {
            run("node", &[folder("node/dpop.mjs")])
        }

        #[test]
        fn a_bound_token_opens_the_service_with_its_key_alone() {
            let service = || run("node", &[folder("node/dpop-service.mjs")]);
            is_called_with_a_key(&Language { name: "Node.js (oauth4webapi)", service, ..NODE }, client());
        }

        mod java {
            #[test]
            fn a_bound_token_opens_the_service_with_its_key_alone() {
                super::is_called_with_a_key(&super::JAVA, super::client());
            }
        }

        mod rust {
            #[test]
            fn a_bound_token_opens_the_service_with_its_key_alone() {
                super::is_called_with_a_key(&super::RUST, super::client());
            }
        }
    }
}

macro_rules! clients {
    ($($name:ident: $language:ident),* $(,)?) => {$(
        mod $name {
            #[test]
            fn signs_its_user_in_calls_the_service_refreshes_and_signs_out() {
                crate::orders::is_called_by_the_client(&super::super::$language);
            }
        }
    )*};
}

mod clients {
    clients! { node: NODE, python: PYTHON, go: GO, java: JAVA }
}

services! { node: NODE, python: PYTHON, go: GO, java: JAVA, rust: RUST, rust_plain: RUST_PLAIN }

pub fn run(program: impl AsRef<std::ffi::OsStr>, arguments: &[PathBuf]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

pub fn folder(file: &str) -> PathBuf {
    repository().join("tests/interop").join(file)
}

/// Its classes and its libraries.
pub fn java_client() -> PathBuf {
    let [classes, libraries] = ["java-client/classes", "java-client/dependency/*"].map(installed);
    format!("{}:{}", classes.display(), libraries.display()).into()
}

/// What tests/interop/install has put in its place.
pub fn installed(file: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    repository().join(target).join("interop").join(file)
}

/// A program that Cargo has built beside the tests.
fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_heirloom")).parent().unwrap().join("examples").join(name)
}
