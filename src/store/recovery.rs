//! The recovery window: open for a while after the database was restored.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::family::RecoveryWindow;
use crate::store::{Db, StoreError, Tx, execute, fetch_optional};

/// Opens a window.
pub async fn open_window(
    tx: &mut Tx,
    id: Uuid,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO recovery_windows (id, opened_at, closes_at) VALUES ($1, $2, $3)";
    execute!(within tx, SQL, id, from, until)?;
    Ok(())
}

/// Closes every open window now.
pub async fn close_window(tx: &mut Tx, now: DateTime<Utc>) -> Result<u64, StoreError> {
    const SQL: &str = "UPDATE recovery_windows SET closes_at = $1 WHERE closes_at > $1";
    Ok(execute!(within tx, SQL, now)?)
}

/// When the last open window closes; `None` when none is open.
pub async fn closes_at(db: &Db, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, StoreError> {
    const SQL: &str =
        "SELECT closes_at FROM recovery_windows WHERE closes_at > $1 ORDER BY closes_at DESC LIMIT 1";
    let row: Option<(DateTime<Utc>,)> = fetch_optional!(on db, SQL, now)?;
    Ok(row.map(|(closes_at,)| closes_at))
}

/// Whether one is open.
pub async fn window(db: &Db, now: DateTime<Utc>) -> Result<RecoveryWindow, StoreError> {
    Ok(closes_at(db, now).await?.map_or(RecoveryWindow::Closed, |_| RecoveryWindow::Open))
}
