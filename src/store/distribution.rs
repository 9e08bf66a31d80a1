//! Tables that Citus spreads over several servers: the families by their ids, every other table whole on each server.

use std::sync::Arc;

use sqlx::AssertSqlSafe;

use crate::store::migrate::{LOCK, MigrationLock, SEQUENTIALLY, tables};
use crate::store::{Db, PostgresPool, StoreError, execute, fetch_optional};

/// The table that has a part on each server, by the column that every refresh names. Nothing refers to it, and it
/// refers to nothing.
const SPREAD: (&str, &str) = ("families", "id");

/// What a database is to Citus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CitusRole {
    /// Its server does not have Citus.
    Absent,
    /// Its server has it, and it does not.
    WithoutExtension,
    /// It keeps parts, and is told by another one which.
    Worker,
    /// It says what is where. It knows so many servers, itself among them if it keeps tables, too.
    Coordinator { servers: i64 },
}

/// Whether the database says of itself that it is spread over several servers.
pub async fn is_marked(db: &Db) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT engine FROM distribution LIMIT 1";
    let engine: Option<(String,)> = fetch_optional!(on db, SQL)?;
    Ok(engine.is_some())
}

/// What the database is to Citus. An embedded store is nothing to it.
pub async fn role(db: &Db) -> Result<CitusRole, StoreError> {
    const IN_SERVER: &str = "SELECT COUNT(*) FROM pg_settings WHERE name = 'citus.multi_shard_modify_mode'";
    const IN_DATABASE: &str = "SELECT COUNT(*) FROM pg_extension WHERE extname = 'citus'";
    const PLACE: &str = "SELECT groupid, (SELECT COUNT(*) FROM pg_dist_node WHERE isactive AND noderole = 'primary') \
         FROM pg_dist_local_group";
    let Db::Postgres(pool) = db else { return Ok(CitusRole::Absent) };
    let count = async |sql: &'static str| {
        let counted: Result<(i64,), _> = sqlx::query_as(sql).fetch_one(pool.executor()).await;
        counted.map(|(count,)| count > 0)
    };
    if !count(IN_SERVER).await? {
        return Ok(CitusRole::Absent);
    }
    if !count(IN_DATABASE).await? {
        return Ok(CitusRole::WithoutExtension);
    }
    let (group, servers): (i32, i64) = sqlx::query_as(PLACE).fetch_one(pool.executor()).await?;
    Ok(if group == 0 { CitusRole::Coordinator { servers: servers.max(1) } } else { CitusRole::Worker })
}

/// That Citus has a table where it belongs: in parts, or whole on each server.
const IS_PLACED: &str = "logicalrelid = to_regclass(name) AND (partmethod = 'h' OR repmodel = 't')";

/// The tables that are on the coordinator alone, each behind those that it refers to. Only a database with Citus knows.
pub async fn unplaced(db: &Db) -> Result<Vec<String>, StoreError> {
    let Db::Postgres(pool) = db else { return Ok(Vec::new()) };
    let sql = format!(
        "SELECT name FROM UNNEST($1::TEXT[]) WITH ORDINALITY AS ours (name, place) WHERE to_regclass(name) IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE {IS_PLACED}) ORDER BY place"
    );
    let found: Vec<(String,)> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(tables()).fetch_all(pool.executor()).await?;
    Ok(found.into_iter().map(|(name,)| name).collect())
}

/// Whether Citus has the families in parts, whoever had it do so.
pub async fn is_begun(db: &Db) -> Result<bool, StoreError> {
    let (table, _) = SPREAD;
    Ok(!unplaced(db).await?.iter().any(|name| name == table))
}

/// Marks the database, and has Citus place every table that is on the coordinator alone; gives how many those were. It
/// may be broken off and begun again at any time, and several may do it at once unless they do without the lock.
///
/// # Errors
/// [`StoreError::Distribution`] when Citus refuses.
pub async fn distribute(db: &Db, lock: MigrationLock) -> Result<usize, StoreError> {
    // Servers that are started from now on send each rotation by itself: they may meet parts.
    const MARK: &str = "INSERT INTO distribution (engine) VALUES ('citus') ON CONFLICT (engine) DO NOTHING";
    let Db::Postgres(pool) = db else { return Ok(0) };
    if !is_marked(db).await? {
        execute!(on db, MARK)?;
    }
    let mut placed = 0;
    for table in unplaced(db).await? {
        let (spread, key) = SPREAD;
        let work = if table == spread {
            format!("SELECT create_distributed_table('{table}', '{key}', colocate_with => 'none')")
        } else {
            format!("SELECT create_reference_table('{table}')")
        };
        let unless =
            format!("SELECT 1 FROM (SELECT '{table}' AS name) AS ours, pg_dist_partition WHERE {IS_PLACED}");
        if do_unless(pool, lock, unless, work).await.map_err(|error| refused(&table, error))? {
            tracing::info!(table, "the table is distributed");
            placed += 1;
        }
    }
    for table in with_remains(db).await? {
        let work = format!("SELECT truncate_local_data_after_distributing_table('{table}')");
        let unless = format!("SELECT 1 WHERE pg_relation_size('{table}') = 0");
        do_unless(pool, lock, unless, work).await.map_err(|error| refused(&table, error))?;
    }
    Ok(placed)
}

fn refused(table: &str, error: sqlx::Error) -> StoreError {
    match error {
        error @ sqlx::Error::Database(_) => {
            StoreError::Distribution { table: table.to_owned(), cause: Arc::new(error) }
        }
        other => other.into(),
    }
}

/// A transaction with one thing to do, unless another process has done it; `false` when one has. Nothing in it is
/// prepared: what is done here changes what statements mean.
async fn do_unless(
    pool: &PostgresPool,
    lock: MigrationLock,
    unless: String,
    work: String,
) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin(None).await?;
    if lock == MigrationLock::Take {
        sqlx::raw_sql(LOCK).execute(&mut *transaction).await?;
    }
    if sqlx::raw_sql(AssertSqlSafe(unless)).fetch_optional(&mut *transaction).await?.is_some() {
        return Ok(false);
    }
    sqlx::raw_sql(SEQUENTIALLY).execute(&mut *transaction).await?;
    sqlx::raw_sql(AssertSqlSafe(work)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(true)
}

/// What a table held before it was distributed stays behind in the coordinator's file, where nobody sees it: passwords
/// of users who were removed since, say.
async fn with_remains(db: &Db) -> Result<Vec<String>, StoreError> {
    const SQL: &str =
        "SELECT name FROM UNNEST($1::TEXT[]) AS ours (name) WHERE pg_relation_size(to_regclass(name)) > 0";
    let Db::Postgres(pool) = db else { return Ok(Vec::new()) };
    let found: Vec<(String,)> = sqlx::query_as(SQL).bind(tables()).fetch_all(pool.executor()).await?;
    Ok(found.into_iter().map(|(name,)| name).collect())
}
