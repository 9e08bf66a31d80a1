//! The command line: one file a command.

#[macro_use]
mod output;

mod apply;
mod arguments;
mod audience;
mod backup;
mod client;
mod completions;
mod config;
mod demo;
mod dev;
mod doctor;
mod event;
mod export;
mod family;
mod healthcheck;
mod init;
mod keys;
mod man_pages;
mod migrate;
mod office;
mod recovery;
mod registration_token;
mod remote;
mod resource_service;
mod serve;
mod user;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::app;
use crate::settings::{LoadFrom, Settings, UnnamedFiles};

use arguments::{LONGEST, duration, duration_within, json_object};
use office::Office;
use remote::{Remote, on_the_store_alone};

/// An OAuth 2.1 / OpenID Connect authorization server built around refresh-token families.
#[derive(Debug, Parser)]
#[command(name = "heirloom", version, about)]
pub struct Cli {
    /// The settings file, instead of ./heirloom.toml, which counts for serve, config, doctor and healthcheck only
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    /// The file of HEIRLOOM_… variables, instead of ./.env, which counts for the same commands only
    #[arg(long, global = true, value_name = "PATH")]
    env_file: Option<PathBuf>,
    #[command(flatten)]
    remote: remote::RemoteArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C
    Serve(serve::Serve),
    /// Watch the whole story on real processes: log in, refresh, lose a response, steal a token
    Demo(demo::Demo),
    /// Serve this machine alone, with a user and a client in ./.heirloom, to develop an app with; start the app, too
    Dev(dev::Dev),
    /// Make an app with sign-in in an empty folder, to be started with `heirloom dev`
    Init(init::Init),
    /// Bring the database's schema up to date
    Migrate(migrate::Migrate),
    #[command(flatten)]
    InOffice(OfficeCommand),
    /// Copy the embedded store into a file, while it may be served
    Backup(backup::BackupFile),
    /// Put a backup in the place of the embedded store, while nothing uses that
    Restore(backup::BackupFile),
    /// Show or check the settings
    #[command(subcommand)]
    Config(config::Config),
    /// Print the description of the admin API (OpenAPI 3.1)
    AdminApi,
    /// Look at all that a running server needs, and say what is wrong; exits 0 if nothing is
    Doctor(doctor::Doctor),
    /// Ask a running server whether it is ready; exits 0 if it is
    Healthcheck(healthcheck::Healthcheck),
    /// Print what lets a shell complete commands and options
    Completions(completions::Completions),
    /// Write the manual pages, one for each command, into a folder
    ManPages(man_pages::ManPages),
    /// The demo's resource service
    #[command(hide = true)]
    ResourceService(resource_service::ResourceService),
}

/// What an operator does to what is in the store.
#[derive(Debug, Subcommand)]
enum OfficeCommand {
    /// Add, list and change users
    #[command(subcommand)]
    User(user::UserCommand),
    /// Register, list and change clients
    #[command(subcommand)]
    Client(Box<client::ClientCommand>),
    /// Make, list and remove tokens with which clients register themselves
    #[command(subcommand)]
    RegistrationToken(registration_token::RegistrationTokenCommand),
    /// Say what access tokens for an audience are signed with
    #[command(subcommand)]
    Audience(audience::AudienceCommand),
    /// List, rotate and export signing keys; make master keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// List and revoke families: who is logged in where
    #[command(subcommand)]
    Family(family::FamilyCommand),
    /// List and export what happened
    #[command(subcommand)]
    Event(event::EventCommand),
    /// Tell other servers of events; send again what they have not taken
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Make clients and resource servers be as files say
    Apply(apply::Apply),
    /// Print what is there of clients and resource servers, as a file for apply
    Export,
    /// Tell the server that the database was restored from a backup
    #[command(subcommand)]
    Recovery(recovery::Recovery),
}

