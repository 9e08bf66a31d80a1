//! Sign-in sessions: the browsers in which users are signed in.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::authentication::Authentication;
use crate::domain::event::Event;
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::{SignInSessionId, UserId};
use crate::domain::secrets::SecretHash;
use crate::domain::sign_in::SignInSession;
use crate::store::row::{from_json, row, to_json};
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional};

row! {
    struct SessionRow {
        id: Uuid,
        user_id: Uuid,
        auth_time: DateTime<Utc>,
        amr: String,
        acr: Option<String>,
        user_agent: Option<String>,
        address: Option<String>,
        created_at: DateTime<Utc>,
        last_used_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    }
}

impl TryFrom<SessionRow> for SignInSession {
    type Error = StoreError;

    fn try_from(row: SessionRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: SignInSessionId(row.id),
            authentication: Authentication {
                user: UserId(row.user_id),
                at: row.auth_time,
                methods: from_json(&row.amr)
                    .ok_or_else(|| StoreError::corrupt("sign_in_sessions", row.id, "amr"))?,
                acr: row.acr,
                sign_in_session: Some(SignInSessionId(row.id)),
            },
            agent: UserAgentInfo { name: None, user_agent: row.user_agent, address: row.address },
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
        })
    }
}

/// Adds a session, within the transaction that touched its user's row.
pub async fn insert(tx: &mut Tx, session: &SignInSession, secret: &SecretHash) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO sign_in_sessions \
         (id, secret_hash, user_id, auth_time, amr, acr, user_agent, address, created_at, last_used_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let who = &session.authentication;
    execute!(within tx, SQL,
        session.id.0, secret.as_bytes(), who.user.0, who.at, to_json(&who.methods), &who.acr, &session.agent.user_agent, &session.agent.address, session.created_at,
        session.last_used_at, session.expires_at)?;
    Ok(())
}

/// Finds the session of a cookie's secret, whether it still counts or not.
pub async fn find(db: &Db, secret: &SecretHash) -> Result<Option<SignInSession>, StoreError> {
    const SQL: &str = "SELECT id, user_id, auth_time, amr, acr, user_agent, address, created_at, last_used_at, \
         expires_at FROM sign_in_sessions WHERE secret_hash = $1";
    let row: Option<SessionRow> = fetch_optional!(on db, SQL, secret.as_bytes())?;
    row.map(SignInSession::try_from).transpose()
}

/// Up to `limit` of a user's sessions, whether they still count or not, those that were used last first.
pub async fn of_user(db: &Db, user: UserId, limit: u32) -> Result<Vec<SignInSession>, StoreError> {
    const SQL: &str = "SELECT id, user_id, auth_time, amr, acr, user_agent, address, created_at, last_used_at, \
         expires_at FROM sign_in_sessions WHERE user_id = $1 ORDER BY last_used_at DESC, id DESC LIMIT $2";
    let rows: Vec<SessionRow> = fetch_all!(on db, SQL, user.0, i64::from(limit))?;
    rows.into_iter().map(SignInSession::try_from).collect()
}

/// When a session ends at the latest; `None` when it has ended, or goes on as another.
pub async fn expires_at(tx: &mut Tx, id: SignInSessionId) -> Result<Option<DateTime<Utc>>, StoreError> {
    const SQL: &str = "SELECT expires_at FROM sign_in_sessions WHERE id = $1";
    let row: Option<(DateTime<Utc>,)> = fetch_optional!(within tx, SQL, id.0)?;
    Ok(row.map(|(at,)| at))
}

/// Notes that a session let its user in. `false` when it has ended meanwhile.
pub async fn touch(tx: &mut Tx, id: SignInSessionId, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE sign_in_sessions SET last_used_at = $2 WHERE id = $1";
    Ok(execute!(within tx, SQL, id.0, now)? > 0)
}

/// Lets a session go on under another secret, as its user has just proved again to be this user. `false` when it has
/// ended meanwhile.
pub async fn renew(
    tx: &mut Tx,
    id: SignInSessionId,
    (secret, auth_time): (&SecretHash, DateTime<Utc>),
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    const SQL: &str =
        "UPDATE sign_in_sessions SET secret_hash = $2, auth_time = $3, last_used_at = $4 WHERE id = $1";
    Ok(execute!(within tx, SQL, id.0, secret.as_bytes(), auth_time, now)? > 0)
}

