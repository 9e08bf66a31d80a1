//! A code becomes a family (RFC 6749 §4.1.3): once. Its client's second use ends what the first gave, unless it follows
//! at once.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::authorization::AuthorizationCode;
use crate::domain::claims::Confirmation;
use crate::domain::client::GrantType;
use crate::domain::event::Event;
use crate::domain::ids::FamilyId;
use crate::domain::opaque::OpaqueSecret;
use crate::domain::refusal::{EndReason, Refusal};
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::known_clients::KnownClient;
use crate::service::tokens::grant::{self, Wanted};
use crate::service::tokens::id_token::IdTokenContent;
use crate::service::tokens::issued::Issued;
use crate::service::tokens::new_family::{self, Beginning};
use crate::service::tokens::reuse;
use crate::service::tokens::user_claims::{self, ClaimsAsked};
use crate::service::{Core, Failure};
use crate::store::{Tx, authorization_codes, families};

/// A client that comes again so soon lost the answer, or its page ran twice.
const AT_ONCE: TimeDelta = TimeDelta::seconds(30);

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
/// [`Refusal::BadCode`] whatever is wrong with it; [`Failure::KeyProof`], [`Failure::InvalidScope`] and
/// [`Failure::InvalidTarget`], which leave it unused; [`Failure::InvalidClient`], [`Failure::UnauthorizedClient`],
/// [`Failure::Store`].
pub async fn exchange_code(
    core: &Core,
    request: &ClientRequest,
    params: CodeParams<'_>,
    now: DateTime<Utc>,
) -> Result<Issued, Failure> {
    let authenticated = request.authenticate(core, now).await;
    let found = find(core, params.code).await?;
    let known = match authenticated {
        Ok(known) => known,
        Err(failure) => {
            if let (Failure::InvalidClient, Some(code)) = (&failure, &found) {
                tell_unproven(core, request, code);
            }
            return Err(failure);
        }
    };
    known.may(GrantType::AuthorizationCode)?;
    let found = found.ok_or(Refusal::BadCode)?;
    if !is_proven(&found, &known, params.code_verifier) {
        tell_unproven(core, request, &found);
        return Err(Refusal::BadCode.into());
    }
    // RFC 9449 §10.
    if let Some(bound) = &found.key_thumbprint
        && let Err(why) = request.must_hold(bound)
    {
        tell_unproven(core, request, &found);
        return Err(why.into());
    }
    let binding = request.binding_for(&known, now)?;
    if let Some(family) = found.family {
        return Err(refuse_repeated(core, request, family, now).await);
    }
    if now >= found.expires_at || !fits(&found, params.redirect_uri) {
        return Err(Refusal::BadCode.into());
    }
    // What can still refuse the request is checked before anything is written.
    let wanted = params.wanted.among(&grant::scope_left(&found.scope, &known.client))?;
    core.keys.agree(&wanted.audiences_within(&found.audiences, &known.client, &core.issuer)?, now)?;
    let asked =
        ClaimsAsked { user: found.authentication.user, scope: &found.scope, claims: &found.claims.id_token };
    let user = user_claims::told_in_id_token(core, (&known, &wanted), asked, now).await?;
    let told = IdTokenContent { nonce: found.nonce.clone(), user };
    spend(core, request, (found, binding), (&known, &wanted), &told, now).await
}

async fn find(core: &Core, text: &str) -> Result<Option<AuthorizationCode>, Failure> {
    let Some(presented) = OpaqueSecret::presented(text) else { return Ok(None) };
    Ok(authorization_codes::find(&core.db, &presented.hash()).await?)
}

/// Whether a code comes from the client that it was made for, which authenticated if it can: with what its challenge
/// was made of, or by that authentication alone. A code travels through browsers, histories and logs, so whoever has
/// only the code may neither use it nor end what it gave.
fn is_proven(code: &AuthorizationCode, known: &KnownClient, verifier: Option<&str>) -> bool {
    let is_met = match (&code.code_challenge, verifier) {
        (Some(challenge), Some(verifier)) => challenge.is_met_by(verifier),
        // RFC 9700 §4.8.2: a verifier without a challenge means that somebody took the challenge away.
        (Some(_), None) | (None, Some(_)) => false,
        (None, None) => known.client.is_confidential(),
    };
    is_met && code.client_id == known.client.id
}

fn tell_unproven(core: &Core, request: &ClientRequest, found: &AuthorizationCode) {
    let (client, from) = (found.client_id.clone(), (&request.agent).into());
    core.tell(Event::CodeRefused { client, family: found.family, from });
}

/// Whether the redirect URI is that of the request that the code was made for.
fn fits(code: &AuthorizationCode, redirect_uri: Option<&str>) -> bool {
    match redirect_uri {
        Some(uri) => uri == code.redirect_uri,
        // OAuth 2.1 §10.2 has the parameter no more: PKCE does what it was for. Nor has an app one to name that was
        // given its code without a redirect.
        None => code.code_challenge.is_some() || code.redirect_uri.is_empty(),
    }
}

async fn spend(
    core: &Core,
    request: &ClientRequest,
    (found, binding): (AuthorizationCode, Option<Confirmation>),
    for_whom: (&KnownClient, &Wanted),
    told: &IdTokenContent,
    now: DateTime<Utc>,
) -> Result<Issued, Failure> {
    let beginning = Beginning {
        authentication: found.authentication,
        scope: found.scope,
        audiences: found.audiences,
        claims: found.claims,
        binding,
        agent: found.agent,
    };
    let spend = async |tx: &mut Tx, family| authorization_codes::spend(tx, &found.code_hash, family).await;
    if let Some(issued) = new_family::open_family(core, beginning, for_whom, told, now, spend).await? {
        return Ok(issued);
    }
    // Disabled meanwhile, or used meanwhile: then two hold it, and this is the second.
    let again = authorization_codes::find(&core.db, &found.code_hash).await?;
    Err(match again.and_then(|code| code.family) {
        Some(first) => refuse_repeated(core, request, first, now).await,
        None => Refusal::BadCode.into(),
    })
}

/// What the code gave ends with its second use (RFC 6749 §4.1.2), unless that follows at once.
async fn refuse_repeated(
    core: &Core,
    request: &ClientRequest,
    family: FamilyId,
    now: DateTime<Utc>,
) -> Failure {
    let first = match families::find(&core.db, family).await {
        Ok(first) => first,
        Err(error) => return error.into(),
    };
    if first.is_none_or(|first| now - first.created_at < AT_ONCE) {
        return Refusal::BadCode.into();
    }
    let ended = reuse::end(core, &request.agent, (family, EndReason::CodeReused), now).await;
    ended.err().unwrap_or(Refusal::BadCode.into())
}
