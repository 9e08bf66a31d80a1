//! Attacks, row by row: what it is, who describes it, what is sent, what must come back.
//!
//! Each row is tried on both stores, straight at the server and by a reverse proxy (`way`). Straight, no proxy is
//! trusted, and whatever forwarding headers a row sends say nothing; by the proxy, its own word counts and no more. A
//! row sends what an attacker could send over HTTP, from an address of its own, and where it needs a victim makes one.
//!
//! What tests elsewhere hold at length is named in `held`, so that the list is whole: a test looks whether they are
//! there.

#![recursion_limit = "256"]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::items_after_statements,
    unreachable_pub,
    dead_code,
    reason = "tests fail by panicking, tell what they tried, and use a part of what tests/api has for a server"
)]

mod accounts;
#[path = "../api/browser.rs"]
mod browser;
mod clients;
mod codes;
#[expect(unused_macros, unused_imports, reason = "rows are no tests of their own")]
#[path = "../api/database.rs"]
mod database;
#[path = "../api/folder.rs"]
mod folder;
mod framing;
#[expect(unused_macros, unused_imports, reason = "no test here is for batches")]
#[path = "../api/harness.rs"]
mod harness;
mod held;
mod keys;
mod limits;
mod login;
#[path = "../api/mailed.rs"]
mod mailed;
mod operators;
#[path = "../api/prover.rs"]
mod prover;
mod raw;
mod redirects;
mod refresh;
#[path = "../api/remote.rs"]
mod remote;
mod row;
mod sessions;
#[path = "../api/signer.rs"]
mod signer;
mod tokens;
mod transport;
mod victim;
mod way;
