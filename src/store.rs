//! The only SQL. Each query is written once, in the subset that PostgreSQL and SQLite share, and run on whichever
//! engine is behind a [`Db`].

pub mod authorization_codes;
pub mod client_assertions;
pub mod client_documents;
pub mod clients;
pub mod connect;
pub mod consents;
pub mod device_codes;
pub mod error;
pub mod families;
pub mod logout_deliveries;
pub mod migrate;
pub mod pushed_requests;
pub mod recovery;
pub mod registration_tokens;
pub mod registrations;
pub mod rotations;
mod row;
pub mod server_secrets;
pub mod sign_in_sessions;
pub mod signing_keys;
pub mod transaction;
pub mod users;

use sqlx::{PgPool, SqlitePool};

pub use error::StoreError;
pub use transaction::Tx;

/// The database: PostgreSQL in production, SQLite embedded.
#[derive(Debug, Clone)]
pub enum Db {
    /// A pool of connections to a PostgreSQL-compatible server.
    Postgres(PgPool),
    /// The bundled SQLite, on a file or in memory.
    Sqlite(SqlitePool),
}

/// Runs one body on either engine: `on!(db, conn => sqlx::query(…).execute(conn).await)`.
macro_rules! on {
    ($db:expr, $conn:ident => $body:expr) => {
        match $db {
            $crate::store::Db::Postgres($conn) => $body,
            $crate::store::Db::Sqlite($conn) => $body,
        }
    };
}

/// The same inside a transaction.
macro_rules! within {
    ($tx:expr, $conn:ident => $body:expr) => {
        match $tx {
            $crate::store::Tx::Postgres(transaction) => {
                let $conn = &mut **transaction;
                $body
            }
            $crate::store::Tx::Sqlite(transaction) => {
                let $conn = &mut **transaction;
                $body
            }
        }
    };
}

pub(crate) use {on, within};
