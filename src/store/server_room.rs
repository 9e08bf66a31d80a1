//! How many connections a server takes.

use crate::store::{Db, StoreError};

/// What a server of PostgreSQL's has.
#[derive(Debug, Clone, Copy)]
pub struct ServerRoom {
    /// Connections, without those that are kept for its superusers.
    pub for_everybody: i32,
    /// Those that other programs hold now, as far as we may see them.
    pub of_others: i64,
}

/// `None` where there is no server.
///
/// # Errors
/// [`StoreError`].
pub async fn of(db: &Db) -> Result<Option<ServerRoom>, StoreError> {
    const SQL: &str = "
        SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
               (SELECT COUNT(*) FROM pg_stat_activity
                WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())";
    match db {
        Db::Postgres(pool) => {
            let (for_everybody, of_others) = sqlx::query_as(SQL).fetch_one(pool.executor()).await?;
            Ok(Some(ServerRoom { for_everybody, of_others }))
        }
        Db::Sqlite(_) => Ok(None),
    }
}
