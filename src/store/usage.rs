//! How often things happened, by the minute and by the hour.

use crate::domain::usage::Span;
use crate::store::{Committed, Db, StoreError, Tx, execute, fetch_all, insert_all};

/// How often something happened in one span.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageCount {
    /// The span's length, in minutes.
    pub span: i64,
    /// The minute that it begins with.
    pub since: i64,
    pub name: &'static str,
    pub times: i64,
}

/// Adds counts to those that other servers, and this one, have stored.
pub async fn add(db: &Db, counts: &[UsageCount]) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    add_within(&mut tx, counts).await?;
    let Committed { .. } = tx.commit().await?;
    Ok(())
}

async fn add_within(tx: &mut Tx, counts: &[UsageCount]) -> Result<(), StoreError> {
    insert_all!(tx, counts, "INSERT INTO usage_counts (span, since, name, times)", count =>
        count.span, count.since, count.name, count.times;
        "ON CONFLICT (span, since, name) DO UPDATE SET times = usage_counts.times + excluded.times")
}

/// Which counts are summed up: those of spans that begin in `[from, until)`, into bars of `bar` minutes.
#[derive(Debug, Clone, Copy)]
pub struct WantedBars {
    pub span: Span,
    pub from: i64,
    pub until: i64,
    pub bar: i64,
}

/// How often what happened in which bar, by the bar's number from 0 on.
pub async fn bars(db: &Db, wanted: WantedBars) -> Result<Vec<(i64, String, i64)>, StoreError> {
    const SQL: &str = "SELECT (since - $2) / $4 AS bar, name, CAST(SUM(times) AS BIGINT) FROM usage_counts \
         WHERE span = $1 AND since >= $2 AND since < $3 GROUP BY 1, 2";
    let WantedBars { span, from, until, bar } = wanted;
    Ok(fetch_all!(on db, SQL, span.minutes(), from, until, bar)?)
}

/// Deletes what is older than this minute, a part of it: that of up to `limit` rows' beginnings. Gives how many rows.
pub async fn delete_some(db: &Db, span: Span, before: i64, limit: i64) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM usage_counts WHERE span = $1 AND since IN (SELECT since FROM usage_counts \
         WHERE span = $1 AND since < $2 ORDER BY since LIMIT $3)";
    Ok(execute!(on db, SQL, span.minutes(), before, limit)?)
}
