//! Taking in what is sent. Nothing of it is begun before all of it is there.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::crypto::random;
use crate::domain::event::{Event, ImportChange};
use crate::domain::ids::uuid_v7;
use crate::domain::import_job::{ImportJob, ImportState};
use crate::service::admin::caller::AdminCaller;
use crate::service::admin::error::AdminError;
use crate::service::admin::imports::chunks;
use crate::service::admin::imports::jobs::ImportJobView;
use crate::service::admin::imports::lines::{LineCutter, WholeLines};
use crate::service::admin::moving::import::Effect;
use crate::service::admin::once::Once;
use crate::service::{Core, Failure};
use crate::store::import_jobs::{self, ImportChunk};

/// What is being sent.
#[derive(Debug)]
pub struct Upload {
    job: ImportJob,
    cutter: LineCutter,
}

impl Upload {
    /// Begins to take in what a caller sends.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub async fn begin(
        core: &Core,
        caller: &AdminCaller,
        effect: Effect,
        now: DateTime<Utc>,
    ) -> Result<Self, Failure> {
        let job = ImportJob {
            id: uuid_v7(now, random::bytes()),
            state: ImportState::Uploading,
            dry_run: effect == Effect::Tell,
            requested_by: caller.by.clone(),
            lines: 0,
            lines_done: 0,
            imported: 0,
            there: 0,
            refused: 0,
            error: None,
            created_at: now,
            started_at: None,
            ended_at: None,
        };
        import_jobs::insert(&core.db, &job).await?;
        Ok(Self { job, cutter: LineCutter::default() })
    }

    /// What it will be known by.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.job.id
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub async fn take(&mut self, core: &Core, bytes: &[u8]) -> Result<(), Failure> {
        for lines in self.cutter.push(bytes) {
            self.keep(core, lines).await?;
        }
        Ok(())
    }

    /// Takes the end: whether there is anything to be imported.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub async fn take_end(&mut self, core: &Core) -> Result<bool, Failure> {
        if let Some(lines) = self.cutter.finish() {
            self.keep(core, lines).await?;
        }
        Ok(self.cutter.has_content())
    }

    async fn keep(&self, core: &Core, lines: WholeLines) -> Result<(), Failure> {
        let id = uuid_v7(self.job.created_at, random::bytes());
        let sealed = chunks::seal(&core.keys, id, &lines.text);
        let chunk = ImportChunk { id, first_line: lines.first, last_line: lines.last, sealed };
        Ok(import_jobs::insert_chunk(&core.db, self.job.id, &chunk).await?)
    }

    /// Queues what was taken in: from now on it is carried out, whatever becomes of its sender.
    ///
    /// # Errors
    /// [`AdminError::NoJob`] where it took so long that it was forgotten, [`AdminError::ClaimLost`].
    pub async fn queue(
        &self,
        core: &Core,
        once: &Once<'_, ImportJobView>,
        now: DateTime<Utc>,
    ) -> Result<ImportJobView, AdminError> {
        let job = ImportJob { state: ImportState::Queued, lines: self.cutter.lines(), ..self.job.clone() };
        let (id, dry_run, view) = (job.id, job.dry_run, ImportJobView::from(job));
        let queued = core.write(now, async |tx| {
            if !import_jobs::queue(tx, id, self.cutter.lines()).await? {
                return Ok(Some(false));
            }
            tx.record(Event::ImportChanged { job: id, dry_run, change: ImportChange::Queued });
            Ok(once.answer(core, tx, &view).await?.map(|()| true))
        });
        if !queued.await?.ok_or(AdminError::ClaimLost)? {
            return Err(AdminError::NoJob(id));
        }
        core.import_jobs.notify_one();
        Ok(view)
    }
}

/// Forgets what was taken in, unless it was queued.
///
/// # Errors
/// [`Failure::Store`]; the janitor forgets it then.
pub async fn discard(core: &Core, upload: Uuid, now: DateTime<Utc>) -> Result<(), Failure> {
    let discarded = core.writer.write_sending(now, move |tx| {
        Box::pin(async move { import_jobs::discard(tx, upload).await.map(Some) })
    });
    discarded.await?;
    Ok(())
}
