//! Schemas that do not fit, and a family that rotates for years.

use heirloom::app::{OldSchema, open_store};
use heirloom::domain::ids::FamilyId;
use heirloom::domain::refresh_token::{Generation, RefreshToken};
use heirloom::settings::Settings;
use heirloom::store::families::{self, Bet};

use crate::harness::*;

async fn refusal(url: &str) -> String {
    let settings = Settings { database_url: url.parse().unwrap(), ..Settings::default() };
    open_store(&settings, OldSchema::Refuse).await.unwrap_err().to_string()
}

/// Runs a test on a PostgreSQL database without a server.
fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(String) -> F) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let database = Database::make(Store::Postgres).await;
        test(database.url.clone()).await;
        database.drop().await;
    });
}

async fn execute(url: &str, sql: &'static str) {
    let settings = Settings { database_url: url.parse().unwrap(), ..Settings::default() };
    match heirloom::app::connect(&settings).await.unwrap() {
        heirloom::store::Db::Postgres(pool) => drop(sqlx::raw_sql(sql).execute(&pool).await.unwrap()),
        heirloom::store::Db::Sqlite(pool) => drop(sqlx::raw_sql(sql).execute(&pool).await.unwrap()),
    }
}

#[test]
fn an_unmigrated_database_names_the_command() {
    on_postgres(async |url| {
        execute(&url, "DROP TABLE _sqlx_migrations").await;
        assert!(refusal(&url).await.contains("no Heirloom schema yet: run `heirloom migrate`"));
    });
}

#[test]
fn an_older_schema_names_the_command() {
    on_postgres(async |url| {
        execute(&url, "DELETE FROM _sqlx_migrations").await;
        assert!(refusal(&url).await.contains("run `heirloom migrate`"));
    });
}

#[test]
fn a_newer_schema_asks_for_the_newer_binary() {
    const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', TRUE, '', 0)";
    on_postgres(async |url| {
        execute(&url, NEWER).await;
        let refusal = refusal(&url).await;
        assert!(refusal.contains("version 9999, newer than this binary knows"), "{refusal}");
    });
    let path = std::env::temp_dir().join(format!("heirloom-schema-{}.db", std::process::id()));
    let url = format!("sqlite:{}", path.display());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let settings = Settings { database_url: url.parse().unwrap(), ..Settings::default() };
        open_store(&settings, OldSchema::Refuse).await.unwrap().close().await;
        execute(&url, NEWER).await;
        assert!(refusal(&url).await.contains("version 9999, newer than this binary knows"));
    });
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
}

#[test]
fn a_changed_migration_is_noticed() {
    on_postgres(async |url| {
        execute(&url, "UPDATE _sqlx_migrations SET checksum = 'x'").await;
        assert!(
            refusal(&url)
                .await
                .contains("migration 1 of the database was left half done or is not this binary's")
        );
    });
}

both_stores! {
    async fn two_hundred_thousand_rotations_are_one_row(app) {
        let tokens = app.ana_logged_in().await;
        let count: i64 = 200_000;
        let client = heirloom::domain::ids::ClientId::built_in();
        let token = app.core.keys.with_mac_keys(|keys| RefreshToken::open(&tokens.refresh, &client, keys).unwrap());
        let (now, hash) = (app.clock.now(), token.secret.hash());
        for generation in 1..=count {
            let presented = Generation::new(generation).unwrap();
            let bet = Bet { id: token.family, presented, secret_hash: &hash, now, idle_since: now - DAY };
            assert!(families::rotate(&app.core.db, &bet).await.unwrap().is_some());
        }
        let last = RefreshToken { family: FamilyId(token.family.0), generation: Generation::new(count + 1).unwrap(), ..token };
        let last = last.encode(&client, app.core.keys.mac());
        assert_eq!(app.refresh(&last).await.tokens().generation(), u32::try_from(count).unwrap() + 2);
        assert_eq!(app.number("SELECT COUNT(*) FROM families").await, 1);
        if app.store == Store::Postgres {
            hot_share_is_high(&app, count).await;
        }
    }
}

/// PostgreSQL's own counters, which it writes down a moment later.
async fn hot_share_is_high(app: &TestApp, count: i64) {
    let counter =
        |column: &str| format!("SELECT {column}::BIGINT FROM pg_stat_user_tables WHERE relname = 'families'");
    for _ in 0..200 {
        if app.number(&counter("n_tup_upd")).await >= count {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (updates, hot) =
        (app.number(&counter("n_tup_upd")).await, app.number(&counter("n_tup_hot_upd")).await);
    assert!(updates >= count, "{updates}");
    assert!(hot * 100 >= updates * 98, "{hot} of {updates} were HOT");
}
