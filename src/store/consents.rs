//! Consents: what users agreed that clients may have.

use chrono::{DateTime, Utc};

use crate::domain::ids::{ClientId, UserId};
use crate::domain::sign_in::Consent;
use crate::store::row::{from_json, row, to_json};
use crate::store::{Db, StoreError, on};

row! {
    struct ConsentRow {
        scope: String,
        audiences: String,
    }
}

/// What a user agreed to, if anything.
///
/// # Errors
/// [`StoreError`].
pub async fn find(db: &Db, user: UserId, client: &ClientId) -> Result<Option<Consent>, StoreError> {
    const SQL: &str = "SELECT scope, audiences FROM consents WHERE user_id = $1 AND client_id = $2";
    let row: Option<ConsentRow> = on!(db, conn => sqlx::query_as(SQL)
        .bind(user.0).bind(client.as_str()).fetch_optional(conn).await)?;
    let Some(row) = row else { return Ok(None) };
    let corrupt = |what| move || StoreError::corrupt("consents", user, what);
    Ok(Some(Consent {
        scope: row.scope.parse().map_err(|_| corrupt("scope")())?,
        audiences: from_json(&row.audiences).ok_or_else(corrupt("audiences"))?,
    }))
}

/// Remembers what a user agreed to, in the place of what was remembered.
///
/// # Errors
/// [`StoreError`].
pub async fn put(
    db: &Db,
    user: UserId,
    client: &ClientId,
    consent: &Consent,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO consents (user_id, client_id, scope, audiences, granted_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id, client_id) DO UPDATE \
         SET scope = excluded.scope, audiences = excluded.audiences, granted_at = excluded.granted_at";
    on!(db, conn => sqlx::query(SQL)
        .bind(user.0)
        .bind(client.as_str())
        .bind(consent.scope.to_string())
        .bind(to_json(&consent.audiences))
        .bind(now)
        .execute(conn).await.map(|_| ()))?;
    Ok(())
}
