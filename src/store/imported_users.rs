//! Users who are imported, many in a statement.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::crypto::foreign_cost::ForeignCost;
use crate::crypto::password_hash::PasswordHash;
use crate::crypto::totp::TotpSecret;
use crate::domain::ids::UserId;
use crate::domain::upstream::UpstreamLink;
use crate::domain::user::User;
use crate::store::row::to_json;
use crate::store::transaction::OpenTransaction;
use crate::store::{StoreError, Tx, execute, fetch_optional};

/// A user to be, with a digest of the line that tells of it.
#[derive(Debug)]
pub struct ImportedUser {
    pub user: User,
    /// What the name is compared by.
    pub key: String,
    /// What the address is compared by, if it is verified.
    pub email_key: Option<String>,
    pub password_hash: Option<PasswordHash>,
    pub totp: Option<TotpSecret>,
    pub links: Vec<UpstreamLink>,
    pub digest: Vec<u8>,
}

/// Rows of a statement: measured, more make none faster.
const ROWS: usize = 1000;

macro_rules! insert {
    ($values:literal) => {
        concat!(
            "INSERT INTO users (id, username, username_key, email, email_verified, claims, password_hash, \
             password_cost, foreign_kind, foreign_cost, roles, created_at, last_login_at, disabled_at, \
             import_digest, verified_email_key, changed_at) ",
            $values,
            " ON CONFLICT DO NOTHING"
        )
    };
}

/// Adds all whose names, ids and verified addresses are free; gives their ids.
pub async fn insert(
    tx: &mut Tx,
    users: &[ImportedUser],
    now: DateTime<Utc>,
) -> Result<HashSet<UserId>, StoreError> {
    let mut added = HashSet::with_capacity(users.len());
    if matches!(tx.open, OpenTransaction::Postgres(..)) {
        for part in users.chunks(ROWS) {
            added.extend(insert_by_arrays(tx, part, now).await?);
        }
    } else {
        for user in users {
            if insert_one(tx, user, now).await? {
                added.insert(user.user.id);
            }
        }
    }
    Ok(added)
}

async fn insert_one(tx: &mut Tx, it: &ImportedUser, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str =
        insert!("VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)");
    let ImportedUser { user, key, email_key, password_hash: hash, digest, .. } = it;
    let foreign = hash.as_ref().and_then(PasswordHash::foreign_cost);
    let rows = execute!(within tx, SQL,
        user.id.0, user.username.as_str(), key, &user.email, user.email_verified,
        to_json(&user.claims), PasswordHash::text_of_account(hash.as_ref()),
        hash.as_ref().and_then(PasswordHash::cost), foreign.map(|cost| cost.kind.as_str()),
        foreign.map(work), to_json(&user.roles), user.created_at, user.last_login_at, user.disabled_at,
        digest, email_key, now)?;
    Ok(rows > 0)
}

/// In the order of their names' keys, so that two imports never wait for each other in a circle.
async fn insert_by_arrays(
    tx: &mut Tx,
    users: &[ImportedUser],
    now: DateTime<Utc>,
) -> Result<Vec<UserId>, StoreError> {
    const SQL: &str = concat!(
        insert!(
            "SELECT *, $17 FROM UNNEST($1::UUID[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::BOOLEAN[], $6::TEXT[], \
             $7::TEXT[], $8::BIGINT[], $9::TEXT[], $10::BIGINT[], $11::TEXT[], $12::TIMESTAMPTZ[], \
             $13::TIMESTAMPTZ[], $14::TIMESTAMPTZ[], $15::BYTEA[], $16::TEXT[])"
        ),
        " RETURNING id"
    );
    let mut users: Vec<&ImportedUser> = users.iter().collect();
    users.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    let foreign: Vec<_> = users.iter().map(|it| hash_of(it).and_then(PasswordHash::foreign_cost)).collect();
    let query = sqlx::query_as::<_, (Uuid,)>(SQL)
        .bind(column(&users, |it| it.user.id.0))
        .bind(column(&users, |it| it.user.username.as_str()))
        .bind(column(&users, |it| it.key.as_str()))
        .bind(column(&users, |it| it.user.email.as_deref()))
        .bind(column(&users, |it| it.user.email_verified))
        .bind(column(&users, |it| to_json(&it.user.claims)))
        .bind(column(&users, |it| PasswordHash::text_of_account(hash_of(it))))
        .bind(column(&users, |it| hash_of(it).and_then(PasswordHash::cost)))
        .bind(foreign.iter().map(|cost| cost.map(|cost| cost.kind.as_str())).collect::<Vec<_>>())
        .bind(foreign.iter().map(|cost| cost.map(work)).collect::<Vec<_>>())
        .bind(column(&users, |it| to_json(&it.user.roles)))
        .bind(column(&users, |it| it.user.created_at))
        .bind(column(&users, |it| it.user.last_login_at))
        .bind(column(&users, |it| it.user.disabled_at))
        .bind(column(&users, |it| it.digest.as_slice()))
        .bind(column(&users, |it| it.email_key.as_deref()))
        .bind(now);
    let OpenTransaction::Postgres(transaction, link) = &mut tx.open else { return Ok(Vec::new()) };
    let rows = query.fetch_all(link.on(transaction)).await?;
    Ok(rows.into_iter().map(|(id,)| UserId(id)).collect())
}

