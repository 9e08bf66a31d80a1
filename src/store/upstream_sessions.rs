//! Which sign-in at a provider each sign-in here came from.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids::{SignInSessionId, UserId};
use crate::domain::secrets::SecretHash;
use crate::domain::upstream::UpstreamSubject;
use crate::store::{Db, StoreError, Tx, execute, fetch_all};

/// A sign-in here, and the one at a provider that it came from.
#[derive(Debug)]
pub struct UpstreamSession<'a> {
    pub id: Uuid,
    pub from: CameFrom<'a>,
    pub user: UserId,
    pub who: &'a UpstreamSubject,
    pub sid: Option<&'a str>,
    pub expires_at: DateTime<Utc>,
}

/// What came from there.
#[derive(Debug, Clone, Copy)]
pub enum CameFrom<'a> {
    SignIn(SignInSessionId),
    /// One that wants more, by its secret.
    Attempt(&'a SecretHash),
}

/// Notes where a sign-in came from: the last time counts.
pub async fn insert(tx: &mut Tx, it: &UpstreamSession<'_>) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO upstream_sessions \
         (id, sign_in_session, attempt_hash, user_id, issuer, subject, sid, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let (session, attempt) = match it.from {
        CameFrom::SignIn(session) => (Some(session), None),
        CameFrom::Attempt(attempt) => (None, Some(attempt.as_bytes())),
    };
    if let Some(session) = session {
        forget(tx, session).await?;
    }
    let UpstreamSession { id, user, who, sid, expires_at, .. } = it;
    execute!(within tx, SQL, *id, session.map(|it| it.0), attempt, user.0, &who.issuer, &who.subject, *sid,
        *expires_at)?;
    Ok(())
}

/// An attempt got all that it wanted: it is a sign-in by now. `false` when it did not come from a provider.
pub async fn settle(tx: &mut Tx, attempt: &SecretHash, session: SignInSessionId) -> Result<bool, StoreError> {
    const SQL: &str =
        "UPDATE upstream_sessions SET sign_in_session = $2, attempt_hash = NULL WHERE attempt_hash = $1";
    forget(tx, session).await?;
    Ok(execute!(within tx, SQL, attempt.as_bytes(), session.0)? > 0)
}

/// Up to `limit` sign-ins that came from a session at a provider, or from any of a user's there.
pub async fn of(
    db: &Db,
    issuer: &str,
    (subject, sid): (Option<&str>, Option<&str>),
    limit: i64,
) -> Result<Vec<(UserId, SignInSessionId)>, StoreError> {
    const BY_SID: &str = "SELECT user_id, sign_in_session FROM upstream_sessions \
         WHERE issuer = $1 AND sid = $2 AND ($3 IS NULL OR subject = $3) AND sign_in_session IS NOT NULL \
         ORDER BY id LIMIT $4";
    const BY_SUBJECT: &str = "SELECT user_id, sign_in_session FROM upstream_sessions \
         WHERE issuer = $1 AND subject = $2 AND sign_in_session IS NOT NULL ORDER BY id LIMIT $3";
    let rows: Vec<(Uuid, Uuid)> = match (subject, sid) {
        (subject, Some(sid)) => fetch_all!(on db, BY_SID, issuer, sid, subject, limit)?,
        (Some(subject), None) => fetch_all!(on db, BY_SUBJECT, issuer, subject, limit)?,
        (None, None) => Vec::new(),
    };
    Ok(rows.into_iter().map(|(user, session)| (UserId(user), SignInSessionId(session))).collect())
}

/// Forgets where a sign-in came from.
pub async fn forget(tx: &mut Tx, session: SignInSessionId) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM upstream_sessions WHERE sign_in_session = $1";
    execute!(within tx, SQL, session.0)?;
    Ok(())
}
