//! Logout and revocation (RFC 7009): the holder of a genuine token ends its family.

use chrono::{DateTime, Utc};

use crate::domain::ids::FamilyId;
use crate::domain::refresh_token::RefreshToken;
use crate::domain::refusal::EndReason;
use crate::service::clients::client_request::ClientRequest;
use crate::service::tokens::access_token;
use crate::service::tokens::presented::{self, Presented};
use crate::service::{Core, Failure};
use crate::store::families;

/// Ends the family of a refresh token, whichever of its generations it is. What is not genuine, or has no family any
/// more, ends nothing and is no error: what the caller asked for is done already.
///
/// # Errors
/// [`Failure::InvalidClient`], [`Failure::UnauthorizedClient`], [`Failure::Store`].
pub async fn logout(
    core: &Core,
    text: &str,
    request: &ClientRequest,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let Ok(token) = presented::open_token(core, text, request.client_id()) else { return Ok(()) };
    request.authenticate(core, now).await?;
    end_family_of(core, &token, EndReason::Logout, now).await
}

/// Revokes a token of either kind for the client that it was issued to.
///
/// # Errors
/// [`Failure::UnsupportedTokenType`] for a genuine access token without a family, or exchanged from one of another
/// client's (RFC 8693), which is not this client's to end: it is good until it expires, and saying otherwise would be a
/// lie; [`Failure::InvalidClient`], [`Failure::Store`].
pub async fn revoke(
    core: &Core,
    text: &str,
    request: &ClientRequest,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let client = request.client_id();
    let refresh = presented::open_token(core, text, client).ok();
    let access = access_token::verify(core, text, now).filter(|token| token.client_id == client.as_str());
    if refresh.is_none() && access.is_none() && !request.has_proof() {
        return Ok(());
    }
    request.authenticate(core, now).await?;
    match (refresh, access) {
        (Some(token), _) => end_family_of(core, &token, EndReason::ClientRevoked, now).await,
        (None, Some(token)) => {
            let family = token.sid.ok_or(Failure::UnsupportedTokenType)?;
            match families::find(&core.db, family).await? {
                Some(family) if family.client_id != *client => Err(Failure::UnsupportedTokenType),
                Some(_) | None => end(core, family, EndReason::ClientRevoked, now).await,
            }
        }
        (None, None) => Ok(()),
    }
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
