//! `heirloom dev`: a server to develop an app with, in `./.heirloom`, and the app beside it.

mod app;
mod place;
mod seeds;
mod server;

use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tokio::sync::oneshot;

use crate::app::{App, OldSchema};
use crate::clock::Clock;
use crate::settings::Settings;
use crate::telemetry;

use app::{Orders, Surroundings};
use place::{DevPlace, Turn};
use seeds::{PASSWORD, SeedChoice, USER};

pub(super) use server::settings_to_examine;

#[derive(Debug, Args)]
pub(super) struct Dev {
    /// Begin anew: forget the users, clients, keys and mails of ./.heirloom
    #[arg(long)]
    reset: bool,
    /// The port on this machine; 0 is any that is free. Without it, that of `HEIRLOOM_LISTEN`, which is 8080 if not set
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Where users may be sent back to, beside `http://localhost/callback` at any port; may be given more than once
    #[arg(long = "redirect-uri", value_name = "U")]
    redirect_uris: Vec<String>,
    /// The app is one in a browser, or on a phone: its client is browser-app, which has no secret
    #[arg(long)]
    public: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The app to start beside the server, behind `--`: variables tell it of the server, and both end together
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) async fn run(command: Dev, settings: Settings) -> anyhow::Result<ExitCode> {
    let place = DevPlace::here();
    if !place.folder().exists() {
        // What cannot begin leaves nothing behind.
        server::free_port(&settings, command.port)?;
    }
    match place.take_turn()? {
        Turn::Ours(_held_to_the_end) => host(command, settings, &place).await,
        Turn::Others => join(command, &place).await,
    }
}

/// Serves, and starts the app beside it if there is one.
async fn host(command: Dev, settings: Settings, place: &DevPlace) -> anyhow::Result<ExitCode> {
    if command.reset {
        place.forget()?;
    }
    let mut orders = Orders::listen()?;
    let port = server::free_port(&settings, command.port)?;
    let (settings, clock) = (server::settings_at(place, settings, port), Clock::system());
    let log = settings.log.clone();
    let wanted = SeedChoice { redirect_uris: &command.redirect_uris, role: settings.admin.role.clone() };
    let server = App::build(settings, clock.clone(), OldSchema::Migrate).await?;
    let seeds = seeds::sow(server.core(), place, wanted, clock.now()).await?;
    // What is told of the making is no news.
    telemetry::init(&log);
    let around = if command.public { seeds.browser_app } else { seeds.app };
    greet(&command, &around, place);
    let (stop, stopped) = oneshot::channel();
    let mut serving = tokio::spawn(server.serve(async {
        let _ = stopped.await;
    }));
    let app = async {
        if command.command.is_empty() {
            orders.next().await;
            return Ok(ExitCode::SUCCESS);
        }
        app::run(&command.command, &around, &mut orders).await
    };
    let done = tokio::select! {
        ended = &mut serving => return ended?.map(|()| ExitCode::SUCCESS),
        done = app => done,
    };
    let _ = stop.send(());
    serving.await??;
    done
}

/// Starts the app beside a server that runs here already.
async fn join(command: Dev, place: &DevPlace) -> anyhow::Result<ExitCode> {
    let around = place.surroundings_of_running(command.public).await?;
    let url = around.issuer();
    anyhow::ensure!(!command.reset, "`heirloom dev` runs in this folder, at {url}: stop it before --reset");
    anyhow::ensure!(
        !command.command.is_empty(),
        "`heirloom dev` runs in this folder already, at {url}: use that one, or stop it first"
    );
    let mut orders = Orders::listen()?;
    greet(&command, &around, place);
    app::run(&command.command, &around, &mut orders).await
}

fn greet(command: &Dev, around: &Surroundings, place: &DevPlace) {
    let (url, file, mails) = (around.issuer(), place.variables(command.public), place.mails());
    if command.json {
        let told = json!({
            "issuer": url,
            "username": USER,
            "password": PASSWORD,
            "variables": around,
            "variables_file": file,
            "mails": mails,
        });
        println!("{told}");
    } else {
        let (file, mails) = (file.display(), mails.display());
        println!(
            "heirloom dev: {url}, where {USER} signs in with \"{PASSWORD}\"; {file} has what an app needs, {mails} the mails"
        );
    }
}
