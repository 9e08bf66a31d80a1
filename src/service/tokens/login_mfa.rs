//! The second factor of a login at the simple face, whose password was right.

use chrono::{DateTime, Utc};

use crate::domain::authentication::Authentication;
use crate::domain::claims_request::ClaimsRequest;
use crate::domain::event::{Event, TriedAccount};
use crate::domain::family::{Family, UserAgentInfo};
use crate::domain::opaque::OpaqueSecret;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::{Demand, SignInAttempt};
use crate::domain::secrets::FamilySecret;
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::known_clients::KnownClient;
use crate::service::tokens::grant::{self, Wanted};
use crate::service::tokens::issued::Issued;
use crate::service::tokens::login::WaitingLogin;
use crate::service::tokens::new_family::{self, Beginning};
use crate::service::users::sign_in::entering::{self, Door};
use crate::service::users::sign_in::second::{self, RightProof, SHOWN, SecondProof};
use crate::service::{Core, Failure};
use crate::store::{Tx, sign_in_attempts, users};

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
    let secret = OpaqueSecret::presented(token).ok_or(Refusal::BadMfaToken)?;
    let found = entering::waiting_login(core, &secret, now).await?;
    let (attempt, waiting) = found.as_ref().and_then(waiting_in).ok_or(Refusal::BadMfaToken)?;
    let shown = attempt.shown.as_ref().ok_or(Refusal::BadMfaToken)?;
    if waiting.client_id != known.client.id.as_str() {
        return Err(Refusal::BadMfaToken.into());
    }
    let user = shown.user;
    let shown = shown.clone().and(&SHOWN, now);
    let (family, secret) = begin(core, (request, &known), (&shown, waiting), now).await?;
    let door = Door { agent: &request.agent, before: None, demand: Demand::NOTHING };
    let confirm = async |right: RightProof| {
        let begun = core.write(now, async |tx: &mut Tx| {
            let Some(locked) = users::lock_for_login(tx, user, now).await? else { return Ok(None) };
            if !sign_in_attempts::spend(tx, &attempt.secret_hash, now).await?
                || !right.confirm(tx, door).await?
            {
                return Ok(None);
            }
            let family = new_family::of_user_with(core, &family, locked.roles);
            new_family::insert(tx, family.clone()).await?;
            Ok(Some(family))
        });
        Ok(begun.await?)
    };
    let begun = second::show(core, attempt, proof, (door, request.address), now, confirm).await;
    if let Err(Failure::Refused(_)) = begun {
        let (client, from) = (known.client.id.clone(), (&request.agent).into());
        core.tell(Event::LoginRefused { client, account: TriedAccount::Known(user), from });
    }
    let wanted = Wanted::default();
    grant::issue(core, &begun?.into(), &secret, (&known, &wanted), binding.as_ref(), None, now)
}

fn waiting_in(attempt: &SignInAttempt) -> Option<(&SignInAttempt, WaitingLogin)> {
    let waiting = serde_json::from_str(attempt.login.as_deref()?).ok()?;
    Some((attempt, waiting))
}

async fn begin(
    core: &Core,
    (request, known): (&ClientRequest, &KnownClient),
    (shown, waiting): (&Authentication, WaitingLogin),
    now: DateTime<Utc>,
) -> Result<(Family, FamilySecret), Failure> {
    let beginning = Beginning {
        authentication: shown.clone(),
        scope: waiting.scope.parse().map_err(|_| Refusal::BadMfaToken)?,
        audiences: waiting.audiences,
        claims: ClaimsRequest::default(),
        binding: request.binding_for(known, now)?,
        agent: UserAgentInfo { name: waiting.device, ..request.agent.clone() },
    };
    new_family::begin(core, beginning, known, now).await
}
