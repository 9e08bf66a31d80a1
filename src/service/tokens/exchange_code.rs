//! A code becomes a family (RFC 6749 §4.1.3): once. A second use ends what the first gave.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::domain::authorization::AuthorizationCode;
use crate::domain::client::GrantType;
use crate::domain::ids::FamilyId;
use crate::domain::opaque::OpaqueSecret;
use crate::domain::refusal::{EndReason, Refusal};
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::known_clients::KnownClient;
use crate::service::tokens::grant::Wanted;
use crate::service::tokens::id_token::SignedInHow;
use crate::service::tokens::issued::Issued;
use crate::service::tokens::new_family::{self, Beginning};
use crate::service::tokens::reuse;
use crate::service::tokens::user_claims;
use crate::service::{Core, Failure};
use crate::store::{Tx, authorization_codes, users};

/// What a client sends to exchange a code.
#[derive(Debug)]
pub struct CodeParams<'a> {
    /// The code as presented.
    pub code: &'a str,
    /// Where it was received.
    pub redirect_uri: Option<&'a str>,
    /// What the challenge was made of.
    pub code_verifier: Option<&'a str>,
    /// What the first access token shall be good for.
    pub wanted: Wanted,
}

/// Exchanges a code.
///
/// # Errors
/// [`Refusal::BadCode`] whatever is wrong with it; [`Failure::InvalidScope`] and [`Failure::InvalidTarget`], which
/// leave it unused; [`Failure::InvalidClient`], [`Failure::UnauthorizedClient`], [`Failure::Store`].
pub async fn exchange_code(
    core: &Core,
    request: &ClientRequest,
    params: CodeParams<'_>,
    now: DateTime<Utc>,
) -> Result<Issued, Failure> {
    let known = request.authenticate(core, now).await?;
    known.may(GrantType::AuthorizationCode)?;
    let presented = OpaqueSecret::presented(params.code).ok_or(Refusal::BadCode)?;
    let found = authorization_codes::find(&core.db, &presented.hash()).await?.ok_or(Refusal::BadCode)?;
    if found.client_id != known.client.id {
        return Err(Refusal::BadCode.into());
    }
    if let Some(family) = found.family {
        return Err(end_reused(core, family, now).await);
    }
    if now >= found.expires_at || !fits(&found, &params) {
        return Err(Refusal::BadCode.into());
    }
    // What can still refuse the request is checked before anything is written.
    params.wanted.scope_within(&found.scope)?;
    params.wanted.audiences_within(&found.audiences, &known.client, &core.issuer)?;
    let how = SignedInHow {
        nonce: found.nonce.clone(),
        authentication: Some(found.authentication.clone()),
        claims: id_token_claims(core, &found).await?,
    };
    spend(core, found, (&known, &params.wanted), &how, now).await
}

/// What the ID token says of the user, because the client asked for it by name (OpenID Connect Core §5.5).
async fn id_token_claims(core: &Core, found: &AuthorizationCode) -> Result<Map<String, Value>, Failure> {
    if found.claims.id_token.is_empty() {
        return Ok(Map::new());
    }
    let user = users::find(&core.db, found.authentication.user).await?.ok_or(Refusal::BadCode)?;
    Ok(user_claims::told(&user, "", &found.claims.id_token))
}

/// Whether what is presented with the code fits the request that it was made for.
fn fits(code: &AuthorizationCode, params: &CodeParams<'_>) -> bool {
    let challenge_met = match (&code.code_challenge, params.code_verifier) {
        (Some(challenge), Some(verifier)) => challenge.is_met_by(verifier),
        // RFC 9700 §4.8.2: a verifier without a challenge means that somebody took the challenge away.
        (Some(_), None) | (None, Some(_)) => false,
        (None, None) => true,
    };
    let uri_fits = match params.redirect_uri {
        Some(uri) => uri == code.redirect_uri,
        // OAuth 2.1 §10.2 has the parameter no more: PKCE does what it was for.
        None => code.code_challenge.is_some(),
    };
    challenge_met && uri_fits
}

async fn spend(
    core: &Core,
    found: AuthorizationCode,
    for_whom: (&KnownClient, &Wanted),
    how: &SignedInHow,
    now: DateTime<Utc>,
) -> Result<Issued, Failure> {
    let beginning = Beginning {
        authentication: found.authentication,
        scope: found.scope,
        audiences: found.audiences,
        claims: found.claims.userinfo,
        agent: found.agent,
    };
    let spend = async |tx: &mut Tx, family| authorization_codes::spend(tx, &found.code_hash, family).await;
    if let Some(issued) = new_family::open_family(core, beginning, for_whom, Some(how), now, spend).await? {
        return Ok(issued);
    }
    // Disabled meanwhile, or used meanwhile: then two hold it, and this is the second.
    let again = authorization_codes::find(&core.db, &found.code_hash).await?;
    Err(match again.and_then(|code| code.family) {
        Some(first) => end_reused(core, first, now).await,
        None => Refusal::BadCode.into(),
    })
}

/// RFC 6749 §4.1.2.
async fn end_reused(core: &Core, family: FamilyId, now: DateTime<Utc>) -> Failure {
    let ended = reuse::end(core, family, EndReason::CodeReused, now).await;
    ended.err().unwrap_or(Refusal::BadCode.into())
}
