//! Schemas that do not fit, and a family that rotates for years.

use std::process::Command;

use heirloom::app::{App, OldSchema, open_store};
use heirloom::domain::ids::FamilyId;
use heirloom::domain::refresh_token::{Generation, RefreshToken};
use heirloom::service::admin::webhooks;
use heirloom::settings::Settings;
use heirloom::store::families::{self, FastPath};
use serde_json::json;

use crate::database::{both_databases, with_database};
use crate::folder::Folder;
use crate::harness::*;
use crate::webhooks::{here, told};

/// What a newer release leaves that migrated the database.
const LATER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
     VALUES (9999, 'later', TRUE, '', 0)";

async fn execute(url: &str, sql: &'static str) {
    let settings = Settings { database_url: url.parse().unwrap(), ..Settings::default() };
    match heirloom::app::connect(&settings).await.unwrap() {
        heirloom::store::Db::Postgres(pool) => {
            sqlx::raw_sql(sql).execute(pool.executor()).await.unwrap();
        }
        heirloom::store::Db::Sqlite(pool) => {
            sqlx::raw_sql(sql).execute(&pool).await.unwrap();
        }
    }
}

/// Applies the schema if the database has none.
pub async fn migrate(url: &str) {
    let settings = Settings { database_url: url.parse().unwrap(), ..Settings::default() };
    open_store(&settings, OldSchema::Migrate).await.unwrap().close().await;
}

async fn starts(url: &str) {
    let settings = settings(url, |_| ());
    let built = App::build(settings, TestClock::new().clock(), OldSchema::Refuse).await;
    built.unwrap().core().db.close().await;
}

