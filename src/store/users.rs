//! Users. Whatever begins or ends a user's families touches the user's row first, in its own transaction: the row is
//! where a login and a disabling wait for each other.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::crypto::foreign_cost::ForeignKind;
use crate::crypto::password_hash::PasswordHash;
use crate::domain::ids::{FamilyId, UserId};
use crate::domain::standard_claims::StandardClaims;
use crate::domain::user::{User, Username, email_key};
use crate::store::row::{from_json, row, to_json};
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional};

/// A user with what the password is checked against, if there is one.
#[derive(Debug, Clone)]
pub struct StoredUser {
    pub user: User,
    pub password_hash: Option<PasswordHash>,
}

macro_rules! columns {
    () => {
        "id, username, email, email_verified, claims, password_hash, roles, created_at, last_login_at, disabled_at"
    };
}

pub mod listing;

row! {
    struct UserRow {
        id: Uuid,
        username: String,
        email: Option<String>,
        email_verified: bool,
        claims: String,
        password_hash: String,
        roles: String,
        created_at: DateTime<Utc>,
        last_login_at: Option<DateTime<Utc>>,
        disabled_at: Option<DateTime<Utc>>,
    }
}

impl TryFrom<UserRow> for StoredUser {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        let corrupt = |what| move || StoreError::corrupt("users", row.id, what);
        let user = User {
            id: UserId(row.id),
            username: row.username.parse().map_err(|_| corrupt("username")())?,
            email: row.email,
            email_verified: row.email_verified,
            claims: from_json(&row.claims).ok_or_else(corrupt("claims"))?,
            roles: from_json(&row.roles).ok_or_else(corrupt("roles"))?,
            created_at: row.created_at,
            last_login_at: row.last_login_at,
            disabled_at: row.disabled_at,
        };
        Ok(Self { user, password_hash: PasswordHash::of_account(row.password_hash) })
    }
}

/// Adds a user, with or without a password.
///
/// # Errors
/// [`StoreError::Exists`] when the name is taken, in whatever case, or the verified address is.
pub async fn insert(
    tx: &mut Tx,
    user: &User,
    password_hash: Option<&PasswordHash>,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO users \
         (id, username, username_key, email, email_verified, verified_email_key, claims, password_hash, \
         password_cost, roles, created_at, changed_at, disabled_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12)";
    execute!(within tx, SQL,
        user.id.0, user.username.as_str(), user.username.key(), &user.email, user.email_verified,
        user.verified_email_key(), to_json(&user.claims), PasswordHash::text_of_account(password_hash),
        password_hash.and_then(PasswordHash::cost), to_json(&user.roles), user.created_at, user.disabled_at)?;
    Ok(())
}

/// Finds a user by name, whatever its case.
pub async fn find_by_name(db: &Db, name: &Username) -> Result<Option<User>, StoreError> {
    Ok(find_stored_by_name(db, name).await?.map(|stored| stored.user))
}

/// Finds a user by name, whatever its case, with the password's hash: the one of exactly this name, or else of what it
/// means.
pub async fn find_stored_by_name(db: &Db, name: &Username) -> Result<Option<StoredUser>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE username_key IN ($1, $2) ORDER BY CASE WHEN username_key = $1 THEN 0 ELSE 1 END LIMIT 1"
    );
    let row: Option<UserRow> = fetch_optional!(on db, SQL, name.key(), name.meant_key())?;
    row.map(StoredUser::try_from).transpose()
}

/// Finds a user by what is typed to sign in: a name, as [`find_stored_by_name`] does, or else a verified address. It is
/// the same statement for both, and for what is nobody's.
pub async fn find_stored_by_login(db: &Db, typed: &Username) -> Result<Option<StoredUser>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE username_key IN ($1, $2) OR verified_email_key = $3 \
         ORDER BY CASE username_key WHEN $1 THEN 0 WHEN $2 THEN 1 ELSE 2 END LIMIT 1"
    );
    let (name, meant, address) = (typed.key(), typed.meant_key(), typed.as_email_key());
    let row: Option<UserRow> = fetch_optional!(on db, SQL, &name, &meant, &address)?;
    let Some(found) = row.map(StoredUser::try_from).transpose()? else { return Ok(None) };
    let found_name = found.user.username.key();
    let is_named = found_name == name || found_name == meant;
    Ok(Some(found).filter(|found| is_named || found.user.verified_email_key() == address))
}

