//! The schema: embedded in the binary, one folder an engine.

mod one_by_one;

use std::sync::Arc;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use self::one_by_one::{OneByOne, statements};
use crate::store::row::row;
use crate::store::transaction::OpenTransaction;
use crate::store::{Committed, Db, Statements, StoreError, fetch_all, fetch_optional};

pub(in crate::store) use self::one_by_one::SEQUENTIALLY;

struct SchemaStep {
    version: i64,
    description: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

/// A step, whose file has the same name in both folders.
macro_rules! step {
    ($version:literal, $description:literal, $file:literal) => {
        SchemaStep {
            version: $version,
            description: $description,
            postgres: include_str!(concat!("../../migrations/postgres/", $file)),
            sqlite: include_str!(concat!("../../migrations/sqlite/", $file)),
        }
    };
}

const STEPS: &[SchemaStep] = &[
    step!(1, "core", "0001_core.sql"),
    step!(2, "standard face", "0002_standard_face.sql"),
    step!(3, "requests", "0003_requests.sql"),
    step!(4, "grants", "0004_grants.sql"),
    step!(5, "registration", "0005_registration.sql"),
    step!(6, "logout deliveries", "0006_logout_deliveries.sql"),
    step!(7, "code protection", "0007_code_protection.sql"),
    step!(8, "scope of roles", "0008_scope_of_roles.sql"),
    step!(9, "served audiences", "0009_served_audiences.sql"),
    step!(10, "password costs", "0010_password_costs.sql"),
    step!(11, "web origins", "0011_web_origins.sql"),
    step!(12, "changed clients", "0012_changed_clients.sql"),
    step!(13, "bounds", "0013_bounds.sql"),
    step!(14, "revoked tokens", "0014_revoked_tokens.sql"),
    step!(15, "hosts of deliveries", "0015_hosts_of_deliveries.sql"),
    step!(16, "restore refusals", "0016_restore_refusals.sql"),
    step!(17, "leeways", "0017_leeways.sql"),
    step!(18, "compatibility", "0018_compatibility.sql"),
    step!(19, "claims of ID tokens", "0019_claims_of_id_tokens.sql"),
    step!(20, "status lists", "0020_status_lists.sql"),
    step!(21, "families of clients", "0021_families_of_clients.sql"),
    step!(22, "status of clients' own tokens", "0022_status_of_clients_own_tokens.sql"),
    step!(23, "events", "0023_events.sql"),
    step!(24, "keys of codes", "0024_keys_of_codes.sql"),
    step!(25, "signing algorithms", "0025_signing_algorithms.sql"),
    step!(26, "webhooks", "0026_webhooks.sql"),
    step!(27, "events by name", "0027_events_by_name.sql"),
    step!(28, "webhook secrets", "0028_webhook_secrets.sql"),
    step!(29, "foreign passwords", "0029_foreign_passwords.sql"),
    step!(30, "mails", "0030_mails.sql"),
    step!(31, "verified addresses", "0031_verified_addresses.sql"),
    step!(32, "mailed tokens", "0032_mailed_tokens.sql"),
    step!(33, "sign-in attempts", "0033_sign_in_attempts.sql"),
    step!(35, "passkeys", "0035_passkeys.sql"),
    step!(36, "sign-in elsewhere", "0036_upstream.sql"),
    step!(37, "names by beginning", "0037_names_by_beginning.sql"),
    step!(38, "codes of apps", "0038_codes_of_apps.sql"),
    step!(39, "idempotency keys", "0039_idempotency_keys.sql"),
    step!(40, "provisioned users", "0040_provisioned_users.sql"),
    step!(41, "usage counts", "0041_usage_counts.sql"),
    step!(43, "resource servers", "0043_resource_servers.sql"),
    step!(44, "applied files", "0044_applied_files.sql"),
    step!(46, "event chain", "0046_event_chain.sql"),
    step!(48, "limit debts", "0048_limit_debts.sql"),
    step!(49, "import jobs", "0049_import_jobs.sql"),
    step!(50, "distribution", "0050_distribution.sql"),
];

/// Where the driver notes which steps were applied.
const NOTED: &str = "_sqlx_migrations";

/// How the database's schema compares with the one this binary knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// They are the same.
    Current,
    /// Migrations are missing: of none (a new database) or some.
    TooOld {
        /// The last migration that was applied; 0 for none.
        version: i64,
        /// The last one that this binary knows.
        wanted: i64,
    },
    /// A newer release migrated the database, and left this one all that it needs: both may serve together.
    Newer {
        /// The last migration that was applied.
        version: i64,
        /// The last one that this binary knows.
        known: i64,
    },
    /// The database was migrated by a newer version that this one cannot go along with.
    TooNew {
        /// The last migration that was applied.
        version: i64,
        /// The last one that this binary knows.
        known: i64,
    },
    /// A migration was left half done, or is not the one that this binary knows under its number.
    Damaged {
        /// Its number.
        version: i64,
    },
}

/// Whether to take the engine's advisory lock while migrating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationLock {
    /// Take it: several may migrate at once.
    Take,
    /// Do without, where the server or a pooler has none: only one may migrate.
    Omit,
}

/// Keeps other migrations out until the transaction ends.
pub(in crate::store) const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtext('heirloom migrate'))";

row! {
    struct Applied {
        version: i64,
        checksum: Vec<u8>,
        success: bool,
    }
}

