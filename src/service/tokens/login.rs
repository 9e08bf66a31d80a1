//! Login with a password: the beginning of a family, or of an attempt that wants a second factor, too.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::audience::Audience;
use crate::domain::authentication::Authentication;
use crate::domain::claims_request::ClaimsRequest;
use crate::domain::family::Family;
use crate::domain::second_factor::{Demand, Remedy, WantedFactor};
use crate::domain::secrets::FamilySecret;
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::known_clients::KnownClient;
use crate::service::tokens::grant::{self, Wanted};
use crate::service::tokens::issued::Issued;
use crate::service::tokens::new_family::{self, Beginning};
use crate::service::users::credentials::{self, Credentials, Verified};
use crate::service::users::sign_in::waiting;
use crate::service::{Core, Failure};
use crate::store::second_factors;

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
    /// The user has to sign in with a passkey: at the pages.
    WantsPasskey,
    /// The user has to set up a second factor first: at the pages.
    WantsEnrolment,
}

/// What a login asked for that waits, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WaitingLogin {
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
    let audiences = params.wanted.audiences_of(&known.client, &core.issuer)?;
    core.keys.agree(&audiences, now)?;
    core.resource_servers.terms(&audiences).must_know(params.wanted.scope.as_ref())?;
    let opening =
        async |verified: Verified| begin_family(core, (request, &params), &known, &verified, now).await;
    match credentials::check_for_client(core, (&params.credentials, request), now, opening).await? {
        BegunLogin::Family(begun) => {
            let (family, secret) = *begun;
            // What was asked for is what the family has by now.
            let wanted = Wanted::default();
            let issued =
                grant::issue(core, &family.into(), &secret, (&known, &wanted), binding.as_ref(), None, now)?;
            Ok(LoginStep::In(Box::new(issued)))
        }
        BegunLogin::Wants(wanted) => Ok(LoginStep::WantsFactor(wanted)),
        BegunLogin::WantsPasskey => Ok(LoginStep::WantsPasskey),
        BegunLogin::WantsEnrolment => Ok(LoginStep::WantsEnrolment),
    }
}

enum BegunLogin {
    Family(Box<(Family, FamilySecret)>),
    Wants(WantedFactor),
    WantsPasskey,
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
    let asked = WaitingLogin {
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
        let factors = core.offered(second_factors::of_locked_user(tx, verified.user).await?);
        let Some(missing) = demand.missing_at_first(authentication.class(), &factors) else {
            let family = new_family::of_user_with(core, &family, roles);
            new_family::insert(tx, family.clone()).await?;
            return Ok(Some(BegunLogin::Family(Box::new((family, secret.clone())))));
        };
        Ok(Some(match missing.remedy(&factors) {
            Remedy::Code => {
                let shown = (&authentication, &request.agent);
                let token = waiting::begin(tx, shown, (&known.client.id, &asked), now).await?;
                BegunLogin::Wants(WantedFactor { token, expires_in: waiting::lifetime(), factors })
            }
            Remedy::Passkey => BegunLogin::WantsPasskey,
            Remedy::Enrolment => BegunLogin::WantsEnrolment,
        }))
    });
    Ok(begun.await?)
}
