//! Families: one row each, changed by compare-and-swap only.

mod ending;
mod listing;
mod rotation;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::authentication::Authentication;
use crate::domain::claims_request::ClaimsRequest;
use crate::domain::family::{Family, State, UserAgentInfo};
use crate::domain::ids::{ClientId, FamilyId, SignInSessionId, UserId};
use crate::domain::refresh_token::Generation;
use crate::domain::refusal::EndReason;
use crate::domain::secrets::SecretHash;
use crate::store::row::{from_json, row, to_json};
use crate::store::status_lists::place_of;
use crate::store::{Db, StoreError, Tx, execute, fetch_one, fetch_optional};

pub use ending::{OfClient, end, end_part, end_some_of_client, end_unused};
pub use listing::{
    LastUse, addresses_of_user, counts_by_user, last_uses, live_of_sign_in, live_of_sign_in_within,
    live_of_user, newest, newest_of_both, newest_of_client, newest_of_user,
};
pub use rotation::{FastPath, advance, can_rotate_together, rotate, rotate_together, step};

/// Every column of a family, for `SELECT` and `RETURNING`.
macro_rules! columns {
    () => {
        "id, user_id, subject, client_id, scope, audiences, roles, key_thumbprint, secret_hash, generation, base, \
         rotated_at, auth_time, amr, acr, claims, id_token_claims, sign_in_session, device_name, user_agent, address, \
         created_at, expires_at, status_list, status_index, ended_at, end_reason"
    };
}
use columns;

/// That the family of a known id is live, in SQL. The same as `ended_at IS NULL` (the table has a CHECK for that),
/// which the indexes of live families ask about: as long as PostgreSQL knows nothing of the table, one of those passes
/// for a short way to the row, and is read from end to end.
macro_rules! is_live {
    () => {
        "end_reason IS NULL"
    };
}
use is_live;

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
        claims: String,
        id_token_claims: String,
        sign_in_session: Option<Uuid>,
        device_name: Option<String>,
        user_agent: Option<String>,
        address: Option<String>,
        created_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        status_list: Option<i64>,
        status_index: Option<i64>,
        ended_at: Option<DateTime<Utc>>,
        end_reason: Option<String>,
    }
}

impl TryFrom<FamilyRow> for Family {
    type Error = StoreError;

    fn try_from(row: FamilyRow) -> Result<Self, StoreError> {
        let corrupt = |what| move || StoreError::corrupt("families", row.id, what);
        let state = match (row.ended_at, row.end_reason.as_deref().map(EndReason::from_stored)) {
            (None, None) => State::Live,
            (Some(at), Some(reason)) => State::Ended { at, reason },
            (None, Some(_)) | (Some(_), None) => return Err(corrupt("half ended")()),
        };
        let key = row.key_thumbprint.as_deref().map(str::parse);
        let base = row.base.map(|base| Generation::new(base).ok_or_else(corrupt("base"))).transpose()?;
        Ok(Self {
            id: FamilyId(row.id),
            authentication: Authentication {
                user: UserId(row.user_id),
                at: row.auth_time,
                methods: from_json(&row.amr).ok_or_else(corrupt("amr"))?,
                acr: row.acr,
                sign_in_session: row.sign_in_session.map(SignInSessionId),
            },
            subject: row.subject,
            client_id: row.client_id.parse().map_err(|_| corrupt("client_id")())?,
            scope: row.scope.parse().map_err(|_| corrupt("scope")())?,
            audiences: from_json(&row.audiences).ok_or_else(corrupt("audiences"))?,
            roles: from_json(&row.roles).ok_or_else(corrupt("roles"))?,
            key_thumbprint: key.transpose().map_err(|_| corrupt("key_thumbprint")())?,
            secret_hash: SecretHash::from_stored(&row.secret_hash).ok_or_else(corrupt("secret_hash"))?,
            generation: Generation::new(row.generation).ok_or_else(corrupt("generation"))?,
            base,
            rotated_at: row.rotated_at,
            claims: ClaimsRequest {
                userinfo: from_json(&row.claims).ok_or_else(corrupt("claims"))?,
                id_token: from_json(&row.id_token_claims).ok_or_else(corrupt("id_token_claims"))?,
            },
            agent: UserAgentInfo { name: row.device_name, user_agent: row.user_agent, address: row.address },
            created_at: row.created_at,
            expires_at: row.expires_at,
            status: place_of(row.status_list, row.status_index).map_err(|what| corrupt(what)())?,
            state,
        })
    }
}