/// Runs the command that was asked for; gives what its script is told.
///
/// # Errors
/// Whatever stopped it, for `main` to print.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    if let Some(remote) = cli.remote.chosen()? {
        anyhow::ensure!(
            cli.config.is_none() && cli.env_file.is_none(),
            "--server needs no settings: leave out --config and --env-file"
        );
        let Command::InOffice(command) = cli.command else {
            anyhow::bail!("--server goes with user, client, family, event, keys and registration-token");
        };
        return well(run_over_api(command, &remote).await);
    }
    match cli.command {
        // These need no settings, so bad ones must not stop them.
        Command::Demo(command) => return well(demo::run(command).await),
        Command::Init(command) => return init::run(command).await,
        Command::ResourceService(command) => return well(resource_service::run(command).await),
        Command::AdminApi => {
            print!("{}", app::admin_api());
            return Ok(ExitCode::SUCCESS);
        }
        Command::Completions(command) => {
            completions::run(&command, Cli::command());
            return Ok(ExitCode::SUCCESS);
        }
        Command::ManPages(command) => return well(man_pages::run(&command, Cli::command())),
        Command::InOffice(OfficeCommand::Keys(keys::KeysCommand::NewMaster)) => {
            keys::new_master();
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let unnamed_files = match cli.command {
        Command::Serve(_)
        | Command::Dev(_)
        | Command::Config(_)
        | Command::Doctor(_)
        | Command::Healthcheck(_) => UnnamedFiles::Count,
        _ => UnnamedFiles::PassOver,
    };
    let files = LoadFrom { config: cli.config, env_file: cli.env_file, unnamed_files, ..LoadFrom::default() };
    let settings = Settings::from_environment(files)?;
    match cli.command {
        Command::Serve(command) => well(serve::run(command, settings).await),
        Command::Dev(command) => dev::run(command, settings).await,
        Command::Migrate(command) => well(migrate::run(command, &settings).await),
        Command::Backup(command) => well(backup::backup(command, &settings).await),
        Command::Restore(command) => well(backup::restore(command, &settings).await),
        Command::Config(command) => well(config::run(&command, &settings).await),
        Command::Doctor(command) => well(doctor::run(command, &settings).await),
        Command::Healthcheck(command) => well(healthcheck::run(command, &settings).await),
        Command::Demo(_)
        | Command::Init(_)
        | Command::ResourceService(_)
        | Command::AdminApi
        | Command::Completions(_)
        | Command::ManPages(_) => Ok(ExitCode::SUCCESS),
        Command::InOffice(command) => {
            let office = Office::open(settings).await?;
            let done = run_in_office(command, &office).await;
            // Closed in order, SQLite leaves one file behind that has everything in it.
            office.core.db.close().await;
            done
        }
    }
}

fn well(done: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    done.map(|()| ExitCode::SUCCESS)
}

async fn run_in_office(command: OfficeCommand, office: &Office) -> anyhow::Result<ExitCode> {
    let done = match command {
        OfficeCommand::Apply(command) => return apply::run(command, office).await,
        OfficeCommand::Export => export::run(office).await,
        OfficeCommand::User(command) => user::run(command, office).await,
        OfficeCommand::Client(command) => client::run(*command, office).await,
        OfficeCommand::RegistrationToken(command) => registration_token::run(command, office).await,
        OfficeCommand::Audience(command) => audience::run(command, office).await,
        OfficeCommand::Keys(command) => keys::run(command, office).await,
        OfficeCommand::Family(command) => family::run(command, office).await,
        OfficeCommand::Event(command) => event::run(command, office).await,
        OfficeCommand::Webhook(command) => webhook::run(command, office).await,
        OfficeCommand::Recovery(command) => recovery::run(command, office).await,
    };
    well(done)
}

async fn run_over_api(command: OfficeCommand, remote: &Remote) -> anyhow::Result<()> {
    match command {
        OfficeCommand::User(command) => remote::user::run(command, remote).await,
        OfficeCommand::Client(command) => remote::client::run(*command, remote).await,
        OfficeCommand::RegistrationToken(command) => remote::registration_token::run(command, remote).await,
        OfficeCommand::Keys(command) => remote::keys::run(command, remote).await,
        OfficeCommand::Family(command) => remote::family::run(command, remote).await,
        OfficeCommand::Event(command) => remote::event::run(command, remote).await,
        OfficeCommand::Audience(_) => on_the_store_alone("audience"),
        OfficeCommand::Webhook(_) => on_the_store_alone("webhook"),
        OfficeCommand::Apply(_) => on_the_store_alone("apply"),
        OfficeCommand::Export => on_the_store_alone("export"),
        OfficeCommand::Recovery(_) => on_the_store_alone("recovery"),
    }
}
