//! Client libraries as they are, in Rust, JavaScript and Python, against a running server. `tests/clients/install` gets
//! what they need.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests fail by panicking, and nobody else reads them as a library"
)]

mod browser;
mod console;
mod event_schema;
mod example;
mod init;
mod libraries;
mod life;
mod mail;
mod mcp;
mod moving;
mod operators;
mod packages;
mod pages;
mod passkeys;
mod pasted;

mod program;
mod readme;
mod rust_client;
mod sdk;
mod token_file;
mod webhooks;
mod world;

#[path = "../api/database.rs"]
#[expect(
    dead_code,
    unused_macros,
    unused_imports,
    clippy::expect_used,
    reason = "the tests of the API use the rest"
)]
mod database;

#[path = "../api/event_samples.rs"]
mod event_samples;

#[path = "../api/folder.rs"]
mod folder;

#[path = "../api/harness.rs"]
#[expect(dead_code, unused_macros, unused_imports, reason = "the tests of the API use the rest")]
mod harness;

#[path = "../api/mailbox.rs"]
#[expect(dead_code, reason = "the tests of the API use the rest")]
mod mailbox;

#[path = "../processes/process.rs"]
#[expect(dead_code, clippy::expect_used, reason = "the tests with processes use the rest")]
mod process;

#[path = "../api/remote.rs"]
#[expect(dead_code, reason = "the tests of what is fetched use the rest")]
mod remote;