/// Finds the user whose verified address this is.
pub async fn find_stored_by_email(db: &Db, key: &str) -> Result<Option<StoredUser>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM users WHERE verified_email_key = $1");
    let row: Option<UserRow> = fetch_optional!(on db, SQL, key)?;
    let found = row.map(StoredUser::try_from).transpose()?;
    // A replica of an older release changes the address alone.
    Ok(found.filter(|found| found.user.verified_email_key().as_deref() == Some(key)))
}

const BY_ID: &str = concat!("SELECT ", columns!(), " FROM users WHERE id = $1");

/// Finds a user by id.
pub async fn find(db: &Db, id: UserId) -> Result<Option<User>, StoreError> {
    Ok(find_stored(db, id).await?.map(|stored| stored.user))
}

/// The same within a transaction.
pub async fn find_within(tx: &mut Tx, id: UserId) -> Result<Option<User>, StoreError> {
    let row: Option<UserRow> = fetch_optional!(within tx, BY_ID, id.0)?;
    Ok(row.map(StoredUser::try_from).transpose()?.map(|stored| stored.user))
}

/// Finds a user by id, with the password's hash.
pub async fn find_stored(db: &Db, id: UserId) -> Result<Option<StoredUser>, StoreError> {
    let row: Option<UserRow> = fetch_optional!(on db, BY_ID, id.0)?;
    row.map(StoredUser::try_from).transpose()
}

/// Up to `limit` users who have a family that did not end, or are signed in somewhere: those with ids above `after`.
/// Citus joins what is in parts with nothing that is whole on each server, so each is asked for by itself.
pub async fn logged_in(db: &Db, after: UserId, limit: i64) -> Result<Vec<UserId>, StoreError> {
    const WITH_FAMILY: &str = "SELECT DISTINCT user_id FROM families WHERE user_id > $1 AND ended_at IS NULL \
         ORDER BY user_id LIMIT $2";
    const SIGNED_IN: &str =
        "SELECT DISTINCT user_id FROM sign_in_sessions WHERE user_id > $1 ORDER BY user_id LIMIT $2";
    let mut rows: Vec<(Uuid,)> = fetch_all!(on db, WITH_FAMILY, after.0, limit)?;
    let signed_in: Vec<(Uuid,)> = fetch_all!(on db, SIGNED_IN, after.0, limit)?;
    rows.extend(signed_in);
    rows.sort_unstable();
    rows.dedup();
    rows.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(rows.into_iter().map(|(id,)| UserId(id)).collect())
}

/// The names of those who have families with ids from one to another.
pub async fn names_by_families(
    db: &Db,
    (from, to): (FamilyId, FamilyId),
) -> Result<HashMap<UserId, String>, StoreError> {
    const SQL: &str = "SELECT id, username FROM users \
         WHERE id IN (SELECT user_id FROM families WHERE id >= $1 AND id <= $2)";
    let rows: Vec<(Uuid, String)> = fetch_all!(on db, SQL, from.0, to.0)?;
    Ok(rows.into_iter().map(|(id, name)| (UserId(id), name)).collect())
}

/// The stored hashes that cost most, one of each kind that there is, by indexes.
pub async fn dearest_hashes(db: &Db) -> Result<Vec<PasswordHash>, StoreError> {
    const ARGON2: &str = "SELECT password_hash FROM users \
         WHERE password_cost = (SELECT MAX(password_cost) FROM users) LIMIT 1";
    const FOREIGN: &str = "SELECT password_hash FROM users \
         WHERE foreign_kind = $1 ORDER BY foreign_kind DESC, foreign_cost DESC LIMIT 1";
    let row: Option<(String,)> = fetch_optional!(on db, ARGON2)?;
    let mut dearest: Vec<_> = row.into_iter().collect();
    for kind in ForeignKind::ALL {
        let row: Option<(String,)> = fetch_optional!(on db, FOREIGN, kind.as_str())?;
        dearest.extend(row);
    }
    Ok(dearest.into_iter().map(|(hash,)| PasswordHash::from_stored(hash)).collect())
}

