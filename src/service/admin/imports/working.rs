//! Carrying out imports. Every server looks for one that nobody works at; what it does of it is noted in the
//! transaction that does it, so another server goes on exactly there if this one dies.

use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use uuid::Uuid;

use crate::clock::{Clock, Stopwatch};
use crate::crypto::hash_forms::HashRules;
use crate::crypto::master_key::CannotOpen;
use crate::crypto::random;
use crate::domain::event::{Event, ImportChange, ImportEnd};
use crate::domain::ids::uuid_v7;
use crate::domain::import_job::{ImportJob, ImportState, RefusedLine};
use crate::service::admin::imports::chunks;
use crate::service::admin::moving::import::{self, Batch, DryRun, Effect, step_with};
use crate::service::admin::moving::line::{LONGEST_LINE, ReadLine, UnfitLine};
use crate::service::{Core, Failure};
use crate::store::import_work::{self, ImportStep, Lease, LeaseBounds};
use crate::store::{StoreError, import_jobs};

/// How long a server has an import without having done a step of it: then it is another's.
pub const LEASE: TimeDelta = TimeDelta::seconds(20);

/// Lines of a step: it is over before anybody waits for it.
const STEP: usize = 100;
/// So many times as long as a step took, the next one waits, so that the database is others' most of the time.
const REST: u32 = 9;
/// But no longer than this: the lease has to hold.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// A server as it works at imports.
#[derive(Debug)]
pub struct ImportWorker {
    core: Arc<Core>,
    clock: Clock,
    /// What leases are known by.
    id: Uuid,
    /// Whether the server is told to stop.
    stop: watch::Receiver<bool>,
}

/// What became of an import that was worked at.
enum ImportOutcome {
    /// All its lines are done.
    Whole,
    /// Somebody else has it, or nobody wants it.
    Lost,
    /// The server is told to stop.
    Stopped,
}

