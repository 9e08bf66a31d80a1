//! Wishes for a mail that nobody has seen to yet.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::mailed_token::{MailRequest, MailedPurpose};
use crate::domain::secrets::SecretHash;
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, execute, fetch_optional};

row! {
    struct MailRequestRow {
        id: Uuid,
        purpose: String,
        typed: String,
        browser_hash: Option<Vec<u8>>,
        destination: Option<String>,
        language: String,
        user_agent: Option<String>,
        address: Option<String>,
        requested_at: DateTime<Utc>,
    }
}

/// Adds one: the whole work of whoever asks.
pub async fn insert(tx: &mut Tx, id: Uuid, it: &MailRequest) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO mail_requests \
         (id, purpose, typed, browser_hash, destination, language, user_agent, address, requested_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    execute!(within tx, SQL,
        id, it.purpose.as_str(), &it.typed, it.browser.as_ref().map(SecretHash::as_bytes), &it.destination,
        &it.language, &it.user_agent, &it.address, it.requested_at)?;
    Ok(())
}

/// The first one. What a newer release has written, and this one cannot read, has no request in it.
pub async fn first(db: &Db) -> Result<Option<(Uuid, Option<MailRequest>)>, StoreError> {
    const SQL: &str = "SELECT id, purpose, typed, browser_hash, destination, language, user_agent, address, \
         requested_at FROM mail_requests ORDER BY id LIMIT 1";
    let row: Option<MailRequestRow> = fetch_optional!(on db, SQL)?;
    Ok(row.map(|row| {
        let request = MailedPurpose::named(&row.purpose).map(|purpose| MailRequest {
            purpose,
            typed: row.typed,
            browser: row.browser_hash.as_deref().and_then(SecretHash::from_stored),
            destination: row.destination,
            language: row.language,
            user_agent: row.user_agent,
            address: row.address,
            requested_at: row.requested_at,
        });
        (row.id, request)
    }))
}

/// Takes one away: `false` when somebody else has.
pub async fn take(tx: &mut Tx, id: Uuid) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM mail_requests WHERE id = $1";
    Ok(execute!(within tx, SQL, id)? > 0)
}
