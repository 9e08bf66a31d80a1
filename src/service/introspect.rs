//! Introspection (RFC 7662): what a token is worth now. Looking changes nothing.

use chrono::{DateTime, Utc};

use crate::domain::client::Client;
use crate::domain::family::Family;
use crate::domain::ids::FamilyId;
use crate::service::access_token::{self, AccessToken};
use crate::service::presented::{self, Presented};
use crate::service::{Core, Failure};
use crate::store::families;

/// What the caller may know of a token.
#[derive(Debug)]
pub enum Introspection {
    /// Nothing: not genuine, expired, spent, ended, or none of the caller's business. Which one is not told.
    Inactive,
    /// A good access token.
    Access(Box<AccessToken>),
    /// A refresh token that would be honoured now.
    Refresh {
        /// Its family.
        family: Box<Family>,
        /// When it expires.
        ends_at: DateTime<Utc>,
    },
}

/// Looks at a token for an authenticated confidential client.
///
/// # Errors
/// [`Failure::Store`].
pub async fn introspect(
    core: &Core,
    token: &str,
    caller: &Client,
    now: DateTime<Utc>,
) -> Result<Introspection, Failure> {
    if let Some(access) = access_token::verify(core, token, now) {
        let own = access.client_id == caller.id.as_str();
        let meant_for_it = access.aud.iter().any(|audience| caller.audiences.contains(audience));
        if !own && !meant_for_it {
            return Ok(Introspection::Inactive);
        }
        let live = match access.sid {
            Some(family) => find_live(core, family, now).await?.is_some(),
            None => core
                .clients
                .find(&core.db, &access.client_id.parse().map_err(|_| Failure::InvalidToken)?, now)
                .await
                .is_ok(),
        };
        return Ok(if live { Introspection::Access(Box::new(access)) } else { Introspection::Inactive });
    }
    let Ok(token) = presented::open(core, token, &caller.id) else { return Ok(Introspection::Inactive) };
    let Some(Presented::Genuine(family)) = presented::family_of(core, &token).await? else {
        return Ok(Introspection::Inactive);
    };
    let known = core.clients.find(&core.db, &family.client_id, now).await?;
    if family.generation != token.generation || !family.is_live(now, &known.lifetimes) {
        return Ok(Introspection::Inactive);
    }
    let ends_at = family.ends_at(&known.lifetimes);
    Ok(Introspection::Refresh { family, ends_at })
}

async fn find_live(core: &Core, id: FamilyId, now: DateTime<Utc>) -> Result<Option<Family>, Failure> {
    let Some(family) = families::find(&core.db, id).await? else { return Ok(None) };
    match core.clients.find(&core.db, &family.client_id, now).await {
        Ok(known) => Ok(Some(family).filter(|family| family.is_live(now, &known.lifetimes))),
        Err(Failure::InvalidClient) => Ok(None),
        Err(failure) => Err(failure),
    }
}
