//! Login with a password: the beginning of a family.

use chrono::{DateTime, Utc};

use crate::domain::authentication::Authentication;
use crate::domain::claims_request::ClaimsRequest;
use crate::domain::event::Event;
use crate::domain::family::Family;
use crate::domain::secrets::FamilySecret;
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::known_clients::KnownClient;
use crate::service::tokens::grant::{self, Wanted};
use crate::service::tokens::issued::Issued;
use crate::service::tokens::new_family::{self, Beginning};
use crate::service::users::credentials::{self, Credentials, Verified};
use crate::service::{Core, Failure};

/// What is sent to log in.
#[derive(Debug)]
pub struct LoginParams {
    pub credentials: Credentials,
    /// What shall be granted.
    pub wanted: Wanted,
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
) -> Result<Issued, Failure> {
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
    let (family, secret) = begun?;
    // What was asked for is what the family has by now.
    grant::issue(core, &family.into(), &secret, (&known, &Wanted::default()), binding.as_ref(), None, now)
}

async fn begin_family(
    core: &Core,
    (request, params): (&ClientRequest, &LoginParams),
    known: &KnownClient,
    verified: &Verified,
    now: DateTime<Utc>,
) -> Result<Option<(Family, FamilySecret)>, Failure> {
    let beginning = Beginning {
        authentication: Authentication::by_password(verified.user, now),
        scope: params.wanted.scope_within(&known.client.scopes)?,
        audiences: params.wanted.audiences_of(&known.client, &core.issuer)?,
        claims: ClaimsRequest::default(),
        binding: request.binding_for(known, now)?,
        agent: request.agent.clone(),
    };
    let (mut family, secret) = new_family::begin(core, beginning, known, now).await?;
    let roles = core.write(now, async |tx| {
        let Some(roles) = verified.confirm(tx, now).await? else { return Ok(None) };
        new_family::insert(tx, Family { roles: roles.clone(), ..family.clone() }).await?;
        Ok(Some(roles))
    });
    let Some(roles) = roles.await? else { return Ok(None) };
    family.roles = roles;
    Ok(Some((family, secret)))
}