fn migrator(db: &Db) -> Migrator {
    let sql = |step: &SchemaStep| match db {
        Db::Postgres(_) => step.postgres,
        Db::Sqlite(_) => step.sqlite,
    };
    let migration = |step: &SchemaStep| {
        let description = step.description.into();
        Migration::new(step.version, description, MigrationType::Simple, sql(step).into_sql_str(), false)
    };
    Migrator::with_migrations(STEPS.iter().map(migration).collect())
}

/// The tables of the schema in PostgreSQL, each behind those that it refers to.
pub(in crate::store) fn tables() -> Vec<String> {
    let made = STEPS.iter().flat_map(|step| statements(step.postgres)).filter_map(|statement| {
        let name = statement.strip_prefix("CREATE TABLE ")?.split([' ', '(']).next()?;
        Some(name.to_owned())
    });
    [NOTED.to_owned()].into_iter().chain(made).collect()
}

/// Applies what is missing.
pub async fn migrate(db: &Db, lock: MigrationLock) -> Result<(), StoreError> {
    match db {
        Db::Postgres(pool) if pool.link.statements == Statements::Named => {
            let mut migrator = migrator(db);
            migrator.set_locking(lock == MigrationLock::Take);
            let mut connection = pool.acquire().await?;
            let migrated = migrator.run_direct(None, &mut OneByOne(&mut connection), false).await;
            Ok(migrated.map_err(not_migrated)?)
        }
        Db::Postgres(_) | Db::Sqlite(_) => migrate_in_one_transaction(db, lock).await,
    }
}

/// SQLite waits for its disk once instead of once a step, and the write lock, taken at the beginning, keeps others out.
/// A pooler in transaction mode keeps the same connection, and with it the lock and the names that the driver gives to
/// its statements, for a transaction only.
async fn migrate_in_one_transaction(db: &Db, lock: MigrationLock) -> Result<(), StoreError> {
    // Names that another migration gave on the same server connection.
    const FORGET_NAMES: &str = "DEALLOCATE ALL";
    let mut migrator = migrator(db);
    migrator.set_locking(false);
    let mut transaction = db.begin().await?;
    let migrated = match &mut transaction.open {
        OpenTransaction::Postgres(transaction, _) => {
            sqlx::raw_sql(FORGET_NAMES).execute(&mut **transaction).await?;
            if lock == MigrationLock::Take {
                sqlx::raw_sql(LOCK).execute(&mut **transaction).await?;
            }
            migrator.run_direct(None, &mut OneByOne(transaction), false).await
        }
        OpenTransaction::Sqlite(transaction) => migrator.run_direct(None, &mut **transaction, false).await,
    };
    migrated.map_err(not_migrated)?;
    let Committed { .. } = transaction.commit().await?;
    if let Db::Sqlite(pool) = db {
        // The pages of every new table, which nobody reads yet.
        sqlx::query("PRAGMA shrink_memory").execute(pool).await?;
    }
    Ok(())
}

/// Compares the schemas, changing nothing.
pub async fn schema(db: &Db) -> Result<Schema, StoreError> {
    const SQL: &str = "SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version";
    let migrator = migrator(db);
    let wanted = migrator.iter().map(|step| step.version).max().unwrap_or(0);
    if !has_migrations_table(db).await? {
        return Ok(Schema::TooOld { version: 0, wanted });
    }
    let applied: Vec<Applied> = fetch_all!(on db, SQL)?;
    if let Some(Applied { version, .. }) = applied.iter().find(|step| !step.success) {
        return Ok(Schema::Damaged { version: *version });
    }
    let version = applied.iter().map(|step| step.version).max().unwrap_or(0);
    let is_newer = version > wanted;
    if is_newer && lowest_compatible(db).await? > wanted {
        return Ok(Schema::TooNew { version, known: wanted });
    }
    for step in migrator.iter() {
        match applied.iter().find(|applied| applied.version == step.version) {
            None if is_newer => return Ok(Schema::Damaged { version: step.version }),
            None => return Ok(Schema::TooOld { version, wanted }),
            Some(applied) if applied.checksum != *step.checksum => {
                return Ok(Schema::Damaged { version: step.version });
            }
            Some(_) => {}
        }
    }
    Ok(if is_newer { Schema::Newer { version, known: wanted } } else { Schema::Current })
}

/// The lowest version that a release must know to serve on this schema.
async fn lowest_compatible(db: &Db) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT lowest FROM schema_compatibility ORDER BY lowest DESC LIMIT 1";
    let row: Option<(i64,)> = fetch_optional!(on db, SQL)?;
    Ok(row.map_or(i64::MAX, |(lowest,)| lowest))
}

/// What went wrong within a migration is told as that: the database is there, and said no.
fn not_migrated(error: MigrateError) -> StoreError {
    match error {
        MigrateError::ExecuteMigration(error @ sqlx::Error::Database(_), version) => {
            StoreError::Migration { version, cause: error.into() }
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        other => StoreError::Refused(Arc::new(sqlx::Error::from(other))),
    }
}

async fn has_migrations_table(db: &Db) -> Result<bool, StoreError> {
    let count: (i64,) = match db {
        Db::Postgres(pool) => {
            const SQL: &str = "SELECT COUNT(*) FROM pg_catalog.pg_class \
                 WHERE oid = to_regclass('_sqlx_migrations')";
            sqlx::query_as(SQL).fetch_one(pool.executor()).await?
        }
        Db::Sqlite(pool) => {
            const SQL: &str = "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
            sqlx::query_as(SQL).fetch_one(pool).await?
        }
    };
    Ok(count.0 > 0)
}
