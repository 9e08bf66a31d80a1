//! The command line: one file a command.

mod arguments;
mod client;
mod config;
mod demo;
mod family;
mod healthcheck;
mod keys;
mod migrate;
mod office;
mod output;
mod recovery;
mod registration_token;
mod resource_service;
mod serve;
mod user;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::settings::{LoadFrom, Settings, UnnamedFiles};

use arguments::{LONGEST, duration, duration_within, json_object};
use office::Office;

/// An OAuth 2.1 / OpenID Connect authorization server built around refresh-token families.
#[derive(Debug, Parser)]
#[command(name = "heirloom", version, about, disable_help_subcommand = true)]
pub struct Cli {
    /// The settings file, instead of ./heirloom.toml, which counts for serve, config and healthcheck only
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    /// The file of HEIRLOOM_… variables, instead of ./.env, which counts for the same commands only
    #[arg(long, global = true, value_name = "PATH")]
    env_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C
    Serve(serve::Serve),
    /// Watch the whole story on real processes: log in, refresh, lose a response, steal a token
    Demo(demo::Demo),
    /// Bring the database's schema up to date
    Migrate(migrate::Migrate),
    /// Add, list and change users
    #[command(subcommand)]
    User(user::UserCommand),
    /// Register, list and change clients
    #[command(subcommand)]
    Client(Box<client::ClientCommand>),
    /// Make, list and remove tokens with which clients register themselves
    #[command(subcommand)]
    RegistrationToken(registration_token::RegistrationTokenCommand),
    /// List, rotate and export signing keys; make master keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// List and revoke families: who is logged in where
    #[command(subcommand)]
    Family(family::FamilyCommand),
    /// Tell the server that the database was restored from a backup
    #[command(subcommand)]
    Recovery(recovery::Recovery),
    /// Show or check the settings
    #[command(subcommand)]
    Config(config::Config),
    /// Ask a running server whether it is ready; exits 0 if it is
    Healthcheck(healthcheck::Healthcheck),
    /// The demo's resource service
    #[command(hide = true)]
    ResourceService(resource_service::ResourceService),
}

/// Runs the command that was asked for.
///
/// # Errors
/// Whatever stopped it, for `main` to print.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        // These need no settings, so bad ones must not stop them.
        Command::Demo(command) => return demo::run(command).await,
        Command::ResourceService(command) => return resource_service::run(command).await,
        Command::Keys(keys::KeysCommand::NewMaster) => {
            keys::new_master();
            return Ok(());
        }
        _ => {}
    }
    let unnamed_files = match cli.command {
        Command::Serve(_) | Command::Config(_) | Command::Healthcheck(_) => UnnamedFiles::Count,
        _ => UnnamedFiles::PassOver,
    };
    let files = LoadFrom { config: cli.config, env_file: cli.env_file, unnamed_files, ..LoadFrom::default() };
    let settings = Settings::from_environment(files)?;
    match cli.command {
        Command::Serve(command) => serve::run(command, settings).await,
        Command::Migrate(command) => migrate::run(command, &settings).await,
        Command::User(command) => user::run(command, &Office::open(settings).await?).await,
        Command::Client(command) => client::run(*command, &Office::open(settings).await?).await,
        Command::RegistrationToken(command) => {
            registration_token::run(command, &Office::open(settings).await?).await
        }
        Command::Keys(command) => keys::run(command, &Office::open(settings).await?).await,
        Command::Family(command) => family::run(command, &Office::open(settings).await?).await,
        Command::Recovery(command) => recovery::run(command, &Office::open(settings).await?).await,
        Command::Config(command) => config::run(&command, &settings).await,
        Command::Healthcheck(command) => healthcheck::run(command, &settings).await,
        Command::Demo(_) | Command::ResourceService(_) => Ok(()),
    }
}
