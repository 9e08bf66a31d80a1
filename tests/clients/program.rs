//! A client program in another language. It says `visit URL` when it would open a browser, reads where the browser was
//! sent in the end, and says `done` when everything was as it should be.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::browser::Browser;
use crate::process::{PASSWORD, block_on};
use crate::remote::authority;
use crate::world::{AFTERWARDS, API, Proof, REDIRECT_URI, Registered, World};

/// Longer than any of them takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_mins(2);

pub fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(folder().join(script));
    command
}

pub fn python(script: &str) -> Command {
    let mut command = Command::new(venv().join("bin/python"));
    command.arg(folder().join(script));
    command
}

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> PathBuf {
    repository().join("tests/clients")
}

/// Where tests/clients/install puts the libraries for Python.
pub fn venv() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    repository().join(target).join("clients-venv")
}

impl World {
    /// Runs a program that is this client, while somebody at this browser does what it asks for.
    pub fn run(&self, command: Command, client: &Registered, browser: &mut Browser) {
        let mut program = self.start(command, client);
        program.goes_on_until("done", browser);
        program.ends();
    }

    /// Starts a program that is this client.
    pub fn start(&self, mut command: Command, client: &Registered) -> Program {
        let (method, secret) = match &client.proof {
            Proof::None => ("none", ""),
            Proof::Basic(secret) => ("client_secret_basic", secret.as_str()),
            Proof::Post(secret) => ("client_secret_post", secret.as_str()),
            Proof::Key(key) => ("private_key_jwt", key.as_str()),
        };
        command.envs([
            ("ISSUER", self.server.url.as_str()),
            ("CLIENT_ID", &client.id),
            ("CLIENT_SECRET", secret),
            ("METHOD", method),
            ("REDIRECT_URI", REDIRECT_URI),
            ("AFTERWARDS", AFTERWARDS),
            ("API", API),
            ("PASSWORD", PASSWORD),
        ]);
        // Node.js and Requests trust the tests' authority too.
        command.env("NODE_EXTRA_CA_CERTS", &authority().file).env("REQUESTS_CA_BUNDLE", &authority().file);
        Program::start(command)
    }
}

/// A program that runs.
pub struct Program {
    command: Command,
    input: ChildStdin,
    said: Receiver<String>,
    complained: Receiver<String>,
    heard: Vec<String>,
    child: Ended,
}

impl Program {
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Ended(command.spawn().unwrap_or_else(|error| {
            panic!("{command:?}: {error}: run tests/clients/install, as tests/run does");
        }));
        let input = child.0.stdin.take().unwrap();
        let said = lines(child.0.stdout.take().unwrap());
        let complained = lines(child.0.stderr.take().unwrap());
        Self { command, input, said, complained, heard: Vec::new(), child }
    }

    /// What it says next.
    pub fn hear(&mut self) -> String {
        let line = self.said.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let complaints: Vec<String> = self.complained.try_iter().collect();
            panic!("{:?} is not done.\n{}\n{}", self.command, self.heard.join("\n"), complaints.join("\n"));
        });
        self.heard.push(line.clone());
        line
    }

    pub fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// It has no more to say.
    pub fn ends(mut self) {
        drop(self.input);
        assert!(self.child.0.wait().unwrap().success());
    }

    /// Does what it asks for, until it says this.
    pub fn goes_on_until(&mut self, last: &str, browser: &mut Browser) {
        loop {
            let line = self.hear();
            if line == last {
                return;
            }
            if let Some(url) = line.strip_prefix("visit ") {
                let end = block_on(browser.visit(url));
                self.tell(end.url.as_str());
            }
        }
    }
}

fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// Nothing goes on running when a test fails.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
