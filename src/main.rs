//! Parses the command line and runs one command.

use std::process::ExitCode;

use clap::Parser as _;
use heirloom::cli::{Cli, run};

/// Measured: a refresh allocates some hundred times, and this one is the quicker.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("heirloom: {error:#}");
            ExitCode::FAILURE
        }
    }
}
