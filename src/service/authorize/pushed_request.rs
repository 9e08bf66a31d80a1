//! Authorization requests that wait for their browser: pushed (RFC 9126), or signed and read (RFC 9101).
//!
//! Such a request is good for a moment until a browser opens it. From then on it is that browser's, which has time to
//! sign in, to reload a page and to think about consent; with the code it is gone.

use chrono::{DateTime, TimeDelta, Utc};

use crate::crypto::random;
use crate::domain::client::Client;
use crate::domain::client_assertion::OnceOnly;
use crate::domain::ids::ClientId;
use crate::domain::pushed_request::RequestUri;
use crate::domain::request_object;
use crate::domain::secrets::SecretHash;
use crate::service::clients::client_jwt;
use crate::service::{Core, Failure};
use crate::store::pushed_requests::{self, Opening};
use crate::store::{Db, Tx, client_assertions, transaction};

/// How long a browser may take to come with a request's URI (RFC 9126 §2.2 has 5 to 600 seconds).
pub const TTL: TimeDelta = TimeDelta::seconds(90);

/// How long the browser that came has until it gets its code.
const OPENED_TTL: TimeDelta = TimeDelta::minutes(30);

/// What a request object may say it is (RFC 9101 §10.8, RFC 8725 §3.11).
const TYPES: [&str; 2] = ["jwt", "oauth-authz-req+jwt"];

/// What a client's request object says.
#[derive(Debug)]
pub struct SignedRequest {
    pub parameters: Vec<(String, String)>,
    /// Where its client wants each to be good for once: by what it is remembered.
    pub once: Option<OnceOnly>,
}

/// Keeps a client's request that was checked, and uses up the object that it came in, if that is for once: `None` when
/// that was brought before.
pub async fn keep(
    core: &Core,
    client: &ClientId,
    once: Option<&OnceOnly>,
    parameters: &str,
    now: DateTime<Utc>,
) -> Result<Option<RequestUri>, Failure> {
    let uri = RequestUri::from_random(&random::bytes());
    let (hash, until) = (uri.hash(), now + TTL);
    let kept = match once {
        None => {
            let keep =
                async |db: &Db| pushed_requests::insert(db, &hash, client, parameters, until).await.map(Some);
            core.writer.write_alone(keep).await?
        }
        Some(once) => {
            let keep = async |tx: &mut Tx| {
                if !client_assertions::spend_within(tx, once).await? {
                    return Ok(None);
                }
                pushed_requests::insert_within(tx, &hash, client, parameters, until).await.map(Some)
            };
            core.write(now, keep).await?
        }
    };
    if kept.is_none() {
        tracing::warn!(client = client.as_str(), "a request object was replayed");
        return Ok(None);
    }
    Ok(Some(uri))
}

/// The request at a URI, for a client's browser: `None` when there is none, or it is another browser's.
pub async fn open_request(
    core: &Core,
    client: &ClientId,
    uri: &SecretHash,
    browser: &SecretHash,
    now: DateTime<Utc>,
) -> Result<Option<String>, Failure> {
    let opening = Opening { uri, client, browser, now, until: now + OPENED_TTL };
    Ok(transaction::retrying(|| pushed_requests::open_request(&core.db, &opening)).await?)
}

/// Strikes out of a request what its user has done already.
pub async fn rewrite(core: &Core, uri: &SecretHash, parameters: &str) -> Result<(), Failure> {
    Ok(transaction::retrying(|| pushed_requests::rewrite(&core.db, uri, parameters)).await?)
}

/// Forgets a request whose user said no.
pub async fn forget(core: &Core, uri: &SecretHash, now: DateTime<Utc>) -> Result<(), Failure> {
    core.write(now, async |tx| pushed_requests::spend(tx, uri).await.map(Some)).await?;
    Ok(())
}

/// Reads a client's request object; `None` when it is none, and the log says why.
///
/// # Errors
/// [`Failure::NotFetched`] when the client's keys cannot be had now.
pub async fn read_object(
    core: &Core,
    client: &Client,
    jwt: &str,
    now: DateTime<Utc>,
) -> Result<Option<SignedRequest>, Failure> {
    let refused = |why: &str| {
        tracing::info!(client = client.id.as_str(), why, "a request object was refused");
        Ok(None)
    };
    let registered = client.metadata.request_object_signing_alg;
    let Some(signed) = client_jwt::read_jwt_of(core, client, jwt, registered, now).await? else {
        return refused("it is not signed with one of the client's keys");
    };
    if signed.typ.is_some_and(|typ| !TYPES.contains(&typ.as_str())) {
        return refused("it is a token of another type");
    }
    let read = || {
        let parameters = request_object::parameters(&signed.claims, &client.id, core.issuer.as_str(), now)?;
        let is_for_once = client.metadata.require_single_use_request_object;
        let once = is_for_once.then(|| request_object::once_only(&signed.claims, &client.id));
        Ok::<_, request_object::UnacceptableRequest>(SignedRequest { parameters, once: once.transpose()? })
    };
    match read() {
        Ok(signed) => Ok(Some(signed)),
        Err(why) => refused(&why.to_string()),
    }
}
