//! Signing in on a device without a browser (RFC 8628): the device asks, its user decides elsewhere, the device gets a
//! family: once.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::crypto::random;
use crate::domain::claims_request::Wishes;
use crate::domain::client::GrantType;
use crate::domain::device::{Approval, Decision, DeviceCode, Poll, UserCode, Waiting};
use crate::domain::family::Device;
use crate::domain::opaque::OpaqueSecret;
use crate::domain::refusal::Refusal;
use crate::domain::sign_in::SignInSession;
use crate::service::clients::{self, KnownClient};
use crate::service::grant::{TokenSet, Wanted};
use crate::service::id_token::SignedInHow;
use crate::service::new_family::{self, Beginning};
use crate::service::presenter::Presenter;
use crate::service::{Core, Failure, audit, limit};
use crate::store::{Tx, device_codes, sign_in_sessions, transaction};

/// Long enough to find another device and to sign in there, short enough that nobody guesses the code.
const CODE_TTL: Duration = Duration::from_mins(10);
/// RFC 8628 §3.2: what a device that is told nothing waits between two questions.
const INTERVAL: Duration = Duration::from_secs(5);
/// RFC 8628 §5.1: so many wrong codes a user may type in one window.
const WRONG_CODES: i64 = 10;
/// The window in which they are counted.
pub(crate) const TRY_WINDOW: TimeDelta = TimeDelta::minutes(10);
/// How often a user code that is taken already is made anew.
const DRAWS: usize = 5;

/// What a device that begins to wait is told (RFC 8628 §3.2).
#[derive(Debug)]
pub struct Begun {
    /// What it asks with.
    pub device_code: OpaqueSecret,
    /// What it shows.
    pub user_code: UserCode,
    /// How long it may wait.
    pub expires_in: Duration,
    /// How long it waits between two questions.
    pub interval: Duration,
}

/// A device that asks to wait.
#[derive(Debug)]
pub struct Asking<'a> {
    /// Its client.
    pub presenter: &'a Presenter,
    /// What it wants.
    pub wanted: Wanted,
    /// What its owner will know it by.
    pub device: Device,
    /// From where it asks.
    pub address: Option<IpAddr>,
}

/// A device begins to wait.
///
/// # Errors
/// [`Failure::InvalidClient`], [`Failure::UnauthorizedClient`], [`Failure::NoDocument`], [`Failure::InvalidScope`],
/// [`Failure::InvalidTarget`], [`Failure::TooMany`], [`Failure::Busy`], [`Failure::Store`].
pub async fn begin(core: &Core, asking: Asking<'_>, now: DateTime<Utc>) -> Result<Begun, Failure> {
    let Asking { presenter, wanted, device, address } = asking;
    let known = presenter.authenticate(core, now).await?;
    known.may(GrantType::DeviceCode)?;
    let wanted = wanted.for_client(&known.client);
    if let Some(document) = &known.document {
        document.must_be_fetched()?;
    }
    let device_code = OpaqueSecret::from_random(&random::bytes());
    let mut waiting = DeviceCode {
        device_code_hash: device_code.hash(),
        user_code_hash: device_code.hash(),
        client_id: known.client.id.clone(),
        scope: wanted.scope_within(&known.client.scopes)?,
        audiences: wanted.audiences_to_ask(&known.client, &core.issuer)?,
        device,
        expires_at: now + CODE_TTL,
        interval: INTERVAL,
        polled_at: None,
        decision: Decision::Open,
        family: None,
    };
    limit::count_waiting(core, presenter, &known, address, now)?;
    for _ in 0..DRAWS {
        let user_code = UserCode::from_random(random::bytes());
        waiting.user_code_hash = user_code.hash();
        if device_codes::insert(&core.db, &waiting).await? {
            return Ok(Begun { device_code, user_code, expires_in: CODE_TTL, interval: INTERVAL });
        }
    }
    Err(Failure::Busy)
}

