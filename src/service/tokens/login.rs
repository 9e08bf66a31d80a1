//! Login with a password: the beginning of a family.

use chrono::{DateTime, Utc};

use crate::domain::authentication::Authentication;
use crate::domain::claims_request::ClaimRequests;
use crate::domain::event::Event;
use crate::domain::family::{Family, UserAgentInfo};
use crate::domain::secrets::FamilySecret;
use crate::service::clients::known_clients::KnownClient;
use crate::service::clients::presenter::Presenter;
use crate::service::tokens::grant::{self, TokenSet, Wanted};
use crate::service::tokens::new_family::{self, Beginning};
use crate::service::users::credentials::{self, Credentials, Verified};
use crate::service::{Core, Failure};

/// A request to log in.
#[derive(Debug)]
pub struct Login {
    /// Who.
    pub credentials: Credentials,
    /// With which client.
    pub presenter: Presenter,
    /// What shall be granted.
    pub wanted: Wanted,
    /// Where from.
    pub agent: UserAgentInfo,
}

/// Logs a user in.
///
/// # Errors
/// [`crate::domain::refusal::Refusal::BadCredentials`], the same and after the same time whether the user exists or
/// not; [`Failure::InvalidClient`], [`Failure::UnauthorizedClient`], [`Failure::InvalidScope`],
/// [`Failure::InvalidTarget`]; [`Failure::TooManyAttempts`]; [`Failure::Busy`] when too many
/// passwords are waiting; [`Failure::Store`].
pub async fn login(core: &Core, request: Login, now: DateTime<Utc>) -> Result<TokenSet, Failure> {
    let known = request.presenter.authenticate(core, now).await?;
    request.wanted.scope_within(&known.client.scopes)?;
    request.wanted.audiences_of(&known.client, &core.issuer)?;
    let opening = async |verified: Verified| begin_family(core, &request, &known, &verified, now).await;
    let begun = credentials::check(core, &request.credentials, now, opening).await;
    let (family, secret) = begun.inspect_err(|failure| {
        if matches!(failure, Failure::Refused(_)) {
            core.tell(Event::LoginRefused { client: request.presenter.client_id().clone() });
        }
    })?;
    // What was asked for is what the family has by now.
    grant::issue(core, &family.into(), &secret, &known, &Wanted::default(), now)
}

async fn begin_family(
    core: &Core,
    request: &Login,
    known: &KnownClient,
    verified: &Verified,
    now: DateTime<Utc>,
) -> Result<Option<(Family, FamilySecret)>, Failure> {
    let beginning = Beginning {
        authentication: Authentication::by_password(verified.user, now),
        scope: request.wanted.scope_within(&known.client.scopes)?,
        audiences: request.wanted.audiences_of(&known.client, &core.issuer)?,
        claims: ClaimRequests::default(),
        agent: request.agent.clone(),
    };
    let (mut family, secret) = new_family::begin(core, beginning, known, now);
    let roles = core.write(now, async |tx| {
        let Some(roles) = verified.confirm(tx, now).await? else { return Ok(None) };
        new_family::insert(tx, Family { roles: roles.clone(), ..family.clone() }).await?;
        Ok(Some(roles))
    });
    let Some(roles) = roles.await? else { return Ok(None) };
    family.roles = roles;
    Ok(Some((family, secret)))
}
