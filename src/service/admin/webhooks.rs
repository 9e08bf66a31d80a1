//! What an operator does to webhooks, and sees of what they are told.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, json};
use uuid::Uuid;

use crate::crypto::random;
use crate::domain::client::Origin;
use crate::domain::event::{DisablingReason, Event, EventChoice, WebhookChange};
use crate::domain::ids::{WebhookId, uuid_v7};
use crate::domain::webhook::{Webhook, WebhookChanges, WebhookMessage, WebhookSecret, WebhookUrl};
use crate::service::admin::batches::until_less;
use crate::service::admin::error::{AdminError, MOST_WEBHOOKS};
use crate::service::admin::views::{DeliveryView, WebhookView};
use crate::service::webhooks::courier::{self, DEAD_MEMORY};
use crate::service::webhooks::secrets;
use crate::service::webhooks::subscribers::{Told, payload};
use crate::service::{Core, Failure};
use crate::store::{StoreError, Tx, webhook_deliveries, webhook_secrets, webhooks};

/// How long a webhook that was removed is remembered: another process may have noted something for it meanwhile.
const TOMBSTONE: TimeDelta = TimeDelta::minutes(1);

/// What a message that tells of nothing is called.
const TEST: &str = "webhook.test";

/// Adds a webhook; its secret is given here and never again.
pub async fn add(
    core: &Core,
    url: WebhookUrl,
    events: Vec<EventChoice>,
    now: DateTime<Utc>,
) -> Result<(WebhookView, WebhookSecret), AdminError> {
    check_url(core, &url)?;
    let id = WebhookId::new(now, random::bytes());
    let secret = WebhookSecret::new(random::bytes());
    let sealed = secrets::seal(&core.keys, id, &secret);
    let webhook = Webhook { id, url, events, created_at: now, disabled_at: None };
    let added = core.write(now, async |tx| {
        if webhooks::count(tx).await? >= MOST_WEBHOOKS {
            return Ok(None);
        }
        webhooks::insert(tx, &webhook).await?;
        webhook_secrets::insert(tx, id, &sealed).await?;
        tx.record(Event::WebhookChanged { webhook: id, change: WebhookChange::Added });
        Ok(Some(()))
    });
    added.await?.ok_or(AdminError::TooManyWebhooks)?;
    core.writer.trail().subscribers().forget();
    Ok((webhook.into(), secret))
}

/// All of them, the oldest first.
pub async fn list(core: &Core) -> Result<Vec<WebhookView>, Failure> {
    Ok(webhooks::list(&core.db).await?.into_iter().map(WebhookView::from).collect())
}

/// Says something of one anew. What it is still to be told goes where it is told now.
pub async fn update(
    core: &Core,
    id: WebhookId,
    changes: &WebhookChanges,
    now: DateTime<Utc>,
) -> Result<(), AdminError> {
    if let Some(url) = &changes.url {
        check_url(core, url)?;
    }
    let updated =
        change(core, id, WebhookChange::Updated, now, async |tx| webhooks::update(tx, id, changes).await);
    updated.await?.ok_or(AdminError::NoWebhook(id))
}

/// Removes one, with all that it is still to be told.
pub async fn remove(core: &Core, id: WebhookId, now: DateTime<Utc>) -> Result<(), AdminError> {
    let removed =
        change(core, id, WebhookChange::Removed, now, async |tx| webhooks::remove(tx, id, now).await);
    removed.await?.ok_or(AdminError::NoWebhook(id))
}

/// Tells one of nothing, until it is enabled.
pub async fn disable(core: &Core, id: WebhookId, now: DateTime<Utc>) -> Result<(), AdminError> {
    let disabled = WebhookChange::Disabled(DisablingReason::Operator);
    let disabled =
        change(core, id, disabled, now, async |tx| webhooks::set_disabled(tx, id, Some(now)).await);
    disabled.await?.ok_or(AdminError::NoEnabledWebhook(id))
}

/// Lets one be told again.
pub async fn enable(core: &Core, id: WebhookId, now: DateTime<Utc>) -> Result<(), AdminError> {
    let enabled =
        change(core, id, WebhookChange::Enabled, now, async |tx| webhooks::set_disabled(tx, id, None).await);
    enabled.await?.ok_or(AdminError::NoDisabledWebhook(id))
}

/// Gives one a new secret, which is given here and never again; the present ones sign, too, for so long.
pub async fn rotate_secret(
    core: &Core,
    id: WebhookId,
    overlap: Duration,
    now: DateTime<Utc>,
) -> Result<WebhookSecret, AdminError> {
    let secret = WebhookSecret::new(random::bytes());
    let sealed = secrets::seal(&core.keys, id, &secret);
    let rotated = change(core, id, WebhookChange::SecretRotated, now, async |tx| {
        if !webhooks::touch(tx, id).await? {
            return Ok(false);
        }
        webhook_secrets::expire(tx, id, now + overlap).await?;
        webhook_secrets::insert(tx, id, &sealed).await?;
        Ok(true)
    });
    rotated.await?.ok_or(AdminError::NoWebhook(id))?;
    Ok(secret)
}

