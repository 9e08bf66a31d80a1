//! Events on their way to webhooks.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids::WebhookId;
use crate::domain::outbox::Outbox;
use crate::store::outbox::NextAttempt;
use crate::store::row::row;
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_optional, insert_all};

/// One event that one webhook is told of.
#[derive(Debug, Clone)]
pub struct WebhookDelivery {
    pub id: Uuid,
    pub webhook: WebhookId,
    /// The event's name.
    pub event: String,
    /// The body, as it is sent.
    pub payload: String,
    pub created_at: DateTime<Utc>,
    /// `pending`, `delivered` or `given_up`.
    pub state: String,
    /// How often it was tried, or is being tried.
    pub attempts: i64,
    /// When it is tried next, or, once settled, forgotten.
    pub due_at: DateTime<Utc>,
    /// Why the last attempt that failed did.
    pub failure: Option<String>,
}

row! {
    struct DeliveryOfWebhookRow {
        id: Uuid,
        webhook_id: Uuid,
        event: String,
        payload: String,
        created_at: DateTime<Utc>,
        state: String,
        attempts: i64,
        due_at: DateTime<Utc>,
        failure: Option<String>,
    }
}

impl From<DeliveryOfWebhookRow> for WebhookDelivery {
    fn from(row: DeliveryOfWebhookRow) -> Self {
        let DeliveryOfWebhookRow {
            id,
            webhook_id,
            event,
            payload,
            created_at,
            state,
            attempts,
            due_at,
            failure,
        } = row;
        let webhook = WebhookId(webhook_id);
        Self { id, webhook, event, payload, created_at, state, attempts, due_at, failure }
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, webhook_id, event, payload, created_at, state, attempts, due_at, failure FROM webhook_deliveries \
             WHERE ",
            $rest
        )
    };
}

/// What a webhook is to be told of.
#[derive(Debug)]
pub struct NewDelivery<'a> {
    pub id: Uuid,
    pub webhook: WebhookId,
    pub event: &'a str,
    pub payload: &'a str,
}

/// Adds deliveries that are due at once, in the transaction that makes the events happen.
pub async fn insert(tx: &mut Tx, all: &[NewDelivery<'_>], now: DateTime<Utc>) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO webhook_deliveries (id, webhook_id, event, payload, created_at, state, attempts, due_at)";
    if !all.is_empty() {
        tx.wake(Outbox::Webhooks);
    }
    insert_all!(tx, all, SQL, new => new.id, new.webhook.0, new.event, new.payload, now, "pending", 0_i64, now)
}

/// Up to `limit` deliveries to a webhook that are due.
pub async fn due(
    db: &Db,
    webhook: WebhookId,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<WebhookDelivery>, StoreError> {
    const SQL: &str =
        select!("webhook_id = $1 AND state = 'pending' AND due_at <= $2 ORDER BY due_at, id LIMIT $3");
    let rows: Vec<DeliveryOfWebhookRow> = fetch_all!(on db, SQL, webhook.0, now, limit)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Notes why an attempt failed, and before when the one after it must not be made.
pub async fn note_failure(
    db: &Db,
    attempt: NextAttempt,
    why: &str,
    not_before: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE webhook_deliveries SET failure = $3, \
         due_at = CASE WHEN due_at < $4 THEN $4 ELSE due_at END \
         WHERE id = $1 AND attempts = $2 AND state = 'pending'";
    execute!(on db, SQL, attempt.id, attempt.number(), why, not_before)?;
    Ok(())
}

/// Up to `limit` deliveries, the newest first: those before another one. Those in one state, or in any.
pub async fn list(
    db: &Db,
    webhook: Option<WebhookId>,
    state: &str,
    before: Uuid,
    limit: i64,
) -> Result<Vec<WebhookDelivery>, StoreError> {
    const SQL: &str =
        select!("id < $1 AND ($2 IS NULL OR webhook_id = $2) AND state LIKE $3 ORDER BY id DESC LIMIT $4");
    let rows: Vec<DeliveryOfWebhookRow> =
        fetch_all!(on db, SQL, before, webhook.map(|id| id.0), state, limit)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// One of them.
pub async fn find(db: &Db, id: Uuid) -> Result<Option<WebhookDelivery>, StoreError> {
    let row: Option<DeliveryOfWebhookRow> = fetch_optional!(on db, select!("id = $1"), id)?;
    Ok(row.map(Into::into))
}

/// Lets one that is settled be tried again, from the beginning. `false` when it is not.
pub async fn send_again(tx: &mut Tx, id: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, due_at = $2 \
         WHERE id = $1 AND state <> 'pending'";
    let done = execute!(within tx, SQL, id, now)? > 0;
    if done {
        tx.wake(Outbox::Webhooks);
    }
    Ok(done)
}

/// Gives up to `limit` pending deliveries to a webhook up; gives how many.
pub async fn give_some_up(
    db: &Db,
    webhook: WebhookId,
    until: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StoreError> {
    const SQL: &str = "UPDATE webhook_deliveries SET state = 'given_up', due_at = $2 WHERE id IN \
         (SELECT id FROM webhook_deliveries WHERE webhook_id = $1 AND state = 'pending' LIMIT $3) AND state = 'pending'";
    Ok(execute!(on db, SQL, webhook.0, until, limit)?)
}

/// Deletes up to `limit` deliveries to a webhook; gives how many.
pub async fn delete_some_of(db: &Db, webhook: WebhookId, limit: i64) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM webhook_deliveries WHERE id IN \
         (SELECT id FROM webhook_deliveries WHERE webhook_id = $1 LIMIT $2)";
    Ok(execute!(on db, SQL, webhook.0, limit)?)
}
