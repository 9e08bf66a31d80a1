//! The real processes that are measured: PostgreSQL, Heirloom, pgbench.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use procfs::process::Process;

pub(crate) const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A folder that is gone with its owner.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("heirloom-load-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        // PostgreSQL runs as another user when this runs as root.
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A PostgreSQL server of our own, as durable as it comes.
pub(crate) struct Postgres {
    folder: PathBuf,
    pub(crate) url: String,
    postmaster: i32,
}

/// What differs from PostgreSQL's defaults: room for the data, and no checkpoint in the middle of a short run.
pub(crate) const POSTGRES_OPTIONS: [&str; 8] = [
    "-c",
    "shared_buffers=1GB",
    "-c",
    "max_wal_size=8GB",
    "-c",
    "min_wal_size=2GB",
    "-c",
    "checkpoint_timeout=30min",
];

fn script(arguments: &[&str]) -> anyhow::Result<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres");
    let output = Command::new(script).args(arguments).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "tests/postgres {arguments:?} failed");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

impl Postgres {
    pub(crate) fn start(within: &Path) -> anyhow::Result<Self> {
        let folder = within.join("postgres");
        let path = folder.to_str().context("a path that is text")?;
        let url = script(&[&["start", path, ""], POSTGRES_OPTIONS.as_slice()].concat())?;
        let pid = std::fs::read_to_string(folder.join("data/postmaster.pid"))?;
        let postmaster = pid.lines().next().context("an empty postmaster.pid")?.trim().parse()?;
        Ok(Self { folder, url, postmaster })
    }

    /// Processor time of the server and all its children so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let mut ticks = 0;
        for process in procfs::process::all_processes()?.flatten() {
            let Ok(stat) = process.stat() else { continue };
            if stat.pid == self.postmaster {
                // Children that have ended are counted here.
                ticks += stat.utime + stat.stime + u64::try_from(stat.cutime + stat.cstime).unwrap_or(0);
            } else if stat.ppid == self.postmaster {
                ticks += stat.utime + stat.stime;
            }
        }
        Ok(duration_of(ticks))
    }

    /// Runs pgbench's single-row update by key on a table of a million rows; gives transactions a second and the
    /// average latency in milliseconds, after a first second in which its connections' new processes warm up, as
    /// those of a server do.
    pub(crate) fn pgbench(&self, clients: usize, lasting: Duration) -> anyhow::Result<(f64, f64)> {
        self.pgbench_of(
            "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid RETURNING abalance;",
            clients,
            lasting,
        )
    }

    /// The same for a single-row select.
    pub(crate) fn pgbench_select(&self, clients: usize, lasting: Duration) -> anyhow::Result<(f64, f64)> {
        self.pgbench_of("SELECT abalance FROM pgbench_accounts WHERE aid = :aid;", clients, lasting)
    }

    fn pgbench_of(&self, statement: &str, clients: usize, lasting: Duration) -> anyhow::Result<(f64, f64)> {
        let script = format!("\\set aid random(1, 1000000)\n{statement}\n");
        let (clients, seconds) = (clients.to_string(), (1 + lasting.as_secs().max(1)).to_string());
        let arguments = ["-M", "prepared", "-c", &clients, "-T", &seconds, "-P", "1"];
        let printed = self.run_script(&script, &arguments)?;
        // progress: 2.0 s, 14210.5 tps, lat 2.249 ms stddev 0.731, 0 failed
        let second = |line: &str| {
            let words: Vec<&str> = line.strip_prefix("progress: ")?.split_whitespace().collect();
            Some((words.get(2)?.parse::<f64>().ok()?, words.get(5)?.parse::<f64>().ok()?))
        };
        let warm: Vec<_> = printed.lines().filter_map(second).skip(1).collect();
        ensure!(!warm.is_empty(), "pgbench printed: {printed}");
        let mean = |of: fn(&(f64, f64)) -> f64| warm.iter().map(of).sum::<f64>() / warm.len() as f64;
        Ok((mean(|second| second.0), mean(|second| second.1)))
    }

    /// Makes pgbench's table, and files for the log of the whole run: a server that has been up for a while writes over
    /// old ones, and does not hold its commits up to make new ones.
    pub(crate) fn prepare(&self) -> anyhow::Result<()> {
        const FILES: &str = "96";
        self.run_script(
            "SELECT pg_logical_emit_message(false, '', ''); SELECT pg_switch_wal();",
            &["-t", FILES],
        )?;
        self.run_script("CHECKPOINT;", &["-t", "1"])?;
        self.run_pgbench(&["-i", "-q", "-s", "10"]).map(drop)
    }

    fn run_script(&self, sql: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let file = self.folder.with_extension("sql");
        std::fs::write(&file, sql)?;
        let file = file.to_str().context("a path that is text")?;
        self.run_pgbench(&[&["-n", "-f", file], arguments].concat())
    }

    /// Gives what it says of its progress.
    fn run_pgbench(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let program = Path::new(&script(&["bin"])?).join("pgbench");
        let output = Command::new(program).args(arguments).arg(&self.url).output()?;
        ensure!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stderr)?)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = script(&["stop", &self.folder.to_string_lossy()]);
    }
}

