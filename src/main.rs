//! Parses the command line and runs one command.

use std::process::ExitCode;

use clap::Parser as _;
use heirloom::cli::{Cli, run};
use heirloom::domain::error_causes::with_causes;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("heirloom: {}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
