//! What a client signed: read with the keys that it registered, or that stand where it said.

use chrono::{DateTime, TimeDelta, Utc};
use serde::de::DeserializeOwned;

use crate::crypto::client_jwt::{self, Signed};
use crate::domain::client::{Client, JwtAlgorithm, PublicJwks, WebUri};
use crate::outbound::NoAnswer;
use crate::service::{Core, Failure};

/// How old keys may be that did not sign what was brought: anybody can bring something that none of them signed.
const RENEWABLE: TimeDelta = TimeDelta::seconds(10);

/// Reads a JWT of this client's, signed with the algorithm that it registered, or with any of ours. Keys that stand
/// somewhere else are fetched anew once when none of those remembered signed it: so a client changes its keys without a
/// gap. `None` when it is not signed with one of its keys.
///
/// # Errors
/// [`Failure::NotFetched`] when nobody can tell now.
pub(crate) async fn read_jwt_of<T: DeserializeOwned>(
    core: &Core,
    client: &Client,
    jwt: &str,
    registered: Option<JwtAlgorithm>,
    now: DateTime<Utc>,
) -> Result<Option<Signed<T>>, Failure> {
    let is_allowed = |algorithm: &JwtAlgorithm| {
        let profile = client.metadata.security_profile;
        registered.is_none_or(|it| it == *algorithm) && profile.is_none_or(|it| it.allows(*algorithm))
    };
    let allowed: Vec<JwtAlgorithm> = JwtAlgorithm::ALL.into_iter().filter(is_allowed).collect();
    found_by_keys(core, client, |keys| client_jwt::read_jwt(jwt, keys, &allowed), now).await
}

/// What is found with a client's keys: fetched anew once, as above.
///
/// # Errors
/// [`Failure::NotFetched`] when nobody can tell now.
pub(crate) async fn found_by_keys<T>(
    core: &Core,
    client: &Client,
    find: impl Fn(&PublicJwks) -> Option<T>,
    now: DateTime<Utc>,
) -> Result<Option<T>, Failure> {
    if let Some(keys) = &client.metadata.jwks {
        return Ok(find(keys));
    }
    let place = client.metadata.jwks_uri.as_ref().and_then(WebUri::url);
    let Some(place) = place else { return Ok(None) };
    let way = core.outbound.for_clients(client.origin);
    let found = |keys: Option<PublicJwks>| keys.and_then(|keys| find(&keys));
    let known = found(fetched(client, way.get_late_json(&place, now).await)?);
    if known.is_some() {
        return Ok(known);
    }
    Ok(found(fetched(client, way.renew_json(&place, RENEWABLE, now).await)?))
}

/// Keys that may be had soon are not the same as none: who is told that it is not itself gives up.
fn fetched(client: &Client, answer: Result<PublicJwks, NoAnswer>) -> Result<Option<PublicJwks>, Failure> {
    let client = client.id.as_str();
    match answer.inspect_err(|error| tracing::warn!(client, %error, "a client's keys could not be fetched")) {
        Ok(keys) => Ok(Some(keys)),
        Err(no_answer) if no_answer.passes() => Err(Failure::NotFetched),
        Err(_) => Ok(None),
    }
}