both_databases! {
    async fn a_service_that_looked_at_tokens_goes_on_and_a_stranger_does_not(store, url) {
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), |_| ()).await;
        let secret = app.add_service("service", &["https://api.example.com"]).await;
        app.add_service("stranger", &["https://api.example.com"]).await;
        app.add_client("app", |it| it.audiences = vec!["https://api.example.com".parse().unwrap()]).await;
        app.sql("UPDATE clients SET self_registered = (1 = 1) WHERE id = 'stranger'").await;
        // As the release before left it.
        app.sql("ALTER TABLE clients DROP COLUMN serves; DELETE FROM _sqlx_migrations WHERE version = 9").await;
        stop.end().await;
        migrate(&url).await;
        let (app, stop) = start(store, &url, clock, |_| ()).await;
        let serving = "SELECT COUNT(*) FROM clients WHERE serves = '[\"https://api.example.com\"]' AND id = ";
        assert_eq!(app.number(&format!("{serving} 'service'")).await, 1);
        assert_eq!(app.number(&format!("{serving} 'stranger'")).await, 0);
        assert_eq!(app.number(&format!("{serving} 'app'")).await, 0);
        app.add_user("ana").await;
        let login = json!({
            "username": "ana", "password": PASSWORD, "client_id": "app", "resource": "https://api.example.com",
        });
        let token = app.post("/login", &login).await.tokens().access;
        let seen = app.form_as("/oauth/introspect", ("service", &secret), &[("token", &token)]).await;
        assert_eq!(seen.json["active"], true, "{seen:?}");
        stop.end().await;
    }

    async fn an_empty_database_names_the_command_where_it_is_not_migrated_at_once(store, url) {
        if store == Store::Postgres {
            execute(&url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
            assert_eq!(
                start_refused(&url, |_| ()).await,
                "the database does not have the Heirloom schema yet: run `heirloom migrate`, or start with `heirloom serve --migrate`"
            );
            migrate(&url).await;
        }
        starts(&url).await;
    }

    async fn processes_that_open_a_new_store_together_all_get_it_migrated(store, url) {
        for round in 0..6 {
            let url = match store {
                Store::Sqlite => format!("{url}-{round}"),
                Store::Postgres => {
                    execute(&url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
                    url.clone()
                }
            };
            let opening: Vec<_> = (0..6)
                .map(|_| {
                    let url = url.clone();
                    tokio::spawn(async move { migrate(&url).await })
                })
                .collect();
            for opened in opening {
                opened.await.unwrap();
            }
            starts(&url).await;
        }
    }

    async fn migrating_twice_changes_nothing(_store, url) {
        migrate(&url).await;
        execute(&url, "INSERT INTO dropped_master_keys VALUES ('x', '2000-01-01 00:00:00+00:00')").await;
        migrate(&url).await;
        execute(&url, "DELETE FROM dropped_master_keys WHERE key_id = 'x'").await;
        starts(&url).await;
    }

    async fn our_own_clients_and_their_logins_keep_their_roles_through_the_upgrade(store, url) {
        migrate(&url).await;
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), |_| ()).await;
        let ana = app.ana_logged_in().await;
        app.add_app("theirs", |it| it.scopes = "openid profile".parse().unwrap()).await;
        // As the version before left them.
        app.sql("UPDATE clients SET scopes = 'email openid profile'").await;
        app.sql("UPDATE families SET scope = 'email openid'").await;
        app.sql("DELETE FROM _sqlx_migrations WHERE description = 'scope of roles'").await;
        stop.end().await;
        let (app, stop) = start(store, &url, clock, |_| ()).await;
        let next = app.rotate(&ana).await;
        assert_eq!((&next.claims()["roles"], &next.claims()["scope"]), (&json!(["editor"]), &json!("email openid roles")));
        assert_eq!(app.log_in("ana").await.claims()["roles"], json!(["editor"]));
        assert_eq!(app.number("SELECT COUNT(*) FROM clients WHERE scopes = 'email openid profile'").await, 1, "theirs");
        stop.end().await;
    }

    async fn webhooks_keep_their_secrets_through_the_upgrade(store, url) {
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), here).await;
        app.add_user("ana").await;
        let (remote, id, former) = app.hooked(&["login.succeeded"]).await;
        let secret = webhooks::rotate_secret(&app.core, id, DAY, clock.now()).await.unwrap();
        let (bytes, time) = match store {
            Store::Sqlite => ("BLOB", "TEXT"),
            Store::Postgres => ("BYTEA", "TIMESTAMPTZ"),
        };
        // As the version before left them.
        for (column, of_type) in [("secret_sealed", bytes), ("former_secret_sealed", bytes), ("former_until", time)] {
            app.sql(&format!("ALTER TABLE webhooks ADD COLUMN {column} {of_type}")).await;
        }
        for (column, value) in [
            ("secret_sealed", "sealed FROM webhook_secrets WHERE signs_until IS NULL"),
            ("former_secret_sealed", "sealed FROM webhook_secrets WHERE signs_until IS NOT NULL"),
            ("former_until", "signs_until FROM webhook_secrets WHERE signs_until IS NOT NULL"),
        ] {
            app.sql(&format!("UPDATE webhooks SET {column} = (SELECT {value})")).await;
        }
        app.sql("DROP TABLE webhook_secrets; DELETE FROM _sqlx_migrations WHERE version = 28").await;
        stop.end().await;
        let (app, stop) = start(store, &url, clock.clone(), here).await;
        app.log_in("ana").await;
        let message = told(&remote, 1).await.remove(0);
        assert!(message.is_signed_with(&secret) && message.is_signed_with(&former));
        clock.advance(DAY);
        app.log_in("ana").await;
        let message = told(&remote, 2).await.remove(1);
        assert!(message.is_signed_with(&secret) && !message.is_signed_with(&former));
        stop.end().await;
    }

    async fn a_newer_schema_asks_for_the_newer_binary(_store, url) {
        migrate(&url).await;
        execute(&url, LATER).await;
        execute(&url, "UPDATE schema_compatibility SET lowest = 9999").await;
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite")).unwrap();
        let number = |name: &str| name.split('_').next().unwrap().parse::<u32>().unwrap();
        let known = files.map(|file| number(file.unwrap().file_name().to_str().unwrap())).max().unwrap();
        assert_eq!(
            start_refused(&url, |_| ()).await,
            format!("the database's schema is version 9999, newer than this binary knows ({known}): run the newer \
                     heirloom that migrated it")
        );
    }

    async fn while_a_newer_release_is_rolled_out_this_one_serves(store, url) {
        let clock = TestClock::new();
        let (app, stop) = start(store, &url, clock.clone(), |_| ()).await;
        let (ana, other) = (app.ana_logged_in().await, app.log_in("ana").await);
        let ready = async |app: &TestApp| app.send(app.http.get(app.at("/readyz"))).await.status;
        // What it may do: add, and write words that only it knows.
        app.sql(LATER).await;
        app.sql("ALTER TABLE families ADD COLUMN later TEXT").await;
        app.sql("UPDATE families SET amr = '[\"pwd\",\"later\"]'").await;
        let ended = "UPDATE families SET end_reason = 'later', ended_at = created_at WHERE id = ";
        let id = match store {
            Store::Sqlite => format!("x'{}'", other.family().replace('-', "")),
            Store::Postgres => format!("'{}'", other.family()),
        };
        app.sql(&format!("{ended}{id}")).await;
        assert_eq!(ready(&app).await, 200);
        let ana = app.rotate(&ana).await;
        stop.end().await;
        let (app, stop) = start(store, &url, clock, |_| ()).await;
        assert_eq!(ready(&app).await, 200);
        app.rotate(&ana).await;
        assert_eq!(app.refresh(&other.refresh).await.refusal(), ENDED);
        let words = "SELECT COUNT(*) FROM families WHERE end_reason = 'later' OR amr LIKE '%later%'";
        assert_eq!(app.number(words).await, 2, "they are kept as they are");
        app.sql("UPDATE schema_compatibility SET lowest = 9999").await;
        assert_eq!(ready(&app).await, 503, "that one has taken something away");
        stop.end().await;
    }

    async fn a_migration_that_fails_says_what_the_database_said(_store, url) {
        migrate(&url).await;
        execute(&url, "DELETE FROM _sqlx_migrations WHERE description = 'compatibility'").await;
        let settings = Settings { database_url: url.parse().unwrap(), ..Settings::default() };
        let failed = format!("{:#}", open_store(&settings, OldSchema::Migrate).await.unwrap_err());
        assert!(failed.starts_with("cannot migrate the database: migration 18 failed: "), "{failed}");
        assert!(failed.contains("schema_compatibility") && failed.contains("already exists"), "{failed}");
    }

    async fn a_changed_migration_is_noticed(store, url) {
        migrate(&url).await;
        execute(&url, match store {
            Store::Sqlite => "UPDATE _sqlx_migrations SET checksum = x'00'",
            Store::Postgres => "UPDATE _sqlx_migrations SET checksum = 'x'",
        }).await;
        assert_eq!(start_refused(&url, |_| ()).await, DAMAGED);
    }

    async fn a_migration_left_half_done_is_noticed(_store, url) {
        migrate(&url).await;
        execute(&url, "UPDATE _sqlx_migrations SET success = FALSE").await;
        assert_eq!(start_refused(&url, |_| ()).await, DAMAGED);
    }
}

