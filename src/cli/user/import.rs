//! `heirloom user import`

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use crate::cli::Office;
use crate::crypto::hash_forms::{FirebaseConfig, HashRules};
use crate::service::Failure;
use crate::service::admin::moving::import::{self, Batch, DryRun, Effect, Moved};
use crate::service::admin::moving::line::{LONGEST_LINE, ReadLine, UnfitLine};

#[derive(Debug, Args)]
pub(in crate::cli) struct ImportUsers {
    /// Lines of JSON, one a user; `-` is standard input
    pub(in crate::cli) file: PathBuf,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Leave the database to others most of the time, for a server that serves meanwhile
    #[arg(long)]
    pub(in crate::cli) gently: bool,
    /// Write lines that are refused to this new file, to be mended and imported
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) rejects: Option<PathBuf>,
    /// The password hash parameters of a Firebase project, as its console shows them
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) firebase_config: Option<PathBuf>,
}

/// Users of a transaction.
const BATCH: usize = 5000;
/// The same beside others: it is over before anybody waits for it.
const SMALL_BATCH: usize = 100;
/// So many times as long as a batch took, the next one waits.
const REST: u32 = 9;

pub(super) async fn run(import: ImportUsers, office: &Office) -> anyhow::Result<()> {
    let firebase = import.firebase_config.as_deref().map(read_config).transpose()?;
    let mut lines = Lines::open(&import.file)?;
    let rejects = import.rejects.as_deref().map(Rejects::make).transpose()?;
    let effect = if import.dry_run { Effect::Tell } else { Effect::Write };
    let rules = import::begin(&office.core, firebase, effect).await?;
    let mut importer = Importer {
        office,
        rules,
        dry_run: import.dry_run.then(DryRun::default),
        pace: if import.gently { ImportPace::Gentle } else { ImportPace::Full },
        batch: Batch::default(),
        texts: Texts::new(),
        writing: None,
        rejects,
        tally: Tally::default(),
        bar: progress_bar(lines.length),
    };
    let read = importer.import_all(&mut lines).await;
    importer.bar.finish_and_clear();
    read.with_context(|| {
        format!("the import stopped before line {}: run it again, and it goes on", lines.number + 1)
    })?;
    importer.finish()
}

fn read_config(path: &Path) -> anyhow::Result<FirebaseConfig> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    FirebaseConfig::read(&text).with_context(|| format!("{}", path.display()))
}

/// Shown to whoever watches, and to nobody else.
pub(in crate::cli) fn progress_bar(length: Option<u64>) -> ProgressBar {
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), "{wide_bar} {bytes}/{total_bytes} {eta} {msg}"),
        None => (ProgressBar::no_length(), "{spinner} {bytes} {msg}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// How much of the database's time an import takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ImportPace {
    Full,
    Gentle,
}

#[derive(Debug, Default)]
pub(in crate::cli) struct Tally {
    pub(in crate::cli) imported: u64,
    pub(in crate::cli) there: u64,
    pub(in crate::cli) refused: u64,
}

type Texts = Vec<(u64, Vec<u8>)>;

struct Importer<'a> {
    office: &'a Office,
    rules: HashRules,
    dry_run: Option<DryRun>,
    pace: ImportPace,
    batch: Batch,
    /// The batch's lines as they came, where those that are refused are kept.
    texts: Texts,
    /// The batch before, which is being written while the next one is read.
    writing: Option<(JoinHandle<Result<Moved, Failure>>, Texts)>,
    rejects: Option<Rejects>,
    tally: Tally,
    bar: ProgressBar,
}

