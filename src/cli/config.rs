//! `heirloom config …`

use clap::Subcommand;

use crate::app;
use crate::cli::output;
use crate::settings::{Settings, env_example};

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Show every setting, its value and where it came from; secrets are masked
    Print {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Try what a server tries at its start, but to listen; notes are what could be better
    Check,
    /// Print the text of .env.example
    #[command(hide = true)]
    Example,
}

pub(super) async fn run(command: &Config, settings: &Settings) -> anyhow::Result<()> {
    match command {
        Config::Print { json: true } => output::json(&settings.to_json()),
        Config::Print { json: false } => print!("{}", settings.to_toml_string()),
        Config::Example => print!("{}", env_example()),
        Config::Check => {
            for note in app::notes(settings)? {
                println!("note: {note}");
            }
            app::check(settings).await?;
            println!("the settings are good");
        }
    }
    Ok(())
}