/// The same where more was shown than before.
pub async fn renew_with(
    tx: &mut Tx,
    id: SignInSessionId,
    (secret, shown): (&SecretHash, &Authentication),
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE sign_in_sessions SET secret_hash = $2, auth_time = $3, amr = $4, acr = $5, \
         last_used_at = $6 WHERE id = $1";
    execute!(within tx, SQL, id.0, secret.as_bytes(), shown.at, to_json(&shown.methods), &shown.acr, now)?;
    Ok(())
}

/// Takes a session's row away: the same one goes on under another secret.
pub async fn delete(tx: &mut Tx, id: SignInSessionId) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM sign_in_sessions WHERE id = $1";
    execute!(within tx, SQL, id.0)?;
    Ok(())
}

/// Ends one session of a user, and the codes that it gave or let in and nobody used yet, in the transaction that
/// touched the user's row.
pub async fn end(tx: &mut Tx, user: UserId, id: SignInSessionId) -> Result<(), StoreError> {
    const SESSION: &str = "DELETE FROM sign_in_sessions WHERE user_id = $1 AND id = $2";
    const CODES: &str =
        "DELETE FROM authorization_codes WHERE user_id = $1 AND sign_in_session = $2 AND family_id IS NULL";
    const DEVICES: &str =
        "DELETE FROM device_codes WHERE user_id = $1 AND sign_in_session = $2 AND family_id IS NULL";
    let run = async |tx: &mut Tx, sql: &'static str| execute!(within tx, sql, user.0, id.0);
    if run(tx, SESSION).await? > 0 {
        tx.record(Event::SignInEnded { session: id, user });
    }
    for sql in [CODES, DEVICES] {
        run(tx, sql).await?;
    }
    Ok(())
}

/// Ends up to `limit` of a user's sessions that began by `until`, all but `spared`, in the transaction that touched the
/// user's row. Gives how many it ended.
pub async fn end_some_of_user(
    tx: &mut Tx,
    user: UserId,
    spared: Option<SignInSessionId>,
    until: Option<DateTime<Utc>>,
    limit: u32,
) -> Result<u32, StoreError> {
    const SQL: &str = "DELETE FROM sign_in_sessions WHERE id IN (SELECT id FROM sign_in_sessions \
         WHERE user_id = $1 AND ($2 IS NULL OR id <> $2) AND ($3 IS NULL OR created_at <= $3) \
         ORDER BY id DESC LIMIT $4) RETURNING id";
    let spared = spared.map(|session| session.0);
    let ended: Vec<(Uuid,)> = fetch_all!(within tx, SQL, user.0, spared, until, i64::from(limit))?;
    let count = u32::try_from(ended.len()).unwrap_or(u32::MAX);
    for (session,) in ended {
        tx.record(Event::SignInEnded { session: SignInSessionId(session), user });
    }
    Ok(count)
}

/// Ends up to `most` of a user's sessions beyond the `most` that were used last.
pub async fn end_beyond(tx: &mut Tx, user: UserId, most: u32) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM sign_in_sessions WHERE id IN (SELECT id FROM sign_in_sessions \
         WHERE user_id = $1 ORDER BY last_used_at DESC, id DESC LIMIT $2 OFFSET $2) RETURNING id";
    let ended: Vec<(Uuid,)> = fetch_all!(within tx, SQL, user.0, i64::from(most))?;
    for (session,) in ended {
        tx.record(Event::SignInEnded { session: SignInSessionId(session), user });
    }
    Ok(())
}

/// Forgets the codes that a user's sessions gave, or that apps were given, and nobody used yet, all but those of
/// `spared`.
pub async fn forget_codes_of_user(
    tx: &mut Tx,
    user: UserId,
    spared: Option<SignInSessionId>,
) -> Result<(), StoreError> {
    const CODES: &str = "DELETE FROM authorization_codes WHERE user_id = $1 AND family_id IS NULL \
         AND ($2 IS NULL OR sign_in_session IS NULL OR sign_in_session <> $2)";
    const DEVICES: &str = "DELETE FROM device_codes \
         WHERE user_id = $1 AND family_id IS NULL AND ($2 IS NULL OR sign_in_session <> $2)";
    for sql in [CODES, DEVICES] {
        execute!(within tx, sql, user.0, spared.map(|session| session.0))?;
    }
    Ok(())
}
