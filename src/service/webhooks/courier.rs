//! Telling webhooks of events, by the conventions of Standard Webhooks 1.0.0.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use crate::domain::client::Origin;
use crate::domain::event::{DisablingReason, Event, WebhookChange};
use crate::domain::ids::WebhookId;
use crate::domain::outbox::Outbox;
use crate::domain::webhook::{Webhook, WebhookMessage, WebhookSecret};
use crate::outbound::{Budget, NoAnswer, NotTaken};
use crate::service::keys::ring::KeysUnreadable;
use crate::service::messenger::{self, AttemptEnd, Courier, Errand, Room};
use crate::service::webhooks::secrets;
use crate::service::{Core, Failure};
use crate::store::outbox::{self, NextAttempt, Settled};
use crate::store::webhook_deliveries::{self, WebhookDelivery};
use crate::store::{Db, StoreError, webhooks};

/// How many messages are on their way to one webhook at once. Each has these places to itself: one that does not answer
/// keeps no other waiting.
const PLACES: usize = 4;
/// How long a delivery is remembered that was taken.
const MEMORY: TimeDelta = TimeDelta::days(7);
/// How long one can be sent again that was not.
pub(crate) const DEAD_MEMORY: TimeDelta = TimeDelta::days(30);
/// How long at most a webhook is waited for that asks for it.
const LONGEST_WAIT: TimeDelta = TimeDelta::days(1);
/// `410 Gone`: the receiver does not want to know any more.
const GONE: NoAnswer = NoAnswer::Status(410);
/// The event that tells that an event could not be told.
const UNDELIVERED: &str = "webhook.delivery_failed";

/// Tells webhooks of events.
#[derive(Debug)]
pub struct WebhookCourier {
    core: Arc<Core>,
    places: Arc<Budget>,
}

/// One message, and where it goes.
#[derive(Debug, Clone)]
pub struct WebhookErrand {
    delivery: WebhookDelivery,
    place: String,
}

impl WebhookCourier {
    #[must_use]
    pub fn new(core: Arc<Core>) -> Self {
        Self { core, places: Budget::new(usize::MAX, PLACES) }
    }
}

