//! A client proves with its private key who it is (RFC 7523 §2.2): once with each assertion.

use chrono::{DateTime, Utc};

use crate::crypto::client_jwt::Signed;
use crate::domain::client::{AssertionAudience, Client};
use crate::domain::client_assertion::{Assertion, OnceOnly};
use crate::service::clients::client_jwt;
use crate::service::{Core, Failure};
use crate::store::{client_assertions, transaction};

/// What an assertion may say it is (RFC 10070 §4): anything else was signed for another purpose (RFC 8725 §3.11). `JWT`
/// says no more than nothing does, and is what many libraries write.
const TYPES: [&str; 2] = ["jwt", "client-authentication+jwt"];

/// An assertion as it was presented.
#[derive(Debug)]
pub struct PresentedAssertion {
    pub jwt: String,
    /// The URL that it was sent to, and the token endpoint beside that: they may have names of a listener of their own
    /// (RFC 8705 §5).
    pub endpoints: [String; 2],
}

/// Verifies an assertion and uses it up.
///
/// # Errors
/// [`Failure::InvalidClient`] whatever is wrong with it; the log says what. [`Failure::NotFetched`] when the client's
/// keys cannot be had now. [`Failure::Store`].
pub async fn verify(
    core: &Core,
    client: &Client,
    presented: &PresentedAssertion,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let registered = client.metadata.token_endpoint_auth_signing_alg;
    let signed = client_jwt::read_jwt_of::<Assertion>(core, client, &presented.jwt, registered, now).await?;
    let once = match judge(core, client, presented, signed, now) {
        Ok(once) => once,
        Err(why) => {
            tracing::info!(client = client.id.as_str(), why, "a client assertion was refused");
            return Err(Failure::InvalidClient);
        }
    };
    // RFC 7523 §3 (7): no server of ours takes it again.
    if transaction::retrying(|| client_assertions::spend(&core.db, &once)).await? {
        Ok(())
    } else {
        tracing::warn!(client = client.id.as_str(), "a client assertion was replayed");
        Err(Failure::InvalidClient)
    }
}

fn judge(
    core: &Core,
    client: &Client,
    presented: &PresentedAssertion,
    signed: Option<Signed<Assertion>>,
    now: DateTime<Utc>,
) -> Result<OnceOnly, String> {
    let signed = signed.ok_or("it is not signed with one of the client's keys, or a claim is missing")?;
    if signed.typ.is_some_and(|typ| !TYPES.contains(&typ.as_str())) {
        return Err("it is a token of another type".to_owned());
    }
    let issuer = core.issuer.as_str();
    let mut ours = vec![issuer.to_owned()];
    match client.metadata.assertion_audience {
        // Another server that got the client to send it an assertion for its own endpoint could use that here, if this
        // server's endpoint was what it claimed as its own (RFC 10070 §1).
        AssertionAudience::Issuer if !signed.claims.is_plainly_for(issuer) => {
            return Err(
                "aud is not the issuer alone, as a text; assertion_audience may be endpoint".to_owned()
            );
        }
        AssertionAudience::Issuer => {}
        AssertionAudience::Endpoint => {
            ours.push(format!("{issuer}/oauth/token"));
            ours.extend_from_slice(&presented.endpoints);
        }
    }
    signed.claims.judge(&client.id, &ours, now).map_err(|why| why.to_string())
}
