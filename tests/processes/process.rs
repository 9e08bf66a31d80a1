//! The real binary, in a folder of its own, with an environment of its own.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::folder::Folder;

pub const PASSWORD: &str = "correct horse battery staple";
pub const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Where a test's servers and commands run, and with which settings.
pub struct Place {
    pub folder: Folder,
    settings: Vec<(String, String)>,
    database: Option<Database>,
}

impl Place {
    /// On the embedded store, a file in the folder.
    pub fn sqlite() -> Self {
        Self { folder: Folder::new(), settings: Vec::new(), database: None }
            .with("HEIRLOOM_LISTEN", "127.0.0.1:0")
            .cheap()
    }

    /// A folder without any settings: another machine.
    pub fn elsewhere() -> Self {
        Self { folder: Folder::new(), settings: Vec::new(), database: None }
    }

    /// On a database of the shared PostgreSQL server, not migrated yet.
    pub fn empty_postgres() -> Self {
        let database = Database::make();
        let place = Self::sqlite()
            .with("HEIRLOOM_DATABASE_URL", &database.url)
            .with("HEIRLOOM_MASTER_KEY", MASTER_KEY);
        Self { database: Some(database), ..place }
    }

    pub fn postgres() -> Self {
        Self::empty_postgres().migrated()
    }