/// Up to `limit` users, by what their names are compared by: those after this, or the first.
pub async fn list(db: &Db, after: Option<&str>, limit: i64) -> Result<Vec<User>, StoreError> {
    Ok(list_stored(db, after, limit).await?.into_iter().map(|stored| stored.user).collect())
}

/// The same with their passwords' hashes.
pub async fn list_stored(db: &Db, after: Option<&str>, limit: i64) -> Result<Vec<StoredUser>, StoreError> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM users WHERE username_key > $1 ORDER BY username_key LIMIT $2");
    let rows: Vec<UserRow> = fetch_all!(on db, SQL, after.unwrap_or_default(), limit)?;
    rows.into_iter().map(StoredUser::try_from).collect()
}

/// A user's row whose lock a login has taken.
#[derive(Debug)]
pub struct LockedUser {
    /// As of now.
    pub roles: Vec<String>,
    pub password_hash: Option<PasswordHash>,
}

/// A login takes the row's lock: `None` when the user was disabled or removed.
pub async fn lock_for_login(
    tx: &mut Tx,
    id: UserId,
    now: DateTime<Utc>,
) -> Result<Option<LockedUser>, StoreError> {
    const SQL: &str = "UPDATE users SET last_login_at = $2 WHERE id = $1 AND disabled_at IS NULL \
         RETURNING roles, password_hash";
    let row: Option<(String, String)> = fetch_optional!(within tx, SQL, id.0, now)?;
    let Some((roles, hash)) = row else { return Ok(None) };
    let corrupt = |what| StoreError::corrupt("users", id, what);
    Ok(Some(LockedUser {
        roles: from_json(&roles).ok_or_else(|| corrupt("roles"))?,
        password_hash: PasswordHash::of_account(hash),
    }))
}

/// The beginning of a family from a sign-in session takes the row's lock too: `None` when the user was disabled or
/// removed since. Gives the user's roles as of now.
pub async fn touch_enabled(
    tx: &mut Tx,
    id: UserId,
    now: DateTime<Utc>,
) -> Result<Option<Vec<String>>, StoreError> {
    const SQL: &str =
        "UPDATE users SET changed_at = $2 WHERE id = $1 AND disabled_at IS NULL RETURNING roles";
    let row: Option<(String,)> = fetch_optional!(within tx, SQL, id.0, now)?;
    let Some((roles,)) = row else { return Ok(None) };
    from_json(&roles).map(Some).ok_or_else(|| StoreError::corrupt("users", id, "roles"))
}

/// Takes the row's lock, so that no login slips in while the user's families are ended. `false` when there is none.
pub async fn touch(tx: &mut Tx, id: UserId, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE users SET changed_at = $2 WHERE id = $1";
    Ok(execute!(within tx, SQL, id.0, now)? > 0)
}

/// Whether a user has a password, in the transaction that touched the user's row.
pub async fn has_password_within(tx: &mut Tx, id: UserId) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT password_hash FROM users WHERE id = $1";
    let row: Option<(String,)> = fetch_optional!(within tx, SQL, id.0)?;
    Ok(row.is_some_and(|(hash,)| PasswordHash::of_account(hash).is_some()))
}

/// Stores a new password.
pub async fn set_password(tx: &mut Tx, id: UserId, hash: &PasswordHash) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE users \
         SET password_hash = $2, password_cost = $3, foreign_kind = NULL, foreign_cost = NULL WHERE id = $1";
    execute!(within tx, SQL, id.0, hash.as_str(), hash.cost())?;
    Ok(())
}

