//! A login that is not enough by now, where an operator's own app refreshes it: the app is told, and takes it further
//! (draft-ietf-oauth-first-party-apps-03, "Token Endpoint Error Response").
//!
//! Whether it is enough is told from what a refresh has at hand: no statement is spent on it. A bet on the current
//! generation is refused after its write then, and costs nobody anything: the token that was presented may come back,
//! and is served again as soon as less is wanted.

use chrono::{DateTime, Utc};

use crate::domain::authentication::{AuthenticationMethod, ContextClass};
use crate::domain::client::{GrantType, Party};
use crate::domain::family::Family;
use crate::domain::ids::FamilyId;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::WantedFactor;
use crate::domain::second_factor_policy::SecondFactorPolicy;
use crate::service::authorize::challenge::WaitingRequest;
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::known_clients::KnownClient;
use crate::service::tokens::grant;
use crate::service::users::sign_in::waiting;
use crate::service::{Core, Failure};
use crate::store::{families, second_factors, users};

/// Lets a refresh go on if its login is enough for its client.
///
/// # Errors
/// [`Failure::InsufficientAuthorization`]; [`Failure::TooMany`], [`Failure::Store`].
pub(super) async fn must_be_enough(
    core: &Core,
    (request, known): (&ClientRequest, &KnownClient),
    (family, shown): (FamilyId, &[AuthenticationMethod]),
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    if core.second_factor_for(&known.client) == SecondFactorPolicy::Optional
        || !is_told(request, known)
        || ContextClass::of(shown) >= ContextClass::Two
    {
        return Ok(());
    }
    let wanted = Box::pin(wait(core, (request, known), family, now)).await?;
    Err(Failure::InsufficientAuthorization(wanted.map(Box::new)))
}

/// Others would throw the token away, and their logins are as good as they were: they ask for more at the next one.
fn is_told(request: &ClientRequest, known: &KnownClient) -> bool {
    known.client.party == Party::First
        && known.may(GrantType::AuthorizationCode).is_ok()
        && request.takes_id_tokens()
}

/// Lets the login wait for a second factor; `None` where the user has none that can be shown to an app.
async fn wait(
    core: &Core,
    (request, known): (&ClientRequest, &KnownClient),
    family: FamilyId,
    now: DateTime<Utc>,
) -> Result<Option<WantedFactor>, Failure> {
    let family = families::find(&core.db, family).await?.ok_or(Refusal::Expired)?;
    let user = family.user();
    let factors = core.offered(second_factors::of_user(&core.db, user).await?);
    if !core.takes_passwords || !factors.totp {
        return Ok(None);
    }
    request.count_waiting(core, known, now)?;
    let kept = WaitingRequest { parameters: parameters(&family, known), family: Some(family.id) };
    // It is shown to an app: it goes on when the browser that it may have been in signs out.
    let shown = family.authentication.elsewhere();
    let begun = core.write(now, async |tx| {
        if !users::touch(tx, user, now).await? {
            return Ok(None);
        }
        let shown = (&shown, &request.agent);
        waiting::begin(tx, shown, (&known.client.id, kept.clone()), now).await.map(Some)
    });
    let token = begun.await?.ok_or(Refusal::Expired)?;
    Ok(Some(WantedFactor { token, expires_in: waiting::lifetime(), factors }))
}

/// A request for what the login has. Its client adds a challenge for the code (RFC 7636).
fn parameters(family: &Family, known: &KnownClient) -> String {
    let scope = grant::scope_left(&family.scope, &known.client).to_string();
    let client = known.client.id.as_str();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", client).append_pair("response_type", "code").append_pair("scope", &scope);
    for audience in &family.audiences {
        query.append_pair("resource", audience.as_str());
    }
    if let Some(key) = &family.key_thumbprint {
        query.append_pair("dpop_jkt", key.as_str());
    }
    let claims = &family.claims;
    if let Ok(text) = serde_json::to_string(claims)
        && !(claims.userinfo.is_empty() && claims.id_token.is_empty())
    {
        query.append_pair("claims", &text);
    }
    query.finish()
}
