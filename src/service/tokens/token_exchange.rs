//! Token exchange (RFC 8693): a service that was called with a user's token gets one to call the next service with.
//!
//! What comes out is never worth more than what went in: no wider scope, no longer life, no other user; only the
//! services that the client's policy names may be added. It carries the same `sid`, so that ending the login ends it
//! too, and everybody who acted stays in it.

use chrono::{DateTime, Utc};

use crate::domain::claims::Actor;
use crate::domain::client::{ClientKind, GrantType, TokenExchangePolicy};
use crate::domain::event::Event;
use crate::domain::status_list::StatusPlace;
use crate::service::clients::client_request::ClientRequest;
use crate::service::clients::known_clients::KnownClient;
use crate::service::failure::UnacceptableToken;
use crate::service::tokens::access_token::{self, AccessToken, Standing};
use crate::service::tokens::grant::{Wanted, within};
use crate::service::tokens::issued::{self, Access, Issued, LoginClaims};
use crate::service::{Core, Failure};

/// So many may act one after another; a chain that goes on longer goes in circles.
const LONGEST_CHAIN: usize = 8;

/// What a client sends to exchange a token.
#[derive(Debug)]
pub struct TokenExchangeParams<'a> {
    /// The user's token.
    pub subject: &'a str,
    /// The token of who shall act for the user, if that is to be told (RFC 8693 §1.1: delegation).
    pub actor: Option<&'a str>,
    /// What the new token shall be good for: `resource` and `audience` together.
    pub wanted: Wanted,
}

/// Exchanges a token for another access token. There is never a refresh token.
///
/// # Errors
/// [`Failure::UnauthorizedClient`] without a policy, and for what the policy does not allow; [`Failure::Unacceptable`]
/// when a token is not genuine, expired, revoked, or none of the client's business (RFC 8693 §2.2.2);
/// [`Failure::InvalidScope`], [`Failure::InvalidTarget`], [`Failure::InvalidClient`], [`Failure::Store`].
pub async fn token_exchange(
    core: &Core,
    request: &ClientRequest,
    params: TokenExchangeParams<'_>,
    now: DateTime<Utc>,
) -> Result<Issued, Failure> {
    let known = request.authenticate(core, now).await?;
    let policy = policy_of(&known)?;
    // Of whose key the shown token is, its client cannot prove: a token is sent to services, and a key never is. So the
    // new one is bound to the key of whoever shall use it.
    let binding = request.binding_for(&known, now)?;
    let (subject, status) = accept(core, params.subject, &known, UnacceptableToken::Subject, now).await?;
    let actor = match params.actor {
        Some(actor) => Some(accept(core, actor, &known, UnacceptableToken::Actor, now).await?.0),
        None if policy.impersonation => None,
        None => return Err(Failure::UnauthorizedClient),
    };
    let acting = acting(&subject, actor.as_ref(), &known)?;
    let allowed: &[_] = &policy.audiences;
    let audiences = match params.wanted.resources.as_slice() {
        [] => subject.aud.to_vec(),
        named => within(named, |wanted| allowed.contains(wanted) || subject.aud.contains(wanted))?,
    };
    core.resource_servers.terms(&audiences).must_know(params.wanted.scope.as_ref())?;
    let had = subject.scope.parse().map_err(|_| Failure::InvalidScope)?;
    let scope = params.wanted.scope_within(&known.client.scopes.intersection(&had))?;
    let ends = [Some(subject.exp), actor.as_ref().map(|actor| actor.exp)].into_iter().flatten();
    let expires_at = ends.fold((now + known.lifetimes.access_ttl()).timestamp(), i64::min);
    let access = Access {
        subject: &subject.sub,
        client: &known.client.id,
        audiences,
        scope,
        issued_at: now.timestamp(),
        expires_at,
        login: subject.sid.map(|family| LoginClaims {
            family,
            auth_time: subject.auth_time,
            acr: subject.acr.as_deref(),
            roles: subject.roles.as_deref(),
            secret: None,
        }),
        status,
        act: acting.as_ref(),
        binding: binding.as_ref(),
    };
    let issued = issued::issue(core, access, None, now)?;
    core.tell(Event::TokenExchanged { client: known.client.id.clone(), family: subject.sid });
    Ok(issued)
}

/// Off unless the client is registered for it, twice: by the grant and by a policy. A public client has no business
/// with other people's tokens.
fn policy_of(known: &KnownClient) -> Result<&TokenExchangePolicy, Failure> {
    known.may(GrantType::TokenExchange)?;
    match &known.client.kind {
        ClientKind::Public => Err(Failure::UnauthorizedClient),
        ClientKind::Confidential(_) => {
            known.client.metadata.token_exchange.as_ref().ok_or(Failure::UnauthorizedClient)
        }
    }
}

/// A token that is genuine, alive, and the client's own or meant for it, with the bit of its family, or of the client
/// that got it for itself.
async fn accept(
    core: &Core,
    token: &str,
    known: &KnownClient,
    role: UnacceptableToken,
    now: DateTime<Utc>,
) -> Result<(AccessToken, Option<StatusPlace>), Failure> {
    let token = access_token::verify(core, token, now).ok_or(Failure::Unacceptable(role))?;
    if !token.concerns(&known.client) {
        return Err(Failure::Unacceptable(role));
    }
    match access_token::standing(core, &token, now).await? {
        Standing::Family(family) => Ok((token, family.status)),
        Standing::Client(status) => Ok((token, status)),
        Standing::Nothing => Err(Failure::Unacceptable(role)),
    }
}

/// Who acts from now on: the actor, with everybody who acted before; without one, those who acted before.
fn acting(
    subject: &AccessToken,
    actor: Option<&AccessToken>,
    known: &KnownClient,
) -> Result<Option<Actor>, Failure> {
    let who = actor.map_or(known.client.id.as_str(), |actor| &actor.sub);
    // RFC 8693 §4.4: where the token says who may act, nobody else may.
    if subject.may_act.as_ref().is_some_and(|allowed| allowed.sub != who) {
        return Err(Failure::Unacceptable(UnacceptableToken::Acting));
    }
    let Some(actor) = actor else { return Ok(subject.act.clone()) };
    if actor.act.is_some() {
        // Two chains would have to become one, and nobody could tell any more who acted for whom.
        return Err(Failure::Unacceptable(UnacceptableToken::Actor));
    }
    let acting = Actor { sub: actor.sub.clone(), act: subject.act.clone().map(Box::new) };
    if acting.depth() > LONGEST_CHAIN {
        return Err(Failure::Unacceptable(UnacceptableToken::Acting));
    }
    Ok(Some(acting))
}
