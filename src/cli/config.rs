//! `heirloom config …`

use clap::Subcommand;

use crate::app;
use crate::cli::output;
use crate::master_keys;
use crate::settings::{DatabaseUrl, Settings, env_example};

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Show every setting, its value and where it came from; secrets are masked
    Print {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check the settings and whether the database answers; notes are what could be better
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
            app::lifetimes(settings)?;
            for note in app::notes(settings)? {
                println!("note: {note}");
            }
            // Looking must not make anything: the embedded store makes its files when it first serves.
            match &settings.database_url {
                DatabaseUrl::Postgres(_) => {
                    master_keys::load(settings)?;
                    app::open_store(settings, app::OldSchema::Refuse).await?;
                }
                DatabaseUrl::Sqlite(_) | DatabaseUrl::SqliteMemory => {}
            }
            println!("the settings are good");
        }
    }
    Ok(())
}
