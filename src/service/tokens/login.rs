//! Login with a password: the beginning of a family, or of an attempt that wants a second factor, too.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::crypto::random;
use crate::domain::audience::Audience;
use crate::domain::authentication::Authentication;
use crate::domain::claims_request::ClaimsRequest;
use crate::domain::event::Event;
use crate::domain::family::{Family, UserAgentInfo};
use crate::domain::opaque::OpaqueSecret;
use crate::domain::second_factor::{Demand, Missing, SecondFactors, SignInAttempt};
use crate::domain::secrets::FamilySecret;
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::known_clients::KnownClient;
use crate::service::tokens::grant::{self, Wanted};
use crate::service::tokens::issued::Issued;
use crate::service::tokens::new_family::{self, Beginning};
use crate::service::users::credentials::{self, Credentials, Verified};
use crate::service::users::sign_in::entering::ATTEMPT_TTL;
use crate::service::{Core, Failure};
use crate::store::{StoreError, Tx, second_factors, sign_in_attempts};

/// What is sent to log in.
#[derive(Debug)]
pub struct LoginParams {
    pub credentials: Credentials,
    /// What shall be granted.
    pub wanted: Wanted,
}

/// How far a login came.
#[derive(Debug)]
pub enum LoginStep {
    In(Box<Issued>),
    /// The user has to show a second factor, too.
    WantsFactor(WantedFactor),
    /// The user has to set up a second factor first: at the pages.
    WantsEnrolment,
}

/// What a login waits for.
#[derive(Debug)]
pub struct WantedFactor {
    /// What it goes on with: `mfa_token`.
    pub token: OpaqueSecret,
    /// How long that is good for.
    pub expires_in: Duration,
    /// What the user has.
    pub factors: SecondFactors,
}

/// What a login asked for that waits, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WaitingLogin {
    pub client_id: String,
    pub scope: String,
    pub audiences: Vec<Audience>,
    pub device: Option<String>,
}

/// Logs a user in.
///
/// # Errors
/// [`crate::domain::refusal::Refusal::BadCredentials`], the same and after the same time whether the user exists or
/// not; [`Failure::InvalidClient`], [`Failure::UnauthorizedClient`], [`Failure::InvalidScope`],
/// [`Failure::InvalidTarget`]; [`Failure::TooManyAttempts`]; [`Failure::Busy`] when too many
/// passwords are waiting; [`Failure::Store`].
pub async fn login(
    core: &Core,
    request: &ClientRequest,
    params: LoginParams,
    now: DateTime<Utc>,
) -> Result<LoginStep, Failure> {
    if !core.takes_passwords {
        return Err(Failure::UnauthorizedClient);
    }
    let known = request.authenticate(core, now).await?;
    let binding = request.binding_for(&known, now)?;
    params.wanted.scope_within(&known.client.scopes)?;
    core.keys.agree(&params.wanted.audiences_of(&known.client, &core.issuer)?, now)?;
    let opening =
        async |verified: Verified| begin_family(core, (request, &params), &known, &verified, now).await;
    let begun = credentials::check(core, (&params.credentials, &request.agent), now, opening).await;
    if let Err(Failure::Refused(_)) = begun {
        let account = credentials::tried_account(core, params.credentials.username.as_ref()).await;
        let (client, from) = (request.client_id().clone(), (&request.agent).into());
        core.tell(Event::LoginRefused { client, account, from });
    }
    match begun? {
        BegunLogin::Family(begun) => {
            let (family, secret) = *begun;
            // What was asked for is what the family has by now.
            let wanted = Wanted::default();
            let issued =
                grant::issue(core, &family.into(), &secret, (&known, &wanted), binding.as_ref(), None, now)?;
            Ok(LoginStep::In(Box::new(issued)))
        }
        BegunLogin::Wants(wanted) => Ok(LoginStep::WantsFactor(wanted)),
        BegunLogin::WantsEnrolment => Ok(LoginStep::WantsEnrolment),
    }
}

enum BegunLogin {
    Family(Box<(Family, FamilySecret)>),
    Wants(WantedFactor),
    WantsEnrolment,
}

async fn begin_family(
    core: &Core,
    (request, params): (&ClientRequest, &LoginParams),
    known: &KnownClient,
    verified: &Verified,
    now: DateTime<Utc>,
) -> Result<Option<BegunLogin>, Failure> {
    let authentication = Authentication::by_password(verified.user, now);
    let (scope, audiences) = (
        params.wanted.scope_within(&known.client.scopes)?,
        params.wanted.audiences_of(&known.client, &core.issuer)?,
    );
    let waiting = WaitingLogin {
        client_id: known.client.id.to_string(),
        scope: scope.to_string(),
        audiences: audiences.clone(),
        device: request.agent.name.clone(),
    };
    let beginning = Beginning {
        authentication: authentication.clone(),
        scope,
        audiences,
        claims: ClaimsRequest::default(),
        binding: request.binding_for(known, now)?,
        agent: request.agent.clone(),
    };
    let (family, secret) = new_family::begin(core, beginning, known, now).await?;
    let demand = Demand { second_factor: core.second_factor_for(&known.client), ..Demand::NOTHING };
    let begun = core.write(now, async |tx| {
        let Some(roles) = verified.confirm(tx, now).await? else { return Ok(None) };
        let factors = second_factors::of_locked_user(tx, verified.user).await?;
        match demand.missing_at_first(authentication.class(), &factors) {
            None => {
                let family = new_family::of_user_with(core, &family, roles);
                new_family::insert(tx, family.clone()).await?;
                Ok(Some(BegunLogin::Family(Box::new((family, secret.clone())))))
            }
            Some(Missing::Factor(_)) => {
                let token = begin_waiting(tx, (&authentication, &request.agent), &waiting, now).await?;
                let expires_in = ATTEMPT_TTL.to_std().unwrap_or_default();
                Ok(Some(BegunLogin::Wants(WantedFactor { token, expires_in, factors })))
            }
            Some(Missing::Enrolment) => Ok(Some(BegunLogin::WantsEnrolment)),
        }
    });
    Ok(begun.await?)
}

async fn begin_waiting(
    tx: &mut Tx,
    (shown, agent): (&Authentication, &UserAgentInfo),
    waiting: &WaitingLogin,
    now: DateTime<Utc>,
) -> Result<OpaqueSecret, StoreError> {
    let token = OpaqueSecret::from_random(&random::bytes());
    let attempt = SignInAttempt {
        secret_hash: token.hash(),
        shown: Some(shown.clone()),
        agent: agent.clone(),
        login: serde_json::to_string(waiting).ok(),
        ceremony: None,
        expires_at: now + ATTEMPT_TTL,
    };
    sign_in_attempts::insert(tx, &attempt, now).await?;
    Ok(token)
}
