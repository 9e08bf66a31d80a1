//! Opening the store: a connection, and a schema that fits.

use anyhow::Context as _;
use chrono::{DateTime, Utc};

use super::distributing::{self, Spread};
use crate::crypto::master_key::MasterKeys;
use crate::master_keys;
use crate::service::admin::{imports, once};
use crate::service::keys::ring::Keys;
use crate::service::mail::reseal as reseal_letters;
use crate::service::users::totp;
use crate::service::webhooks::secrets as webhook_secrets;
use crate::service::writer::Writer;
use crate::settings::{DatabaseUrl, Settings};
use crate::store::Db;
use crate::store::connect::PoolBounds;
use crate::store::migrate::{MigrationLock, Schema, migrate, schema};
use crate::store::signing_keys;

/// What to do about a schema that is older than this binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldSchema {
    /// Migrate. The embedded store always does.
    Migrate,
    /// Migrate without the advisory lock, where the engine or a pooler has none: one process at a time then.
    MigrateUnlocked,
    /// Refuse, saying which command helps.
    Refuse,
    /// The same, and leave the embedded store as it is.
    LeaveAlone,
}

impl OldSchema {
    /// How it is migrated, if it is.
    fn lock(self) -> Option<MigrationLock> {
        match self {
            Self::Migrate => Some(MigrationLock::Take),
            Self::MigrateUnlocked => Some(MigrationLock::Omit),
            Self::Refuse | Self::LeaveAlone => None,
        }
    }
}

/// Opens the store and sees to its schema.
///
/// # Errors
/// When it cannot be opened, or its schema does not fit.
pub async fn open_store(settings: &Settings, old_schema: OldSchema) -> anyhow::Result<Db> {
    let db = connect(settings).await?;
    see_to_schema(&db, settings, old_schema).await?;
    if let Some(lock) = old_schema.lock() {
        distributing::spread_new(&db, lock).await?;
    }
    Ok(db)
}

/// Whether a migration leaves the store on the servers where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Servers {
    AsBefore,
    /// On all that Citus knows.
    OfCitus,
}

/// What a migration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The schema's version, unless it was up to date before.
    pub version: Option<i64>,
    /// `None` for a store on one server.
    pub spread: Option<Spread>,
}

/// Brings the schema up to date, and its tables where they belong.
///
/// # Errors
/// As [`open_store`]; when Citus refuses.
pub async fn migrate_store(
    settings: &Settings,
    old_schema: OldSchema,
    servers: Servers,
) -> anyhow::Result<Migrated> {
    let url = &settings.database_url;
    // Before anything is made or changed.
    let (db, known) = match servers {
        Servers::OfCitus => {
            distributing::check_kind(url)?;
            let db = connect(settings).await?;
            let known = distributing::check(&db, url).await?;
            (db, Some(known))
        }
        Servers::AsBefore => (connect(settings).await?, None),
    };
    let seen = see_to_schema(&db, settings, old_schema).await?;
    let spread = match (old_schema.lock(), known) {
        (Some(lock), Some(servers)) => Some(distributing::spread(&db, servers, lock).await?),
        (Some(lock), None) => distributing::spread_new(&db, lock).await?,
        (None, _) => None,
    };
    db.close().await;
    let version = match seen {
        Seen::MigratedTo(version) => Some(version),
        Seen::Current | Seen::Old => None,
    };
    Ok(Migrated { version, spread })
}

/// What the schema is when it was seen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Current,
    MigratedTo(i64),
    /// It is older than this binary, and was left so.
    Old,
}

