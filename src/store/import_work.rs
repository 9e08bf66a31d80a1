//! Working at users who move in by the admin API. A server has a job for a while, and every step of it holds only if it
//! still has it: so no line is done twice, whoever else takes the job over.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::import_job::{ImportState, RefusedLine};
use crate::store::import_jobs::{ImportChunk, delete_chunks, insert_refused, signed};
use crate::store::{Db, StoreError, Tx, execute, fetch_optional};

/// When a lease is over: at its end, or where it ends later than any can, because a clock was wrong.
#[derive(Debug, Clone, Copy)]
pub struct LeaseBounds {
    pub now: DateTime<Utc>,
    pub latest: DateTime<Utc>,
}

/// Who works at a job, and until when nobody else does.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    pub job: Uuid,
    pub worker: Uuid,
    pub until: DateTime<Utc>,
}

/// The oldest job that nobody works at.
pub async fn next(db: &Db, lease: LeaseBounds) -> Result<Option<Uuid>, StoreError> {
    const SQL: &str = "SELECT id FROM import_jobs WHERE state IN ('queued', 'running') \
         AND (state = 'queued' OR leased_until <= $1 OR leased_until > $2) ORDER BY id LIMIT 1";
    let row: Option<(Uuid,)> = fetch_optional!(on db, SQL, lease.now, lease.latest)?;
    Ok(row.map(|(id,)| id))
}

/// Takes a job that nobody works at. `false` when somebody else was faster.
pub async fn take(tx: &mut Tx, lease: Lease, bounds: LeaseBounds) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE import_jobs SET state = 'running', worker = $2, leased_until = $3 WHERE id = $1 \
         AND (state = 'queued' OR (state = 'running' AND (leased_until <= $4 OR leased_until > $5)))";
    Ok(execute!(within tx, SQL, lease.job, lease.worker, lease.until, bounds.now, bounds.latest)? > 0)
}

/// Notes when a job was begun first. `false` when it was noted before.
pub async fn start(tx: &mut Tx, job: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE import_jobs SET started_at = $2 WHERE id = $1 AND started_at IS NULL";
    Ok(execute!(within tx, SQL, job, now)? > 0)
}

/// Begins a dry run anew: what it has seen was in the memory of the server that did it.
pub async fn begin_anew(tx: &mut Tx, job: Uuid) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE import_jobs SET lines_done = 0, imported = 0, there = 0, refused = 0 \
         WHERE id = $1 AND dry_run";
    const REFUSALS: &str = "DELETE FROM import_refusals WHERE job_id = $1";
    if execute!(within tx, SQL, job)? > 0 {
        execute!(within tx, REFUSALS, job)?;
    }
    Ok(())
}

/// Gives a job back, for whoever has time.
pub async fn give_back(db: &Db, job: Uuid, worker: Uuid) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE import_jobs SET state = 'queued', worker = NULL, leased_until = NULL \
         WHERE id = $1 AND worker = $2 AND state = 'running'";
    execute!(on db, SQL, job, worker)?;
    Ok(())
}

/// The first lines of a job that have others than those up to `done`.
pub async fn chunk_after(db: &Db, job: Uuid, done: u64) -> Result<Option<ImportChunk>, StoreError> {
    const SQL: &str = "SELECT id, first_line, last_line, sealed FROM import_chunks \
         WHERE job_id = $1 AND last_line > $2 ORDER BY last_line LIMIT 1";
    let row: Option<(Uuid, i64, i64, Vec<u8>)> = fetch_optional!(on db, SQL, job, signed(done))?;
    let Some((id, first, last, sealed)) = row else { return Ok(None) };
    let number =
        |line: i64| u64::try_from(line).map_err(|_| StoreError::corrupt("import_chunks", id, "line"));
    Ok(Some(ImportChunk { id, first_line: number(first)?, last_line: number(last)?, sealed }))
}

/// What was done of a job.
#[derive(Debug, Clone, Default)]
pub struct ImportStep {
    /// Every line up to this one is done.
    pub lines_done: u64,
    pub imported: u64,
    pub there: u64,
    pub refused: Vec<RefusedLine>,
}

/// Notes what was done, in the transaction that did it. `false` when somebody else has the job, or nobody wants it:
/// then nothing must be done.
pub async fn advance(tx: &mut Tx, lease: Lease, step: &ImportStep) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE import_jobs SET leased_until = $3, lines_done = $4, imported = imported + $5, \
         there = there + $6, refused = refused + $7 WHERE id = $1 AND worker = $2 AND state = 'running'";
    // What is done is not needed any more, unless a dry run has to begin anew.
    const CHUNKS: &str = "DELETE FROM import_chunks WHERE job_id = $1 AND last_line <= $2 \
         AND EXISTS (SELECT 1 FROM import_jobs WHERE id = $1 AND NOT dry_run)";
    let ImportStep { lines_done, imported, there, refused } = step;
    let count = signed(u64::try_from(refused.len()).unwrap_or(u64::MAX));
    let advanced = execute!(within tx, SQL, lease.job, lease.worker, lease.until, signed(*lines_done),
        signed(*imported), signed(*there), count)?;
    if advanced == 0 {
        return Ok(false);
    }
    insert_refused(tx, lease.job, refused).await?;
    execute!(within tx, CHUNKS, lease.job, signed(*lines_done))?;
    Ok(true)
}

/// Ends a job, with all that was sent for it, and gives how many users were imported: `None` when somebody else has it,
/// or it has ended.
pub async fn end(
    tx: &mut Tx,
    (job, worker): (Uuid, Uuid),
    (state, error): (ImportState, Option<&str>),
    now: DateTime<Utc>,
) -> Result<Option<u64>, StoreError> {
    const SQL: &str = "UPDATE import_jobs SET state = $3, error = $4, ended_at = $5, worker = NULL, \
         leased_until = NULL WHERE id = $1 AND worker = $2 AND state = 'running' RETURNING imported";
    let row: Option<(i64,)> = fetch_optional!(within tx, SQL, job, worker, state.as_str(), error, now)?;
    let Some((imported,)) = row else { return Ok(None) };
    delete_chunks(tx, job).await?;
    Ok(Some(imported.unsigned_abs()))
}
