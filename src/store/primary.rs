//! Whether the server takes writes. After a failover a connection may live on that leads to what was the primary: it
//! answers every read, maybe with what is long past, and refuses every write.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::{Error, PgConnection, Row as _};

use crate::clock::Stopwatch;

/// What the server's answers have told of it.
#[derive(Debug)]
pub(in crate::store) struct Primary(Mutex<LastSeen>);

#[derive(Debug)]
struct LastSeen {
    takes_writes: bool,
    /// When a write was last refused for where its connection leads.
    refused: Option<Stopwatch>,
}

impl Default for Primary {
    fn default() -> Self {
        Self(Mutex::new(LastSeen { takes_writes: true, refused: None }))
    }
}

impl Primary {
    /// Learns from what became of a statement.
    pub(in crate::store) fn notice(&self, error: &Error) {
        if is_read_only(error) {
            *self.seen() = LastSeen { takes_writes: false, refused: Some(Stopwatch::start()) };
        }
    }

    /// Whether a connection of this age is older than the last refusal: where it leads there may be no primary.
    pub(in crate::store) fn is_suspect(&self, age: Duration) -> bool {
        self.seen().refused.is_some_and(|refused| age >= refused.elapsed())
    }

    /// Whether it takes writes, as far as is known.
    pub(in crate::store) fn takes_writes(&self) -> bool {
        self.seen().takes_writes
    }

    /// Lets a new connection in if it leads to a server that takes writes.
    pub(in crate::store) async fn admit(&self, connection: &mut PgConnection) -> Result<(), Error> {
        const SQL: &str = "SELECT current_setting('transaction_read_only')";
        let is_read_only = sqlx::raw_sql(SQL).fetch_one(connection).await?.try_get::<&str, _>(0)? == "on";
        self.seen().takes_writes = !is_read_only;
        if is_read_only { Err(Error::Configuration("the server takes no writes".into())) } else { Ok(()) }
    }

    fn seen(&self) -> MutexGuard<'_, LastSeen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SQLSTATE `read_only_sql_transaction`.
fn is_read_only(error: &Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.as_deref() == Some("25006")
}
