//! The client-credentials grant (RFC 6749 §4.4): a client acts for itself. No user, no family, no refresh token.

use chrono::{DateTime, Utc};

use crate::domain::client::GrantType;
use crate::service::clients::client_request::ClientRequest;
use crate::service::tokens::grant::Wanted;
use crate::service::tokens::issued::{self, Access, Issued};
use crate::service::{Core, Failure};

/// An access token for a confidential client.
///
/// # Errors
/// [`Failure::InvalidClient`], [`Failure::UnauthorizedClient`], [`Failure::InvalidScope`], [`Failure::InvalidTarget`],
/// [`Failure::Store`].
pub async fn client_credentials(
    core: &Core,
    request: &ClientRequest,
    wanted: Wanted,
    now: DateTime<Utc>,
) -> Result<Issued, Failure> {
    let known = request.authenticate(core, now).await?;
    known.may(GrantType::ClientCredentials)?;
    let client = &known.client;
    let access = Access {
        subject: client.id.as_str(),
        client: &client.id,
        audiences: wanted.audiences_of(client, &core.issuer)?,
        scope: wanted.scope_within(&client.scopes)?,
        issued_at: now.timestamp(),
        expires_at: (now + known.lifetimes.access_ttl()).timestamp(),
        login: None,
        act: None,
    };
    issued::issue(core, access, None, now)
}
