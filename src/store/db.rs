//! Either engine, and how one body runs on both.

use sqlx::SqlitePool;

use crate::store::PostgresPool;

/// The database: PostgreSQL in production, SQLite embedded.
#[derive(Debug, Clone)]
pub enum Db {
    /// A pool of connections to a PostgreSQL-compatible server.
    Postgres(PostgresPool),
    /// The bundled SQLite, on a file or in memory.
    Sqlite(SqlitePool),
}

/// Runs one body on either engine: `on!(db, conn => sqlx::query(…).execute(conn).await)`.
macro_rules! on {
    ($db:expr, $conn:ident => $body:expr) => {
        match $db {
            $crate::store::Db::Postgres(pool) => {
                let $conn = pool.executor();
                $body
            }
            $crate::store::Db::Sqlite($conn) => $body,
        }
    };
}

pub(crate) use on;
