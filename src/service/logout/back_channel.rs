//! Telling clients of logouts behind the browser's back (OpenID Connect Back-Channel Logout 1.0).
//!
//! Deliveries stand in the database, so they outlive a restart, and any replica may make any of them: who moves a
//! delivery's count of attempts has claimed it. One that fails is tried again after a while, a few times.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::task::JoinSet;

use crate::service::{Core, Failure};
use crate::store::logout_deliveries::{self, Delivery, Settled};

/// `typ` of a logout token (Back-Channel Logout §2.4).
const TYPE: &str = "logout+jwt";
/// What happened, as the logout token says it.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// §2.4: at most two minutes, so that a logout token that leaks is soon worth nothing.
const TTL: TimeDelta = TimeDelta::minutes(2);
/// Deliveries that are made at once.
const AT_ONCE: i64 = 32;
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

/// Makes the deliveries that are due, some at once; gives how many there were.
pub async fn deliver_due(core: &Arc<Core>, now: DateTime<Utc>) -> Result<usize, Failure> {
    let due = logout_deliveries::due(&core.db, now, AT_ONCE).await?;
    let count = due.len();
    let mut under_way = JoinSet::new();
    for delivery in due {
        let core = Arc::clone(core);
        under_way.spawn(async move { attempt(&core, &delivery, now).await });
    }
    while let Some(attempted) = under_way.join_next().await {
        attempted.map_err(|_| Failure::Busy)??;
    }
    Ok(count)
}

async fn attempt(core: &Core, delivery: &Delivery, now: DateTime<Utc>) -> Result<(), Failure> {
    let pause = usize::try_from(delivery.attempts).ok().and_then(|tried| PAUSES.get(tried));
    let next_at = now + pause.copied().unwrap_or_default();
    if !logout_deliveries::claim(&core.db, delivery, next_at).await? {
        return Ok(());
    }
    let settled = match tell(core, delivery, now).await? {
        Told::Taken => Settled::Delivered,
        Told::Failed if pause.is_some() => return Ok(()),
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
    let token = logout_token(core, delivery, now)?;
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
fn logout_token(core: &Core, delivery: &Delivery, now: DateTime<Utc>) -> Result<String, Failure> {
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
    core.keys.sign_as(TYPE, &claims.to_string(), now)
}
