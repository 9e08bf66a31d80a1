//! Browsers on their way to a provider and back.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids::SignInSessionId;
use crate::domain::secrets::SecretHash;
use crate::domain::upstream::UpstreamAttempt;
use crate::store::row::{from_json, row, to_json};
use crate::store::{Db, StoreError, Tx, execute, fetch_optional};

row! {
    struct UpstreamAttemptRow {
        provider: String,
        asked: String,
        query: String,
        session: Option<Uuid>,
        identity: Option<String>,
        created_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    }
}

impl TryFrom<UpstreamAttemptRow> for UpstreamAttempt {
    type Error = StoreError;

    fn try_from(row: UpstreamAttemptRow) -> Result<Self, StoreError> {
        let corrupt = || StoreError::corrupt("upstream_attempts", &row.provider, "identity");
        let identity = row.identity.as_deref().map(|text| from_json(text).ok_or_else(corrupt)).transpose()?;
        Ok(Self {
            identity,
            provider: row.provider,
            asked: row.asked,
            query: row.query,
            session: row.session.map(SignInSessionId),
            created_at: row.created_at,
            expires_at: row.expires_at,
        })
    }
}

/// By which secret it is known, and in which browser.
#[derive(Debug, Clone)]
pub struct AttemptKey {
    pub secret: SecretHash,
    pub browser: SecretHash,
}

pub async fn insert(tx: &mut Tx, key: &AttemptKey, attempt: &UpstreamAttempt) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO upstream_attempts \
         (secret_hash, browser_hash, provider, asked, query, session, identity, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    execute!(within tx, SQL,
        key.secret.as_bytes(), key.browser.as_bytes(), &attempt.provider, &attempt.asked, &attempt.query,
        attempt.session.map(|session| session.0), attempt.identity.as_ref().map(to_json),
        attempt.created_at, attempt.expires_at)?;
    Ok(())
}

/// Uses one up that has not come back yet: `None` when it did before, never set out, or did so in another browser.
pub async fn take_returning(tx: &mut Tx, key: &AttemptKey) -> Result<Option<UpstreamAttempt>, StoreError> {
    const SQL: &str = "DELETE FROM upstream_attempts \
         WHERE secret_hash = $1 AND browser_hash = $2 AND identity IS NULL \
         RETURNING provider, asked, query, session, identity, created_at, expires_at";
    let row: Option<UpstreamAttemptRow> =
        fetch_optional!(within tx, SQL, key.secret.as_bytes(), key.browser.as_bytes())?;
    row.map(UpstreamAttempt::try_from).transpose()
}

/// One that came back with somebody who is not known here.
pub async fn find_arrived(db: &Db, key: &AttemptKey) -> Result<Option<UpstreamAttempt>, StoreError> {
    const SQL: &str = "SELECT provider, asked, query, session, identity, created_at, expires_at \
         FROM upstream_attempts WHERE secret_hash = $1 AND browser_hash = $2 AND identity IS NOT NULL";
    let row: Option<UpstreamAttemptRow> =
        fetch_optional!(on db, SQL, key.secret.as_bytes(), key.browser.as_bytes())?;
    row.map(UpstreamAttempt::try_from).transpose()
}

/// Uses such a one up: `false` when that was done before.
pub async fn spend_arrived(tx: &mut Tx, key: &AttemptKey) -> Result<bool, StoreError> {
    const SQL: &str =
        "DELETE FROM upstream_attempts WHERE secret_hash = $1 AND browser_hash = $2 AND identity IS NOT NULL";
    Ok(execute!(within tx, SQL, key.secret.as_bytes(), key.browser.as_bytes())? > 0)
}
