//! Who is told of what: an event that a webhook wants is noted for it in the transaction that makes it happen.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::crypto::random;
use crate::domain::ids::{WebhookId, uuid_v7};
use crate::domain::webhook::Webhook;
use crate::store::webhook_deliveries::{self, NewDelivery};
use crate::store::{StoreError, Tx, webhooks};

/// How long the webhooks that there are may be remembered: nobody pays for looking at each event.
const REMEMBERED: TimeDelta = TimeDelta::seconds(2);

/// What happened, for whoever is told of it.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    /// The id of its row.
    pub(crate) id: Uuid,
    pub(crate) name: &'a str,
    pub(crate) at: DateTime<Utc>,
    pub(crate) fields: &'a Map<String, Value>,
    /// How often, if it is counted.
    pub(crate) times: Option<i64>,
    /// The webhook that it is about, which is not told of it.
    pub(crate) about: Option<WebhookId>,
}

/// The webhooks, remembered for a moment.
#[derive(Debug, Default)]
pub(crate) struct Subscribers(Mutex<Option<Remembered>>);

/// Since when, and which there were.
type Remembered = (DateTime<Utc>, Arc<[Webhook]>);

impl Subscribers {
    /// Notes what is to be told to whom.
    pub(crate) async fn tell(
        &self,
        tx: &mut Tx,
        all: impl Iterator<Item = Told<'_>>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let webhooks = self.webhooks(tx, now).await?;
        if webhooks.is_empty() {
            return Ok(());
        }
        let mut wanted = Vec::new();
        for told in all.filter(|told| webhooks.iter().any(|webhook| is_for(told, webhook))) {
            wanted.push((payload(&told), told));
        }
        let mut new = Vec::new();
        for (payload, told) in &wanted {
            let wanting = webhooks.iter().filter(|webhook| is_for(told, webhook));
            new.extend(wanting.map(|webhook| NewDelivery {
                id: uuid_v7(now, random::bytes()),
                webhook: webhook.id,
                event: told.name,
                payload,
            }));
        }
        webhook_deliveries::insert(tx, &new, now).await
    }

    /// What this process changed it knows at once.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Read within the transaction: who waits for a connection in one may wait for itself.
    async fn webhooks(&self, tx: &mut Tx, now: DateTime<Utc>) -> Result<Arc<[Webhook]>, StoreError> {
        if let Some(known) = self.remembered(now) {
            return Ok(known);
        }
        let read: Arc<[Webhook]> = webhooks::enabled(tx).await?.into();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&read)));
        Ok(read)
    }

    fn remembered(&self, now: DateTime<Utc>) -> Option<Arc<[Webhook]>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, webhooks) = known.as_ref()?;
        ((now - *read_at).abs() < REMEMBERED).then(|| Arc::clone(webhooks))
    }
}

fn is_for(told: &Told<'_>, webhook: &Webhook) -> bool {
    webhook.wants(told.name) && told.about != Some(webhook.id)
}

/// The body of a message: type, timestamp and data, as the convention has them.
pub(crate) fn payload(told: &Told<'_>) -> String {
    let mut data = told.fields.clone();
    data.insert("id".to_owned(), json!(told.id));
    if let Some(times) = told.times {
        data.insert("times".to_owned(), json!(times));
    }
    let timestamp = told.at.to_rfc3339_opts(SecondsFormat::Micros, true);
    json!({ "type": told.name, "timestamp": timestamp, "data": data }).to_string()
}
