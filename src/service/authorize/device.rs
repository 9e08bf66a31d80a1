//! A user decides about a device that waits (RFC 8628 §3.3): looks at what it asks for, lets it in or keeps it out.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::device::{DeviceCode, UserCode};
use crate::domain::event::Event;
use crate::domain::family::UserAgentInfo;
use crate::domain::sign_in::SignInSession;
use crate::service::clients::known_clients::{self, KnownClient};
use crate::service::{Core, Failure};
use crate::store::{device_codes, sign_in_sessions};

/// RFC 8628 §5.1: so many wrong codes a user may type in one window.
const WRONG_CODES: i64 = 10;
/// The window in which they are counted.
pub(crate) const TRY_WINDOW: TimeDelta = TimeDelta::minutes(10);

/// What a user finds under a code.
#[derive(Debug)]
pub enum Found {
    Waiting(Box<DeviceCode>, Arc<KnownClient>),
    Nothing,
    /// The user typed too many wrong codes, and has to wait.
    TooManyTries,
}

/// Looks for the device that shows `user_code`. Every code that is wrong is counted (RFC 8628 §5.1).
pub async fn look(
    core: &Core,
    user_code: &UserCode,
    (session, address, agent): (&SignInSession, Option<IpAddr>, &UserAgentInfo),
    now: DateTime<Utc>,
) -> Result<Found, Failure> {
    // Counted before it is looked up: many tries at once are many tries.
    if device_codes::count_try(&core.db, session.user(), now - TRY_WINDOW, now).await? > WRONG_CODES {
        return Ok(Found::TooManyTries);
    }
    let Some(found) = device_codes::find_open(&core.db, &user_code.hash(), now).await? else {
        core.tell(Event::UserCodeRefused { user: session.user(), from: agent.into() });
        return Ok(Found::Nothing);
    };
    device_codes::uncount_try(&core.db, session.user()).await?;
    let known = core.client_named_from(address, &found.client_id, now).await?;
    Ok(known.map_or(Found::Nothing, |known| Found::Waiting(Box::new(found), known)))
}

/// The user of `session` lets a device in: `false` when it waits no more, or the session has ended meanwhile.
pub async fn allow(
    core: &Core,
    (found, known): (&DeviceCode, &KnownClient),
    session: &SignInSession,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    let allowed = core.write(now, async |tx| {
        // Whatever ends the session takes this row's lock: no device slips through.
        if !sign_in_sessions::touch(tx, session.id, now).await?
            || !device_codes::allow(tx, &found.user_code_hash, &session.authentication, now).await?
        {
            return Ok(None);
        }
        tx.record(Event::ConsentGiven { user: session.user(), client: found.client_id.clone() });
        known_clients::keep(tx, known, now).await.map(Some)
    });
    Ok(allowed.await?.is_some())
}

/// The user of `session` keeps a device out: `false` when it waits no more.
pub async fn deny(
    core: &Core,
    found: &DeviceCode,
    session: &SignInSession,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    let denied = core.write(now, async |tx| {
        if !device_codes::deny(tx, &found.user_code_hash, session.user(), now).await? {
            return Ok(None);
        }
        tx.record(Event::DeviceDenied { user: session.user(), client: found.client_id.clone() });
        Ok(Some(()))
    });
    Ok(denied.await?.is_some())
}
