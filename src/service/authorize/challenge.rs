//! The authorization challenge of an app that an operator runs (draft-ietf-oauth-first-party-apps-03): the user types
//! into the app, and the app gets a code, or is told what is missing. People are sent to the pages for what an app
//! cannot show: a passkey, and the setting up of a second factor.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::authentication::Authentication;
use crate::domain::authorization::AuthorizationRequest;
use crate::domain::client::{GrantType, Party};
use crate::domain::family::State;
use crate::domain::ids::FamilyId;
use crate::domain::opaque::OpaqueSecret;
use crate::domain::second_factor::{Remedy, SecondFactors, WantedFactor};
use crate::service::authorize::authorization::{self, new_code};
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::known_clients::{self, KnownClient};
use crate::service::users::credentials::{self, Credentials, Verified};
use crate::service::users::factors;
use crate::service::users::sign_in::second::SecondProof;
use crate::service::users::sign_in::waiting::{self, WaitingSignIn};
use crate::service::{Core, Failure};
use crate::store::{StoreError, Tx, authorization_codes, families, second_factors};

/// A request that waits for a second factor, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WaitingRequest {
    /// Its parameters, as a query.
    pub(crate) parameters: String,
    /// The login that it shall take further, if it began with one: nothing goes on that has ended.
    pub(crate) family: Option<FamilyId>,
}

/// How far a challenge came.
#[derive(Debug)]
pub(crate) enum Challenged {
    Code(OpaqueSecret),
    WantsCode(WantedFactor),
    /// The user has to go to the pages.
    AtThePages,
    /// The request wants a class that this user cannot reach.
    Unreachable,
    /// The request names another user.
    SomebodyElse,
}

/// The client of a challenge: one that proved who it is as at the token endpoint, that an operator runs, and that gets
/// codes.
///
/// # Errors
/// Those of [`ClientRequest::authenticate`]; [`Failure::UnauthorizedClient`].
pub(crate) async fn first_party(
    core: &Core,
    request: &ClientRequest,
    now: DateTime<Utc>,
) -> Result<Arc<KnownClient>, Failure> {
    let known = request.authenticate(core, now).await?;
    known.may(GrantType::AuthorizationCode)?;
    // Nobody could read here what such a client signed.
    let signs = known.client.metadata.require_signed_request_object;
    match known.client.party {
        Party::First if !signs => Ok(known),
        Party::First | Party::Third => Err(Failure::UnauthorizedClient),
    }
}

/// What comes next for a user who showed this much.
enum ChallengeStep {
    Nothing,
    Code,
    Pages,
    Unreachable,
    SomebodyElse,
}

fn next(
    core: &Core,
    known: &KnownClient,
    asked: &AuthorizationRequest,
    (shown, factors): (&Authentication, &SecondFactors),
) -> ChallengeStep {
    let subject = core.subjects.subject(&known.client, shown.user);
    if asked.expected_subject.as_ref().is_some_and(|expected| *expected != subject) {
        return ChallengeStep::SomebodyElse;
    }
    let reachable = shown.class().max(factors.reach());
    if asked.class.essential().is_some_and(|essential| reachable < essential) {
        return ChallengeStep::Unreachable;
    }
    let demand = authorization::demand(core, &known.client, asked);
    match demand.missing_at_first(shown.class(), factors).map(|missing| missing.remedy(factors)) {
        None => ChallengeStep::Nothing,
        Some(Remedy::Code) => ChallengeStep::Code,
        Some(Remedy::Passkey | Remedy::Enrolment) => ChallengeStep::Pages,
    }
}

