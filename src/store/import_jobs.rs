//! Users who move in by the admin API: the jobs, what was sent for them, and what was refused of it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::import_job::{ImportJob, ImportState, RefusedLine};
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional, insert_all};

row! {
    struct ImportJobRow {
        id: Uuid,
        state: String,
        dry_run: bool,
        requested_by: String,
        lines: i64,
        lines_done: i64,
        imported: i64,
        there: i64,
        refused: i64,
        error: Option<String>,
        created_at: DateTime<Utc>,
        started_at: Option<DateTime<Utc>>,
        ended_at: Option<DateTime<Utc>>,
    }
}

impl TryFrom<ImportJobRow> for ImportJob {
    type Error = StoreError;

    fn try_from(row: ImportJobRow) -> Result<Self, StoreError> {
        let corrupt = |what| StoreError::corrupt("import_jobs", row.id, what);
        let count = |number: i64, what| u64::try_from(number).map_err(|_| corrupt(what));
        Ok(Self {
            id: row.id,
            state: ImportState::named(&row.state).ok_or_else(|| corrupt("state"))?,
            dry_run: row.dry_run,
            lines: count(row.lines, "lines")?,
            lines_done: count(row.lines_done, "lines_done")?,
            imported: count(row.imported, "imported")?,
            there: count(row.there, "there")?,
            refused: count(row.refused, "refused")?,
            requested_by: row.requested_by,
            error: row.error,
            created_at: row.created_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
        })
    }
}

macro_rules! select {
    ($behind:literal) => {
        concat!(
            "SELECT id, state, dry_run, requested_by, lines, lines_done, imported, there, refused, error, \
             created_at, started_at, ended_at FROM import_jobs ",
            $behind
        )
    };
}

/// Adds a job whose lines are being sent.
pub async fn insert(db: &Db, job: &ImportJob) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO import_jobs \
         (id, state, dry_run, requested_by, lines, lines_done, imported, there, refused, created_at) \
         VALUES ($1, $2, $3, $4, 0, 0, 0, 0, 0, $5)";
    execute!(on db, SQL, job.id, job.state.as_str(), job.dry_run, &job.requested_by, job.created_at)?;
    Ok(())
}

/// Lines that were sent, one after another.
#[derive(Debug)]
pub struct ImportChunk {
    pub id: Uuid,
    /// The number of the first one.
    pub first_line: u64,
    /// The number of the last one.
    pub last_line: u64,
    pub sealed: Vec<u8>,
}

/// Keeps lines of a job.
pub async fn insert_chunk(db: &Db, job: Uuid, chunk: &ImportChunk) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO import_chunks (id, job_id, first_line, last_line, sealed) VALUES ($1, $2, $3, $4, $5)";
    execute!(on db, SQL, chunk.id, job, signed(chunk.first_line), signed(chunk.last_line), &chunk.sealed)?;
    Ok(())
}

/// Queues a job all of whose lines are there: `false` when there is no such job any more.
pub async fn queue(tx: &mut Tx, job: Uuid, lines: u64) -> Result<bool, StoreError> {
    const SQL: &str =
        "UPDATE import_jobs SET state = 'queued', lines = $2 WHERE id = $1 AND state = 'uploading'";
    Ok(execute!(within tx, SQL, job, signed(lines))? > 0)
}

/// Removes a job whose lines were being sent, with what is there of them.
pub async fn discard(tx: &mut Tx, job: Uuid) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM import_jobs WHERE id = $1 AND state = 'uploading'";
    if execute!(within tx, SQL, job)? > 0 {
        delete_chunks(tx, job).await?;
    }
    Ok(())
}

pub async fn find(db: &Db, id: Uuid) -> Result<Option<ImportJob>, StoreError> {
    const SQL: &str = select!("WHERE id = $1 AND state <> 'uploading'");
    let row: Option<ImportJobRow> = fetch_optional!(on db, SQL, id)?;
    row.map(ImportJob::try_from).transpose()
}

