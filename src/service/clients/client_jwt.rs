//! What a client signed: read with the keys that it registered, or that stand where it said.

use chrono::{DateTime, TimeDelta, Utc};
use serde::de::DeserializeOwned;
use url::Url;

use crate::crypto::client_jwt::{self, Signed};
use crate::domain::client::{Client, JwtAlgorithm, PublicJwks};
use crate::outbound::NoAnswer;
use crate::service::Core;

/// How old keys may be that did not sign what was brought: anybody can bring something that none of them signed.
const RENEWABLE: TimeDelta = TimeDelta::seconds(10);

/// Reads a JWT of this client's, signed with the algorithm that it registered, or with any of ours. Keys that stand
/// somewhere else are fetched anew once when none of those remembered signed it: so a client changes its keys without a
/// gap.
pub(crate) async fn read_jwt_of<T: DeserializeOwned>(
    core: &Core,
    client: &Client,
    jwt: &str,
    registered: Option<JwtAlgorithm>,
    now: DateTime<Utc>,
) -> Option<Signed<T>> {
    let allowed = registered.as_ref().map_or(&JwtAlgorithm::ALL[..], std::slice::from_ref);
    if let Some(keys) = &client.metadata.jwks {
        return client_jwt::read_jwt(jwt, keys, allowed);
    }
    let place: Url = client.metadata.jwks_uri.as_ref()?.as_str().parse().ok()?;
    let known = fetched(client, core.outbound.get_json(&place, now).await);
    if let Some(signed) = known.and_then(|keys| client_jwt::read_jwt(jwt, &keys, allowed)) {
        return Some(signed);
    }
    let renewed = fetched(client, core.outbound.renew_json(&place, RENEWABLE, now).await);
    renewed.and_then(|keys| client_jwt::read_jwt(jwt, &keys, allowed))
}

fn fetched(client: &Client, answer: Result<PublicJwks, NoAnswer>) -> Option<PublicJwks> {
    let client = client.id.as_str();
    answer.inspect_err(|error| tracing::warn!(client, %error, "a client's keys could not be fetched")).ok()
}
