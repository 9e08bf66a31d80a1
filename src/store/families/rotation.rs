//! What a rotation writes: the fast path, one by one and in batches, and a decision's step. All give back a [`Grant`].

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::SqliteConnection;
use tokio::time::timeout;
use uuid::Uuid;

use crate::domain::family::{Family, Grant, Step};
use crate::domain::ids::{FamilyId, UserId};
use crate::domain::key_thumbprint::KeyThumbprint;
use crate::domain::refresh_token::Generation;
use crate::domain::secrets::SecretHash;
use crate::store::connect::{Connection, silence};
use crate::store::families::is_live;
use crate::store::pool::PATIENCE;
use crate::store::row::{from_json, row, to_json};
use crate::store::status_lists::place_of;
use crate::store::{Db, PostgresExecutor, StoreError, Tx, on, within};

/// The columns of a [`Grant`], for `RETURNING`.
macro_rules! grant_columns {
    ($table:literal) => {
        concat!(
            $table,
            "id, user_id, subject, scope, audiences, roles, auth_time, amr, acr, id_token_claims, generation, rotated_at, \
             expires_at, status_list, status_index"
        )
    };
}

row! {
    struct GrantRow {
        id: Uuid,
        user_id: Uuid,
        subject: String,
        scope: String,
        audiences: String,
        roles: String,
        auth_time: DateTime<Utc>,
        amr: String,
        acr: Option<String>,
        id_token_claims: String,
        generation: i64,
        rotated_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        status_list: Option<i64>,
        status_index: Option<i64>,
    }
}

impl TryFrom<GrantRow> for Grant {
    type Error = StoreError;

    fn try_from(row: GrantRow) -> Result<Self, StoreError> {
        let corrupt = |what| move || StoreError::corrupt("families", row.id, what);
        Ok(Self {
            family: FamilyId(row.id),
            user: UserId(row.user_id),
            subject: row.subject,
            scope: row.scope.parse().map_err(|_| corrupt("scope")())?,
            audiences: from_json(&row.audiences).ok_or_else(corrupt("audiences"))?,
            roles: from_json(&row.roles).ok_or_else(corrupt("roles"))?,
            auth_time: row.auth_time,
            methods: from_json(&row.amr).ok_or_else(corrupt("amr"))?,
            acr: row.acr,
            claims: from_json(&row.id_token_claims).ok_or_else(corrupt("id_token_claims"))?,
            generation: Generation::new(row.generation).ok_or_else(corrupt("generation"))?,
            rotated_at: row.rotated_at,
            issued_at: row.rotated_at,
            expires_at: row.expires_at,
            status: place_of(row.status_list, row.status_index)
                .map_err(|what| StoreError::corrupt("families", row.id, what))?,
        })
    }
}

/// An attempt to rotate unread: it holds when the presented generation is the current one.
#[derive(Debug, Clone)]
pub struct FastPath {
    pub id: FamilyId,
    pub presented: Generation,
    /// `sha256(r)` of the presented token.
    pub secret_hash: SecretHash,
    /// The key that the request proved: a family that is bound to one is bound to this.
    pub key: Option<KeyThumbprint>,
    /// The request's arrival.
    pub now: DateTime<Utc>,
    /// A family last rotated at or before this is idle-expired.
    pub idle_since: DateTime<Utc>,
}

impl FastPath {
    /// Whether both were made with the same token and the same key.
    pub(in crate::store) fn presents_the_same(&self, other: &Self) -> bool {
        (self.id, self.presented, &self.key) == (other.id, other.presented, &other.key)
            && self.secret_hash == other.secret_hash
    }

    fn key(&self) -> Option<&str> {
        self.key.as_ref().map(KeyThumbprint::as_str)
    }
}

/// When an attempt holds, in SQL: nothing equals a key that is NULL.
macro_rules! holds {
    ($presented:literal, $secret_hash:literal, $now:literal, $idle_since:literal, $key:literal) => {
        concat!(
            "generation = ",
            $presented,
            " AND secret_hash = ",
            $secret_hash,
            " AND ",
            is_live!(),
            " AND (key_thumbprint IS NULL OR key_thumbprint = ",
            $key,
            ") AND generation < 4294967295 AND expires_at > ",
            $now,
            " AND rotated_at > ",
            $idle_since
        )
    };
}