/// Does something to a webhook and tells of it; `None` when there was nothing to do. This process knows it at once.
async fn change(
    core: &Core,
    id: WebhookId,
    change: WebhookChange,
    now: DateTime<Utc>,
    work: impl AsyncFn(&mut Tx) -> Result<bool, StoreError>,
) -> Result<Option<()>, StoreError> {
    let changed = core.write(now, async |tx| {
        if !work(tx).await? {
            return Ok(None);
        }
        tx.record(Event::WebhookChanged { webhook: id, change });
        Ok(Some(()))
    });
    let changed = changed.await?;
    core.writer.trail().subscribers().forget();
    Ok(changed)
}

fn check_url(core: &Core, url: &WebhookUrl) -> Result<(), AdminError> {
    core.outbound.for_clients(Origin::Operator).may_call(url.url()).map_err(AdminError::WebhookUrl)
}

/// Sends one a message that tells of nothing, at once and from here: also a disabled one, to see whether it may be
/// enabled.
pub async fn test(core: &Core, id: WebhookId, now: DateTime<Utc>) -> Result<(), AdminError> {
    let webhook = webhooks::find(&core.db, id).await?.ok_or(AdminError::NoWebhook(id))?;
    let secrets = secrets::signing(core, id, now).await?;
    let message = uuid_v7(now, random::bytes());
    let fields = Map::from_iter([("webhook".to_owned(), json!(id))]);
    let told = Told { id: message, name: TEST, at: now, fields: &fields, times: None, about: None };
    let (message, payload) = (message.to_string(), payload(&told));
    let message = WebhookMessage { id: &message, sent_at: now, payload: &payload };
    let sent = courier::send(core, webhook.url.url(), message, &secrets).await;
    sent.map_err(|it| AdminError::Untold(it.why))
}

/// Which deliveries an operator looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichDeliveries {
    All,
    /// Those that were given up: tried often enough, or not wanted any more.
    Dead,
}

/// Up to `limit` deliveries, the newest first: those before another one, or the newest.
pub async fn deliveries(
    core: &Core,
    (webhook, which): (Option<WebhookId>, WhichDeliveries),
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<DeliveryView>, Failure> {
    let state = match which {
        WhichDeliveries::All => "%",
        WhichDeliveries::Dead => "given_up",
    };
    let before = before.unwrap_or(Uuid::max());
    let listed = webhook_deliveries::list(&core.db, webhook, state, before, limit).await?;
    Ok(listed.into_iter().map(DeliveryView::from).collect())
}

/// Lets a delivery that has ended be made once more, from the first attempt on.
pub async fn resend(core: &Core, id: Uuid, now: DateTime<Utc>) -> Result<(), AdminError> {
    let delivery = webhook_deliveries::find(&core.db, id).await?.ok_or(AdminError::NoDelivery(id))?;
    let webhook = webhooks::find(&core.db, delivery.webhook).await?.ok_or(AdminError::NoDelivery(id))?;
    if webhook.disabled_at.is_some() {
        return Err(AdminError::DisabledWebhook(webhook.id));
    }
    let sent =
        core.write(now, async |tx| Ok(webhook_deliveries::send_again(tx, id, now).await?.then_some(())));
    sent.await?.ok_or(AdminError::DeliveryUnderWay(id))
}

/// Gives up what webhooks are not told any more, and forgets those that were removed, in batches; gives how many rows
/// are gone.
pub(super) async fn tidy(core: &Core, batch: i64, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let mut deleted = webhook_secrets::delete_expired(&core.db, now).await?;
    for (id, removed_at) in webhooks::silent(&core.db).await? {
        let Some(removed_at) = removed_at else {
            let give_up = || webhook_deliveries::give_some_up(&core.db, id, now + DEAD_MEMORY, batch);
            until_less(batch, give_up).await?;
            continue;
        };
        deleted += until_less(batch, || webhook_deliveries::delete_some_of(&core.db, id, batch)).await?;
        if removed_at + TOMBSTONE <= now {
            core.writer.write_sending(now, move |tx| Box::pin(forget(tx, id))).await?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

async fn forget(tx: &mut Tx, id: WebhookId) -> Result<Option<()>, StoreError> {
    webhook_secrets::delete_of(tx, id).await?;
    webhooks::forget(tx, id).await.map(Some)
}
