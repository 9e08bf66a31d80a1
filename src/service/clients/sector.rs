//! What vouches for a client that says it is of a sector: the list at the sector's URL (OpenID Connect Core §8.1).

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use crate::domain::client::{Client, WebUri};
use crate::outbound::{NoAnswer, Outbound};
use crate::service::Failure;

/// A list that is older than this is fetched anew for a client that it lacks.
const RENEWABLE: TimeDelta = TimeDelta::seconds(10);

/// Why a client is not of the sector that it names.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOfSector {
    /// There is no list.
    #[error("the sector_identifier_uri: {0}")]
    NoList(#[from] NoAnswer),
    /// There is one, without all of the client's redirect URIs.
    #[error("the list at the sector_identifier_uri lacks a redirect URI")]
    NotListed,
}

/// Checks that all of a client's redirect URIs are in the list of the sector that it names, if it names one.
pub(crate) async fn check(
    outbound: &Outbound,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<(), NotOfSector> {
    let Some(url) = place_of_list(client) else { return Ok(()) };
    if lists(&outbound.for_clients(client.origin).get_json::<Vec<String>>(&url, now).await?, client) {
        return Ok(());
    }
    // Its owner may have added the client a moment ago.
    check_younger(outbound, client, RENEWABLE, now).await
}

/// The same for a client that registers: by the list as it is now, however long it may be remembered.
/// What its owner took away counts, too.
pub(crate) async fn check_anew(
    outbound: &Outbound,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<(), NotOfSector> {
    check_younger(outbound, client, TimeDelta::zero(), now).await
}

async fn check_younger(
    outbound: &Outbound,
    client: &Client,
    oldest: TimeDelta,
    now: DateTime<Utc>,
) -> Result<(), NotOfSector> {
    let Some(url) = place_of_list(client) else { return Ok(()) };
    let way = outbound.for_clients(client.origin);
    let list = way.renew_json::<Vec<String>>(&url, oldest, now).await?;
    if lists(&list, client) { Ok(()) } else { Err(NotOfSector::NotListed) }
}

fn place_of_list(client: &Client) -> Option<Url> {
    client.metadata.sector_identifier_uri.as_ref().and_then(WebUri::url)
}

fn lists(list: &[String], client: &Client) -> bool {
    client.redirect_uris.iter().all(|uri| list.contains(uri))
}

impl From<NotOfSector> for Failure {
    fn from(why: NotOfSector) -> Self {
        match why {
            NotOfSector::NoList(NoAnswer::Busy) => Self::Busy,
            // One sentence for all causes: a stranger must not find out by them what there is inside.
            NotOfSector::NoList(_) => Self::InvalidClientMetadata(
                "A JSON list of redirect URIs could not be fetched from the sector_identifier_uri.",
            ),
            NotOfSector::NotListed => Self::InvalidClientMetadata(
                "The list at the sector_identifier_uri lacks one of the redirect_uris.",
            ),
        }
    }
}