/// Stores a new password in the place of the one that is known, if any: `false` when that changed since, or the user
/// was disabled or removed.
pub async fn replace_password(
    tx: &mut Tx,
    known: &StoredUser,
    hash: &PasswordHash,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE users SET password_hash = $3, password_cost = $4, changed_at = $5, \
         foreign_kind = NULL, foreign_cost = NULL \
         WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL";
    let before = PasswordHash::text_of_account(known.password_hash.as_ref());
    Ok(execute!(within tx, SQL, known.user.id.0, before, hash.as_str(), hash.cost(), now)? > 0)
}

/// Takes the row's lock and gives what is there now: `None` when the user is disabled or removed.
pub async fn lock_stored(
    tx: &mut Tx,
    id: UserId,
    now: DateTime<Utc>,
) -> Result<Option<StoredUser>, StoreError> {
    const SQL: &str = concat!(
        "UPDATE users SET changed_at = $2 WHERE id = $1 AND disabled_at IS NULL RETURNING ",
        columns!()
    );
    let row: Option<UserRow> = fetch_optional!(within tx, SQL, id.0, now)?;
    row.map(StoredUser::try_from).transpose()
}

/// Stores what apps may be told of the user.
///
/// # Errors
/// [`StoreError::Exists`] when the verified address is another user's.
pub async fn set_details(
    tx: &mut Tx,
    id: UserId,
    (email, email_verified): (Option<&str>, bool),
    claims: &StandardClaims,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE users \
         SET email = $2, email_verified = $3, verified_email_key = $4, claims = $5 WHERE id = $1";
    let key = email.filter(|_| email_verified).map(email_key);
    execute!(within tx, SQL, id.0, email, email_verified, key, to_json(claims))?;
    Ok(())
}

/// Up to `limit` users whose address is marked as verified and was never compared with the others', the oldest first.
pub async fn unsettled_emails(db: &Db, limit: i64) -> Result<Vec<(UserId, Option<String>)>, StoreError> {
    const SQL: &str = "SELECT id, email FROM users WHERE email_verified AND verified_email_key IS NULL \
         ORDER BY created_at, id LIMIT $1";
    let rows: Vec<(Uuid, Option<String>)> = fetch_all!(on db, SQL, limit)?;
    Ok(rows.into_iter().map(|(id, email)| (UserId(id), email)).collect())
}

/// Gives such a user the address, unless it is another one's or was changed since.
pub async fn settle_email(tx: &mut Tx, id: UserId, email: &str) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE users SET verified_email_key = $3 \
         WHERE id = $1 AND email = $2 AND email_verified AND verified_email_key IS NULL \
         AND NOT EXISTS (SELECT 1 FROM users WHERE verified_email_key = $3)";
    Ok(execute!(within tx, SQL, id.0, email, email_key(email))? > 0)
}

/// Takes the mark from such a user: another one has the address.
pub async fn unmark_email(tx: &mut Tx, id: UserId) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE users SET email_verified = FALSE \
         WHERE id = $1 AND email_verified AND verified_email_key IS NULL";
    Ok(execute!(within tx, SQL, id.0)? > 0)
}

/// Stores another name.
///
/// # Errors
/// [`StoreError::Exists`] when it is another user's.
pub async fn rename(tx: &mut Tx, id: UserId, name: &Username) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE users SET username = $2, username_key = $3 WHERE id = $1";
    execute!(within tx, SQL, id.0, name.as_str(), name.key())?;
    Ok(())
}

/// Stores new roles.
pub async fn set_roles(tx: &mut Tx, id: UserId, roles: &[String]) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE users SET roles = $2 WHERE id = $1";
    execute!(within tx, SQL, id.0, to_json(&roles))?;
    Ok(())
}

/// Disables (since when) or enables (`None`).
pub async fn set_disabled(tx: &mut Tx, id: UserId, since: Option<DateTime<Utc>>) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE users SET disabled_at = $2 WHERE id = $1";
    execute!(within tx, SQL, id.0, since)?;
    Ok(())
}

/// Removes the account.
pub async fn delete(tx: &mut Tx, id: UserId) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM users WHERE id = $1";
    execute!(within tx, SQL, id.0)?;
    Ok(())
}
