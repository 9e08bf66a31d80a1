//! A PostgreSQL server of a run's own, and what happens to it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::folder::Folder;
use crate::process::postgres_script;
use crate::small_disk::SmallDisk;

/// Where a server's files lie.
enum Place {
    Folder(Folder),
    Disk(SmallDisk),
}

pub struct Postgres {
    place: Place,
    name: String,
    options: Vec<String>,
    pub url: String,
}

/// A killed process loses nothing that the kernel has, so nobody waits for the disk. A small disk has small logs.
const OPTIONS: [&str; 12] = [
    "-c",
    "fsync=off",
    "-c",
    "max_connections=300",
    "-c",
    "max_wal_size=64MB",
    "-c",
    "wal_keep_size=48MB",
    "-c",
    "hot_standby=on",
    "-c",
    "wal_sender_timeout=5s",
];

impl Postgres {
    pub fn start() -> Self {
        Self::begin(Place::Folder(Folder::new()), "postgres")
    }

    pub fn on(disk: SmallDisk) -> Self {
        Self::begin(Place::Disk(disk), "postgres")
    }

    fn begin(place: Place, name: &str) -> Self {
        let options = OPTIONS.map(ToOwned::to_owned).to_vec();
        let mut postgres = Self { place, name: name.to_owned(), options, url: String::new() };
        postgres.url = postgres.run("start", &[""]);
        postgres
    }

    /// A copy of what it holds now, which is not started.
    pub fn copied(&self) -> Self {
        self.copied_with(&[])
    }

    /// A standby that follows it, by whatever listens at this port.
    pub fn standby(&self, way: u16) -> Self {
        let standby = self.copied_with(&["standby", &way.to_string()]);
        standby.restart();
        standby
    }

    fn copied_with(&self, more: &[&str]) -> Self {
        let copy = Self {
            place: Place::Folder(Folder::new()),
            name: "copy".to_owned(),
            options: self.options.clone(),
            url: self.url.replace(&self.port().to_string(), &free_port().to_string()),
        };
        postgres_script(&[&["copy", &self.url, &copy.home()], more].concat());
        copy
    }

    /// The same files, served at another server's port from now on.
    pub fn in_place_of(mut self, other: &Self) -> Self {
        self.url.clone_from(&other.url);
        self.restart();
        self
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    pub fn port(&self) -> u16 {
        self.url.rsplit_once(':').unwrap().1.split_once('/').unwrap().0.parse().unwrap()
    }

    /// As a power cut would, for all but the kernel.
    pub fn kill(&self) {
        self.run("kill", &[]);
    }

    pub fn stop(&self) {
        self.run("stop", &[]);
    }

    pub fn restart(&self) {
        assert_eq!(self.run("start", &[&self.port().to_string()]), self.url);
    }

    pub fn freeze(&self) {
        self.run("freeze", &[]);
    }

    pub fn thaw(&self) {
        self.run("thaw", &[]);
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        self.run("promote", &[]);
    }

    /// Whether it lets somebody in: what it says to who introduces himself.
    pub fn accepts(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address()) else { return false };
        let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
        let parameters = b"user\0postgres\0database\0postgres\0\0";
        let length = u32::try_from(parameters.len() + 8).unwrap();
        let message = [&length.to_be_bytes()[..], &196_608_u32.to_be_bytes(), parameters].concat();
        let mut kind = [0];
        stream.write_all(&message).is_ok() && stream.read_exact(&mut kind).is_ok() && kind == *b"R"
    }

    pub fn disk(&self) -> Option<&SmallDisk> {
        match &self.place {
            Place::Folder(_) => None,
            Place::Disk(disk) => Some(disk),
        }
    }

    fn home(&self) -> String {
        let path: PathBuf = match &self.place {
            Place::Folder(folder) => folder.path().join(&self.name),
            Place::Disk(disk) => disk.path().join(&self.name),
        };
        path.to_str().unwrap().to_owned()
    }

    fn run(&self, what: &str, more: &[&str]) -> String {
        let home = self.home();
        let mut arguments = vec![what, home.as_str()];
        arguments.extend(more);
        if what == "start" {
            arguments.extend(self.options.iter().map(String::as_str));
        }
        postgres_script(&arguments)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
