//! The second factor of a login at the simple face, whose password was right.

use chrono::{DateTime, Utc};

use crate::domain::authentication::Authentication;
use crate::domain::claims_request::ClaimsRequest;
use crate::domain::family::{Family, UserAgentInfo};
use crate::domain::refusal::Refusal;
use crate::domain::secrets::FamilySecret;
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::known_clients::KnownClient;
use crate::service::tokens::grant::{self, Wanted};
use crate::service::tokens::issued::Issued;
use crate::service::tokens::login::WaitingLogin;
use crate::service::tokens::new_family::{self, Beginning};
use crate::service::users::sign_in::second::SecondProof;
use crate::service::users::sign_in::waiting;
use crate::service::{Core, Failure};
use crate::store::Tx;

/// Ends a login that waits with the user's second factor.
///
/// # Errors
/// [`Refusal::BadMfaToken`] when no login of this client waits with it (any more); [`Refusal::BadSecondFactor`];
/// [`Failure::InvalidClient`], [`Failure::TooManyAttempts`], [`Failure::Busy`], [`Failure::Store`].
pub async fn finish(
    core: &Core,
    request: &ClientRequest,
    (token, proof): (&str, &SecondProof<'_>),
    now: DateTime<Utc>,
) -> Result<Issued, Failure> {
    let known = request.authenticate(core, now).await?;
    let binding = request.binding_for(&known, now)?;
    let found = waiting::find::<WaitingLogin>(core, token, &known.client.id, now).await?;
    let waiting = found.ok_or(Refusal::BadMfaToken)?;
    let shown = waiting.with_factor(now);
    let (family, secret) = begin(core, (request, &known), (shown, &waiting.asked), now).await?;
    let open = async |tx: &mut Tx, roles| {
        let family = new_family::of_user_with(core, &family, roles);
        new_family::insert(tx, family.clone()).await?;
        Ok(Some(family))
    };
    let begun = waiting.finish(core, request, proof, now, open).await?;
    let wanted = Wanted::default();
    grant::issue(core, &begun.into(), &secret, (&known, &wanted), binding.as_ref(), None, now)
}

async fn begin(
    core: &Core,
    (request, known): (&ClientRequest, &KnownClient),
    (shown, asked): (Authentication, &WaitingLogin),
    now: DateTime<Utc>,
) -> Result<(Family, FamilySecret), Failure> {
    let beginning = Beginning {
        authentication: shown,
        scope: asked.scope.parse().map_err(|_| Refusal::BadMfaToken)?,
        audiences: asked.audiences.clone(),
        claims: ClaimsRequest::default(),
        binding: request.binding_for(known, now)?,
        agent: UserAgentInfo { name: asked.device.clone(), ..request.agent.clone() },
    };
    new_family::begin(core, beginning, known, now).await
}
