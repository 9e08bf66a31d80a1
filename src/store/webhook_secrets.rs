//! What the messages of webhooks are signed with, sealed.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids::WebhookId;
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, execute, fetch_all};

/// One secret of a webhook.
#[derive(Debug)]
pub struct SealedSecret {
    pub webhook: WebhookId,
    /// Its place among the webhook's secrets, from 1.
    pub position: i64,
    pub sealed: Vec<u8>,
}

row! {
    struct SecretRow {
        webhook_id: Uuid,
        position: i64,
        sealed: Vec<u8>,
    }
}

impl From<SecretRow> for SealedSecret {
    fn from(row: SecretRow) -> Self {
        Self { webhook: WebhookId(row.webhook_id), position: row.position, sealed: row.sealed }
    }
}

/// Adds a secret, which is the current one from now on. The transaction has the webhook's row to itself.
pub async fn insert(tx: &mut Tx, webhook: WebhookId, sealed: &[u8]) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO webhook_secrets (webhook_id, position, sealed) \
         SELECT $1, COALESCE(MAX(position), 0) + 1, $2 FROM webhook_secrets WHERE webhook_id = $1";
    execute!(within tx, SQL, webhook.0, sealed)?;
    Ok(())
}

/// Lets those that there are sign until then at the latest.
pub async fn expire(tx: &mut Tx, webhook: WebhookId, until: DateTime<Utc>) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE webhook_secrets SET signs_until = $2 \
         WHERE webhook_id = $1 AND (signs_until IS NULL OR signs_until > $2)";
    execute!(within tx, SQL, webhook.0, until)?;
    Ok(())
}

/// Those of a webhook that sign now, the current one first.
pub async fn signing(
    db: &Db,
    webhook: WebhookId,
    now: DateTime<Utc>,
) -> Result<Vec<SealedSecret>, StoreError> {
    const SQL: &str = "SELECT webhook_id, position, sealed FROM webhook_secrets \
         WHERE webhook_id = $1 AND (signs_until IS NULL OR signs_until > $2) ORDER BY position DESC";
    let rows: Vec<SecretRow> = fetch_all!(on db, SQL, webhook.0, now)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Those of all webhooks.
pub async fn list(db: &Db) -> Result<Vec<SealedSecret>, StoreError> {
    const SQL: &str =
        "SELECT webhook_id, position, sealed FROM webhook_secrets ORDER BY webhook_id, position";
    let rows: Vec<SecretRow> = fetch_all!(on db, SQL)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Replaces what was `read` by the same under another master key; `false` when it changed since.
pub async fn reseal(tx: &mut Tx, read: &SealedSecret, sealed: &[u8]) -> Result<bool, StoreError> {
    const SQL: &str =
        "UPDATE webhook_secrets SET sealed = $4 WHERE webhook_id = $1 AND position = $2 AND sealed = $3";
    Ok(execute!(within tx, SQL, read.webhook.0, read.position, &read.sealed, sealed)? > 0)
}

/// Forgets those that sign no more.
pub async fn delete_expired(db: &Db, now: DateTime<Utc>) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM webhook_secrets WHERE signs_until <= $1";
    Ok(execute!(on db, SQL, now)?)
}

/// Forgets those of a webhook that was removed.
pub async fn delete_of(tx: &mut Tx, webhook: WebhookId) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM webhook_secrets WHERE webhook_id = $1";
    execute!(within tx, SQL, webhook.0)?;
    Ok(())
}
