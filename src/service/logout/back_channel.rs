//! Telling clients of logouts behind the browser's back (OpenID Connect Back-Channel Logout 1.0).
//!
//! Deliveries stand in the database, so they outlive a restart, and any replica may make any of them: who moves a
//! delivery's count of attempts has claimed it. One that fails is tried again after a while, a few times.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::task::{JoinError, JoinSet};

use crate::domain::client::Origin;
use crate::domain::signing_algorithm::SigningWish;
use crate::outbound::{FULL_HOSTS, TakenPlace};
use crate::service::clients::signing;
use crate::service::{Core, Failure};
use crate::store::logout_deliveries::{self, Delivery, DueFor, MOST_HOSTS, Settled};

// As long as there are places, all hosts that have none can be passed over.
const _: () = assert!(MOST_HOSTS >= FULL_HOSTS);

/// `typ` of a logout token (Back-Channel Logout §2.4).
const TYPE: &str = "logout+jwt";
/// What happened, as the logout token says it.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// §2.4: at most two minutes, so that a logout token that leaks is soon worth nothing.
const TTL: TimeDelta = TimeDelta::minutes(2);
/// From each attempt to the next one. The first pause is longer than a call may take.
const PAUSES: [TimeDelta; 7] = [
    TimeDelta::seconds(30),
    TimeDelta::minutes(2),
    TimeDelta::minutes(10),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(6),
    TimeDelta::hours(12),
];
/// How long a delivery is remembered once it is settled.
const MEMORY: TimeDelta = TimeDelta::days(7);

/// The deliveries that this process makes. Each is settled by itself, and begins when there is a place for it: who does
/// not answer keeps a few places of his own kind, and nobody else waiting.
#[derive(Debug)]
pub struct Messenger {
    core: Arc<Core>,
    under_way: JoinSet<Result<(), Failure>>,
}

/// What a look at the due deliveries came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookAtDue {
    /// How many were begun.
    pub begun: usize,
    /// Whether others may wait for a place.
    pub lacks_places: bool,
}

impl Messenger {
    /// Nothing is under way.
    #[must_use]
    pub fn new(core: Arc<Core>) -> Self {
        Self { core, under_way: JoinSet::new() }
    }

    /// Begins the deliveries that are due, as far as there are places.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub async fn begin_due(&mut self, now: DateTime<Utc>) -> Result<LookAtDue, Failure> {
        while let Some(ended) = self.under_way.try_join_next() {
            report(ended);
        }
        let mut all = LookAtDue { begun: 0, lacks_places: false };
        for origin in [Origin::Operator, Origin::Registered] {
            let looked = self.begin_due_of(origin, now).await?;
            all.begun += looked.begun;
            all.lacks_places |= looked.lacks_places;
        }
        Ok(all)
    }

    async fn begin_due_of(&mut self, origin: Origin, now: DateTime<Utc>) -> Result<LookAtDue, Failure> {
        let calls = Arc::clone(self.core.outbound.for_clients(origin).calls());
        let mut begun = 0;
        loop {
            let (free, full) = (calls.free(), calls.full_hosts());
            if free == 0 {
                return Ok(LookAtDue { begun, lacks_places: true });
            }
            let mut full_names = full.iter().map(String::as_str);
            // No host is called so.
            let except = std::array::from_fn(|_| full_names.next().unwrap_or(" "));
            let wanted = DueFor { origin, except, limit: i64::try_from(free).unwrap_or(i64::MAX) };
            let due = logout_deliveries::due(&self.core.db, &wanted, now).await?;
            let with_place = |delivery: Delivery| Some((calls.take(&delivery.host)?, delivery));
            let placed: Vec<_> = due.into_iter().filter_map(with_place).collect();
            if placed.is_empty() {
                return Ok(LookAtDue { begun, lacks_places: !full.is_empty() });
            }
            for (place, delivery) in placed {
                if self.begin(place, delivery, now).await? {
                    begun += 1;
                }
            }
        }
    }

    /// `false` when another process makes this delivery.
    async fn begin(
        &mut self,
        place: TakenPlace,
        delivery: Delivery,
        now: DateTime<Utc>,
    ) -> Result<bool, Failure> {
        // Whoever claims the last attempt may die of it, too.
        let next_at = now + pause_after(&delivery).unwrap_or(PAUSES[0]);
        if !logout_deliveries::claim(&self.core.db, &delivery, next_at).await? {
            return Ok(false);
        }
        let core = Arc::clone(&self.core);
        self.under_way.spawn(async move {
            let told = tell(&core, &delivery, now).await;
            drop(place);
            settle(&core, &delivery, told?, now).await
        });
        Ok(true)
    }

    /// Waits until all that is under way has ended.
    pub async fn all_ended(&mut self) {
        while let Some(ended) = self.under_way.join_next().await {
            report(ended);
        }
    }

    /// Waits until a delivery ends: for ever when nothing is under way.
    pub async fn ended(&mut self) {
        match self.under_way.join_next().await {
            Some(ended) => report(ended),
            None => std::future::pending().await,
        }
    }
}

fn report(ended: Result<Result<(), Failure>, JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(%error, "how a client was told of a logout could not be noted; it will be told again");
        }
        Err(error) => {
            tracing::error!(%error, "telling a client of a logout broke off; it will be told again");
        }
    }
}

/// How long after this attempt the next one is made; `None` when it is the last.
fn pause_after(delivery: &Delivery) -> Option<TimeDelta> {
    usize::try_from(delivery.attempts).ok().and_then(|tried| PAUSES.get(tried)).copied()
}

async fn settle(core: &Core, delivery: &Delivery, told: Told, now: DateTime<Utc>) -> Result<(), Failure> {
    let settled = match told {
        Told::Taken => Settled::Delivered,
        Told::Failed if pause_after(delivery).is_some() => return Ok(()),
        Told::Failed | Told::Unwanted => Settled::GivenUp,
    };
    let (delivery, until) = (delivery.clone(), now + MEMORY);
    let settling = core.writer.write_sending(now, move |tx| {
        let delivery = delivery.clone();
        Box::pin(async move { logout_deliveries::settle(tx, &delivery, settled, until).await.map(Some) })
    });
    settling.await?;
    Ok(())
}

enum Told {
    Taken,
    Failed,
    /// The client is gone, or does not want to know any more.
    Unwanted,
}

async fn tell(core: &Core, delivery: &Delivery, now: DateTime<Utc>) -> Result<Told, Failure> {
    let Some(known) = core.client(&delivery.client, now).await? else { return Ok(Told::Unwanted) };
    let Some(uri) = &known.client.metadata.backchannel_logout_uri else { return Ok(Told::Unwanted) };
    let wish = known.client.id_token_signing();
    signing::ready(core, wish, now).await?;
    let token = logout_token(core, (delivery, wish), now)?;
    // §2.8: success is 200, and some frameworks say 204.
    let way = core.outbound.for_clients(known.client.origin);
    match way.post_form(uri.url(), &[("logout_token", &token)]).await {
        Ok(()) => Ok(Told::Taken),
        Err(error) => {
            let (client, family) = (&delivery.client, delivery.family);
            let attempt = delivery.attempts + 1;
            tracing::warn!(%error, %client, %family, attempt, "a client could not be told of a logout");
            Ok(Told::Failed)
        }
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
