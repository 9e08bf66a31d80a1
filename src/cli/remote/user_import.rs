//! `heirloom user import` over the API: a server does it, and is asked how far it is.

use std::collections::BTreeSet;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures_util::stream;
use indicatif::ProgressBar;
use reqwest::Body;
use serde_json::Value;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::cli::output;
use crate::cli::remote::Remote;
use crate::cli::remote::admin_server::{AdminServer, NotDone, PAGE};
use crate::cli::user::import::{ImportUsers, Rejects, Tally, progress_bar};
use crate::domain::right::{Area, Right};

const RIGHTS: [Right; 2] = [Right::Read(Area::Users), Right::Write(Area::Users)];

/// How often the server is asked how far it is.
const EVERY: Duration = Duration::from_millis(500);
/// So often one after another it may not answer: somebody restarts it, and another one goes on.
const SILENCES: u32 = 60;

pub(super) async fn run(import: ImportUsers, remote: &Remote) -> anyhow::Result<()> {
    // It is always done gently, as the server serves meanwhile.
    let ImportUsers { file, dry_run, gently: _, rejects, firebase_config } = import;
    ensure!(
        firebase_config.is_none(),
        "--firebase-config works on the store alone: run it beside the server, without --server"
    );
    let is_stdin = file == Path::new("-");
    ensure!(!is_stdin || rejects.is_none(), "--rejects reads the file once more: standard input cannot be");
    let source = Source::open(&file).await?;
    let server = remote.open(&RIGHTS).await?;
    let rejects = rejects.as_deref().map(Rejects::make).transpose()?;
    let (bar, length) = (progress_bar(source.length), source.length);
    let query: &[(&str, &str)] = if dry_run { &[("dry_run", "true")] } else { &[] };
    let sent = server.upload(&["users", "import"], query, length, source.into_body(bar.clone())).await;
    bar.finish_and_clear();
    let id = output::member(&sent?, "id");
    eprintln!("the job {id} imports them, whatever becomes of this command");
    let (server, job) = Watched { remote, server, id: &id }.until_end().await?;
    let tally = Tally {
        imported: count(&job, "imported"),
        there: count(&job, "there"),
        refused: count(&job, "refused"),
    };
    let refused = tell_refused(&server, &id).await?;
    let rejects = rejects.map(|mut rejects| rejects.add(&file, &refused).map(|()| rejects)).transpose()?;
    let lines = count(&job, "lines_done");
    match output::member(&job, "state").as_str() {
        "done" => tally.tell(dry_run, rejects),
        "cancelled" => bail!("the job was cancelled when {lines} lines were done"),
        _ => bail!("the job failed when {lines} lines were done: {}", output::member(&job, "error")),
    }
}

fn count(job: &Value, member: &str) -> u64 {
    job[member].as_u64().unwrap_or_default()
}

/// What is sent.
struct Source {
    bytes: Box<dyn AsyncRead + Send + Unpin>,
    length: Option<u64>,
}

impl Source {
    async fn open(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            let stdin =
                std::io::stdin().as_fd().try_clone_to_owned().context("cannot read standard input")?;
            let bytes = Box::new(File::from_std(std::fs::File::from(stdin)));
            return Ok(Self { bytes, length: None });
        }
        let cannot_read = || format!("cannot read {}", path.display());
        let file = File::open(path).await.with_context(cannot_read)?;
        let about = file.metadata().await.with_context(cannot_read)?;
        ensure!(!about.is_dir(), "cannot read {}: it is a folder", path.display());
        // What is no file has no length that can be told beforehand.
        let length = about.is_file().then_some(about.len());
        Ok(Self { bytes: Box::new(file), length })
    }

    /// Read as it is sent.
    fn into_body(self, bar: ProgressBar) -> Body {
        const PART: usize = 1 << 16;
        Body::wrap_stream(stream::try_unfold(self.bytes, move |mut bytes| {
            let bar = bar.clone();
            async move {
                let mut part = vec![0; PART];
                let read = bytes.read(&mut part).await?;
                part.truncate(read);
                bar.inc(read as u64);
                Ok::<_, std::io::Error>((read > 0).then_some((part, bytes)))
            }
        }))
    }
}

/// A job that is watched.
struct Watched<'a> {
    remote: &'a Remote,
    server: AdminServer,
    id: &'a str,
}

impl Watched<'_> {
    /// Waits until it ends.
    async fn until_end(mut self) -> anyhow::Result<(AdminServer, Value)> {
        let bar = progress_bar(None);
        let mut silences = 0;
        loop {
            match self.server.get(&["jobs", self.id]).await {
                Ok(job) => {
                    silences = 0;
                    let (done, lines) = (count(&job, "lines_done"), count(&job, "lines"));
                    bar.set_message(format!("{done} of {lines} lines"));
                    if !matches!(output::member(&job, "state").as_str(), "queued" | "running") {
                        bar.finish_and_clear();
                        return Ok((self.server, job));
                    }
                }
                // It takes longer than a token is good.
                Err(NotDone::BadToken) if silences == 0 => {
                    silences += 1;
                    self.server = self.remote.open(&RIGHTS).await?;
                    continue;
                }
                Err(error) if error.may_pass() && silences < SILENCES => silences += 1,
                Err(error) => {
                    bar.finish_and_clear();
                    return Err(error).context(format!("how far the job {} is cannot be told", self.id));
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// Says which lines were refused, and gives their numbers.
async fn tell_refused(server: &AdminServer, id: &str) -> anyhow::Result<BTreeSet<u64>> {
    let (mut numbers, mut after) = (BTreeSet::new(), None);
    loop {
        let (lines, next) = server.page(&["jobs", id, "refused-lines"], &[], PAGE, after).await?;
        for refused in &lines {
            let line = count(refused, "line");
            eprintln!("line {line}: {}", output::member(refused, "reason"));
            numbers.insert(line);
        }
        after = next;
        if after.is_none() {
            return Ok(numbers);
        }
    }
}
