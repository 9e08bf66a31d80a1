//! Tests with real processes: several servers, crashes, the command line, the demo.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests fail by panicking, and nobody else reads them as a library"
)]

mod apply;
mod apply_export;
mod apply_refused;
mod apply_secrets;
mod backup;
mod cli;
mod cli_refused;
mod crashes;
mod dev;
mod disk;
mod distribution;
mod doctor;
mod events;
mod failover;
mod files;
mod init;
mod invitations;
mod limits;
mod moving;
mod orders;
mod own_postgres;
mod pooler;
mod process;
mod quiet;
mod recovery;
mod remote;
mod remote_import;
mod remote_refused;
mod replicas;
mod revocation;
mod shells;
mod small_disk;
mod stopping;
mod tried;
mod upgrading;
mod webhooks;

#[path = "../api/folder.rs"]
mod folder;
