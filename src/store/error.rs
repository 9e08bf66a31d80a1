//! What can go wrong below.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A statement that did not do what it should. None of these says anything about a token: the client may retry.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or cannot work now.
    #[error("the database is unavailable")]
    Unavailable(#[source] Arc<sqlx::Error>),
    /// It leads to a standby, or one that was made read-only: what was the primary once, maybe.
    #[error("the database takes no writes: it is a standby, or read-only")]
    ReadOnly,
    /// What was to be added is there already.
    #[error("it exists already")]
    Exists,
    /// A row that cannot be: damaged, or written by other hands.
    #[error("{table} {id}: {what}")]
    Corrupt {
        table: &'static str,
        /// The row's key.
        id: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The database refused a migration: its own reason says what to do.
    #[error("migration {version} failed")]
    Migration {
        /// Its number.
        version: i64,
        #[source]
        cause: Arc<sqlx::Error>,
    },
    /// The database did not spread a table over its servers: its own reason says what to do.
    #[error("the table {table} cannot be distributed")]
    Distribution {
        table: String,
        #[source]
        cause: Arc<sqlx::Error>,
    },
    /// The name of a prepared statement is unknown, or somebody else's.
    #[error("a pooler in transaction mode mixes up prepared statements; set database.statement_cache to 0")]
    Pooled(#[source] Arc<sqlx::Error>),
    /// The database refused the statement: a fault of ours.
    #[error("the database refused a statement")]
    Refused(#[source] Arc<sqlx::Error>),
}

impl StoreError {
    pub(crate) fn corrupt(table: &'static str, id: impl fmt::Display, what: &'static str) -> Self {
        Self::Corrupt { table, id: id.to_string(), what }
    }

    /// Whether another try, later, may find the database well.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::ReadOnly | Self::Pooled(_) => true,
            Self::Exists
            | Self::Corrupt { .. }
            | Self::Migration { .. }
            | Self::Distribution { .. }
            | Self::Refused(_) => false,
        }
    }

    /// Whether running the same transaction again may succeed: it surely did nothing, because another one stood in
    /// its way (serialization failure or deadlock in PostgreSQL and those that speak its protocol), or because its
    /// connection led to what is the primary no more.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::ReadOnly) || matches!(self.sqlstate().as_deref(), Some("40001" | "40P01"))
    }

    /// Whether the engine cannot do this at all, as a sharded one says of some statements (`feature_not_supported`).
    pub(super) fn is_unsupported(&self) -> bool {
        self.sqlstate().as_deref() == Some("0A000")
    }

    /// Whether the statement surely changed nothing, whatever it was.
    pub(super) fn did_nothing(&self) -> bool {
        matches!(self, Self::Refused(_)) || self.is_conflict() || self.is_unsupported()
    }

    /// What the database said of a statement that may pass another time.
    fn sqlstate(&self) -> Option<Cow<'_, str>> {
        let Self::Unavailable(error) = self else { return None };
        error.as_database_error().and_then(sqlx::error::DatabaseError::code)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = &error else {
            return match error {
                sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::Decode(_) => Self::Refused(error.into()),
                _ => Self::Unavailable(error.into()),
            };
        };
        if database.is_unique_violation() {
            return Self::Exists;
        }
        let code = database.code().unwrap_or_default();
        // read_only_sql_transaction
        if code == "25006" {
            return Self::ReadOnly;
        }
        // duplicate_prepared_statement, invalid_sql_statement_name
        if matches!(code.as_ref(), "42P05" | "26000") {
            return Self::Pooled(error.into());
        }
        // PostgreSQL: 22 data exception, 23 constraint violation, 42 syntax error or missing table. SQLite: 1
        // SQLITE_ERROR, 19 SQLITE_CONSTRAINT (its extended codes end in that byte). All else passes, as far as
        // anyone can tell.
        let ours = if code.len() == 5 {
            ["22", "23", "42"].iter().any(|class| code.starts_with(class))
        } else {
            code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 1 | 19))
        };
        if ours { Self::Refused(error.into()) } else { Self::Unavailable(error.into()) }
    }
}
