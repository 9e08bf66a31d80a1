//! A program that serves somebody, in whatever language.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::process::now;
use crate::program::Ended;

pub struct Running {
    said: Arc<Mutex<String>>,
    _process: Ended,
}

impl Running {
    /// Starts it, and waits until it listens at its port.
    pub fn start(name: &str, mut command: Command, port: u16) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Ended(command.spawn().unwrap_or_else(|error| {
            panic!("{name}: {command:?}: {error}: run tests/interop/install, as tests/run --all does")
        }));
        let said = Arc::new(Mutex::new(String::new()));
        keep(process.0.stdout.take().unwrap(), &said);
        keep(process.0.stderr.take().unwrap(), &said);
        let began = now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = process.0.try_wait().unwrap();
            let waits = ended.is_none() && began.elapsed() < Duration::from_mins(5);
            assert!(waits, "{name} does not start: {ended:?}\n{}", said.lock().unwrap());
            thread::sleep(Duration::from_millis(50));
        }
        Self { said, _process: process }
    }

    /// What it has said so far, for who reads why a test failed.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }
}

/// A port that nobody listens at, a moment ago at least.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn keep(mut stream: impl Read + Send + 'static, said: &Arc<Mutex<String>>) {
    let said = Arc::clone(said);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            said.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    });
}
