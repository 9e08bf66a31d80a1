//! Services and clients in five languages, and relying parties as they are shipped, against a running server.
//! `tests/interop/install` gets what they need; `tests/run --all` runs them, and tells what the machine has no tools
//! for.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests fail by panicking, and nobody else reads them as a library"
)]

mod bad_tokens;
mod forge;
mod languages;
mod orders;
mod parties;
mod pasted;
mod running;
mod upstream;

#[path = "../clients/browser.rs"]
#[expect(dead_code, reason = "the tests of clients use the rest")]
mod browser;

#[path = "../clients/program.rs"]
#[expect(dead_code, reason = "the tests of clients use the rest")]
mod program;

#[path = "../clients/world.rs"]
#[expect(dead_code, reason = "the tests of clients use the rest")]
mod world;

#[path = "../api/folder.rs"]
mod folder;

#[path = "../processes/process.rs"]
#[expect(dead_code, clippy::expect_used, reason = "the tests with processes use the rest")]
mod process;

#[path = "../api/remote.rs"]
#[expect(dead_code, reason = "the tests of what is fetched use the rest")]
mod remote;
