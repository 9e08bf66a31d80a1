//! What operators see of imports, and do to them.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::event::{Event, ImportChange, ImportEnd};
use crate::domain::import_job::{ImportJob, ImportState, RefusedLine};
use crate::service::admin::error::AdminError;
use crate::service::admin::views::time;
use crate::service::{Core, Failure};
use crate::store::{StoreError, import_jobs};

/// How long what became of an import can be looked up.
const REMEMBERED: TimeDelta = TimeDelta::days(30);

/// After this nobody sends it any more: longer than a server takes it in.
const SENT: TimeDelta = TimeDelta::hours(3);

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ImportJobView {
    pub id: Uuid,
    /// What kind of job it is: `users.import`.
    pub kind: &'static str,
    /// `queued`, `running`, `done`, `failed` or `cancelled`.
    pub state: &'static str,
    /// It tells what it would do, and changes nothing.
    pub dry_run: bool,
    /// Whose it is.
    pub by: String,
    /// How many lines were sent, blank ones with them.
    pub lines: u64,
    /// How many of them are done.
    pub lines_done: u64,
    pub imported: u64,
    /// How many users were there, from the same line.
    pub there: u64,
    pub refused: u64,
    /// Why it failed.
    pub error: Option<String>,
    pub created_at: String,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
}

impl From<ImportJob> for ImportJobView {
    fn from(job: ImportJob) -> Self {
        Self {
            id: job.id,
            kind: "users.import",
            state: job.state.as_str(),
            dry_run: job.dry_run,
            by: job.requested_by,
            lines: job.lines,
            lines_done: job.lines_done,
            imported: job.imported,
            there: job.there,
            refused: job.refused,
            error: job.error,
            created_at: time(job.created_at),
            started_at: job.started_at.map(time),
            ended_at: job.ended_at.map(time),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedLineView {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong with it. It holds nothing of the line but names of members.
    pub reason: String,
}

/// Up to `limit` jobs, the newest first: those before another one, or the first.
pub async fn list(core: &Core, before: Option<Uuid>, limit: i64) -> Result<Vec<ImportJobView>, Failure> {
    let jobs = import_jobs::list(&core.db, before.unwrap_or(Uuid::max()), limit).await?;
    Ok(jobs.into_iter().map(ImportJobView::from).collect())
}

pub async fn get(core: &Core, id: Uuid) -> Result<ImportJobView, AdminError> {
    Ok(find(core, id).await?.into())
}

async fn find(core: &Core, id: Uuid) -> Result<ImportJob, AdminError> {
    import_jobs::find(&core.db, id).await?.ok_or(AdminError::NoJob(id))
}

/// Up to `limit` lines that were refused, by their numbers: those after another one, or the first.
pub async fn refused(
    core: &Core,
    id: Uuid,
    after: Option<i64>,
    limit: i64,
) -> Result<Vec<RefusedLineView>, AdminError> {
    find(core, id).await?;
    let refused = import_jobs::refused(&core.db, id, after.unwrap_or(0), limit).await?;
    let view = |RefusedLine { line, reason }| RefusedLineView { line, reason };
    Ok(refused.into_iter().map(view).collect())
}

/// Ends a job that nobody wants any more: what is done is done, and no more is.
///
/// # Errors
/// [`AdminError::NoJob`], [`AdminError::JobEnded`]; to cancel it twice is no error.
pub async fn cancel(core: &Core, id: Uuid, now: DateTime<Utc>) -> Result<(), AdminError> {
    let job = find(core, id).await?;
    let cancelled = core.write(now, async |tx| {
        let Some(count) = import_jobs::cancel(tx, id, now).await? else { return Ok(None) };
        let change = ImportChange::Ended { how: ImportEnd::Cancelled, count };
        tx.record(Event::ImportChanged { job: id, dry_run: job.dry_run, change });
        Ok(Some(()))
    });
    if cancelled.await?.is_some() {
        return Ok(());
    }
    let state = find(core, id).await?.state;
    if state == ImportState::Cancelled { Ok(()) } else { Err(AdminError::JobEnded(state)) }
}

/// Forgets up to `limit` parts of what became of old imports, and of what was never sent whole; gives how many.
pub(in crate::service::admin) async fn forget_some(
    core: &Core,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StoreError> {
    import_jobs::forget_some(&core.db, (now - REMEMBERED, now - SENT), limit).await
}