impl Importer<'_> {
    async fn import_all(&mut self, lines: &mut Lines) -> anyhow::Result<()> {
        let size = match self.pace {
            ImportPace::Full => BATCH,
            ImportPace::Gentle => SMALL_BATCH,
        };
        let mut text = Vec::new();
        loop {
            let next = lines.next(&mut text, self.rejects.as_mut())?;
            let read = match next {
                Next::End => break,
                Next::Blank => continue,
                Next::TooLong => Err(UnfitLine::TooLong),
                Next::Line => ReadLine::read(&text, &self.rules),
            };
            match read {
                Ok(line) => self.add(lines.number, line, &text).await?,
                Err(UnfitLine::TooLong) => self.tell_refused(lines.number, &UnfitLine::TooLong),
                Err(unfit) => self.refuse(lines.number, &unfit, &text)?,
            }
            if self.batch.len() >= size {
                self.flush().await?;
                self.bar.set_position(lines.bytes);
            }
        }
        self.flush().await?;
        self.settle().await
    }

    async fn add(&mut self, number: u64, line: ReadLine, text: &[u8]) -> anyhow::Result<()> {
        let now = self.office.clock.now();
        if let Err(again) = self.batch.add(number, line, now) {
            self.flush().await?;
            // An empty batch takes every line.
            let _ = self.batch.add(number, *again, now);
        }
        if self.rejects.is_some() {
            self.texts.push((number, text.to_vec()));
        }
        Ok(())
    }

    /// Hands the batch over, once the one before is settled: two at once might have the same names.
    async fn flush(&mut self) -> anyhow::Result<()> {
        self.settle().await?;
        let (batch, texts) = (std::mem::take(&mut self.batch), std::mem::take(&mut self.texts));
        if batch.is_empty() {
            return Ok(());
        }
        let core = &self.office.core;
        if let Some(dry_run) = &mut self.dry_run {
            let moved = dry_run.tell(core, batch).await?;
            return self.count(moved, &texts);
        }
        let (core, clock, pace) = (core.clone(), self.office.clock.clone(), self.pace);
        let writing = tokio::spawn(async move {
            let now = clock.now();
            let moved = import::write(&core, batch, now).await?;
            if pace == ImportPace::Gentle {
                let took = (clock.now() - now).to_std().unwrap_or(Duration::ZERO);
                tokio::time::sleep(took * REST).await;
            }
            Ok(moved)
        });
        self.writing = Some((writing, texts));
        Ok(())
    }

    /// Waits for the batch that is being written.
    async fn settle(&mut self) -> anyhow::Result<()> {
        let Some((writing, texts)) = self.writing.take() else { return Ok(()) };
        let moved = writing.await.context("the import broke off")??;
        self.count(moved, &texts)
    }

    fn count(&mut self, moved: Moved, texts: &Texts) -> anyhow::Result<()> {
        let Moved { imported, there, refused } = moved;
        self.tally.imported += imported;
        self.tally.there += there;
        self.bar.set_message(format!("{} users", self.tally.imported + self.tally.there));
        for (number, unfit) in refused {
            let text = texts.iter().find(|(of, _)| *of == number).map(|(_, text)| text.as_slice());
            self.refuse(number, &unfit, text.unwrap_or_default())?;
        }
        Ok(())
    }

    fn refuse(&mut self, number: u64, unfit: &UnfitLine, text: &[u8]) -> anyhow::Result<()> {
        if let Some(rejects) = &mut self.rejects {
            rejects.write(text)?;
            rejects.write(b"\n")?;
        }
        self.tell_refused(number, unfit);
        Ok(())
    }

    fn tell_refused(&mut self, number: u64, unfit: &UnfitLine) {
        self.tally.refused += 1;
        self.bar.suspend(|| eprintln!("line {number}: {unfit}"));
    }

    fn finish(self) -> anyhow::Result<()> {
        self.tally.tell(self.dry_run.is_some(), self.rejects)
    }
}

impl Tally {
    /// Says what has become of all lines; an error if any was refused.
    pub(in crate::cli) fn tell(&self, dry_run: bool, rejects: Option<Rejects>) -> anyhow::Result<()> {
        let Self { imported, there, refused } = *self;
        let (are, were) = if dry_run {
            ("would be imported", "are there already")
        } else {
            ("are imported", "were there already")
        };
        println!("{imported} users {are}, {there} {were}");
        if let Some(rejects) = rejects {
            rejects.end(refused)?;
        }
        anyhow::ensure!(refused == 0, "{refused} lines are refused");
        Ok(())
    }
}

