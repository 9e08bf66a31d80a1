//! Histories: what hundreds of logins were answered while everything goes wrong, checked against what is promised.
//!
//! Real servers run on a real database, and `actors` use them at the public faces: owners who are honest and patient,
//! programs that share a login, thieves, those who end logins. Meanwhile `faults` happen. What was asked and said is a
//! `history`; the `checker` is a function of that alone, and `doctored` histories show that it finds what it is for. A
//! server without its compare-and-swap (`controls`) shows that the actors bring it to light.
//!
//! `tests/trust histories replication` runs all of it for long; docs/trust.md tells what is done and what was found.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests fail by panicking, and nobody else reads them as a library"
)]

mod actors;
mod asking;
mod checker;
mod controls;
mod doctored;
mod faults;
mod history;
mod on_postgres;
mod on_sqlite;
mod postgres;
mod proxy;
mod replica;
mod replication;
mod restore;
mod run;
mod waiting;
mod world;

#[path = "../api/folder.rs"]
mod folder;

#[path = "../processes/process.rs"]
#[expect(dead_code, reason = "the tests with processes use the rest")]
mod process;

#[path = "../api/signer.rs"]
#[expect(dead_code, reason = "the tests of clients' signatures use the rest")]
mod signer;

#[path = "../processes/small_disk.rs"]
mod small_disk;

/// Whether `tests/trust` asks: it takes its time.
fn is_long() -> bool {
    std::env::var_os("HEIRLOOM_TRUST").is_some()
}

/// How many operations a long run is for.
fn long_operations() -> usize {
    std::env::var("HEIRLOOM_OPERATIONS").map_or(1_000_000, |number| number.parse().unwrap())
}

/// What the order and the length of faults and the choices of all actors follow from.
fn seed() -> u64 {
    std::env::var("HEIRLOOM_SEED")
        .map_or_else(|_| rand::random_range(0..1_000_000), |seed| seed.parse().unwrap())
}
