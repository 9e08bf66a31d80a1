//! The recovery window: open for a while after the database was restored.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::family::RecoveryWindow;
use crate::store::{Db, StoreError, Tx, on, within};

/// Opens a window.
///
/// # Errors
/// [`StoreError`].
pub async fn open(
    tx: &mut Tx,
    id: Uuid,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO recovery_windows (id, opened_at, closes_at) VALUES ($1, $2, $3)";
    within!(tx, conn => sqlx::query(SQL).bind(id).bind(from).bind(until).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// Closes every open window now.
///
/// # Errors
/// [`StoreError`].
pub async fn close(tx: &mut Tx, now: DateTime<Utc>) -> Result<u64, StoreError> {
    const SQL: &str = "UPDATE recovery_windows SET closes_at = $1 WHERE closes_at > $1";
    Ok(within!(tx, conn => sqlx::query(SQL).bind(now).execute(conn).await.map(|done| done.rows_affected()))?)
}

/// When the last open window closes; `None` when none is open.
///
/// # Errors
/// [`StoreError`].
pub async fn closes_at(db: &Db, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, StoreError> {
    const SQL: &str =
        "SELECT closes_at FROM recovery_windows WHERE closes_at > $1 ORDER BY closes_at DESC LIMIT 1";
    let row: Option<(DateTime<Utc>,)> =
        on!(db, conn => sqlx::query_as(SQL).bind(now).fetch_optional(conn).await)?;
    Ok(row.map(|(closes_at,)| closes_at))
}

/// Whether one is open.
///
/// # Errors
/// [`StoreError`].
pub async fn window(db: &Db, now: DateTime<Utc>) -> Result<RecoveryWindow, StoreError> {
    Ok(closes_at(db, now).await?.map_or(RecoveryWindow::Closed, |_| RecoveryWindow::Open))
}
