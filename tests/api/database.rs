//! A database for one test: PostgreSQL's copied from a migrated template, SQLite's in memory or in a folder of its own.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use heirloom::app::OldSchema;
use heirloom::settings::{DatabaseUrl, Settings};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::folder::Folder;
use crate::harness::Store;

pub struct Database {
    pub url: String,
    home: Home,
}

enum Home {
    Memory,
    Folder(Folder),
    Server(String),
}

impl Database {
    /// For one server: SQLite's is gone with it.
    pub async fn make(store: Store) -> Self {
        match store {
            Store::Sqlite => Self { url: DatabaseUrl::SqliteMemory.to_string(), home: Home::Memory },
            Store::Postgres => Self::on_server().await,
        }
    }

    /// For several servers, at once or one after another: SQLite's is a file that is not there yet.
    pub async fn make_lasting(store: Store) -> Self {
        match store {
            Store::Sqlite => {
                let folder = Folder::new();
                Self {
                    url: format!("sqlite:{}/test.db", folder.path().display()),
                    home: Home::Folder(folder),
                }
            }
            Store::Postgres => Self::on_server().await,
        }
    }

    async fn on_server() -> Self {
        let name = unique_name();
        execute(&format!("CREATE DATABASE {name} TEMPLATE {}", template().await)).await;
        Self { url: url_of(&name), home: Home::Server(name) }
    }

    pub async fn drop(self) {
        match self.home {
            Home::Memory => {}
            Home::Folder(folder) => drop(folder),
            Home::Server(name) => execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await,
        }
    }
}

/// Runs `test` with the URL of a lasting database, and no server.
pub fn with_database<F: Future<Output = ()>>(store: Store, test: impl FnOnce(Store, String) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::make_lasting(store).await;
        test(store, database.url.clone()).await;
        database.drop().await;
    });
}

fn unique_name() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst))
}

/// A migrated database, made once a run, that the others are copied from.
async fn template() -> &'static str {
    static TEMPLATE: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    TEMPLATE
        .get_or_init(|| async {
            let name = format!("template_{}", std::process::id());
            execute(&format!("CREATE DATABASE {name}")).await;
            let settings = Settings { database_url: url_of(&name).parse().unwrap(), ..Settings::default() };
            heirloom::app::open_store(&settings, OldSchema::Migrate).await.unwrap().close().await;
            name
        })
        .await
}

/// The server that `tests/run` starts.
fn server() -> &'static str {
    static SERVER: OnceLock<String> = OnceLock::new();
    SERVER.get_or_init(|| {
        std::env::var("TEST_POSTGRES_URL").expect("no TEST_POSTGRES_URL: run the tests by tests/run")
    })
}

fn url_of(database: &str) -> String {
    format!("{}/{database}", server().rsplit_once('/').unwrap().0)
}

async fn execute(sql: &str) {
    let mut connection = PgConnection::connect(server()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Makes of each async function of a store and a database's URL two tests, one a store.
macro_rules! both_databases {
    ($(async fn $name:ident($store:ident, $url:ident) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports, reason = "each test uses what it needs")]
            use super::*;

            async fn test($store: crate::harness::Store, $url: String) $body

            #[test]
            fn sqlite() {
                crate::database::with_database(crate::harness::Store::Sqlite, test);
            }

            #[test]
            fn postgres() {
                crate::database::with_database(crate::harness::Store::Postgres, test);
            }
        }
    )+};
}

pub(crate) use both_databases;
