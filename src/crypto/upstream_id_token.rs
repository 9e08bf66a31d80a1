//! ID tokens of other providers, as a relying party checks them (OpenID Connect Core §3.1.3.7).

use std::str::FromStr as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{ClaimsVerificationError, ClientId, IssuerUrl, Nonce, SignatureVerificationError};
use serde_json::{Map, Value};

use crate::domain::json;
use crate::domain::upstream::UpstreamFault;

/// How far a provider's clock may be from ours.
pub const SKEW: TimeDelta = TimeDelta::seconds(60);

/// How old an ID token may be: it answers a request of just now.
const OLDEST: TimeDelta = TimeDelta::minutes(15);

/// The longest one that is read.
const LONGEST: usize = 32_768;

/// Those that a public key checks. What a shared secret signs (`HS256`), whoever knows that secret can sign.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// What an ID token has to be.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedIdToken<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now: DateTime<Utc>,
}

/// Why an ID token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnfitIdToken {
    Fault(UpstreamFault),
    /// None of the keys made the signature: perhaps one that is newer.
    NotOfTheseKeys,
}

/// The claims of an ID token that is what it has to be, and that one of `keys` signed.
///
/// # Errors
/// [`UnfitIdToken`].
pub fn read_id_token(
    token: &str,
    keys: &Value,
    expected: ExpectedIdToken<'_>,
) -> Result<Map<String, Value>, UnfitIdToken> {
    const MALFORMED: UnfitIdToken = UnfitIdToken::Fault(UpstreamFault::Malformed);
    if token.len() > LONGEST {
        return Err(MALFORMED);
    }
    let ExpectedIdToken { issuer, client_id, nonce, now } = expected;
    let parsed = CoreIdToken::from_str(token).map_err(|_| MALFORMED)?;
    let keys: CoreJsonWebKeySet = serde_json::from_value(keys.clone()).map_err(|_| MALFORMED)?;
    let issuer = IssuerUrl::new(issuer.to_owned()).map_err(|_| MALFORMED)?;
    let client = ClientId::new(client_id.to_owned());
    let verifier = CoreIdTokenVerifier::new_public_client(client, issuer, keys)
        .set_allowed_algs(ALGORITHMS)
        // It is over a little later here, where the provider's clock may be behind.
        .set_time_fn(move || now - SKEW)
        .set_issue_time_verifier_fn(move |issued| {
            let is_in_time = issued <= now + SKEW && issued > now - OLDEST;
            if is_in_time { Ok(()) } else { Err("it was not issued just now".to_owned()) }
        });
    let claims = parsed.claims(&verifier, &Nonce::new(nonce.to_owned())).map_err(|error| unfit(&error))?;
    // Core §3.1.3.7, 4 and 5: the library leaves them to its user.
    if claims.authorized_party().is_some_and(|party| party.as_str() != client_id) {
        return Err(UnfitIdToken::Fault(UpstreamFault::Audience));
    }
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    payload.and_then(|payload| json::read(&payload).ok()).ok_or(MALFORMED)
}

fn unfit(error: &ClaimsVerificationError) -> UnfitIdToken {
    let fault = match error {
        ClaimsVerificationError::Expired(_) | ClaimsVerificationError::InvalidAuthTime(_) => {
            UpstreamFault::Time
        }
        ClaimsVerificationError::InvalidAudience(_) => UpstreamFault::Audience,
        ClaimsVerificationError::InvalidIssuer(_) => UpstreamFault::Issuer,
        ClaimsVerificationError::InvalidNonce(_) => UpstreamFault::Nonce,
        ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoSignature
            | SignatureVerificationError::DisallowedAlg(_)
            | SignatureVerificationError::UnsupportedAlg(_),
        ) => UpstreamFault::Unsigned,
        ClaimsVerificationError::SignatureVerification(_) => return UnfitIdToken::NotOfTheseKeys,
        _ => UpstreamFault::Malformed,
    };
    UnfitIdToken::Fault(fault)
}