/// Why an import does not go on.
enum Stuck {
    CannotOpen(CannotOpen),
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Stuck {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl ImportWorker {
    #[must_use]
    pub fn new(core: Arc<Core>, clock: Clock, stop: watch::Receiver<bool>) -> Self {
        let id = uuid_v7(clock.now(), random::bytes());
        Self { core, clock, id, stop }
    }

    /// Works at the import that waits for longest, until it ends. `false` when none waits, or the time cannot be
    /// believed.
    ///
    /// # Errors
    /// [`Failure::Store`]; the import waits again then.
    pub async fn work(&mut self) -> Result<bool, Failure> {
        let reading = self.clock.read();
        if self.core.clock_watch.check(reading).is_err() || *self.stop.borrow() {
            return Ok(false);
        }
        let Some(id) = import_work::next(&self.core.db, bounds(reading.now)).await? else {
            return Ok(false);
        };
        let Some((core, job)) = self.take(id).await? else { return Ok(true) };
        match self.carry_out(&core, &job).await {
            Ok(ImportOutcome::Whole) => self.end(&core, &job, (ImportEnd::Done, None)).await?,
            Ok(ImportOutcome::Lost) => {}
            Ok(ImportOutcome::Stopped) => import_work::give_back(&core.db, id, self.id).await?,
            Err(Stuck::CannotOpen(why)) => {
                let error = format!("what was sent cannot be read any more: {why}");
                self.end(&core, &job, (ImportEnd::Failed, Some(error))).await?;
            }
            Err(Stuck::Failed(Failure::Store(error))) if error.passes() => {
                import_work::give_back(&core.db, id, self.id).await?;
                return Err(error.into());
            }
            Err(Stuck::Failed(failure)) => {
                tracing::error!(error = &failure as &dyn std::error::Error, job = %id, "an import failed");
                self.end(&core, &job, (ImportEnd::Failed, Some(failure.to_string()))).await?;
            }
        }
        Ok(true)
    }

    /// Takes an import, if nobody else was faster: with a core that tells of what happens as its sender's.
    async fn take(&self, id: Uuid) -> Result<Option<(Core, ImportJob)>, Failure> {
        let Some(seen) = import_jobs::find(&self.core.db, id).await? else { return Ok(None) };
        let (core, now) = (self.core.acting_for(&seen.requested_by), self.clock.now());
        let (lease, bounds, dry_run) = (self.lease(id, now), bounds(now), seen.dry_run);
        let taken = core.writer.write_sending(now, move |tx| {
            Box::pin(async move {
                if !import_work::take(tx, lease, bounds).await? {
                    return Ok(None);
                }
                if import_work::start(tx, id, now).await? {
                    tx.record(Event::ImportChanged { job: id, dry_run, change: ImportChange::Started });
                }
                import_work::begin_anew(tx, id).await?;
                Ok(Some(()))
            })
        });
        if taken.await?.is_none() {
            return Ok(None);
        }
        // How far it is may have changed just before it was taken.
        Ok(import_jobs::find(&core.db, id).await?.map(|job| (core, job)))
    }

    async fn carry_out(&mut self, core: &Core, job: &ImportJob) -> Result<ImportOutcome, Stuck> {
        let effect = if job.dry_run { Effect::Tell } else { Effect::Write };
        let mut run = ImportRun {
            core,
            rules: import::begin(core, None, effect).await?,
            dry_run: job.dry_run.then(DryRun::default),
            done: job.lines_done,
            batch: Batch::default(),
            refused: Vec::new(),
        };
        while let Some(chunk) = import_work::chunk_after(&core.db, job.id, run.done).await? {
            let lines = chunks::open(&core.keys, &chunk).map_err(Stuck::CannotOpen)?;
            for (number, text) in (chunk.first_line..=chunk.last_line).zip(lines.split(|byte| *byte == b'\n'))
            {
                if number <= run.done {
                    continue;
                }
                let now = self.clock.now();
                if let Err(again) = run.add(number, text, now) {
                    if !run.flush(self.lease(job.id, now), now).await? {
                        return Ok(ImportOutcome::Lost);
                    }
                    // An empty batch takes every line.
                    let _ = run.batch.add(number, *again, now);
                }
                run.done = number;
                if run.is_enough() {
                    let watch = Stopwatch::start();
                    if !run.flush(self.lease(job.id, now), now).await? {
                        return Ok(ImportOutcome::Lost);
                    }
                    if self.rests(watch.elapsed() * REST).await {
                        return Ok(ImportOutcome::Stopped);
                    }
                }
            }
        }
        let now = self.clock.now();
        let is_ours = run.flush(self.lease(job.id, now), now).await?;
        Ok(if is_ours { ImportOutcome::Whole } else { ImportOutcome::Lost })
    }

    /// Leaves the database to others for a while; whether the server is told to stop.
    async fn rests(&mut self, wanted: Duration) -> bool {
        tokio::select! {
            stop = self.stop.wait_for(|stop| *stop) => stop.is_ok(),
            () = tokio::time::sleep(wanted.min(LONGEST_REST)) => false,
        }
    }

    async fn end(
        &self,
        core: &Core,
        job: &ImportJob,
        (how, error): (ImportEnd, Option<String>),
    ) -> Result<(), StoreError> {
        let (ours, dry_run, now) = ((job.id, self.id), job.dry_run, self.clock.now());
        let state = match how {
            ImportEnd::Done => ImportState::Done,
            ImportEnd::Failed => ImportState::Failed,
            ImportEnd::Cancelled => ImportState::Cancelled,
        };
        let ended = core.writer.write_sending(now, move |tx| {
            let error = error.clone();
            Box::pin(async move {
                let end = (state, error.as_deref());
                let Some(count) = import_work::end(tx, ours, end, now).await? else { return Ok(None) };
                let change = ImportChange::Ended { how, count };
                tx.record(Event::ImportChanged { job: ours.0, dry_run, change });
                Ok(Some(()))
            })
        });
        ended.await?;
        Ok(())
    }

    fn lease(&self, job: Uuid, now: DateTime<Utc>) -> Lease {
        Lease { job, worker: self.id, until: now + LEASE }
    }
}

/// No lease is longer than one that was just made, by whichever clock.
fn bounds(now: DateTime<Utc>) -> LeaseBounds {
    LeaseBounds { now, latest: now + LEASE * 2 }
}

/// An import that is being carried out.
struct ImportRun<'a> {
    core: &'a Core,
    rules: HashRules,
    dry_run: Option<DryRun>,
    /// Every line up to this one is in the batch, or done.
    done: u64,
    batch: Batch,
    /// Lines since the last step that cannot be read.
    refused: Vec<RefusedLine>,
}

impl ImportRun<'_> {
    /// Takes a line in; gives it back when it has a name or an id that is in the batch already.
    fn add(&mut self, number: u64, text: &[u8], now: DateTime<Utc>) -> Result<(), Box<ReadLine>> {
        // What some editors put at the beginning of a file.
        let text = text.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(text);
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        let read = if text.len() > LONGEST_LINE {
            Err(UnfitLine::TooLong)
        } else {
            ReadLine::read(text, &self.rules)
        };
        match read {
            Ok(line) => self.batch.add(number, line, now),
            Err(unfit) => {
                self.refused.push(RefusedLine { line: number, reason: unfit.to_string() });
                Ok(())
            }
        }
    }

    fn is_enough(&self) -> bool {
        self.batch.len() + self.refused.len() >= STEP
    }

    /// Does a step, and notes it. `false` when the import is not ours any more: then nothing is done.
    async fn flush(&mut self, lease: Lease, now: DateTime<Utc>) -> Result<bool, Failure> {
        let batch = take(&mut self.batch);
        let step =
            ImportStep { lines_done: self.done, refused: take(&mut self.refused), ..ImportStep::default() };
        let Some(dry_run) = &mut self.dry_run else {
            return Ok(import::write_step(self.core, batch, Some((lease, step)), now).await?.is_some());
        };
        let told = step_with(&step, &dry_run.tell(self.core, batch).await?);
        let noted = self.core.writer.write_sending(now, move |tx| {
            let told = told.clone();
            Box::pin(async move { Ok(import_work::advance(tx, lease, &told).await?.then_some(())) })
        });
        Ok(noted.await?.is_some())
    }
}
