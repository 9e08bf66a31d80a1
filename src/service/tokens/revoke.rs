//! Logout and revocation (RFC 7009): who presents a genuine refresh token ends its family, and so does a client that
//! proves itself with an access token. An access token alone ends itself: every service that it is sent to has it, too.

use chrono::{DateTime, Utc};

use crate::domain::event::Event;
use crate::domain::ids::FamilyId;
use crate::domain::refresh_token::RefreshToken;
use crate::domain::refusal::EndReason;
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::known_clients::KnownClient;
use crate::service::tokens::access_token::{self, AccessToken};
use crate::service::tokens::presented::{self, Presented};
use crate::service::{Core, Failure};
use crate::store::{families, revoked_tokens};

/// Ends the family of a refresh token, whichever of its generations it is, and whichever client the request names: an
/// app that forgot to name itself must not be told that its user is logged out. What is not genuine, or has no family
/// any more, ends nothing and is no error: what the caller asked for is done already.
///
/// # Errors
/// [`Failure::InvalidClient`], [`Failure::UnauthorizedClient`], [`Failure::Store`].
pub async fn logout(
    core: &Core,
    text: &str,
    request: &ClientRequest,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    if let Ok(token) = presented::open_token(core, text, request.client_id()) {
        request.authenticate(core, now).await?;
        return end_family_of(core, &token, EndReason::Logout, now).await;
    }
    let Some(client) = presented::client_of(core, text).await? else { return Ok(()) };
    let Ok(token) = presented::open_token(core, text, &client) else { return Ok(()) };
    request.by(client).authenticate(core, now).await?;
    end_family_of(core, &token, EndReason::Logout, now).await
}

/// Revokes a token of either kind for the client that it was issued to. Of any other token nothing is done, and nothing
/// is said (RFC 7009 §2.2).
///
/// # Errors
/// [`Failure::InvalidClient`], [`Failure::Store`].
pub async fn revoke(
    core: &Core,
    text: &str,
    request: &ClientRequest,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let client = request.client_id();
    let refresh = presented::open_token(core, text, client).ok();
    let access = access_token::verify(core, text, now).filter(|token| token.client_id == client.as_str());
    if refresh.is_none() && access.is_none() && !request.brings_proof() {
        return Ok(());
    }
    let known = request.authenticate(core, now).await?;
    match (refresh, access) {
        (Some(token), _) => end_family_of(core, &token, EndReason::ClientRevoked, now).await,
        (None, Some(token)) => revoke_access_token(core, &token, &known, now).await,
        (None, None) => Ok(()),
    }
}

/// Ends the login that an access token comes from, if the client proved that it is the one whose login that is. In any
/// other case only the token: a public client's name stands in it for everybody to read, a client that acts for itself
/// has no login, and what was exchanged (RFC 8693) comes from another client's.
async fn revoke_access_token(
    core: &Core,
    token: &AccessToken,
    known: &KnownClient,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    if known.client.is_confidential()
        && let Some(family) = token.sid
        && let Some(family) = families::find(&core.db, family).await?
        && family.client_id == known.client.id
    {
        return end(core, family.id, EndReason::ClientRevoked, now).await;
    }
    let Some(expires_at) = token.expires_at() else { return Ok(()) };
    core.write(now, async |tx| {
        if !revoked_tokens::insert(tx, &token.jti, expires_at).await? {
            return Ok(None);
        }
        tx.record(Event::TokenRevoked {
            client: known.client.id.clone(),
            family: token.sid,
            jti: token.jti.clone(),
        });
        Ok(Some(()))
    })
    .await?;
    Ok(())
}

async fn end_family_of(
    core: &Core,
    token: &RefreshToken,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    match presented::family_of(core, token).await? {
        Some(Presented::Genuine(family)) => end(core, family.id, reason, now).await,
        Some(Presented::ForeignSecret) | None => Ok(()),
    }
}

async fn end(core: &Core, family: FamilyId, reason: EndReason, now: DateTime<Utc>) -> Result<(), Failure> {
    core.write(now, async |tx| families::end(tx, family, reason, now).await).await?;
    Ok(())
}
