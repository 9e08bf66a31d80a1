//! A store that is spread over several servers: `heirloom migrate --citus`, and every migration after it.

use anyhow::Context as _;

use crate::settings::DatabaseUrl;
use crate::store::Db;
use crate::store::distribution::{CitusRole, distribute, is_begun, is_marked, role, unplaced};
use crate::store::migrate::MigrationLock;

/// What was done about a store that is spread over several servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// How many tables were placed just now.
    pub tables: usize,
    pub servers: i64,
}

/// Whether a store is of a kind that can be spread over several servers. It need not be there.
///
/// # Errors
/// When it is not.
pub(super) fn check_kind(url: &DatabaseUrl) -> anyhow::Result<()> {
    match url {
        DatabaseUrl::Postgres(_) => Ok(()),
        DatabaseUrl::Sqlite(_) | DatabaseUrl::SqliteMemory => anyhow::bail!(
            "--citus: {url} is an embedded store, of one machine; Citus distributes PostgreSQL databases"
        ),
    }
}

/// Whether this one can be; how many servers there are.
///
/// # Errors
/// When it cannot, with what to do.
pub(super) async fn check(db: &Db, url: &DatabaseUrl) -> anyhow::Result<i64> {
    match role(db).await.with_context(|| format!("cannot read {url}"))? {
        CitusRole::Coordinator { servers } => Ok(servers),
        CitusRole::Absent => anyhow::bail!(
            "--citus: the server of {url} does not have Citus: install it on every server, put it first in \
             shared_preload_libraries, and run `CREATE EXTENSION citus` in the database on each"
        ),
        CitusRole::WithoutExtension => anyhow::bail!(
            "--citus: the server of {url} has Citus, the database does not: run `CREATE EXTENSION citus` in it, on every \
             server, and `SELECT citus_add_node('HOST', 5432)` for each worker"
        ),
        CitusRole::Worker => {
            anyhow::bail!("--citus: {url} leads to one of Citus's workers: run this on the coordinator")
        }
    }
}

/// Places every table that is on the coordinator alone.
///
/// # Errors
/// When Citus refuses.
pub(super) async fn spread(db: &Db, servers: i64, lock: MigrationLock) -> anyhow::Result<Spread> {
    let tables = distribute(db, lock).await.context("cannot distribute the database")?;
    Ok(Spread { tables, servers })
}

/// After a migration: tables that it made go where the others are. `None` for a store on one server.
///
/// # Errors
/// When Citus refuses, or only its coordinator can do it.
pub(super) async fn spread_new(db: &Db, lock: MigrationLock) -> anyhow::Result<Option<Spread>> {
    let found = role(db).await.context("cannot see whether the database is distributed")?;
    match found {
        CitusRole::Coordinator { servers } if is_marked(db).await? || is_begun(db).await? => {
            spread(db, servers, lock).await.map(Some)
        }
        CitusRole::Worker if !unplaced(db).await?.is_empty() => anyhow::bail!(
            "tables that a migration made are not distributed yet: run `heirloom migrate` on Citus's coordinator"
        ),
        CitusRole::Coordinator { .. }
        | CitusRole::Worker
        | CitusRole::Absent
        | CitusRole::WithoutExtension => Ok(None),
    }
}

/// What an operator should know of where the tables are; the error is what is wrong with it. `None` when they are on
/// one server, as is usual.
///
/// # Errors
/// The sentence is in the [`Result`] within, when something is wrong.
pub(super) async fn look(db: &Db) -> anyhow::Result<Option<String>> {
    let (is_marked, found) = (is_marked(db).await?, role(db).await?);
    let is_spread = match found {
        CitusRole::Absent | CitusRole::WithoutExtension => false,
        CitusRole::Worker | CitusRole::Coordinator { .. } => is_begun(db).await?,
    };
    match (is_marked, is_spread) {
        (false, false) => Ok(None),
        (true, true) => {
            let left = unplaced(db).await?;
            anyhow::ensure!(
                left.is_empty(),
                "half distributed: {} not yet; run `heirloom migrate`",
                left.join(", ")
            );
            Ok(Some("it is distributed by Citus; each rotation goes in a statement of its own".to_owned()))
        }
        (false, true) => anyhow::bail!(
            "Citus distributes the families, and the database is not marked for it: run `heirloom migrate --citus`"
        ),
        (true, false) => anyhow::bail!(
            "the database is marked as distributed, and is not: run `heirloom migrate --citus`, or, where it is to stay on \
             one server, `DELETE FROM distribution`, so that rotations share statements again"
        ),
    }
}
