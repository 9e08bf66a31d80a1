//! The client-credentials grant (RFC 6749 §4.4): a client acts for itself. No user, no family, no refresh token.

use chrono::{DateTime, Utc};

use crate::domain::client::{Client, GrantType};
use crate::domain::status_list::StatusPlace;
use crate::service::clients::client_request::ClientRequest;
use crate::service::tokens::grant::Wanted;
use crate::service::tokens::issued::{self, Access, Issued};
use crate::service::{Core, Failure};
use crate::store::status_lists;

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
    let binding = request.binding_for(&known, now)?;
    let client = &known.client;
    let audiences = wanted.audiences_of(client, &core.issuer)?;
    core.keys.agree(&audiences, now)?;
    core.resource_servers.terms(&audiences).must_know(wanted.scope.as_ref())?;
    let access = Access {
        subject: client.id.as_str(),
        client: &client.id,
        audiences,
        scope: wanted.scope_within(&client.scopes)?,
        issued_at: now.timestamp(),
        expires_at: (now + known.lifetimes.access_ttl()).timestamp(),
        login: None,
        status: own_place(core, client, now).await?,
        act: None,
        binding: binding.as_ref(),
    };
    issued::issue(core, access, None, now)
}

/// The entry of a status list that a client's own tokens name, where an operator wants them to: it keeps the one that
/// it gets with the first of them.
async fn own_place(core: &Core, client: &Client, now: DateTime<Utc>) -> Result<Option<StatusPlace>, Failure> {
    if !client.metadata.own_tokens_in_status_list || client.status.is_some() {
        return Ok(client.status.filter(|_| client.metadata.own_tokens_in_status_list));
    }
    let offered = core.status_places.take(&core.writer, now).await?;
    let place =
        core.write(now, async |tx| status_lists::place_of_client(tx, &client.id, offered).await).await?;
    place.map(Some).ok_or(Failure::InvalidClient)
}