/// The statement of one attempt, ready to be run on either engine.
macro_rules! rotating {
    ($attempt:expr) => {
        sqlx::query_as::<_, GrantRow>(concat!(
            "UPDATE families SET generation = generation + 1, base = generation, rotated_at = $4 WHERE id = $1 AND ",
            holds!("$2", "$3", "$4", "$5", "$6"),
            " RETURNING ",
            grant_columns!("")
        ))
        .bind($attempt.id.0)
        .bind($attempt.presented.number())
        .bind($attempt.secret_hash.as_bytes())
        .bind($attempt.now)
        .bind($attempt.idle_since)
        .bind($attempt.key())
    };
}

/// The fast path: rotates in one statement if the attempt holds. `None` tells nothing of why it failed.
///
/// # Errors
/// [`StoreError`]; whether the family moved on is then unknown.
pub async fn rotate(db: &Db, attempt: &FastPath) -> Result<Option<Grant>, StoreError> {
    let row = on!(db, conn => rotating!(attempt).fetch_optional(conn).await)?;
    row.map(Grant::try_from).transpose()
}

/// The fast path for many families at once: each rotates as it would have in a statement of its own. Gives
/// those whose attempt held, as they now are; one whose row cannot be read has its own error.
///
/// # Errors
/// [`StoreError`]; whether any moved on is then unknown, unless the error says that it did nothing.
pub async fn rotate_together(
    connection: &mut Connection,
    attempts: &[&FastPath],
) -> Result<Vec<(FamilyId, Result<Grant, StoreError>)>, StoreError> {
    let rows = match connection {
        Connection::Sqlite(connection) => rotate_by_json(connection, attempts).await?,
        Connection::Postgres(connection, link) => {
            let rotating = async {
                let executor = link.on(connection);
                match attempts {
                    [attempt] => rotating!(attempt).fetch_all(executor).await,
                    attempts => rotate_by_arrays(executor, attempts).await,
                }
            };
            if let Ok(rotated) = timeout(PATIENCE, rotating).await {
                connection.settled_by(rotated)?
            } else {
                connection.close_on_drop();
                return Err(silence().into());
            }
        }
    };
    Ok(rows.into_iter().map(|row: GrantRow| (FamilyId(row.id), Grant::try_from(row))).collect())
}

/// Whether the engine can rotate many families in one statement. A sharded one may not, and says so though there is
/// nothing to do; whatever else is wrong shows later.
pub async fn can_rotate_together(db: &Db) -> bool {
    match db {
        Db::Postgres(pool) => {
            let nothing = rotate_by_arrays(pool.executor(), &[]).await;
            !nothing.is_err_and(|error| StoreError::from(error).is_unsupported())
        }
        Db::Sqlite(_) => true,
    }
}

/// The rows are locked in the order of their ids first, so that two batches never wait for each other in a circle. Each
/// is looked up by itself: where rows are locked, PostgreSQL does not turn the look-ups into a join, which would be
/// another one for every size that it takes the table for. Measured: where a locked row is, it need not be looked up
/// again, which is a quarter of the statement. One that somebody else changed since the statement began is not seen at
/// its new place: its attempt counts as failed, and whoever made it reads the row.
async fn rotate_by_arrays(
    executor: PostgresExecutor<'_>,
    attempts: &[&FastPath],
) -> Result<Vec<GrantRow>, sqlx::Error> {
    const SQL: &str = concat!(
        "WITH held AS (SELECT place, now FROM UNNEST($1::UUID[], $2::BIGINT[], $3::BYTEA[], $4::TIMESTAMPTZ[], \
         $5::TIMESTAMPTZ[], $6::TEXT[]) AS attempt (family, presented, hash, now, idle_since, proved), \
         LATERAL (SELECT ctid AS place FROM families WHERE id = family AND ",
        holds!("presented", "hash", "now", "idle_since", "proved"),
        " FOR UPDATE) AS found) \
         UPDATE families SET generation = generation + 1, base = generation, rotated_at = held.now \
         FROM held WHERE families.ctid = held.place RETURNING ",
        grant_columns!("families.")
    );
    let mut attempts = attempts.to_vec();
    attempts.sort_unstable_by_key(|attempt| attempt.id.0);
    let times = |time: fn(&FastPath) -> DateTime<Utc>| {
        attempts.iter().map(|attempt| time(attempt)).collect::<Vec<_>>()
    };
    sqlx::query_as(SQL)
        .bind(attempts.iter().map(|attempt| attempt.id.0).collect::<Vec<_>>())
        .bind(attempts.iter().map(|attempt| attempt.presented.number()).collect::<Vec<_>>())
        .bind(attempts.iter().map(|attempt| attempt.secret_hash.as_bytes()).collect::<Vec<_>>())
        .bind(times(|attempt| attempt.now))
        .bind(times(|attempt| attempt.idle_since))
        .bind(attempts.iter().map(|attempt| attempt.key()).collect::<Vec<_>>())
        .fetch_all(executor)
        .await
}

