//! What was said of a restore: a recovery window is open for a while, or tokens ahead of their rows are refused.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::family::RestoreDecision;
use crate::store::{Db, StoreError, Tx, execute, fetch_optional};

/// When tokens that are ahead of their rows are refused; before that they are asked to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreRefusal {
    /// From now on, or when the time to decide is over.
    pub from: DateTime<Utc>,
    /// After this the next such token asks anew.
    pub until: DateTime<Utc>,
}

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

/// Writes a window that is never open, and takes it back, to see whether the database can write at all.
pub async fn write_and_undo(tx: &mut Tx, id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM recovery_windows WHERE id = $1";
    open_window(tx, id, now, now).await?;
    execute!(within tx, SQL, id)?;
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

/// Puts `refusal` in the place of every other.
pub async fn refuse(tx: &mut Tx, id: Uuid, refusal: RestoreRefusal) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO restore_refusals (id, refused_from, refused_until) VALUES ($1, $2, $3)";
    withdraw_refusals(tx).await?;
    execute!(within tx, SQL, id, refusal.from, refusal.until)?;
    Ok(())
}

/// From now on nothing was decided.
pub async fn withdraw_refusals(tx: &mut Tx) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM restore_refusals";
    execute!(within tx, SQL)?;
    Ok(())
}

/// Notes `refusal` unless there is one already: two processes that note one at once both keep to the earlier.
pub async fn refuse_unless_noted(
    db: &Db,
    id: Uuid,
    refusal: RestoreRefusal,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO restore_refusals (id, refused_from, refused_until) SELECT $1, $2, $3 \
         WHERE NOT EXISTS (SELECT 1 FROM restore_refusals WHERE refused_until > $4)";
    execute!(on db, SQL, id, refusal.from, refusal.until, now)?;
    Ok(())
}

/// The refusal that is noted and not over.
pub async fn refusal(db: &Db, now: DateTime<Utc>) -> Result<Option<RestoreRefusal>, StoreError> {
    const SQL: &str = "SELECT refused_from, refused_until FROM restore_refusals WHERE refused_until > $1 \
         ORDER BY refused_from LIMIT 1";
    let row: Option<(DateTime<Utc>, DateTime<Utc>)> = fetch_optional!(on db, SQL, now)?;
    Ok(row.map(|(from, until)| RestoreRefusal { from, until }))
}

/// What holds now.
pub async fn decision(db: &Db, now: DateTime<Utc>) -> Result<RestoreDecision, StoreError> {
    if closes_at(db, now).await?.is_some() {
        return Ok(RestoreDecision::Recover);
    }
    let is_refused = refusal(db, now).await?.is_some_and(|refusal| refusal.from <= now);
    Ok(if is_refused { RestoreDecision::Decline } else { RestoreDecision::Undecided })
}
