//! A server process that a run may kill, start again, and give another time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::process::{Place, Server};
use crate::proxy::Proxy;

pub struct Replica {
    place: Place,
    /// In front of it: its address stays when it is started again.
    pub front: Proxy,
    server: Mutex<Option<Server>>,
    logs: Mutex<Vec<Arc<Mutex<String>>>>,
    clock: Option<Clock>,
}

/// How far a process's clock is from the machine's, in a file that the process reads again each second.
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// `None` on a machine without the library; says what it goes without.
    pub fn find(folder: &Path, name: &str) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program");
        let found = std::process::Command::new(script)
            .args(["library", "libfaketimeMT.so.1", "libfaketime"])
            .output();
        let library =
            found.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned()).unwrap_or_default();
        if library.is_empty() {
            eprintln!("NOT RUN, 1: skewed clocks: there is no libfaketime here");
            return None;
        }
        let clock = Self { library: library.into(), file: folder.join(name) };
        clock.set(0.0);
        Some(clock)
    }

    fn set(&self, ahead: f64) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{ahead:+}s\n")).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }

    fn given_to(&self, place: Place) -> Place {
        place
            .with("LD_PRELOAD", self.library.to_str().unwrap())
            .with("FAKETIME_TIMESTAMP_FILE", self.file.to_str().unwrap())
            .with("FAKETIME_CACHE_DURATION", "1")
            // Time passes as it does.
            .with("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }
}

impl Replica {
    pub async fn new(place: Place, clock: Option<Clock>) -> Self {
        let place = match &clock {
            Some(clock) => clock.given_to(place),
            None => place,
        };
        // Nobody is there yet.
        let front = Proxy::to("127.0.0.1:1").await;
        let replica = Self { place, front, server: Mutex::default(), logs: Mutex::default(), clock };
        replica.start();
        replica
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.front.address)
    }

    /// As whoever minds servers does: one that did not start, as its database did not answer, is started again.
    pub fn start(&self) {
        let mut tries = (0..20).map(|_| self.place.try_to_serve_with(&["serve"]));
        let server = tries.find_map(Result::ok).unwrap_or_else(|| self.place.serve());
        self.front.lead_to(server.address());
        self.logs.lock().unwrap().push(Arc::clone(&server.log));
        *self.server.lock().unwrap() = Some(server);
    }

    pub fn kill(&self) {
        if let Some(server) = self.server.lock().unwrap().take() {
            server.kill();
        }
    }

    /// In good order: it answers what it has.
    pub fn stop(&self) {
        if let Some(mut server) = self.server.lock().unwrap().take() {
            server.signal("TERM");
            server.wait();
        }
    }

    pub fn has_clock(&self) -> bool {
        self.clock.is_some()
    }

    /// Sets its clock so many seconds ahead of the machine's, or behind.
    pub fn set_clock(&self, ahead: f64) {
        if let Some(clock) = &self.clock {
            clock.set(ahead);
        }
    }

    /// All that it has said so far, whoever it was.
    pub fn said(&self) -> String {
        self.logs.lock().unwrap().iter().map(|log| log.lock().unwrap().clone()).collect()
    }
}
