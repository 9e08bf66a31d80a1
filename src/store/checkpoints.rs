//! Takes SQLite's write-ahead log back into the database file, beside the writer.
//!
//! Left alone, SQLite does that within the very commit that finds the log long: some hundred milliseconds in which
//! everybody waits. Here a connection of its own copies the pages while the writer goes on. A pass can only copy what
//! was there when it began, and the log starts over only when all of it is copied, so passes follow one another until
//! nothing new has come meanwhile; if that does not happen, the last one takes the writer's place for a moment.

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, SqlitePool};

/// How often to look.
const EVERY: Duration = Duration::from_millis(100);

/// A log of so many pages is taken back.
const LONG: i64 = 4000;

/// One of any length is, when it was looked at so often and nothing had come: then it is in nobody's way. A log that
/// has filled the disk by itself is such a one, and what is taken back makes room for the next writes.
const STILL: u32 = 10;

/// Passes beside the writer before the last one. SQLite flushes the file only in a pass during which nothing was
/// written: the fewer pages are left, the likelier that is.
const PASSES: u32 = 6;

/// Copies what nobody else holds up, and waits for nobody.
const COPY: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Says how long the log is, and how much of it is copied.
const LOOK: &str = "PRAGMA wal_checkpoint(NOOP)";

/// Keeps the log of the pool's file short, for as long as it is polled.
pub(super) async fn keep_short(pool: &SqlitePool) {
    let options = pool.connect_options().as_ref().clone().disable_statement_logging();
    loop {
        if let Err(error) = watch(&options, pool).await {
            tracing::warn!(%error, "the write-ahead log could not be shortened; trying again");
        }
        tokio::time::sleep(10 * EVERY).await;
    }
}

/// Takes all of the log back and cuts it to nothing, once whoever else reads or writes has come to an end. `false` when
/// somebody does not.
pub(super) async fn take_all_back(pool: &SqlitePool) -> Result<bool, sqlx::Error> {
    const CUT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
    let (busy, _in_log, _copied): (i64, i64, i64) = sqlx::query_as(CUT).fetch_one(pool).await?;
    Ok(busy == 0)
}

async fn watch(options: &SqliteConnectOptions, pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut beside = options.connect().await?;
    let (mut before, mut still) = (0, 0);
    loop {
        tokio::time::sleep(EVERY).await;
        let now = left(&mut beside).await?;
        still = if now == before { still + 1 } else { 0 };
        before = now;
        if now >= LONG {
            if !copied_beside(&mut beside).await? {
                sqlx::query(COPY).execute(&mut *pool.acquire().await?).await?;
            }
        } else if now > 0 && still >= STILL {
            copied_beside(&mut beside).await?;
        }
    }
}

/// Whether all of the log was copied while nobody wrote.
async fn copied_beside(beside: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    for _ in 0..PASSES {
        sqlx::query(COPY).execute(&mut *beside).await?;
        if left(beside).await? == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The pages that are in the log and not yet in the file.
async fn left(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let (_busy, in_log, copied): (i64, i64, i64) = sqlx::query_as(LOOK).fetch_one(connection).await?;
    Ok(in_log - copied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Db;
    use crate::store::connect::PoolBounds;

    #[tokio::test]
    async fn a_long_log_is_taken_back_though_the_writer_never_does_it() {
        let path = std::env::temp_dir().join(format!("heirloom-log-{}.db", uuid::Uuid::now_v7()));
        let bounds =
            PoolBounds { max_connections: 1, acquire_timeout: Duration::from_secs(5), statement_cache: 10 };
        let Db::Sqlite(pool) = Db::sqlite_file(&path, bounds).await.unwrap() else { panic!("not SQLite") };
        let sql = "PRAGMA wal_autocheckpoint = 0; CREATE TABLE pages (page BLOB); \
                   WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers LIMIT 5000) \
                   INSERT INTO pages SELECT randomblob(4000) FROM numbers;";
        sqlx::raw_sql(sql).execute(&pool).await.unwrap();
        assert!(left(&mut pool.acquire().await.unwrap()).await.unwrap() >= 5000);
        let taken_back = async {
            while left(&mut pool.acquire().await.unwrap()).await.unwrap() > 0 {
                tokio::time::sleep(EVERY).await;
            }
        };
        tokio::select! {
            () = keep_short(&pool) => {}
            () = tokio::time::sleep(Duration::from_secs(30)) => panic!("the log is as long as ever"),
            () = taken_back => {}
        }
        pool.close().await;
        for file in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{file}", path.display()));
        }
    }
}
