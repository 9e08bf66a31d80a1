//! Signing in on a device without a browser (RFC 8628): the device asks, its user decides elsewhere, the device gets a
//! family: once.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::authentication::Authentication;
use crate::domain::claims::Confirmation;
use crate::domain::claims_request::ClaimsRequest;
use crate::domain::client::GrantType;
use crate::domain::device::{Decision, DeviceCode, Poll, UserCode, Waiting};
use crate::domain::opaque::OpaqueSecret;
use crate::domain::refusal::Refusal;
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::known_clients::KnownClient;
use crate::service::tokens::grant::{self, Wanted};
use crate::service::tokens::id_token::IdTokenContent;
use crate::service::tokens::issued::Issued;
use crate::service::tokens::new_family::{self, Beginning};
use crate::service::tokens::polling::{INTERVAL, Question};
use crate::service::tokens::user_claims::{self, ClaimsAsked};
use crate::service::{Core, Failure};
use crate::store::{Tx, device_codes};

/// Long enough to find another device and to sign in there, short enough that nobody guesses the code.
const CODE_TTL: Duration = Duration::from_mins(10);
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

/// A device begins to wait.
///
/// # Errors
/// [`Failure::InvalidClient`], [`Failure::UnauthorizedClient`], [`Failure::NotFetched`], [`Failure::InvalidScope`],
/// [`Failure::InvalidTarget`], [`Failure::TooMany`], [`Failure::Busy`], [`Failure::Store`].
pub async fn begin(
    core: &Core,
    request: &ClientRequest,
    wanted: Wanted,
    now: DateTime<Utc>,
) -> Result<Begun, Failure> {
    let known = request.authenticate(core, now).await?;
    known.may(GrantType::DeviceCode)?;
    let wanted = wanted.among(&known.client.scopes)?;
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
        agent: request.agent.clone(),
        expires_at: now + CODE_TTL,
        decision: Decision::Open,
        family: None,
    };
    request.count_waiting(core, &known, now)?;
    for _ in 0..DRAWS {
        let user_code = UserCode::from_random(random::bytes());
        waiting.user_code_hash = user_code.hash();
        if device_codes::insert(&core.db, &waiting).await? {
            return Ok(Begun { device_code, user_code, expires_in: CODE_TTL, interval: INTERVAL });
        }
    }
    Err(Failure::Busy)
}

/// What a device sends to ask whether its user has let it in.
#[derive(Debug)]
pub struct DeviceParams<'a> {
    pub device_code: &'a str,
    /// What the first access token shall be good for.
    pub wanted: Wanted,
}

/// A device asks whether its user has let it in.
///
/// # Errors
/// [`Failure::Waiting`] as long as it was not; [`Refusal::BadDeviceCode`] when the code is none of the client's, or was
/// used; [`Failure::InvalidScope`], [`Failure::InvalidTarget`], which leave it unused; [`Failure::InvalidClient`],
/// [`Failure::UnauthorizedClient`], [`Failure::Store`].
pub async fn poll(
    core: &Core,
    request: &ClientRequest,
    params: DeviceParams<'_>,
    now: DateTime<Utc>,
) -> Result<Issued, Failure> {
    let known = request.authenticate(core, now).await?;
    known.may(GrantType::DeviceCode)?;
    let binding = request.binding_for(&known, now)?;
    let hash = OpaqueSecret::presented(params.device_code).ok_or(Refusal::BadDeviceCode)?.hash();
    let question = core.polling.ask(&hash, now);
    if question == Question::Refused {
        return Err(Failure::Waiting(Waiting::SlowDown));
    }
    let found = device_codes::find(&core.db, &hash).await?.ok_or(Refusal::BadDeviceCode)?;
    if found.client_id != known.client.id {
        return Err(Refusal::BadDeviceCode.into());
    }
    match found.poll(now) {
        Poll::Used => Err(Refusal::BadDeviceCode.into()),
        Poll::Over(waiting) => Err(Failure::Waiting(waiting)),
        Poll::Wait => {
            let is_in_time = match question {
                // Two questions at once are one too many.
                Question::First => core.polling.begin(&hash, now),
                Question::InTime => true,
                Question::Early | Question::Refused => false,
            };
            Err(Failure::Waiting(if is_in_time { Waiting::Pending } else { Waiting::SlowDown }))
        }
        Poll::Enter(approval) => {
            let wanted = params.wanted.among(&grant::scope_left(&found.scope, &known.client))?;
            let audiences = wanted.audiences_within(&found.audiences, &known.client, &core.issuer)?;
            core.keys.agree(&audiences, now)?;
            let issued = enter(core, (&found, approval), binding, (&known, &wanted), now).await?;
            issued.ok_or(Refusal::BadDeviceCode.into())
        }
    }
}

async fn enter(
    core: &Core,
    (found, approval): (&DeviceCode, &Authentication),
    binding: Option<Confirmation>,
    for_whom: (&KnownClient, &Wanted),
    now: DateTime<Utc>,
) -> Result<Option<Issued>, Failure> {
    let claims = ClaimsRequest::default();
    let asked = ClaimsAsked { user: approval.user, scope: &found.scope, claims: &claims.id_token };
    let told = IdTokenContent {
        nonce: None,
        user: user_claims::told_in_id_token(core, for_whom, asked, now).await?,
    };
    let beginning = Beginning {
        // The browser that let it in is another device.
        authentication: approval.clone().elsewhere(),
        scope: found.scope.clone(),
        audiences: found.audiences.clone(),
        claims,
        binding,
        agent: found.agent.clone(),
    };
    let spend = async |tx: &mut Tx, family| device_codes::spend(tx, &found.device_code_hash, family).await;
    new_family::open_family(core, beginning, for_whom, &told, now, spend).await
}
