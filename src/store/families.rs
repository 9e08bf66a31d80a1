//! Families: one row each, changed by compare-and-swap only.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::{PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::domain::family::{Device, Family, Grant, State, Step};
use crate::domain::ids::{ClientId, FamilyId, UserId};
use crate::domain::refresh_token::Generation;
use crate::domain::refusal::EndReason;
use crate::domain::secrets::SecretHash;
use crate::store::connect::Connection;
use crate::store::row::{from_json, row, to_json};
use crate::store::{Db, StoreError, Tx, on, within};

/// Every column of a family, for `SELECT` and `RETURNING`.
macro_rules! columns {
    () => {
        "id, user_id, subject, client_id, scope, audiences, roles, key_thumbprint, secret_hash, generation, base, \
         rotated_at, auth_time, amr, acr, sign_in_session, device_name, user_agent, address, created_at, expires_at, \
         ended_at, end_reason"
    };
}

row! {
    struct FamilyRow {
        id: Uuid,
        user_id: Uuid,
        subject: String,
        client_id: String,
        scope: String,
        audiences: String,
        roles: String,
        key_thumbprint: Option<String>,
        secret_hash: Vec<u8>,
        generation: i64,
        base: Option<i64>,
        rotated_at: DateTime<Utc>,
        auth_time: DateTime<Utc>,
        amr: String,
        acr: Option<String>,
        sign_in_session: Option<Uuid>,
        device_name: Option<String>,
        user_agent: Option<String>,
        address: Option<String>,
        created_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        ended_at: Option<DateTime<Utc>>,
        end_reason: Option<String>,
    }
}

impl TryFrom<FamilyRow> for Family {
    type Error = StoreError;

    fn try_from(row: FamilyRow) -> Result<Self, StoreError> {
        let corrupt = |what| move || StoreError::corrupt("families", row.id, what);
        let reason = row
            .end_reason
            .as_deref()
            .map(|word| EndReason::from_stored(word).ok_or_else(corrupt("end_reason")));
        let state = match (row.ended_at, reason.transpose()?) {
            (None, None) => State::Live,
            (Some(at), Some(reason)) => State::Ended { at, reason },
            (None, Some(_)) | (Some(_), None) => return Err(corrupt("half ended")()),
        };
        let base = row.base.map(|base| Generation::new(base).ok_or_else(corrupt("base"))).transpose()?;
        Ok(Self {
            id: FamilyId(row.id),
            user_id: UserId(row.user_id),
            subject: row.subject,
            client_id: row.client_id.parse().map_err(|_| corrupt("client_id")())?,
            scope: row.scope.parse().map_err(|_| corrupt("scope")())?,
            audiences: from_json(&row.audiences).ok_or_else(corrupt("audiences"))?,
            roles: from_json(&row.roles).ok_or_else(corrupt("roles"))?,
            key_thumbprint: row.key_thumbprint,
            secret_hash: SecretHash::from_stored(&row.secret_hash).ok_or_else(corrupt("secret_hash"))?,
            generation: Generation::new(row.generation).ok_or_else(corrupt("generation"))?,
            base,
            rotated_at: row.rotated_at,
            auth_time: row.auth_time,
            amr: from_json(&row.amr).ok_or_else(corrupt("amr"))?,
            acr: row.acr,
            sign_in_session: row.sign_in_session,
            device: Device { name: row.device_name, user_agent: row.user_agent, address: row.address },
            created_at: row.created_at,
            expires_at: row.expires_at,
            state,
        })
    }
}

/// The columns of a [`Grant`], for `RETURNING`.
macro_rules! grant_columns {
    ($table:literal) => {
        concat!($table, "id, subject, scope, audiences, roles, auth_time, generation, rotated_at, expires_at")
    };
}

row! {
    struct GrantRow {
        id: Uuid,
        subject: String,
        scope: String,
        audiences: String,
        roles: String,
        auth_time: DateTime<Utc>,
        generation: i64,
        rotated_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    }
}

impl TryFrom<GrantRow> for Grant {
    type Error = StoreError;

