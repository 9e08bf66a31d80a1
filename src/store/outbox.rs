//! What is on its way to other people's servers: claimed attempt by attempt, and settled in the end. Each kind has a
//! table of its own, in which these columns are the same.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::outbox::Outbox;
use crate::store::{Db, StoreError, Tx, execute, fetch_one};

/// The next attempt at a delivery.
#[derive(Debug, Clone, Copy)]
pub struct NextAttempt {
    /// Of which delivery.
    pub id: Uuid,
    /// How many there were before.
    pub before: i64,
}

impl NextAttempt {
    /// The first is 1.
    #[must_use]
    pub fn number(self) -> i64 {
        self.before + 1
    }
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It was taken.
    Delivered,
    /// It was tried often enough, or nobody wants it any more.
    GivenUp,
}

impl Settled {
    fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
        }
    }
}

/// A statement on the table of an outbox.
macro_rules! on_table {
    ($outbox:expr, $before:literal, $after:literal) => {
        match $outbox {
            Outbox::Logouts => concat!($before, "logout_deliveries", $after),
            Outbox::Webhooks => concat!($before, "webhook_deliveries", $after),
            Outbox::Mails => concat!($before, "mails", $after),
        }
    };
}

macro_rules! delete_some {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE id IN (SELECT id FROM ",
            $table,
            " WHERE state IN ('delivered', 'given_up') AND due_at <= $1 ORDER BY due_at LIMIT $2)"
        )
    };
}

/// Claims an attempt; if it comes to nothing, or whoever claimed it is gone, the one after it is due at `next_at`.
/// `false` when another process has claimed it.
pub async fn claim(
    db: &Db,
    outbox: Outbox,
    it: NextAttempt,
    next_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let sql = on_table!(
        outbox,
        "UPDATE ",
        " SET attempts = attempts + 1, due_at = $3 WHERE id = $1 AND attempts = $2 AND state = 'pending'"
    );
    Ok(execute!(on db, sql, it.id, it.before, next_at)? > 0)
}

/// Ends a delivery; it is remembered until `until`. `false` when it had ended before.
pub async fn settle(
    tx: &mut Tx,
    outbox: Outbox,
    id: Uuid,
    (how, until): (Settled, DateTime<Utc>),
) -> Result<bool, StoreError> {
    let sql =
        on_table!(outbox, "UPDATE ", " SET state = $2, due_at = $3 WHERE id = $1 AND state = 'pending'");
    Ok(execute!(within tx, sql, id, how.as_str(), until)? > 0)
}

/// How many deliveries are still under way.
pub async fn pending(db: &Db, outbox: Outbox) -> Result<i64, StoreError> {
    let sql = on_table!(outbox, "SELECT COUNT(*) FROM ", " WHERE state = 'pending'");
    let (count,): (i64,) = fetch_one!(on db, sql)?;
    Ok(count)
}

/// Deletes up to `limit` settled deliveries whose time is over; gives how many.
pub async fn delete_some_settled(
    db: &Db,
    outbox: Outbox,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StoreError> {
    let sql = match outbox {
        Outbox::Logouts => delete_some!("logout_deliveries"),
        Outbox::Webhooks => delete_some!("webhook_deliveries"),
        Outbox::Mails => delete_some!("mails"),
    };
    Ok(execute!(on db, sql, now, limit)?)
}
