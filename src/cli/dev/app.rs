//! The app that is developed, as a process beside the server.

use std::collections::BTreeMap;
use std::io::{ErrorKind, IsTerminal as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal as Sent, kill_process, kill_process_group};
use serde::Serialize;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

/// How long an app may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The variables that an app is told by.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Surroundings(BTreeMap<String, String>);

impl From<Vec<(String, String)>> for Surroundings {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl Surroundings {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn issuer(&self) -> &str {
        self.get("ISSUER").unwrap_or_default()
    }

    /// A line for each, as programs read that take a file of variables.
    pub(super) fn as_file(&self) -> String {
        let lines = self.0.iter().map(|(name, value)| [name, "=", value, "\n"].concat());
        lines.collect()
    }
}

/// What a developer, or who starts us, wants to end.
pub(super) struct Orders {
    terminate: Signal,
    interrupt: Signal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Of a terminal, which tells the app, too.
    Interrupt,
    Terminate,
}

impl Orders {
    /// From here on a signal is an order, never a sudden death.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(super) async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::Terminate,
            _ = self.interrupt.recv() => Order::Interrupt,
        }
    }
}

/// Runs the app to its end, or until an order comes; gives its exit code.
///
/// # Errors
/// When it cannot be started.
pub(super) async fn run(
    command: &[String],
    around: &Surroundings,
    orders: &mut Orders,
) -> anyhow::Result<ExitCode> {
    let (program, arguments) = command.split_first().context("there is no command")?;
    let starter = Starter::now();
    let mut prepared = Command::new(program);
    prepared.args(arguments).envs(&around.0).kill_on_drop(true);
    if starter == Starter::Script {
        prepared.process_group(0);
    }
    let mut app = prepared.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!(
            "there is no command {program} to run beside `heirloom dev`: install it, or correct what stands behind `--`"
        ),
        _ => anyhow::Error::from(error).context(format!("cannot start {program}")),
    })?;
    tokio::select! {
        ended = app.wait() => Ok(code(ended?)),
        order = orders.next() => {
            end(&mut app, order, starter).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Ends the app, at the latest when it was asked and has not.
async fn end(app: &mut Child, order: Order, starter: Starter) -> anyhow::Result<()> {
    let told_already = order == Order::Interrupt && starter == Starter::Terminal;
    if told_already && timeout(PATIENCE, app.wait()).await.is_ok() {
        return Ok(());
    }
    starter.send(app, Sent::TERM);
    if timeout(PATIENCE, app.wait()).await.is_err() {
        starter.send(app, Sent::KILL);
        app.wait().await?;
    }
    Ok(())
}

/// Who started us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Starter {
    /// The app belongs to its foreground, reads its keys, and gets its Ctrl-C.
    Terminal,
    /// The app has a process group of its own, with what it starts itself: they get what we get.
    Script,
}

impl Starter {
    fn now() -> Self {
        if std::io::stdin().is_terminal() { Self::Terminal } else { Self::Script }
    }

    /// One that has just ended takes none.
    fn send(self, app: &Child, signal: Sent) {
        let Some(id) = app.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) else { return };
        let _ = match self {
            Self::Terminal => kill_process(id, signal),
            Self::Script => kill_process_group(id, signal),
        };
    }
}

/// As a shell would give it.
fn code(ended: ExitStatus) -> ExitCode {
    let number = ended.code().or_else(|| ended.signal().map(|signal| 128 + signal));
    number.and_then(|number| u8::try_from(number).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