    fn try_from(row: GrantRow) -> Result<Self, StoreError> {
        let corrupt = |what| move || StoreError::corrupt("families", row.id, what);
        Ok(Self {
            family: FamilyId(row.id),
            subject: row.subject,
            scope: row.scope.parse().map_err(|_| corrupt("scope")())?,
            audiences: from_json(&row.audiences).ok_or_else(corrupt("audiences"))?,
            roles: from_json(&row.roles).ok_or_else(corrupt("roles"))?,
            auth_time: row.auth_time,
            generation: Generation::new(row.generation).ok_or_else(corrupt("generation"))?,
            rotated_at: row.rotated_at,
            expires_at: row.expires_at,
        })
    }
}

fn all(rows: Vec<FamilyRow>) -> Result<Vec<Family>, StoreError> {
    rows.into_iter().map(Family::try_from).collect()
}

/// What the fast path bets on: that the presented generation is the current one.
#[derive(Debug, Clone)]
pub struct Bet {
    /// The family.
    pub id: FamilyId,
    /// The generation that was presented.
    pub presented: Generation,
    /// `sha256(r)` of the presented token.
    pub secret_hash: SecretHash,
    /// The request's arrival.
    pub now: DateTime<Utc>,
    /// A family last rotated at or before this is idle-expired.
    pub idle_since: DateTime<Utc>,
}

impl Bet {
    /// Whether both were made with the same token.
    pub(super) fn presents_the_same(&self, other: &Self) -> bool {
        (self.id, self.presented) == (other.id, other.presented) && self.secret_hash == other.secret_hash
    }
}

/// When a bet is right, in SQL.
macro_rules! right {
    ($presented:literal, $secret_hash:literal, $now:literal, $idle_since:literal) => {
        concat!(
            "generation = ",
            $presented,
            " AND secret_hash = ",
            $secret_hash,
            " AND ended_at IS NULL AND key_thumbprint IS NULL AND generation < 4294967295 AND expires_at > ",
            $now,
            " AND rotated_at > ",
            $idle_since
        )
    };
}

/// The statement of one bet, ready to be run on either engine.
macro_rules! rotating {
    ($bet:expr) => {
        sqlx::query_as::<_, GrantRow>(concat!(
            "UPDATE families SET generation = generation + 1, base = generation, rotated_at = $4 WHERE id = $1 AND ",
            right!("$2", "$3", "$4", "$5"),
            " RETURNING ",
            grant_columns!("")
        ))
        .bind($bet.id.0)
        .bind($bet.presented.number())
        .bind($bet.secret_hash.as_bytes())
        .bind($bet.now)
        .bind($bet.idle_since)
    };
}