/// A device asks whether its user has let it in.
///
/// # Errors
/// [`Failure::Waiting`] as long as it was not; [`Refusal::BadDeviceCode`] when the code is none of the client's, or was
/// used; [`Failure::InvalidScope`], [`Failure::InvalidTarget`], which leave it unused; [`Failure::InvalidClient`],
/// [`Failure::UnauthorizedClient`], [`Failure::Store`].
pub async fn poll(
    core: &Core,
    device_code: &str,
    presenter: &Presenter,
    wanted: &Wanted,
    now: DateTime<Utc>,
) -> Result<(TokenSet, SignedInHow), Failure> {
    let known = presenter.authenticate(core, now).await?;
    known.may(GrantType::DeviceCode)?;
    let device_code = OpaqueSecret::presented(device_code).ok_or(Refusal::BadDeviceCode)?;
    let found = device_codes::find(&core.db, &device_code.hash()).await?.ok_or(Refusal::BadDeviceCode)?;
    if found.client_id != known.client.id {
        return Err(Refusal::BadDeviceCode.into());
    }
    match found.poll(now) {
        Poll::Used => Err(Refusal::BadDeviceCode.into()),
        Poll::Over(waiting) => Err(Failure::Waiting(waiting)),
        Poll::Wait(waiting, interval) => {
            let alone = device_codes::note_poll(&core.db, &found, interval, now).await?;
            // Two questions at once are one too many.
            Err(Failure::Waiting(if alone { waiting } else { Waiting::SlowDown }))
        }
        Poll::Enter(approval) => {
            wanted.scope_within(&found.scope)?;
            wanted.audiences_within(&found.audiences, &known.client, &core.issuer)?;
            let how = SignedInHow {
                amr: approval.amr.clone(),
                acr: approval.acr.clone(),
                ..SignedInHow::default()
            };
            let tokens = enter(core, &found, approval, (&known, wanted), now).await?;
            Ok((tokens.ok_or(Refusal::BadDeviceCode)?, how))
        }
    }
}

async fn enter(
    core: &Core,
    found: &DeviceCode,
    approval: &Approval,
    for_whom: (&KnownClient, &Wanted),
    now: DateTime<Utc>,
) -> Result<Option<TokenSet>, Failure> {
    let beginning = Beginning {
        user: approval.user,
        scope: found.scope.clone(),
        audiences: found.audiences.clone(),
        auth_time: approval.auth_time,
        amr: approval.amr.clone(),
        acr: approval.acr.clone(),
        claims: Wishes::default(),
        // The browser that let it in is another device: this login goes on when that one signs out.
        sign_in_session: None,
        device: found.device.clone(),
    };
    let spend = async |tx: &mut Tx, family| device_codes::spend(tx, &found.device_code_hash, family).await;
    new_family::open(core, beginning, for_whom, now, spend).await
}

/// What a user finds under a code.
#[derive(Debug)]
pub enum Found {
    /// A device that waits, with its client.
    Waiting(Box<DeviceCode>, Arc<KnownClient>),
    /// Nothing.
    Nothing,
    /// The user typed too many wrong codes, and has to wait.
    TooManyTries,
}

/// Looks for the device that shows `user_code`. Every code that is wrong is counted (RFC 8628 §5.1).
///
/// # Errors
/// [`Failure::Store`].
pub async fn look(
    core: &Core,
    user_code: &UserCode,
    session: &SignInSession,
    now: DateTime<Utc>,
) -> Result<Found, Failure> {
    // Counted before it is looked up: many tries at once are many tries.
    if device_codes::count_try(&core.db, session.user, now - TRY_WINDOW, now).await? > WRONG_CODES {
        return Ok(Found::TooManyTries);
    }
    let Some(found) = device_codes::find_open(&core.db, &user_code.hash(), now).await? else {
        audit::user_code_refused(session.user);
        return Ok(Found::Nothing);
    };
    device_codes::uncount_try(&core.db, session.user).await?;
    match core.clients.find(&core.db, &found.client_id, now).await {
        Ok(known) => Ok(Found::Waiting(Box::new(found), known)),
        Err(Failure::InvalidClient) => Ok(Found::Nothing),
        Err(failure) => Err(failure),
    }
}

/// The user of `session` lets a device in: `false` when it waits no more, or the session has ended meanwhile.
///
/// # Errors
/// [`Failure::Store`].
pub async fn allow(
    core: &Core,
    (found, known): (&DeviceCode, &KnownClient),
    session: &SignInSession,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    let approval = Approval {
        user: session.user,
        sign_in_session: session.id,
        auth_time: session.auth_time,
        amr: session.amr.clone(),
        acr: session.acr.clone(),
    };
    let allowed = transaction::retrying(|| async {
        let mut tx = core.db.begin().await?;
        // Whatever ends the session takes this row's lock: no device slips through.
        if !sign_in_sessions::touch(&mut tx, session.id, now).await? {
            return Ok(false);
        }
        let allowed = device_codes::allow(&mut tx, &found.user_code_hash, &approval, now).await?;
        clients::keep(&mut tx, known, now).await?;
        tx.commit().await?;
        Ok(allowed)
    })
    .await?;
    if allowed {
        audit::consented(session.user, &found.client_id);
    }
    Ok(allowed)
}

/// The user of `session` keeps a device out: `false` when it waits no more.
///
/// # Errors
/// [`Failure::Store`].
pub async fn deny(
    core: &Core,
    found: &DeviceCode,
    session: &SignInSession,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    let denied = device_codes::deny(&core.db, &found.user_code_hash, session.user, now).await?;
    if denied {
        audit::device_denied(session.user, &found.client_id);
    }
    Ok(denied)
}