pub(super) async fn see_to_schema(
    db: &Db,
    settings: &Settings,
    old_schema: OldSchema,
) -> anyhow::Result<Seen> {
    let found = schema(db).await.with_context(|| format!("cannot read {}", settings.database_url))?;
    let (version, wanted) = match found {
        Schema::Current => return Ok(Seen::Current),
        Schema::Newer { version, known } => {
            tracing::info!(
                version,
                known,
                "a newer release migrated the database; its schema still serves this one, too"
            );
            return Ok(Seen::Current);
        }
        Schema::TooOld { version, wanted } => (version, wanted),
        Schema::TooNew { version, known } => anyhow::bail!(
            "the database's schema is version {version}, newer than this binary knows ({known}): run the newer heirloom \
             that migrated it"
        ),
        Schema::Damaged { version } => anyhow::bail!(
            "migration {version} of the database was left half done or is not this binary's: restore the database from \
             a backup, then run `heirloom migrate`"
        ),
    };
    let lock = match (old_schema, db, version) {
        (OldSchema::LeaveAlone, Db::Sqlite(_), _) => return Ok(Seen::Old),
        (OldSchema::MigrateUnlocked, _, _) => MigrationLock::Omit,
        (OldSchema::Migrate, _, _) | (OldSchema::Refuse, Db::Sqlite(_), _) => MigrationLock::Take,
        (OldSchema::Refuse | OldSchema::LeaveAlone, Db::Postgres(_), 0) => anyhow::bail!(
            "the database does not have the Heirloom schema yet: run `heirloom migrate`, or start with `heirloom serve --migrate`"
        ),
        (OldSchema::Refuse | OldSchema::LeaveAlone, Db::Postgres(_), _) => anyhow::bail!(
            "the database's schema is version {version}, this binary needs {wanted}: run `heirloom migrate`, or start \
             with `heirloom serve --migrate`"
        ),
    };
    migrate(db, lock).await.context("cannot migrate the database")?;
    Ok(Seen::MigratedTo(wanted))
}

/// The master keys for a store that is open. The embedded store's own is made with it, and with no other: to one that
/// has lost its key a new one is of no use.
///
/// # Errors
/// When there is no key, and none to be made.
pub(super) async fn master_keys(settings: &Settings, db: &Db) -> anyhow::Result<MasterKeys> {
    match master_keys_found(settings, db).await? {
        Some(keys) => Ok(keys),
        None => master_keys::make_own(settings),
    }
}

/// The same where nothing is made: `None` for a store that is new.
///
/// # Errors
/// When there is no key, and none to be made.
pub(super) async fn master_keys_found(settings: &Settings, db: &Db) -> anyhow::Result<Option<MasterKeys>> {
    if let Some(keys) = master_keys::given(settings)? {
        return Ok(Some(keys));
    }
    if signing_keys::list(db).await?.is_empty() {
        return Ok(None);
    }
    // Another process may just have made both.
    let keys = master_keys::given(settings)?;
    keys.map(Some).with_context(|| {
        let file = master_keys::own_file(settings);
        format!(
            "the master key of {} is not there: put it back as {}, or give it as HEIRLOOM_MASTER_KEY",
            settings.database_url,
            file.display()
        )
    })
}

/// Opens the store whatever its schema.
///
/// # Errors
/// When it cannot be opened.
pub async fn connect(settings: &Settings) -> anyhow::Result<Db> {
    let bounds = PoolBounds {
        max_connections: settings.database.max_connections,
        acquire_timeout: settings.database.acquire_timeout,
        statement_cache: settings.database.statement_cache,
    };
    let opened = match &settings.database_url {
        DatabaseUrl::Postgres(url) => Db::postgres(url.expose(), bounds).await,
        DatabaseUrl::SqliteMemory => Db::sqlite_memory(bounds).await,
        DatabaseUrl::Sqlite(path) => {
            if let Some(folder) = path.parent() {
                master_keys::make_private_folder(folder)?;
            }
            let (whole, is_new) = (std::path::absolute(path)?, !path.exists());
            if is_new {
                tracing::info!(store = %whole.display(), "this is a new store");
            } else {
                tracing::info!(store = %whole.display(), "the store is there");
            }
            Db::sqlite_file(path, bounds).await
        }
    };
    opened.with_context(|| format!("cannot open {}", settings.database_url))
}

/// Seals everything under the active master key.
pub(super) async fn reseal(keys: &Keys, writer: &Writer, now: DateTime<Utc>) -> anyhow::Result<()> {
    webhook_secrets::reseal(keys, writer, now).await?;
    totp::reseal(keys, writer, now).await?;
    reseal_letters(keys, writer, now).await?;
    once::reseal(keys, writer, now).await?;
    Ok(imports::reseal(keys, writer, now).await?)
}