/// Adds a family, within the transaction that touched its user's row.
///
/// # Errors
/// [`StoreError`].
pub async fn insert(tx: &mut Tx, family: &Family) -> Result<(), StoreError> {
    const SQL: &str = concat!(
        "INSERT INTO families (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
         NULL, NULL)"
    );
    within!(tx, conn => sqlx::query(SQL)
        .bind(family.id.0)
        .bind(family.user_id.0)
        .bind(&family.subject)
        .bind(family.client_id.as_str())
        .bind(family.scope.to_string())
        .bind(to_json(&family.audiences))
        .bind(to_json(&family.roles))
        .bind(&family.key_thumbprint)
        .bind(family.secret_hash.as_bytes())
        .bind(family.generation.number())
        .bind(family.base.map(Generation::number))
        .bind(family.rotated_at)
        .bind(family.auth_time)
        .bind(to_json(&family.amr))
        .bind(&family.acr)
        .bind(family.sign_in_session)
        .bind(&family.device.name)
        .bind(&family.device.user_agent)
        .bind(&family.device.address)
        .bind(family.created_at)
        .bind(family.expires_at)
        .execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// The fast path: rotates in one statement if the bet is right. `None` tells nothing of why it was wrong.
///
/// # Errors
/// [`StoreError`]; whether the family moved on is then unknown.
pub async fn rotate(db: &Db, bet: &Bet) -> Result<Option<Grant>, StoreError> {
    let row = on!(db, conn => rotating!(bet).fetch_optional(conn).await)?;
    row.map(Grant::try_from).transpose()
}

/// The fast path for many families at once: each rotates as it would have alone. Gives what those whose bet was right
/// have become; one whose row cannot be read is told so by itself.
///
/// # Errors
/// [`StoreError`]; whether any moved on is then unknown, unless the error says that it did nothing.
pub async fn rotate_together(
    connection: &mut Connection,
    bets: &[&Bet],
) -> Result<Vec<(FamilyId, Result<Grant, StoreError>)>, StoreError> {
    let rows = match (connection, bets) {
        (Connection::Postgres(connection), [bet]) => {
            rotating!(bet).fetch_optional(&mut **connection).await?.into_iter().collect()
        }
        (Connection::Postgres(connection), bets) => rotate_by_arrays(connection, bets).await?,
        (Connection::Sqlite(connection), bets) => rotate_by_json(connection, bets).await?,
    };
    Ok(rows.into_iter().map(|row: GrantRow| (FamilyId(row.id), Grant::try_from(row))).collect())
}

/// The rows are locked in one order first, so that two batches never wait for each other in a circle.
async fn rotate_by_arrays(
    connection: &mut PgConnection,
    bets: &[&Bet],
) -> Result<Vec<GrantRow>, sqlx::Error> {
    const SQL: &str = concat!(
        "WITH bet AS (SELECT * FROM UNNEST($1::UUID[], $2::BIGINT[], $3::BYTEA[], $4::TIMESTAMPTZ[], \
         $5::TIMESTAMPTZ[]) AS bet (family, presented, hash, now, idle_since)), \
         right_ones AS (SELECT id, now FROM families JOIN bet ON id = family WHERE ",
        right!("presented", "hash", "now", "idle_since"),
        " ORDER BY id FOR UPDATE OF families) \
         UPDATE families SET generation = generation + 1, base = generation, rotated_at = right_ones.now \
         FROM right_ones WHERE families.id = right_ones.id RETURNING ",
        grant_columns!("families.")
    );
    let column = |value: fn(&Bet) -> i64| bets.iter().map(|bet| value(bet)).collect::<Vec<_>>();
    let times = |time: fn(&Bet) -> DateTime<Utc>| bets.iter().map(|bet| time(bet)).collect::<Vec<_>>();
    sqlx::query_as(SQL)
        .bind(bets.iter().map(|bet| bet.id.0).collect::<Vec<_>>())
        .bind(column(|bet| bet.presented.number()))
        .bind(bets.iter().map(|bet| bet.secret_hash.as_bytes()).collect::<Vec<_>>())
        .bind(times(|bet| bet.now))
        .bind(times(|bet| bet.idle_since))
        .fetch_all(connection)
        .await
}

/// One statement, so one transaction. SQLite has no arrays, but it reads JSON.
async fn rotate_by_json(
    connection: &mut SqliteConnection,
    bets: &[&Bet],
) -> Result<Vec<GrantRow>, sqlx::Error> {
    const SQL: &str = concat!(
        "UPDATE families SET generation = generation + 1, base = generation, rotated_at = bet.now \
         FROM (SELECT unhex(value ->> 0) AS family, value ->> 1 AS presented, unhex(value ->> 2) AS hash, \
         value ->> 3 AS now, value ->> 4 AS idle_since FROM json_each($1)) AS bet WHERE id = bet.family AND ",
        right!("bet.presented", "bet.hash", "bet.now", "bet.idle_since"),
        " RETURNING ",
        grant_columns!("")
    );
    let bets: Vec<_> = bets
        .iter()
        .map(|bet| {
            let hash = bet.secret_hash.as_bytes().iter().fold(String::with_capacity(64), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            });
            let (now, idle_since) = (as_stored(bet.now), as_stored(bet.idle_since));
            (bet.id.0.simple().to_string(), bet.presented.number(), hash, now, idle_since)
        })
        .collect();
    sqlx::query_as(SQL).bind(to_json(&bets)).fetch_all(connection).await
}

/// A time as the driver writes it into SQLite, where times are compared as text.
fn as_stored(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, false)
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
    const SQL: &str = concat!(
        "UPDATE families SET generation = $2, base = $3, rotated_at = $4 \
         WHERE id = $1 AND generation = $5 AND rotated_at = $6 AND ended_at IS NULL RETURNING ",
        grant_columns!("")
    );
    let row: Option<GrantRow> = on!(db, conn => sqlx::query_as(SQL)
        .bind(read.id.0)
        .bind(step.generation.number())
        .bind(step.base.map(Generation::number))
        .bind(now)
        .bind(read.generation.number())
        .bind(read.rotated_at)
        .fetch_optional(conn).await)?;
    row.map(Grant::try_from).transpose()
}

