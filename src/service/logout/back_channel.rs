//! Telling clients of logouts behind the browser's back (OpenID Connect Back-Channel Logout 1.0).

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::domain::client::Origin;
use crate::domain::event::Event;
use crate::domain::outbox::Outbox;
use crate::domain::signing_algorithm::SigningWish;
use crate::outbound::{Budget, FULL_HOSTS};
use crate::service::clients::signing;
use crate::service::messenger::{AttemptEnd, Courier, Errand, Room};
use crate::service::{Core, Failure};
use crate::store::Db;
use crate::store::logout_deliveries::{self, Delivery, DueFor, MOST_HOSTS};
use crate::store::outbox::{self, NextAttempt, Settled};

// As long as there are places, all hosts that have none can be passed over.
const _: () = assert!(MOST_HOSTS >= FULL_HOSTS);

/// `typ` of a logout token (Back-Channel Logout §2.4).
const TYPE: &str = "logout+jwt";
/// What happened, as the logout token says it.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// §2.4: at most two minutes, so that a logout token that leaks is soon worth nothing.
const TTL: TimeDelta = TimeDelta::minutes(2);
/// How long a delivery is remembered once it is settled.
const MEMORY: TimeDelta = TimeDelta::days(7);

/// Tells clients of logouts: those that operators vouch for, and those that nobody does, by ways that share nothing.
#[derive(Debug)]
pub struct LogoutCourier {
    core: Arc<Core>,
}

impl LogoutCourier {
    #[must_use]
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

impl Courier for LogoutCourier {
    type Lane = Origin;
    type Errand = Delivery;
    const OUTBOX: Outbox = Outbox::Logouts;
    const PAUSES: &'static [TimeDelta] = &[
        TimeDelta::seconds(30),
        TimeDelta::minutes(2),
        TimeDelta::minutes(10),
        TimeDelta::minutes(30),
        TimeDelta::hours(2),
        TimeDelta::hours(6),
        TimeDelta::hours(12),
    ];

    fn db(&self) -> &Db {
        &self.core.db
    }

    async fn lanes(&self) -> Result<Vec<Origin>, Failure> {
        Ok(vec![Origin::Operator, Origin::Registered])
    }

    fn places<'a>(&'a self, origin: &Origin) -> &'a Arc<Budget> {
        self.core.outbound.for_clients(*origin).calls()
    }

    async fn due(&self, origin: &Origin, room: &Room, now: DateTime<Utc>) -> Result<Vec<Delivery>, Failure> {
        let mut full = room.full.iter().map(String::as_str);
        // No host is called so.
        let except = std::array::from_fn(|_| full.next().unwrap_or(" "));
        let limit = i64::try_from(room.free).unwrap_or(i64::MAX);
        let wanted = DueFor { origin: *origin, except, limit };
        Ok(logout_deliveries::due(&self.core.db, &wanted, now).await?)
    }

    async fn carry(&self, delivery: &Delivery, now: DateTime<Utc>) -> Result<AttemptEnd, Failure> {
        let core = &self.core;
        let Some(known) = core.client(&delivery.client, now).await? else { return Ok(AttemptEnd::Unwanted) };
        let Some(uri) = &known.client.metadata.backchannel_logout_uri else {
            return Ok(AttemptEnd::Unwanted);
        };
        let wish = known.client.id_token_signing();
        signing::ready(core, wish, now).await?;
        let token = logout_token(core, (delivery, wish), now)?;
        // §2.8: success is 200, and some frameworks say 204.
        let way = core.outbound.for_clients(known.client.origin);
        match way.post_form(uri.url(), &[("logout_token", &token)]).await {
            Ok(()) => Ok(AttemptEnd::Taken),
            Err(error) => {
                let (client, family) = (&delivery.client, delivery.family);
                let attempt = delivery.attempts + 1;
                tracing::warn!(%error, %client, %family, attempt, "a client could not be told of a logout");
                Ok(AttemptEnd::Failed)
            }
        }
    }

    async fn settle(
        &self,
        delivery: &Delivery,
        carried: AttemptEnd,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let (id, family, client) = (delivery.id, delivery.family, delivery.client.clone());
        let (settled, event) = match carried {
            AttemptEnd::Taken => (Settled::Delivered, Event::LogoutDelivered { family, client }),
            AttemptEnd::Failed | AttemptEnd::Unwanted => {
                (Settled::GivenUp, Event::LogoutUndeliverable { family, client })
            }
        };
        let settling = self.core.writer.write_sending(now, move |tx| {
            let event = event.clone();
            Box::pin(async move {
                let is_first = outbox::settle(tx, Outbox::Logouts, id, (settled, now + MEMORY)).await?;
                if is_first {
                    tx.record(event);
                }
                Ok(is_first.then_some(()))
            })
        });
        settling.await?;
        Ok(())
    }
}

impl Errand for Delivery {
    fn attempt(&self) -> NextAttempt {
        NextAttempt { id: self.id, before: self.attempts }
    }

    fn place(&self) -> &str {
        &self.host
    }
}

/// §2.4. There is no `nonce`, or it could pass for an ID token.
fn logout_token(
    core: &Core,
    (delivery, wish): (&Delivery, SigningWish),
    now: DateTime<Utc>,
) -> Result<String, Failure> {
    let claims = json!({
        "iss": core.issuer.as_str(),
        "sub": delivery.subject,
        "aud": delivery.client,
        "iat": now.timestamp(),
        "exp": (now + TTL).timestamp(),
        "jti": format!("{}-{}", delivery.id, delivery.attempts + 1),
        "sid": delivery.family,
        "events": { EVENT: {} },
    });
    core.keys.sign_for(wish, TYPE, &claims.to_string(), now)
}