/// Where refused lines go. They hold hashes, so nobody else reads the file.
pub(in crate::cli) struct Rejects {
    path: PathBuf,
    file: io::BufWriter<File>,
}

impl Rejects {
    pub(in crate::cli) fn make(path: &Path) -> anyhow::Result<Self> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = made.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file: io::BufWriter::new(file) })
    }

    /// Adds the lines of a file that have these numbers, and those that are too long.
    pub(in crate::cli) fn add(&mut self, file: &Path, numbers: &BTreeSet<u64>) -> anyhow::Result<()> {
        let (mut lines, mut text) = (Lines::open(file)?, Vec::new());
        loop {
            match lines.next(&mut text, Some(self))? {
                Next::End => return Ok(()),
                Next::Line if numbers.contains(&lines.number) => {
                    self.write(&text)?;
                    self.write(b"\n")?;
                }
                Next::Line | Next::Blank | Next::TooLong => {}
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.file.write_all(bytes).with_context(|| format!("cannot write to {}", self.path.display()))
    }

    fn end(mut self, refused: u64) -> anyhow::Result<()> {
        self.file.flush().with_context(|| format!("cannot write to {}", self.path.display()))?;
        // An empty one is of no use, and in the way of the next import.
        if refused == 0 {
            fs::remove_file(&self.path).with_context(|| format!("cannot remove {}", self.path.display()))?;
        }
        Ok(())
    }
}

/// What comes next.
enum Next {
    Line,
    Blank,
    /// It has gone where refused lines go.
    TooLong,
    End,
}

/// A file, line by line.
struct Lines {
    source: Box<dyn BufRead + Send>,
    length: Option<u64>,
    /// Of the line that was read last, from 1.
    number: u64,
    bytes: u64,
}

impl Lines {
    fn open(path: &Path) -> anyhow::Result<Self> {
        const BUFFER: usize = 1 << 18;
        if path == Path::new("-") {
            let source = Box::new(BufReader::with_capacity(BUFFER, io::stdin()));
            return Ok(Self { source, length: None, number: 0, bytes: 0 });
        }
        let cannot_read = || format!("cannot read {}", path.display());
        let file = File::open(path).with_context(cannot_read)?;
        let length = file.metadata().with_context(cannot_read)?.len();
        let source = Box::new(BufReader::with_capacity(BUFFER, file));
        Ok(Self { source, length: Some(length), number: 0, bytes: 0 })
    }

    /// Reads the next line, less its end.
    fn next(&mut self, text: &mut Vec<u8>, rejects: Option<&mut Rejects>) -> anyhow::Result<Next> {
        text.clear();
        let most = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX) + 1;
        let read = self.source.by_ref().take(most).read_until(b'\n', text).context("cannot read on")?;
        if read == 0 {
            return Ok(Next::End);
        }
        self.number += 1;
        self.bytes += text.len() as u64;
        if text.last() == Some(&b'\n') {
            text.pop();
        } else if text.len() > LONGEST_LINE {
            self.pass_over(text, rejects)?;
            return Ok(Next::TooLong);
        }
        // What some editors put at the beginning of a file.
        if self.number == 1 && text.starts_with(b"\xef\xbb\xbf") {
            text.drain(..3);
        }
        Ok(if text.trim_ascii().is_empty() { Next::Blank } else { Next::Line })
    }

    /// Passes over the rest of a line that is too long to be kept.
    fn pass_over(&mut self, text: &mut Vec<u8>, mut rejects: Option<&mut Rejects>) -> anyhow::Result<()> {
        loop {
            if let Some(rejects) = rejects.as_deref_mut() {
                rejects.write(text)?;
            }
            let is_whole = text.last() == Some(&b'\n');
            text.clear();
            if is_whole {
                return Ok(());
            }
            let read =
                self.source.by_ref().take(1 << 16).read_until(b'\n', text).context("cannot read on")?;
            self.bytes += read as u64;
            if read == 0 {
                return rejects.map_or(Ok(()), |rejects| rejects.write(b"\n"));
            }
        }
    }
}