/// Takes a name and a password for a request, whose parameters wait as they are for what else is missing.
///
/// # Errors
/// [`crate::domain::refusal::Refusal::BadCredentials`]; [`Failure::TooManyAttempts`], [`Failure::Busy`],
/// [`Failure::Store`].
pub(crate) async fn begin(
    core: &Core,
    (request, known): (&ClientRequest, &KnownClient),
    (asked, parameters): (&AuthorizationRequest, &str),
    credentials: &Credentials,
    now: DateTime<Utc>,
) -> Result<Challenged, Failure> {
    let opening = async |verified: Verified| {
        let shown = Authentication::by_password(verified.user, now);
        let begun = core.write(now, async |tx| {
            if verified.confirm(tx, now).await?.is_none() {
                return Ok(None);
            }
            let factors = core.offered(second_factors::of_locked_user(tx, verified.user).await?);
            let step = match next(core, known, asked, (&shown, &factors)) {
                ChallengeStep::Nothing => {
                    Challenged::Code(issue_code(tx, (request, known), asked, &shown, now).await?)
                }
                ChallengeStep::Code => {
                    let kept = WaitingRequest { parameters: parameters.to_owned(), family: None };
                    let (shown, client) = ((&shown, &request.agent), &known.client.id);
                    let token = waiting::begin(tx, shown, (client, kept), now).await?;
                    Challenged::WantsCode(WantedFactor { token, expires_in: waiting::lifetime(), factors })
                }
                ChallengeStep::Pages => Challenged::AtThePages,
                ChallengeStep::Unreachable => Challenged::Unreachable,
                ChallengeStep::SomebodyElse => Challenged::SomebodyElse,
            };
            Ok(Some(step))
        });
        Ok(begun.await?)
    };
    credentials::check_for_client(core, (credentials, request), now, opening).await
}

/// The request that waits under an `auth_session`.
///
/// # Errors
/// [`Failure::InvalidSession`] when none of this client's does (any more); [`Failure::Store`].
pub(crate) async fn resume(
    core: &Core,
    session: &str,
    known: &KnownClient,
    now: DateTime<Utc>,
) -> Result<WaitingSignIn<WaitingRequest>, Failure> {
    let found = waiting::find::<WaitingRequest>(core, session, &known.client.id, now).await?;
    let waiting = found.ok_or(Failure::InvalidSession)?;
    if let Some(family) = waiting.asked.family {
        let family = families::find(&core.db, family).await?;
        if family.is_none_or(|family| family.state != State::Live) {
            return Err(Failure::InvalidSession);
        }
    }
    Ok(waiting)
}

/// Goes on with a request that waits: by the user's code if there is one, and otherwise by saying what is missing.
///
/// # Errors
/// [`Failure::InvalidSession`] when the user has to begin anew;
/// [`crate::domain::refusal::Refusal::BadSecondFactor`]; [`Failure::InsufficientAuthorization`],
/// [`Failure::TooManyAttempts`], [`Failure::Busy`], [`Failure::Store`].
pub(crate) async fn go_on(
    core: &Core,
    (request, known): (&ClientRequest, &KnownClient),
    (waiting, asked): (&WaitingSignIn<WaitingRequest>, &AuthorizationRequest),
    proof: Option<&SecondProof<'_>>,
    now: DateTime<Utc>,
) -> Result<Challenged, Failure> {
    let age = (now - waiting.shown.at).to_std().unwrap_or_default();
    let is_too_old = asked.max_age.is_some_and(|longest| age > longest || longest.is_zero());
    if waiting.asked.family.is_some() && is_too_old {
        // The password of that login is too old, and is shown at the beginning only.
        return Err(Failure::InvalidSession);
    }
    let factors = factors::of_user(core, waiting.shown.user).await?;
    match next(core, known, asked, (&waiting.shown, &factors)) {
        // Less is wanted by now, or a login is taken further that has enough: a code is shown all the same.
        ChallengeStep::Nothing if factors.totp => {}
        ChallengeStep::Code => {}
        ChallengeStep::Nothing | ChallengeStep::Pages => return Ok(Challenged::AtThePages),
        ChallengeStep::Unreachable => return Ok(Challenged::Unreachable),
        ChallengeStep::SomebodyElse => return Ok(Challenged::SomebodyElse),
    }
    let Some(proof) = proof else {
        return Ok(Challenged::WantsCode(waiting.wanted(factors, now)));
    };
    let shown = waiting.with_factor(now);
    let open = async |tx: &mut Tx, _| {
        // Whatever ends the logins of a user takes the lock of the user's row, which this has.
        if let Some(family) = waiting.asked.family
            && !families::is_live_within(tx, family, now).await?
        {
            return Ok(None);
        }
        issue_code(tx, (request, known), asked, &shown, now).await.map(Some)
    };
    Ok(Challenged::Code(waiting.finish(core, request, proof, now, open).await?))
}

async fn issue_code(
    tx: &mut Tx,
    (request, known): (&ClientRequest, &KnownClient),
    asked: &AuthorizationRequest,
    shown: &Authentication,
    now: DateTime<Utc>,
) -> Result<OpaqueSecret, StoreError> {
    let (plain, stored) = new_code(asked, (shown, &request.agent), now);
    authorization_codes::insert(tx, &stored).await?;
    known_clients::keep(tx, known, now).await?;
    Ok(plain)
}
