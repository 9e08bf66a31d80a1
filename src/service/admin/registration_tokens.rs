//! Initial access tokens (RFC 7591 §1.2): who may register clients.

use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::crypto::random;
use crate::domain::event::Event;
use crate::domain::ids::uuid_v7;
use crate::domain::opaque::OpaqueSecret;
use crate::service::admin::error::AdminError;
use crate::service::admin::once::Once;
use crate::service::admin::views::RegistrationTokenView;
use crate::service::{Core, Failure};
use crate::store::registration_tokens::{self, RegistrationToken};

/// How many clients a token may register.
pub const USES: RangeInclusive<i64> = 1..=1_000_000;
/// For how long it may be good.
pub const LIFETIMES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24 * 3650);

/// Makes a token that registers `uses` clients; its secret is given here and never again.
pub async fn add(
    core: &Core,
    uses: i64,
    lifetime: Duration,
    now: DateTime<Utc>,
) -> Result<NewRegistrationToken, AdminError> {
    add_once(core, uses, lifetime, &Once::unclaimed(), now).await
}

/// A token with its secret.
pub type NewRegistrationToken = (RegistrationTokenView, OpaqueSecret);

/// The same by a request that may come again.
pub async fn add_once(
    core: &Core,
    uses: i64,
    lifetime: Duration,
    once: &Once<'_, NewRegistrationToken>,
    now: DateTime<Utc>,
) -> Result<NewRegistrationToken, AdminError> {
    let secret = OpaqueSecret::from_random(&random::bytes());
    let id = uuid_v7(now, random::bytes());
    let token = RegistrationToken { id, uses_left: uses, created_at: now, expires_at: now + lifetime };
    let made = (RegistrationTokenView::from(&token), secret);
    let added = core.write(now, async |tx| {
        registration_tokens::insert(tx, &token, &made.1.hash()).await?;
        tx.record(Event::RegistrationTokenAdded { token: id });
        once.answer(core, tx, &made).await
    });
    added.await?.map(|()| made).ok_or(AdminError::ClaimLost)
}

/// Up to `limit` tokens that are still good for something, oldest first: those after another one, or the first.
pub async fn list(
    core: &Core,
    after: Option<Uuid>,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<RegistrationTokenView>, Failure> {
    let tokens = registration_tokens::list(&core.db, after.unwrap_or(Uuid::nil()), limit, now).await?;
    Ok(tokens.iter().map(RegistrationTokenView::from).collect())
}

pub async fn remove(core: &Core, id: Uuid, now: DateTime<Utc>) -> Result<(), AdminError> {
    let removed = core.write(now, async |tx| {
        if !registration_tokens::remove(tx, id).await? {
            return Ok(None);
        }
        tx.record(Event::RegistrationTokenRemoved { token: id });
        Ok(Some(()))
    });
    removed.await?.ok_or(AdminError::NoRegistrationToken(id))
}