/// Reads one family.
///
/// # Errors
/// [`StoreError`].
pub async fn find(db: &Db, id: FamilyId) -> Result<Option<Family>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM families WHERE id = $1");
    let row: Option<FamilyRow> = on!(db, conn => sqlx::query_as(SQL).bind(id.0).fetch_optional(conn).await)?;
    row.map(Family::try_from).transpose()
}

/// A user's families, newest first, ended ones too.
///
/// # Errors
/// [`StoreError`].
pub async fn of_user(db: &Db, user: UserId) -> Result<Vec<Family>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM families WHERE user_id = $1 ORDER BY id DESC");
    all(on!(db, conn => sqlx::query_as(SQL).bind(user.0).fetch_all(conn).await)?)
}

/// The newest families, for an operator to look through, ended ones too.
///
/// # Errors
/// [`StoreError`].
pub async fn newest(db: &Db, limit: i64) -> Result<Vec<Family>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM families ORDER BY id DESC LIMIT $1");
    all(on!(db, conn => sqlx::query_as(SQL).bind(limit).fetch_all(conn).await)?)
}

/// Ends one family, whatever generation it has reached. `false` when it was ended or gone before.
///
/// # Errors
/// [`StoreError`].
pub async fn end(db: &Db, id: FamilyId, reason: EndReason, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE families SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL";
    let ended = on!(db, conn => sqlx::query(SQL)
        .bind(id.0).bind(now).bind(reason.as_str())
        .execute(conn).await.map(|done| done.rows_affected()))?;
    Ok(ended > 0)
}

/// Ends the families of a user whose row the transaction touched before, all but `spared`; gives their ids.
///
/// # Errors
/// [`StoreError`].
pub async fn end_of_user(
    tx: &mut Tx,
    user: UserId,
    spared: Option<FamilyId>,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<Vec<FamilyId>, StoreError> {
    const SQL: &str = "UPDATE families SET ended_at = $2, end_reason = $3 \
         WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 AND ($4 IS NULL OR id <> $4) RETURNING id";
    let ids: Vec<(Uuid,)> = within!(tx, conn => sqlx::query_as(SQL)
        .bind(user.0).bind(now).bind(reason.as_str()).bind(spared.map(|family| family.0))
        .fetch_all(conn).await)?;
    Ok(ids.into_iter().map(|(id,)| FamilyId(id)).collect())
}

/// Gives a user's live families new roles, in the transaction that changed the user's.
///
/// # Errors
/// [`StoreError`].
pub async fn set_roles_of_user(tx: &mut Tx, user: UserId, roles: &[String]) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE families SET roles = $2 WHERE user_id = $1 AND ended_at IS NULL";
    within!(tx, conn => sqlx::query(SQL).bind(user.0).bind(to_json(&roles)).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// Ends up to `limit` live families of a client, those with ids above `after`; gives the last id that it ended, from
/// where to go on.
///
/// # Errors
/// [`StoreError`].
pub async fn end_some_of_client(
    db: &Db,
    client: &ClientId,
    after: FamilyId,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<FamilyId>, StoreError> {
    const SQL: &str = "UPDATE families SET ended_at = $3, end_reason = 'client_removed' WHERE id IN \
         (SELECT id FROM families WHERE client_id = $1 AND id > $2 AND ended_at IS NULL ORDER BY id LIMIT $4) \
         AND ended_at IS NULL RETURNING id";
    let ids: Vec<(Uuid,)> = on!(db, conn => sqlx::query_as(SQL)
        .bind(client.as_str()).bind(after.0).bind(now).bind(limit)
        .fetch_all(conn).await)?;
    Ok(ids.into_iter().map(|(id,)| FamilyId(id)).collect())
}

/// Deletes up to `limit` families past their absolute expiry; gives how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_some_expired(db: &Db, now: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM families WHERE id IN \
         (SELECT id FROM families WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    Ok(
        on!(db, conn => sqlx::query(SQL).bind(now).bind(limit).execute(conn).await.map(|done| done.rows_affected()))?,
    )
}