fn all(rows: Vec<FamilyRow>) -> Result<Vec<Family>, StoreError> {
    rows.into_iter().map(Family::try_from).collect()
}

/// Adds a family, within the transaction that touched its user's row.
pub async fn insert(tx: &mut Tx, family: &Family) -> Result<(), StoreError> {
    const SQL: &str = concat!(
        "INSERT INTO families (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
         $22, $23, $24, $25, NULL, NULL)"
    );
    let who = &family.authentication;
    execute!(within tx, SQL,
        family.id.0, who.user.0, &family.subject, family.client_id.as_str(), family.scope.to_string(),
        to_json(&family.audiences), to_json(&family.roles), 
        family.key_thumbprint.as_ref().map(|key| key.as_str().to_owned()),
        family.secret_hash.as_bytes(), family.generation.number(), family.base.map(Generation::number),
        family.rotated_at, who.at, to_json(&who.methods), &who.acr, to_json(&family.claims.userinfo),
        to_json(&family.claims.id_token), who.sign_in_session.map(|session| session.0), &family.agent.name, &family.agent.user_agent, &family.agent.address,
        family.created_at, family.expires_at, family.status.map(|place| place.list.number()),
        family.status.map(|place| i64::from(place.index)))?;
    Ok(())
}

/// Reads one family.
pub async fn find(db: &Db, id: FamilyId) -> Result<Option<Family>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM families WHERE id = $1");
    let row: Option<FamilyRow> = fetch_optional!(on db, SQL, id.0)?;
    row.map(Family::try_from).transpose()
}

/// Reads the family of an access token, unless that token was revoked.
pub async fn find_for_token(db: &Db, id: FamilyId, jti: &str) -> Result<Option<Family>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM families WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE jti = $2)"
    );
    let row: Option<FamilyRow> = fetch_optional!(on db, SQL, id.0, jti)?;
    row.map(Family::try_from).transpose()
}

/// Whether one has neither ended nor passed its absolute expiry, in a transaction.
pub async fn is_live_within(tx: &mut Tx, id: FamilyId, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str =
        concat!("SELECT COUNT(*) FROM families WHERE id = $1 AND ", is_live!(), " AND expires_at > $2");
    let (count,): (i64,) = fetch_one!(within tx, SQL, id.0, now)?;
    Ok(count > 0)
}

/// How many families of a client have neither ended nor passed their absolute expiry.
pub async fn count_live_of_client(db: &Db, client: &ClientId, now: DateTime<Utc>) -> Result<u64, StoreError> {
    const SQL: &str =
        "SELECT COUNT(*) FROM families WHERE client_id = $1 AND ended_at IS NULL AND expires_at > $2";
    let (count,): (i64,) = fetch_one!(on db, SQL, client.as_str(), now)?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Gives a user's live families new roles, in the transaction that changed the user's.
pub async fn set_roles_of_user(tx: &mut Tx, user: UserId, roles: &[String]) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE families SET roles = $2 WHERE user_id = $1 AND ended_at IS NULL";
    execute!(within tx, SQL, user.0, to_json(&roles))?;
    Ok(())
}

/// The newest time that the table knows of cheaply: when the last login began; in SQLite, whose tables are small, when
/// the last refresh came.
pub async fn newest_time(db: &Db) -> Result<Option<DateTime<Utc>>, StoreError> {
    let sql = match db {
        Db::Postgres(_) => "SELECT created_at FROM families ORDER BY id DESC LIMIT 1",
        Db::Sqlite(_) => "SELECT rotated_at FROM families ORDER BY rotated_at DESC LIMIT 1",
    };
    let row: Option<(DateTime<Utc>,)> = fetch_optional!(on db, sql)?;
    Ok(row.map(|(time,)| time))
}
