//! Webhooks: where events are told.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::ids::WebhookId;
use crate::domain::webhook::{Webhook, WebhookChanges};
use crate::store::row::{from_json, row, to_json};
use crate::store::{Db, StoreError, Tx, execute, fetch_all, fetch_one, fetch_optional};

row! {
    struct WebhookRow {
        id: Uuid,
        url: String,
        events: String,
        created_at: DateTime<Utc>,
        disabled_at: Option<DateTime<Utc>>,
    }
}

impl TryFrom<WebhookRow> for Webhook {
    type Error = StoreError;

    fn try_from(row: WebhookRow) -> Result<Self, StoreError> {
        let corrupt = |what| StoreError::corrupt("webhooks", row.id, what);
        Ok(Self {
            id: WebhookId(row.id),
            url: row.url.parse().map_err(|_| corrupt("url"))?,
            events: from_json(&row.events).ok_or_else(|| corrupt("events"))?,
            created_at: row.created_at,
            disabled_at: row.disabled_at,
        })
    }
}

macro_rules! there {
    ($($rest:literal)?) => {
        concat!("SELECT id, url, events, created_at, disabled_at FROM webhooks WHERE removed_at IS NULL", $($rest,)? " ORDER BY id")
    };
}

/// Adds a webhook.
pub async fn insert(tx: &mut Tx, webhook: &Webhook) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO webhooks (id, url, events, created_at) VALUES ($1, $2, $3, $4)";
    let (url, events) = (webhook.url.to_string(), to_json(&webhook.events));
    execute!(within tx, SQL, webhook.id.0, url, events, webhook.created_at)?;
    Ok(())
}

/// Has the row to itself until the transaction ends. `false` when there is no such webhook.
pub async fn touch(tx: &mut Tx, id: WebhookId) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE webhooks SET removed_at = NULL WHERE id = $1 AND removed_at IS NULL";
    Ok(execute!(within tx, SQL, id.0)? > 0)
}

/// How many there are.
pub async fn count(tx: &mut Tx) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM webhooks WHERE removed_at IS NULL";
    let (count,): (i64,) = fetch_one!(within tx, SQL)?;
    Ok(count)
}

/// All that there are, the oldest first.
pub async fn list(db: &Db) -> Result<Vec<Webhook>, StoreError> {
    let rows: Vec<WebhookRow> = fetch_all!(on db, there!())?;
    rows.into_iter().map(Webhook::try_from).collect()
}

/// Those that are told of something.
pub async fn enabled(tx: &mut Tx) -> Result<Vec<Webhook>, StoreError> {
    let rows: Vec<WebhookRow> = fetch_all!(within tx, there!(" AND disabled_at IS NULL"))?;
    rows.into_iter().map(Webhook::try_from).collect()
}

/// One of them.
pub async fn find(db: &Db, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
    let row: Option<WebhookRow> = fetch_optional!(on db, there!(" AND id = $1"), id.0)?;
    row.map(Webhook::try_from).transpose()
}

/// Says something of a webhook anew. `false` when there is none.
pub async fn update(tx: &mut Tx, id: WebhookId, changes: &WebhookChanges) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE webhooks SET url = COALESCE($2, url), events = COALESCE($3, events) \
         WHERE id = $1 AND removed_at IS NULL";
    let (url, events) = (changes.url.as_ref().map(ToString::to_string), changes.events.as_ref().map(to_json));
    Ok(execute!(within tx, SQL, id.0, url, events)? > 0)
}

/// Disables (since when) or enables (`None`). `false` when it is so, or there is no such webhook.
pub async fn set_disabled(
    tx: &mut Tx,
    id: WebhookId,
    since: Option<DateTime<Utc>>,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE webhooks SET disabled_at = $2 \
         WHERE id = $1 AND removed_at IS NULL AND (disabled_at IS NULL) <> ($2 IS NULL)";
    Ok(execute!(within tx, SQL, id.0, since)? > 0)
}

/// Removes a webhook: what is left of it goes by and by. `false` when there is none.
pub async fn remove(tx: &mut Tx, id: WebhookId, now: DateTime<Utc>) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE webhooks SET removed_at = $2 WHERE id = $1 AND removed_at IS NULL";
    Ok(execute!(within tx, SQL, id.0, now)? > 0)
}

/// Those that are told of nothing, and when they were removed, if they were.
pub async fn silent(db: &Db) -> Result<Vec<(WebhookId, Option<DateTime<Utc>>)>, StoreError> {
    const SQL: &str =
        "SELECT id, removed_at FROM webhooks WHERE removed_at IS NOT NULL OR disabled_at IS NOT NULL";
    let rows: Vec<(Uuid, Option<DateTime<Utc>>)> = fetch_all!(on db, SQL)?;
    Ok(rows.into_iter().map(|(id, removed_at)| (WebhookId(id), removed_at)).collect())
}

/// Forgets one that was removed.
pub async fn forget(tx: &mut Tx, id: WebhookId) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM webhooks WHERE id = $1 AND removed_at IS NOT NULL";
    execute!(within tx, SQL, id.0)?;
    Ok(())
}