/// One statement, so one transaction. SQLite has no arrays, but it reads JSON.
async fn rotate_by_json(
    connection: &mut SqliteConnection,
    attempts: &[&FastPath],
) -> Result<Vec<GrantRow>, sqlx::Error> {
    const SQL: &str = concat!(
        "UPDATE families SET generation = generation + 1, base = generation, rotated_at = attempt.now \
         FROM (SELECT unhex(value ->> 0) AS family, value ->> 1 AS presented, unhex(value ->> 2) AS hash, \
         value ->> 3 AS now, value ->> 4 AS idle_since, value ->> 5 AS proved FROM json_each($1)) AS attempt \
         WHERE id = attempt.family AND ",
        holds!("attempt.presented", "attempt.hash", "attempt.now", "attempt.idle_since", "attempt.proved"),
        " RETURNING ",
        grant_columns!("")
    );
    let attempts: Vec<_> = attempts
        .iter()
        .map(|attempt| {
            let hash =
                attempt.secret_hash.as_bytes().iter().fold(String::with_capacity(64), |mut text, byte| {
                    let _ = write!(text, "{byte:02x}");
                    text
                });
            let (now, idle_since) = (as_stored(attempt.now), as_stored(attempt.idle_since));
            let id = attempt.id.0.simple().to_string();
            (id, attempt.presented.number(), hash, now, idle_since, attempt.key())
        })
        .collect();
    sqlx::query_as(SQL).bind(to_json(&attempts)).fetch_all(connection).await
}

/// A time as the driver writes it into SQLite, where times are compared as text.
fn as_stored(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

/// The statement of a step, ready to be run on either engine.
macro_rules! stepping {
    ($read:expr, $step:expr, $now:expr) => {
        sqlx::query_as::<_, GrantRow>(concat!(
            "UPDATE families SET generation = $2, base = $3, rotated_at = $4 \
             WHERE id = $1 AND generation = $5 AND rotated_at = $6 AND ",
            is_live!(),
            " RETURNING ",
            grant_columns!("")
        ))
        .bind($read.id.0)
        .bind($step.generation.number())
        .bind($step.base.map(Generation::number))
        .bind($now)
        .bind($read.generation.number())
        .bind($read.rotated_at)
    };
}

/// Applies a decision by compare-and-swap: `None` when the row is no longer what was `read`.
///
/// # Errors
/// [`StoreError`]; whether the family moved on is then unknown.
pub async fn advance(
    db: &Db,
    read: &Family,
    step: Step,
    now: DateTime<Utc>,
) -> Result<Option<Grant>, StoreError> {
    let row = on!(db, conn => stepping!(read, step, now).fetch_optional(conn).await)?;
    row.map(Grant::try_from).transpose()
}

/// The same within a transaction: for a step that is an event.
pub async fn step(
    tx: &mut Tx,
    read: &Family,
    step: Step,
    now: DateTime<Utc>,
) -> Result<Option<Grant>, StoreError> {
    let row = within!(tx, conn => stepping!(read, step, now).fetch_optional(conn).await)?;
    row.map(Grant::try_from).transpose()
}