/// A Heirloom server in a process of its own.
pub(crate) struct Server {
    child: Child,
    /// `HOST:PORT`
    pub(crate) address: String,
}

/// A server's resident memory, in bytes.
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

/// Where a server runs, and with which settings.
#[derive(Clone)]
pub(crate) struct Place {
    folder: PathBuf,
    program: String,
    settings: Vec<(String, String)>,
}

impl Place {
    pub(crate) fn new(folder: &Path, database_url: &str, program: &str) -> Self {
        // Started from another folder than this one.
        let program = std::path::absolute(program)
            .map_or_else(|_| program.to_owned(), |path| path.to_string_lossy().into_owned());
        Self { folder: folder.to_owned(), program, settings: Vec::new() }
            .with("HEIRLOOM_LISTEN", "127.0.0.1:0")
            .with("HEIRLOOM_DATABASE_URL", database_url)
            .with("HEIRLOOM_MASTER_KEY", MASTER_KEY)
            .with("HEIRLOOM_DATA_DIR", &folder.to_string_lossy())
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(&self.folder).env_clear();
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command that reads `input`.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> anyhow::Result<()> {
        self.run_with(arguments, input).map(drop)
    }

    /// Runs a command; gives what it prints.
    pub(crate) fn output(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        child.stdin.take().context("a pipe")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(
            output.status.success(),
            "heirloom {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts a command; what it says goes to a file.
    pub(crate) fn start(&self, arguments: &[&str]) -> anyhow::Result<Running> {
        let said = self.folder.join("said.log");
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(&said)?);
        Ok(Running { began: crate::now(), child: command.spawn()?, said, peak: 0, cpu: Duration::ZERO })
    }

    /// Starts a server; its log goes to a file, as it would in production.
    pub(crate) fn serve(&self) -> anyhow::Result<Server> {
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("heirloom.log"))?;
        let mut command = self.command(&["serve", "--migrate"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
        let Some(line) = lines.next().transpose()? else { bail!("the server did not start: see its log") };
        let url = line.split_once("listening on http://").and_then(|(_, rest)| rest.split(' ').next());
        let address = url.with_context(|| format!("the server printed {line:?}"))?.to_owned();
        Ok(Server { child, address })
    }
}

/// A command that is under way; killed when it is dropped.
pub(crate) struct Running {
    began: Instant,
    child: Child,
    said: PathBuf,
    peak: u64,
    cpu: Duration,
}

/// A command that went well.
pub(crate) struct Run {
    pub(crate) took: Duration,
    /// Resident memory at its peak, in bytes.
    pub(crate) peak: u64,
    pub(crate) cpu: Duration,
}

impl Running {
    pub(crate) fn is_under_way(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for its end, looking at its meters: nobody can once it has ended.
    pub(crate) async fn end(mut self) -> anyhow::Result<Run> {
        let process = Process::new(i32::try_from(self.child.id())?)?;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if let (Ok(memory), Ok(stat)) = (process.status(), process.stat()) {
                self.peak = memory.vmhwm.map_or(self.peak, |kib| kib * 1024);
                self.cpu = duration_of(stat.utime + stat.stime);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let took = self.began.elapsed();
        ensure!(status.success(), "a command failed: {}", std::fs::read_to_string(&self.said)?);
        Ok(Run { took, peak: self.peak, cpu: self.cpu })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn process(&self) -> anyhow::Result<Process> {
        Ok(Process::new(i32::try_from(self.child.id())?)?)
    }

    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = self.process()?.stat()?;
        Ok(duration_of(stat.utime + stat.stime))
    }

    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let status = self.process()?.status()?;
        let bytes = |kib: Option<u64>| kib.unwrap_or(0) * 1024;
        Ok(Memory { now: bytes(status.vmrss), peak: bytes(status.vmhwm) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A busy loop of another program's, of the class that takes what others leave of the processor.
pub(crate) struct BusyLoop(Child);

impl BusyLoop {
    pub(crate) fn start() -> anyhow::Result<Self> {
        // It ends by itself when this process was killed.
        const LOOP: &str =
            "while kill -0 $PPID; do turn=0; while [ $turn -lt 100000 ]; do turn=$((turn + 1)); done; done";
        let mut command = Command::new("chrt");
        command.args(["--idle", "0", "sh", "-c", LOOP]);
        Ok(Self(command.stdin(Stdio::null()).spawn().context("cannot start chrt")?))
    }
}

impl Drop for BusyLoop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn duration_of(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64)
}

/// Processor time of this process so far.
pub(crate) fn own_cpu() -> anyhow::Result<Duration> {
    let stat = Process::myself()?.stat()?;
    Ok(duration_of(stat.utime + stat.stime))
}
