//! What the story is played on: a server on a store in memory, a resource service in a process of its own, a user and
//! two clients.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::app::{App, OldSchema};
use crate::clock::Clock;
use crate::domain::client::Client;
use crate::domain::lifetimes::LifetimeOverrides;
use crate::domain::secrets::Password;
use crate::domain::standard_claims::StandardClaims;
use crate::service::Core;
use crate::service::admin;
use crate::service::admin::users::NewUser;
use crate::settings::{DatabaseUrl, Settings};

pub(super) const USER: &str = "ana";
pub(super) const PASSWORD: &str = "correct horse battery staple";
/// The client of the story.
pub(super) const APP: &str = "demo-app";
/// Its leeway: who reads the story before pasting its lines takes longer than the usual 30 seconds.
pub(super) const LEEWAY_MINUTES: u64 = 7;
/// One whose access tokens expire while you watch.
pub(super) const HASTY: &str = "hasty-app";
pub(super) const HASTY_SECONDS: u64 = 2;

pub(super) struct Stage {
    pub(super) server: String,
    pub(super) service: String,
    http: reqwest::Client,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<anyhow::Result<()>>,
    child: Child,
}

impl Stage {
    pub(super) async fn build() -> anyhow::Result<Self> {
        let clock = Clock::system();
        // The usual port, unless somebody has it.
        let app = match server_on(8080, &clock).await {
            Ok(app) => app,
            Err(_) => server_on(0, &clock).await?,
        };
        people_it(app.core(), &clock).await?;
        let server = app.url();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(app.serve(async {
            let _ = stopped.await;
        }));
        let (child, service) = resource_service(&server).await?;
        // A proxy of the environment would look for these addresses on its own machine.
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
        Ok(Self { server, service, http, stop, serving, child })
    }

    /// Ends both processes' work.
    pub(super) async fn strike(mut self) -> anyhow::Result<()> {
        let _ = self.stop.send(());
        self.child.kill().await?;
        self.serving.await?
    }

    /// Posts JSON to the server.
    pub(super) async fn post(&self, path: &str, body: Value) -> anyhow::Result<(StatusCode, Value)> {
        let answer = self.http.post(format!("{}{path}", self.server)).json(&body).send().await?;
        let status = answer.status();
        Ok((status, answer.json().await.unwrap_or(Value::Null)))
    }

    pub(super) async fn log_in(&self, client: &str) -> anyhow::Result<(StatusCode, Value)> {
        let body = json!({ "username": USER, "password": PASSWORD, "client_id": client, "device": "laptop" });
        self.post("/login", body).await
    }

    pub(super) async fn refresh(&self, token: &str) -> anyhow::Result<(StatusCode, Value)> {
        self.post("/refresh", json!({ "refresh_token": token, "client_id": APP })).await
    }

    /// Shows an access token to the resource service.
    pub(super) async fn visit(&self, path: &str, token: &str) -> anyhow::Result<(StatusCode, Value)> {
        let answer = self.http.get(format!("{}{path}", self.service)).bearer_auth(token).send().await?;
        let status = answer.status();
        Ok((status, answer.json().await.unwrap_or(Value::Null)))
    }
}

async fn server_on(port: u16, clock: &Clock) -> anyhow::Result<App> {
    let settings = Settings {
        listen: format!("127.0.0.1:{port}").parse()?,
        database_url: DatabaseUrl::SqliteMemory,
        ..Settings::default()
    };
    App::build(settings, clock.clone(), OldSchema::Migrate).await
}

async fn people_it(core: &Core, clock: &Clock) -> anyhow::Result<()> {
    let now = clock.now();
    let user = NewUser {
        username: USER.parse()?,
        password: Some(Password::new(PASSWORD.to_owned())?),
        email: None,
        email_verified: false,
        claims: StandardClaims::default(),
        roles: vec!["editor".to_owned()],
    };
    admin::users::add(core, user, now).await?;
    let app = Client {
        id: APP.parse()?,
        scopes: "profile dashboard roles".parse()?,
        ..admin::clients::built_in(now)
    };
    let access_ttl = Some(Duration::from_secs(HASTY_SECONDS));
    let hasty = LifetimeOverrides { access_ttl, ..app.lifetimes };
    let patient = LifetimeOverrides { leeway: Some(Duration::from_mins(LEEWAY_MINUTES)), ..app.lifetimes };
    admin::clients::add(core, &Client { id: HASTY.parse()?, lifetimes: hasty, ..app.clone() }, now).await?;
    admin::clients::add(core, &Client { lifetimes: patient, ..app }, now).await?;
    Ok(())
}

async fn resource_service(server: &str) -> anyhow::Result<(Child, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["resource-service", "--issuer", server, "--leeway", "0s"])
        .args(["--jwks-url", &format!("{server}/.well-known/jwks.json")])
        .args(["--listen", "127.0.0.1:8081", "--listen", "127.0.0.1:0"])
        .envs([("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the resource service")?;
    let output = child.stdout.take().context("the resource service has no output")?;
    let line =
        BufReader::new(output).lines().next_line().await?.context("the resource service did not start")?;
    let (_, url) = line.rsplit_once(' ').context("the resource service said something else")?;
    Ok((child, url.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_reads_the_story_before_pasting_its_lines_is_in_time() {
        let clock = Clock::system();
        let app = server_on(0, &clock).await.unwrap();
        people_it(app.core(), &clock).await.unwrap();
        let known = app.core().client(&APP.parse().unwrap(), clock.now()).await.unwrap().unwrap();
        assert!(known.lifetimes.leeway() >= Duration::from_mins(5));
        assert_eq!(known.lifetimes.leeway(), Duration::from_mins(LEEWAY_MINUTES), "the story says so");
    }
}
