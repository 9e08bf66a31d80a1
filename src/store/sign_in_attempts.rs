//! Sign-ins that have begun and want more.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::authentication::Authentication;
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::{SignInSessionId, UserId};
use crate::domain::second_factor::SignInAttempt;
use crate::domain::secrets::SecretHash;
use crate::store::row::{from_json, row, to_json};
use crate::store::{Db, StoreError, Tx, execute, fetch_optional};

row! {
    struct AttemptRow {
        secret_hash: Vec<u8>,
        user_id: Option<Uuid>,
        auth_time: DateTime<Utc>,
        amr: String,
        sign_in_session: Option<Uuid>,
        user_agent: Option<String>,
        address: Option<String>,
        login: Option<String>,
        ceremony: Option<Vec<u8>>,
        expires_at: DateTime<Utc>,
    }
}

impl TryFrom<AttemptRow> for SignInAttempt {
    type Error = StoreError;

    fn try_from(row: AttemptRow) -> Result<Self, StoreError> {
        let corrupt = |what| StoreError::corrupt("sign_in_attempts", "", what);
        let shown = match row.user_id {
            Some(user) => {
                let methods = from_json(&row.amr).ok_or_else(|| corrupt("amr"))?;
                let sign_in_session = row.sign_in_session.map(SignInSessionId);
                Some(Authentication {
                    sign_in_session,
                    ..Authentication::by(UserId(user), row.auth_time, methods)
                })
            }
            None => None,
        };
        Ok(Self {
            secret_hash: SecretHash::from_stored(&row.secret_hash).ok_or_else(|| corrupt("secret_hash"))?,
            shown,
            agent: UserAgentInfo { name: None, user_agent: row.user_agent, address: row.address },
            login: row.login,
            ceremony: row.ceremony,
            expires_at: row.expires_at,
        })
    }
}

/// Adds an attempt that begins `now`.
pub async fn insert(tx: &mut Tx, attempt: &SignInAttempt, now: DateTime<Utc>) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO sign_in_attempts \
         (secret_hash, user_id, auth_time, amr, sign_in_session, user_agent, address, login, ceremony, tries, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10)";
    let shown = attempt.shown.as_ref();
    let methods = shown.map(|it| it.methods.as_slice()).unwrap_or_default();
    let session = shown.and_then(|it| it.sign_in_session);
    execute!(within tx, SQL,
        attempt.secret_hash.as_bytes(), shown.map(|it| it.user.0), shown.map_or(now, |it| it.at), to_json(&methods),
        session.map(|it| it.0), &attempt.agent.user_agent, &attempt.agent.address, &attempt.login, &attempt.ceremony,
        attempt.expires_at)?;
    Ok(())
}

/// The live one of a secret, at which nothing wrong was shown `most` times.
pub async fn find_live(
    db: &Db,
    secret: &SecretHash,
    most: i64,
    now: DateTime<Utc>,
) -> Result<Option<SignInAttempt>, StoreError> {
    const SQL: &str = "SELECT secret_hash, user_id, auth_time, amr, sign_in_session, user_agent, address, \
         login, ceremony, expires_at \
         FROM sign_in_attempts WHERE secret_hash = $1 AND tries < $2 AND expires_at > $3";
    let row: Option<AttemptRow> = fetch_optional!(on db, SQL, secret.as_bytes(), most, now)?;
    row.map(SignInAttempt::try_from).transpose()
}

/// Counts that something wrong was shown.
pub async fn count_try(db: &Db, secret: &SecretHash) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE sign_in_attempts SET tries = tries + 1 WHERE secret_hash = $1";
    execute!(on db, SQL, secret.as_bytes())?;
    Ok(())
}

/// Keeps what a ceremony has to remember; `false` when the attempt is over.
pub async fn set_ceremony(
    tx: &mut Tx,
    secret: &SecretHash,
    sealed: &[u8],
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE sign_in_attempts SET ceremony = $2 WHERE secret_hash = $1 AND expires_at > $3";
    Ok(execute!(within tx, SQL, secret.as_bytes(), sealed, now)? > 0)
}

/// Uses an attempt up: `false` when it was used before, or has expired.
pub async fn spend(tx: &mut Tx, secret: &SecretHash, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM sign_in_attempts WHERE secret_hash = $1 AND expires_at > $2";
    Ok(execute!(within tx, SQL, secret.as_bytes(), now)? > 0)
}

/// Ends those of a user, in the transaction that touched the user's row: what they rest on is good no more.
pub async fn end_of_user(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM sign_in_attempts WHERE user_id = $1";
    execute!(within tx, SQL, user.0)?;
    Ok(())
}