impl Courier for WebhookCourier {
    type Lane = Webhook;
    type Errand = WebhookErrand;
    const OUTBOX: Outbox = Outbox::Webhooks;
    /// Ten attempts in about three days.
    const PAUSES: &'static [TimeDelta] = &[
        TimeDelta::seconds(70),
        TimeDelta::minutes(5),
        TimeDelta::minutes(30),
        TimeDelta::hours(1),
        TimeDelta::hours(3),
        TimeDelta::hours(6),
        TimeDelta::hours(12),
        TimeDelta::hours(18),
        TimeDelta::hours(24),
    ];

    fn db(&self) -> &Db {
        &self.core.db
    }

    fn spread(&self, pause: TimeDelta) -> TimeDelta {
        messenger::up_to_a_quarter_longer(pause)
    }

    async fn lanes(&self) -> Result<Vec<Webhook>, Failure> {
        let mut all = webhooks::list(&self.core.db).await?;
        all.retain(|webhook| webhook.disabled_at.is_none());
        Ok(all)
    }

    fn places<'a>(&'a self, _: &Webhook) -> &'a Arc<Budget> {
        &self.places
    }

    async fn due(
        &self,
        webhook: &Webhook,
        room: &Room,
        now: DateTime<Utc>,
    ) -> Result<Vec<WebhookErrand>, Failure> {
        let place = webhook.id.to_string();
        if room.full.contains(&place) {
            return Ok(Vec::new());
        }
        let limit = i64::try_from(PLACES).unwrap_or(i64::MAX);
        let due = webhook_deliveries::due(&self.core.db, webhook.id, now, limit).await?;
        let errand = |delivery| WebhookErrand { delivery, place: place.clone() };
        Ok(due.into_iter().map(errand).collect())
    }

    async fn carry(&self, errand: &WebhookErrand, now: DateTime<Utc>) -> Result<AttemptEnd, Failure> {
        let (core, delivery, attempt) = (&self.core, &errand.delivery, errand.attempt());
        let id = delivery.webhook;
        let known = webhooks::find(&core.db, id).await?.filter(|webhook| webhook.disabled_at.is_none());
        let Some(webhook) = known else { return Ok(AttemptEnd::Unwanted) };
        let secrets = match secrets::signing(core, id, now).await {
            Ok(secrets) if secrets.is_empty() => return Ok(AttemptEnd::Unwanted),
            Ok(secrets) => secrets,
            Err(KeysUnreadable::Store(error)) => return Err(error.into()),
            Err(error) => {
                tracing::error!(%error, webhook = %id, "a webhook cannot be told: its secret does not open");
                webhook_deliveries::note_failure(&core.db, attempt, &error.to_string(), None).await?;
                return Ok(AttemptEnd::Failed);
            }
        };
        let message_id = delivery.id.to_string();
        let message = WebhookMessage { id: &message_id, sent_at: now, payload: &delivery.payload };
        let Err(NotTaken { why, retry_after }) = send(core, webhook.url.url(), message, &secrets).await
        else {
            return Ok(AttemptEnd::Taken);
        };
        let number = attempt.number();
        tracing::warn!(error = %why, webhook = %id, delivery = message_id, attempt = number, "a webhook could not be told");
        let not_before = retry_after.map(|asked| now + self.spread(asked.min(LONGEST_WAIT)));
        webhook_deliveries::note_failure(&core.db, attempt, &why.to_string(), not_before).await?;
        if why == GONE {
            disable(core, id, now).await?;
            return Ok(AttemptEnd::Unwanted);
        }
        Ok(AttemptEnd::Failed)
    }

    async fn settle(
        &self,
        errand: &WebhookErrand,
        carried: AttemptEnd,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let (id, webhook) = (errand.delivery.id, errand.delivery.webhook);
        // Two webhooks that do not answer must not tell each other of that for ever.
        let is_told = carried == AttemptEnd::Failed && errand.delivery.event != UNDELIVERED;
        let ended = match carried {
            AttemptEnd::Taken => (Settled::Delivered, now + MEMORY),
            AttemptEnd::Failed | AttemptEnd::Unwanted => (Settled::GivenUp, now + DEAD_MEMORY),
        };
        let settling = self.core.writer.write_sending(now, move |tx| {
            Box::pin(async move {
                let is_first = outbox::settle(tx, Outbox::Webhooks, id, ended).await?;
                if is_first && is_told {
                    let change = WebhookChange::DeliveryFailed(id);
                    tx.record(Event::WebhookChanged { webhook, change });
                }
                Ok(is_first.then_some(()))
            })
        });
        settling.await?;
        Ok(())
    }
}

impl Errand for WebhookErrand {
    fn attempt(&self) -> NextAttempt {
        NextAttempt { id: self.delivery.id, before: self.delivery.attempts }
    }

    fn place(&self) -> &str {
        &self.place
    }
}

/// Sends one message, signed with every secret that is good: whoever knows one of them can tell that it is ours.
pub(crate) async fn send(
    core: &Core,
    url: &Url,
    message: WebhookMessage<'_>,
    secrets: &[WebhookSecret],
) -> Result<(), NotTaken> {
    let signatures: Vec<String> = secrets.iter().map(|secret| secret.sign(message)).collect();
    let headers = [
        ("content-type", "application/json"),
        ("webhook-id", message.id),
        ("webhook-timestamp", &message.sent_at.timestamp().to_string()),
        ("webhook-signature", &signatures.join(" ")),
    ];
    let way = core.outbound.for_clients(Origin::Operator);
    way.post(url, &headers, message.payload.to_owned(), message.sent_at).await
}

async fn disable(core: &Core, webhook: WebhookId, now: DateTime<Utc>) -> Result<(), StoreError> {
    let disabling = core.writer.write_sending(now, move |tx| {
        Box::pin(async move {
            let is_first = webhooks::set_disabled(tx, webhook, Some(now)).await?;
            if is_first {
                tx.record(Event::WebhookChanged {
                    webhook,
                    change: WebhookChange::Disabled(DisablingReason::Gone),
                });
            }
            Ok(is_first.then_some(()))
        })
    });
    disabling.await?;
    core.writer.trail().subscribers().forget();
    Ok(())
}