fn hash_of(user: &ImportedUser) -> Option<&PasswordHash> {
    user.password_hash.as_ref()
}

fn column<'a, T>(users: &[&'a ImportedUser], of: impl Fn(&'a ImportedUser) -> T) -> Vec<T> {
    users.iter().map(|user| of(user)).collect()
}

fn work(cost: ForeignCost) -> i64 {
    i64::try_from(cost.work).unwrap_or(i64::MAX)
}

/// Those of these users' names that are taken, by their keys, with the digests of the lines that they came from.
pub async fn digests(
    tx: &mut Tx,
    users: &[&ImportedUser],
) -> Result<HashMap<String, Option<Vec<u8>>>, StoreError> {
    const ALL: &str = "SELECT username_key, import_digest FROM users WHERE username_key = ANY($1)";
    const ONE: &str = "SELECT username_key, import_digest FROM users WHERE username_key = $1";
    let keys: Vec<String> = users.iter().map(|it| it.key.clone()).collect();
    let mut found = HashMap::new();
    if let OpenTransaction::Postgres(transaction, link) = &mut tx.open {
        for part in keys.chunks(ROWS) {
            let rows: Vec<(String, Option<Vec<u8>>)> =
                sqlx::query_as(ALL).bind(part).fetch_all(link.on(transaction)).await?;
            found.extend(rows);
        }
        return Ok(found);
    }
    for key in keys {
        let row: Option<(String, Option<Vec<u8>>)> = fetch_optional!(within tx, ONE, key)?;
        found.extend(row);
    }
    Ok(found)
}

/// Those of these users' verified addresses that are taken, by what they are compared by.
pub async fn taken_emails(tx: &mut Tx, users: &[&ImportedUser]) -> Result<HashSet<String>, StoreError> {
    const ALL: &str = "SELECT verified_email_key FROM users WHERE verified_email_key = ANY($1)";
    const ONE: &str = "SELECT verified_email_key FROM users WHERE verified_email_key = $1";
    let keys: Vec<&str> = users.iter().filter_map(|it| it.email_key.as_deref()).collect();
    let mut found = HashSet::new();
    if let OpenTransaction::Postgres(transaction, link) = &mut tx.open {
        for part in keys.chunks(ROWS) {
            let rows: Vec<(String,)> = sqlx::query_as(ALL).bind(part).fetch_all(link.on(transaction)).await?;
            found.extend(rows.into_iter().map(|(key,)| key));
        }
        return Ok(found);
    }
    for key in keys {
        let row: Option<(String,)> = fetch_optional!(within tx, ONE, key)?;
        found.extend(row.map(|(key,)| key));
    }
    Ok(found)
}

/// Those of these users' ids that are taken.
pub async fn taken_ids(tx: &mut Tx, users: &[&ImportedUser]) -> Result<HashSet<UserId>, StoreError> {
    const ALL: &str = "SELECT id FROM users WHERE id = ANY($1)";
    const ONE: &str = "SELECT id FROM users WHERE id = $1";
    let mut found = HashSet::new();
    let ids: Vec<Uuid> = users.iter().map(|it| it.user.id.0).collect();
    if let OpenTransaction::Postgres(transaction, link) = &mut tx.open {
        for part in ids.chunks(ROWS) {
            let rows: Vec<(Uuid,)> = sqlx::query_as(ALL).bind(part).fetch_all(link.on(transaction)).await?;
            found.extend(rows.into_iter().map(|(id,)| UserId(id)));
        }
        return Ok(found);
    }
    for id in ids {
        let row: Option<(Uuid,)> = fetch_optional!(within tx, ONE, id)?;
        found.extend(row.map(|(id,)| UserId(id)));
    }
    Ok(found)
}
