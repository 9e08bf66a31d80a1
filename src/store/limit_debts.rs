//! What stands against counts that are limited, in all processes.

use chrono::{DateTime, Utc};

use crate::store::{Db, StoreError, Tx, execute, fetch_all, insert_all};

/// What stands against one count.
#[derive(Debug, Clone)]
pub struct SharedDebt {
    pub limiter: String,
    pub key: i64,
    pub charged_at: DateTime<Utc>,
    pub forgiven_at: DateTime<Utc>,
}

/// Adds to what stands there: from its time on as much as lies between the two times of each.
pub async fn add(tx: &mut Tx, debts: &[SharedDebt]) -> Result<(), StoreError> {
    insert_all!(tx, debts, "INSERT INTO limit_debts (limiter, key, charged_at, forgiven_at)", debt =>
        &debt.limiter, debt.key, debt.charged_at.timestamp_micros(), debt.forgiven_at.timestamp_micros();
        "ON CONFLICT (limiter, key) DO UPDATE SET \
         forgiven_at = excluded.forgiven_at - excluded.charged_at + CASE \
         WHEN limit_debts.forgiven_at > excluded.charged_at THEN limit_debts.forgiven_at ELSE excluded.charged_at END, \
         charged_at = CASE WHEN limit_debts.charged_at > excluded.charged_at THEN limit_debts.charged_at \
         ELSE excluded.charged_at END")
}

/// Those that changed from this time on and are not forgiven yet, the first changes first.
pub async fn changed_since(
    db: &Db,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<SharedDebt>, StoreError> {
    const SQL: &str = "SELECT limiter, key, charged_at, forgiven_at FROM limit_debts \
         WHERE charged_at >= $1 AND forgiven_at > $2 ORDER BY charged_at LIMIT $3";
    let rows: Vec<(String, i64, i64, i64)> =
        fetch_all!(on db, SQL, since.timestamp_micros(), now.timestamp_micros(), limit)?;
    let time = |micros| DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC);
    Ok(rows
        .into_iter()
        .map(|(limiter, key, charged_at, forgiven_at)| SharedDebt {
            limiter,
            key,
            charged_at: time(charged_at),
            forgiven_at: time(forgiven_at),
        })
        .collect())
}

/// Deletes up to `limit` that are forgiven; gives how many.
pub async fn forget_some(db: &Db, now: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM limit_debts WHERE forgiven_at <= $1 AND (limiter, key) IN \
         (SELECT limiter, key FROM limit_debts WHERE forgiven_at <= $1 ORDER BY forgiven_at LIMIT $2)";
    Ok(execute!(on db, SQL, now.timestamp_micros(), limit)?)
}
