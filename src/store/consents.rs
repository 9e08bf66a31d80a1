//! Consents: what users agreed that clients may have.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::client::Client;
use crate::domain::ids::{ClientId, UserId};
use crate::domain::sign_in::{Consent, GivenConsent};
use crate::store::row::{from_json, row, to_json};
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional};

row! {
    struct ConsentRow {
        scope: String,
        audiences: String,
    }
}

/// What a user agreed to, if anything. What was agreed to before the client became another one does not count.
pub async fn find(db: &Db, user: UserId, client: &Client) -> Result<Option<Consent>, StoreError> {
    const SQL: &str = "SELECT scope, audiences FROM consents \
         WHERE user_id = $1 AND client_id = $2 AND client_identity = $3";
    let row: Option<ConsentRow> = fetch_optional!(on db, SQL, user.0, client.id.as_str(), client.identity)?;
    row.map(|row| consent(user, &row.scope, &row.audiences)).transpose()
}

fn consent(user: UserId, scope: &str, audiences: &str) -> Result<Consent, StoreError> {
    let corrupt = |what| move || StoreError::corrupt("consents", user, what);
    Ok(Consent {
        scope: scope.parse().map_err(|_| corrupt("scope")())?,
        audiences: from_json(audiences).ok_or_else(corrupt("audiences"))?,
    })
}

row! {
    struct GivenConsentRow {
        client_id: String,
        client_identity: i64,
        scope: String,
        audiences: String,
        granted_at: DateTime<Utc>,
    }
}

/// Up to `limit` things that a user agreed to, by client: those after another client, or the first.
pub async fn of_user(
    db: &Db,
    user: UserId,
    after: Option<&ClientId>,
    limit: u32,
) -> Result<Vec<GivenConsent>, StoreError> {
    const SQL: &str = "SELECT client_id, client_identity, scope, audiences, granted_at FROM consents \
         WHERE user_id = $1 AND client_id > $2 ORDER BY client_id LIMIT $3";
    let after = after.map(ClientId::as_str).unwrap_or_default();
    let rows: Vec<GivenConsentRow> = fetch_all!(on db, SQL, user.0, after, i64::from(limit))?;
    let given = |row: GivenConsentRow| {
        let corrupt = |_| StoreError::corrupt("consents", user, "client_id");
        Ok(GivenConsent {
            client: row.client_id.parse().map_err(corrupt)?,
            identity: row.client_identity,
            consent: consent(user, &row.scope, &row.audiences)?,
            at: row.granted_at,
        })
    };
    rows.into_iter().map(given).collect()
}

/// Forgets what a user agreed to, and the codes that came of it and nobody used yet, a device's too, in the transaction
/// that touched the user's row. `false` when there was no consent.
pub async fn delete(tx: &mut Tx, user: UserId, client: &ClientId) -> Result<bool, StoreError> {
    const CONSENT: &str = "DELETE FROM consents WHERE user_id = $1 AND client_id = $2";
    const CODES: &str =
        "DELETE FROM authorization_codes WHERE user_id = $1 AND client_id = $2 AND family_id IS NULL";
    const DEVICES: &str = "DELETE FROM device_codes \
         WHERE user_id = $1 AND client_id = $2 AND decision = 'allowed' AND family_id IS NULL";
    let run = async |tx: &mut Tx, sql: &'static str| execute!(within tx, sql, user.0, client.as_str());
    let deleted = run(tx, CONSENT).await?;
    for sql in [CODES, DEVICES] {
        run(tx, sql).await?;
    }
    Ok(deleted > 0)
}

/// Takes the lock of a consent's row, which whoever withdraws it takes, too. `false` when there is none (any more).
pub async fn touch(tx: &mut Tx, user: UserId, client: &Client) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE consents SET granted_at = granted_at \
         WHERE user_id = $1 AND client_id = $2 AND client_identity = $3";
    Ok(execute!(within tx, SQL, user.0, client.id.as_str(), client.identity)? > 0)
}

/// Whether anybody agreed, before a time, to what a client asks for as it is.
pub async fn is_any_before(db: &Db, client: &Client, at: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT user_id FROM consents \
         WHERE client_id = $1 AND client_identity = $2 AND granted_at < $3 LIMIT 1";
    let row: Option<(Uuid,)> = fetch_optional!(on db, SQL, client.id.as_str(), client.identity, at)?;
    Ok(row.is_some())
}

/// Deletes up to `limit` consents that were given to a removed client; gives how many.
pub async fn delete_some_of_client(db: &Db, client: &ClientId, limit: i64) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM consents WHERE client_id = $1 AND user_id IN \
         (SELECT user_id FROM consents WHERE client_id = $1 ORDER BY user_id LIMIT $2)";
    Ok(execute!(on db, SQL, client.as_str(), limit)?)
}

/// Remembers what a user agreed to, in the place of what was remembered.
pub async fn put(
    tx: &mut Tx,
    user: UserId,
    client: &Client,
    consent: &Consent,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO consents (user_id, client_id, client_identity, scope, audiences, granted_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id, client_id) DO UPDATE \
         SET client_identity = excluded.client_identity, scope = excluded.scope, audiences = excluded.audiences, \
         granted_at = excluded.granted_at";
    execute!(within tx, SQL, user.0, client.id.as_str(), client.identity, consent.scope.to_string(),
        to_json(&consent.audiences), now)?;
    Ok(())
}