/// Up to `limit` jobs, the newest first: those before another one.
pub async fn list(db: &Db, before: Uuid, limit: i64) -> Result<Vec<ImportJob>, StoreError> {
    const SQL: &str = select!("WHERE id < $1 AND state <> 'uploading' ORDER BY id DESC LIMIT $2");
    let rows: Vec<ImportJobRow> = fetch_all!(on db, SQL, before, limit)?;
    rows.into_iter().map(ImportJob::try_from).collect()
}

/// Up to `limit` refused lines of a job, by their numbers: those after another one.
pub async fn refused(db: &Db, job: Uuid, after: i64, limit: i64) -> Result<Vec<RefusedLine>, StoreError> {
    const SQL: &str = "SELECT line, reason FROM import_refusals WHERE job_id = $1 AND line > $2 \
         ORDER BY line LIMIT $3";
    let rows: Vec<(i64, String)> = fetch_all!(on db, SQL, job, after, limit)?;
    let refused = |(line, reason): (i64, String)| {
        let line = u64::try_from(line).map_err(|_| StoreError::corrupt("import_refusals", job, "line"))?;
        Ok(RefusedLine { line, reason })
    };
    rows.into_iter().map(refused).collect()
}

/// Ends what has not ended, because nobody wants it, and gives how many users were imported: `None` when it has ended.
pub async fn cancel(tx: &mut Tx, job: Uuid, now: DateTime<Utc>) -> Result<Option<u64>, StoreError> {
    const SQL: &str = "UPDATE import_jobs SET state = 'cancelled', ended_at = $2, worker = NULL, \
         leased_until = NULL WHERE id = $1 AND state IN ('queued', 'running') RETURNING imported";
    let row: Option<(i64,)> = fetch_optional!(within tx, SQL, job, now)?;
    let Some((imported,)) = row else { return Ok(None) };
    delete_chunks(tx, job).await?;
    Ok(Some(imported.unsigned_abs()))
}

pub(super) async fn delete_chunks(tx: &mut Tx, job: Uuid) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM import_chunks WHERE job_id = $1";
    execute!(within tx, SQL, job)?;
    Ok(())
}

/// Up to `limit` parts of jobs that ended by `ended`, or that nobody sends any more since `sent`: refused lines and
/// lines before the jobs themselves. Gives how many there were.
pub async fn forget_some(
    db: &Db,
    (ended, sent): (DateTime<Utc>, DateTime<Utc>),
    limit: i64,
) -> Result<u64, StoreError> {
    const REFUSALS: &str = "DELETE FROM import_refusals WHERE (job_id, line) IN (SELECT job_id, line \
         FROM import_refusals WHERE job_id IN (SELECT id FROM import_jobs WHERE ended_at <= $1) LIMIT $2)";
    const CHUNKS: &str = "DELETE FROM import_chunks WHERE id IN (SELECT id FROM import_chunks WHERE job_id IN \
         (SELECT id FROM import_jobs WHERE state = 'uploading' AND created_at <= $1) LIMIT $2)";
    const JOBS: &str = "DELETE FROM import_jobs WHERE id IN (SELECT id FROM import_jobs \
         WHERE ended_at <= $1 OR (state = 'uploading' AND created_at <= $2) LIMIT $3)";
    let parts = [execute!(on db, REFUSALS, ended, limit)?, execute!(on db, CHUNKS, sent, limit)?];
    let most = limit.unsigned_abs();
    let jobs = if parts.iter().all(|deleted| *deleted < most) {
        execute!(on db, JOBS, ended, sent, limit)?
    } else {
        0
    };
    Ok(parts.iter().sum::<u64>() + jobs)
}

/// What a database keeps of a count.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Adds lines that were refused.
pub(super) async fn insert_refused(
    tx: &mut Tx,
    job: Uuid,
    refused: &[RefusedLine],
) -> Result<(), StoreError> {
    insert_all!(tx, refused, "INSERT INTO import_refusals (job_id, line, reason)", it =>
        job, signed(it.line), &it.reason)
}