const DAMAGED: &str = "migration 1 of the database was left half done or is not this binary's: restore the database \
     from a backup, then run `heirloom migrate`";

#[test]
fn an_older_schema_names_the_command() {
    with_database(Store::Postgres, async |_, url| {
        execute(&url, "DELETE FROM _sqlx_migrations").await;
        assert!(start_refused(&url, |_| ()).await.contains("run `heirloom migrate`"));
    });
}

mod two_hundred_thousand_rotations_are_one_row {
    use super::*;

    #[test]
    fn sqlite() {
        run(Store::Sqlite, |_| (), async |app| rotates(&app).await);
    }

    /// On a server of its own: PostgreSQL prunes no version that somebody in another database may still look at.
    #[test]
    fn postgres() {
        let postgres = OwnPostgres::start();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let (app, stop) = start(Store::Postgres, &postgres.url, TestClock::new(), |_| ()).await;
            rotates(&app).await;
            stop.end().await;
        });
    }
}

async fn rotates(app: &TestApp) {
    let tokens = app.ana_logged_in().await;
    if app.store == Store::Postgres {
        // Rotations prune behind themselves: nobody else does, and nobody looks on for long as an analysis would.
        app.sql("ALTER TABLE families SET (autovacuum_enabled = false)").await;
    }
    let count: i64 = 200_000;
    let client = heirloom::domain::ids::ClientId::built_in();
    let token =
        app.core.keys.with_mac_keys(|keys| RefreshToken::open(&tokens.refresh, &client, keys).unwrap());
    let hash = token.secret.hash();
    for generation in 1..=count {
        // Time goes on, so that an index on any column that a rotation changes would be seen.
        app.clock.advance(std::time::Duration::from_millis(1));
        let now = app.clock.now();
        let presented = Generation::new(generation).unwrap();
        let attempt = FastPath {
            id: token.family,
            presented,
            secret_hash: hash.clone(),
            key: None,
            now,
            idle_since: now - DAY,
        };
        assert!(families::rotate(&app.core.db, &attempt).await.unwrap().is_some());
    }
    let last = RefreshToken {
        family: FamilyId(token.family.0),
        generation: Generation::new(count + 1).unwrap(),
        ..token
    };
    let last = last.encode(&client, app.core.keys.mac());
    assert_eq!(app.refresh(&last).await.tokens().generation(), u32::try_from(count).unwrap() + 2);
    assert_eq!(app.number("SELECT COUNT(*) FROM families").await, 1);
    if app.store == Store::Postgres {
        hot_share_is_high(app, count).await;
    }
}

/// A PostgreSQL server that nobody else uses.
struct OwnPostgres {
    folder: Folder,
    url: String,
}

impl OwnPostgres {
    fn start() -> Self {
        let folder = Folder::new();
        let url = postgres_script("start", &folder, &["", "-c", "fsync=off", "-c", "synchronous_commit=off"]);
        Self { folder, url }
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        postgres_script("stop", &self.folder, &[]);
    }
}

fn postgres_script(what: &str, folder: &Folder, more: &[&str]) -> String {
    let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres"));
    let done = script.arg(what).arg(folder.path().join("postgres")).args(more).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
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
    let bytes = app.number("SELECT pg_relation_size('families')").await;
    // Unpruned, the versions would take some 80 MB; how soon they are pruned depends on who else is looking.
    assert!(bytes <= 16 << 20, "the one row's old versions take {bytes} bytes");
}