    /// With a store that is made.
    pub fn migrated(self) -> Self {
        self.ok(&["migrate"]);
        self
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(other, _)| other != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    fn cheap(self) -> Self {
        self.with("HEIRLOOM_PASSWORDS__MEMORY_KIB", "8").with("HEIRLOOM_PASSWORDS__ITERATIONS", "1")
    }

    pub fn url(&self) -> &str {
        &self.database.as_ref().expect("a place on PostgreSQL").url
    }

    /// On PostgreSQL.
    pub fn database_name(&self) -> Option<&str> {
        self.database.as_ref().map(|database| database.name.as_str())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heirloom"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.envs(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        command
    }

    /// Runs a command with this on its standard input.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Starts a command, and does not wait for its end.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Runs a command whose output nobody reads; gives its exit code, and what it says.
    pub fn run_unread(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// Runs a command that must succeed; gives what it prints.
    pub fn ok_with(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run_with(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn ok(&self, arguments: &[&str]) -> String {
        self.ok_with(arguments, "")
    }

    /// Moves the server to this algorithm, with its next key.
    pub fn rotate_to(&self, algorithm: &str) {
        let mut command = self.command(&["keys", "rotate"]);
        let done = command.env("HEIRLOOM_KEYS__ALGORITHM", algorithm).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        self.json_with(arguments, "")
    }

    pub fn json_with(&self, arguments: &[&str], input: &str) -> Value {
        serde_json::from_str(&self.ok_with(arguments, input)).unwrap()
    }

    /// Runs a command that must succeed; gives its log.
    pub fn told(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run_with(arguments, input);
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {log}");
        log
    }

    /// Runs a command that must fail; gives what it says.
    pub fn refused_with(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run_with(arguments, input);
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    pub fn refused(&self, arguments: &[&str]) -> String {
        self.refused_with(arguments, "")
    }

    /// Makes the store first, where there is none yet.
    pub fn add_user(&self, name: &str) {
        self.ok(&["migrate"]);
        self.ok_with(&["user", "add", name, "--password-stdin"], PASSWORD);
    }

    pub fn serve(&self) -> Server {
        self.serve_with(&["serve"])
    }

    /// The same under limits that a shell sets.
    #[cfg(target_os = "linux")]
    pub fn serve_under(&self, limits: &str) -> Server {
        let mut command = self.command(&[]);
        let binary = command.get_program().to_owned();
        let environment: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        command = Command::new("/bin/sh");
        command.args(["-c", &format!("{limits} && exec \"$0\" serve")]).arg(binary);
        command.current_dir(self.folder.path()).env_clear().envs(environment);
        started(Self::try_to_start(command))
    }

    /// Starts a server and waits until it says where it listens.
    pub fn serve_with(&self, arguments: &[&str]) -> Server {
        started(self.try_to_serve_with(arguments))
    }

    /// The same where something may stand in the way; gives what the server says of it.
    pub fn try_to_serve_with(&self, arguments: &[&str]) -> Result<Server, String> {
        Self::try_to_start(self.command(arguments))
    }

    fn try_to_start(mut command: Command) -> Result<Server, String> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&log));
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().extend([line.as_str(), "\n"]);
            }
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let Some(Ok(line)) = lines.next() else {
            child.wait().unwrap();
            return Err(log.lock().unwrap().clone());
        };
        let url = line.split([' ', ',']).find(|word| word.starts_with("http")).unwrap().to_owned();
        Ok(Server { child, url, log, http: reqwest::Client::new(), lines })
    }
}

fn started(server: Result<Server, String>) -> Server {
    server.unwrap_or_else(|said| panic!("the server did not start: {said}"))
}

/// A running server; killed when it is dropped.
pub struct Server {
    child: Child,
    pub url: String,
    pub log: Arc<Mutex<String>>,
    pub http: reqwest::Client,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Server {
    /// What it says after the line that tells where it listens.
    pub fn next_line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; gives the exit code and how long it took.
    pub fn wait(&mut self) -> (Option<i32>, Duration) {
        let began = now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), began.elapsed());
            }
            assert!(began.elapsed() < Duration::from_secs(30), "the server does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[cfg(target_os = "linux")]
    pub fn process(&self) -> procfs::process::Process {
        procfs::process::Process::new(self.child.id().try_into().unwrap()).unwrap()
    }

    pub fn address(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    pub async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let answer = self.http.post(format!("{}{path}", self.url)).json(body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or(Value::Null))
    }

    pub async fn ready(&self) -> (u16, Value) {
        let answer = self.http.get(format!("{}/readyz", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub async fn log_in(&self, name: &str) -> Tokens {
        Tokens::of(self.post("/login", &json!({ "username": name, "password": PASSWORD })).await)
    }

    pub async fn refresh(&self, token: &str) -> (StatusCode, Value) {
        self.post("/refresh", &json!({ "refresh_token": token })).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug, Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

impl Tokens {
    #[track_caller]
    pub fn of((status, json): (StatusCode, Value)) -> Self {
        assert_eq!(status, 200, "{json}");
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }

    pub fn generation(&self) -> u32 {
        let bytes = URL_SAFE_NO_PAD.decode(self.refresh.strip_prefix("hrt1_").unwrap()).unwrap();
        u32::from_be_bytes(bytes[20..24].try_into().unwrap())
    }

    pub fn claim(&self, name: &str) -> Value {
        let payload = URL_SAFE_NO_PAD.decode(self.access.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&payload).unwrap()[name].clone()
    }
}

/// A database on the shared server.
struct Database {
    url: String,
    name: String,
}

impl Database {
    fn make() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("process_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
        execute(&server(), &format!("CREATE DATABASE {name}"));
        Self { url: format!("{}/{name}", server().rsplit_once('/').unwrap().0), name }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        execute(&server(), &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

fn server() -> String {
    std::env::var("TEST_POSTGRES_URL").expect("no TEST_POSTGRES_URL: run the tests by tests/run")
}

/// Runs `tests/postgres`; gives what it prints.
pub fn postgres_script(arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres");
    let output = Command::new(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Runs a statement on a PostgreSQL database, from outside any runtime.
pub fn execute(url: &str, sql: &str) {
    let (url, sql) = (url.to_owned(), sql.to_owned());
    let work = thread::spawn(move || {
        block_on(async {
            use sqlx::Connection as _;
            let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    });
    work.join().unwrap();
}

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

#[expect(clippy::disallowed_methods, reason = "real processes take real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Waits until something is so.
pub async fn eventually<F: Future<Output = bool>>(what: &str, check: impl Fn() -> F) {
    let began = now();
    while !check().await {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}: not within 30 seconds");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
