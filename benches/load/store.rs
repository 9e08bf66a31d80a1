//! The database behind the server: seeding, and what it counts itself.

use anyhow::Context as _;
use heirloom::settings::Settings;
use heirloom::store::Db;
use sqlx::AssertSqlSafe;

/// So few families PostgreSQL has not looked at yet.
pub(crate) const FIRST_DAY: usize = 256;

/// A way into the database beside the server's.
pub(crate) struct Store(Db);

/// What PostgreSQL has counted so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) wal_bytes: i64,
    pub(crate) flushes: i64,
    pub(crate) updates: i64,
    pub(crate) hot_updates: i64,
}

impl Counters {
    pub(crate) fn since(self, before: &Self) -> Self {
        Self {
            wal_bytes: self.wal_bytes - before.wal_bytes,
            flushes: self.flushes - before.flushes,
            updates: self.updates - before.updates,
            hot_updates: self.hot_updates - before.hot_updates,
        }
    }
}

macro_rules! others {
    () => {
        "subject, client_id, scope, audiences, roles, key_thumbprint, secret_hash, generation, base, \
         rotated_at, auth_time, amr, acr, sign_in_session, device_name, user_agent, address, created_at, expires_at"
    };
}

impl Store {
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let settings = Settings { database_url: url.parse()?, ..Settings::default() };
        Ok(Self(heirloom::app::connect(&settings).await?))
    }

    pub(crate) async fn close(self) {
        self.0.close().await;
    }

    /// Clones the one family that is there, a real login's, `count` times: each a row with an id of its own (see
    /// [`crate::chains::family_id`]), and of a user of its own, who does not have too many. They share the login's `r`,
    /// which no query looks at but to compare.
    pub(crate) async fn seed(&self, count: usize) -> anyhow::Result<()> {
        let sql = match &self.0 {
            Db::Postgres(_) => format!(
                concat!(
                    "INSERT INTO families (id, user_id, status_list, status_index, ",
                    others!(),
                    ") ",
                    "SELECT ('019ac000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::UUID, ",
                    "('019ac000-0000-7000-8001-' || lpad(to_hex(number), 12, '0'))::UUID, 1, number % 131072, ",
                    others!(),
                    " FROM (SELECT * FROM families LIMIT 1) AS template, generate_series(0, {} - 1) AS number;"
                ),
                count
            ),
            Db::Sqlite(_) => format!(
                concat!(
                    "WITH RECURSIVE numbers (number) AS ",
                    "(SELECT 0 UNION ALL SELECT number + 1 FROM numbers WHERE number < {} - 1) ",
                    "INSERT INTO families (id, user_id, status_list, status_index, ",
                    others!(),
                    ") ",
                    "SELECT unhex('019ac000000070008000' || printf('%012x', number)), ",
                    "unhex('019ac000000070008001' || printf('%012x', number)), 1, number % 131072, ",
                    others!(),
                    " FROM (SELECT * FROM families LIMIT 1) AS template, numbers;"
                ),
                count
            ),
        };
        self.execute(sql).await.context("seeding")?;
        match &self.0 {
            Db::Postgres(_) if count <= FIRST_DAY => {
                self.execute("ALTER TABLE families SET (autovacuum_enabled = false)".to_owned()).await
            }
            Db::Postgres(_) => self.execute("VACUUM ANALYZE families".to_owned()).await,
            Db::Sqlite(_) => self.execute("PRAGMA wal_checkpoint(TRUNCATE)".to_owned()).await,
        }
    }

    /// Adds so many users and events, copies of ones that are there; on PostgreSQL.
    pub(crate) async fn seed_lists(&self, count: usize) -> anyhow::Result<()> {
        let users = "id, username, username_key, email, password_hash, roles, created_at, changed_at, claims, password_cost";
        let users = format!(
            "INSERT INTO users ({users}) SELECT ('019ac000-0000-7000-a000-' || lpad(to_hex(number), 12, '0'))::UUID, \
             'person' || lpad(number::TEXT, 7, '0'), 'person' || lpad(number::TEXT, 7, '0'), NULL, password_hash, roles, \
             created_at, changed_at, claims, password_cost \
             FROM (SELECT * FROM users LIMIT 1) AS template, generate_series(0, {count} - 1) AS number"
        );
        let events = format!(
            "INSERT INTO events (id, at, name, user_id, family_id, fields, times) \
             SELECT ('019ac000-0000-7000-9000-' || lpad(to_hex(number), 12, '0'))::UUID, at, 'family.ended', \
             ('019ac000-0000-7000-a000-' || lpad(to_hex(number), 12, '0'))::UUID, family_id, fields, 1 \
             FROM (SELECT * FROM events WHERE user_id IS NOT NULL LIMIT 1) AS template, \
             generate_series(0, {count} - 1) AS number"
        );
        for sql in [users, events, "VACUUM ANALYZE users".to_owned(), "VACUUM ANALYZE events".to_owned()] {
            self.execute(sql).await.context("seeding lists")?;
        }
        Ok(())
    }

    /// Adds so many logins that were ended, at random positions of the status list of another one, which keeps its own;
    /// on PostgreSQL.
    pub(crate) async fn seed_ended(&self, (list, index): (u32, u32), count: u32) -> anyhow::Result<()> {
        let sql = format!(
            concat!(
                "INSERT INTO families (id, user_id, status_list, status_index, ended_at, end_reason, ",
                others!(),
                ") ",
                "SELECT ('019ac000-0000-7000-8002-' || lpad(to_hex(number), 12, '0'))::UUID, ",
                "('019ac000-0000-7000-8003-' || lpad(to_hex(number), 12, '0'))::UUID, ",
                "{}, ({} + 1 + floor(random() * 131071)::BIGINT) % 131072, created_at, 'logout', ",
                others!(),
                " FROM (SELECT * FROM families LIMIT 1) AS template, generate_series(1, {}) AS number;"
            ),
            list, index, count
        );
        self.execute(sql).await.context("seeding logins that were ended")
    }

    pub(crate) async fn execute(&self, sql: String) -> anyhow::Result<()> {
        let sql = AssertSqlSafe(sql);
        match &self.0 {
            Db::Postgres(pool) => sqlx::raw_sql(sql).execute(pool.executor()).await.map(|_| ())?,
            Db::Sqlite(pool) => sqlx::raw_sql(sql).execute(pool).await.map(|_| ())?,
        }
        Ok(())
    }

    pub(crate) async fn number(&self, sql: String) -> anyhow::Result<i64> {
        let sql = AssertSqlSafe(sql);
        let (number,): (i64,) = match &self.0 {
            Db::Postgres(pool) => sqlx::query_as(sql).fetch_one(pool.executor()).await?,
            Db::Sqlite(pool) => sqlx::query_as(sql).fetch_one(pool).await?,
        };
        Ok(number)
    }

    /// PostgreSQL's own counters. Each connection tells its part when it has been idle for a moment.
    pub(crate) async fn counters(&self) -> anyhow::Result<Counters> {
        tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
        let Db::Postgres(pool) = &self.0 else { return Ok(Counters::default()) };
        let (version,): (i32,) = sqlx::query_as("SELECT current_setting('server_version_num')::INT")
            .fetch_one(pool.executor())
            .await?;
        // PostgreSQL 18 counts flushes with all other I/O.
        let flushes = if version >= 180_000 {
            "SELECT SUM(fsyncs)::BIGINT FROM pg_stat_io WHERE object = 'wal'"
        } else {
            "SELECT wal_sync FROM pg_stat_wal"
        };
        let table =
            |column: &str| format!("SELECT {column} FROM pg_stat_user_tables WHERE relname = 'families'");
        Ok(Counters {
            wal_bytes: self.number("SELECT wal_bytes::BIGINT FROM pg_stat_wal".to_owned()).await?,
            flushes: self.number(flushes.to_owned()).await?,
            updates: self.number(table("n_tup_upd")).await?,
            hot_updates: self.number(table("n_tup_hot_upd")).await?,
        })
    }
}
