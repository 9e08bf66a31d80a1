//! Authorization: from a client's request and a browser's session to a code.

use chrono::{DateTime, TimeDelta, Utc};

use crate::crypto::random;
use crate::domain::authentication::Authentication;
use crate::domain::authorization::{Agreement, AuthorizationCode, AuthorizationRequest, Need};
use crate::domain::client::{Client, ClientKind, Origin, Party};
use crate::domain::event::Event;
use crate::domain::family::UserAgentInfo;
use crate::domain::opaque::OpaqueSecret;
use crate::domain::redirect_uri;
use crate::domain::second_factor::{Demand, SecondFactors};
use crate::domain::sign_in::SignInSession;
use crate::service::clients::known_clients;
use crate::service::{Core, Failure};
use crate::store::{Db, authorization_codes, consents, pushed_requests, second_factors, sign_in_sessions};

/// RFC 6749 §4.1.2 recommends ten minutes at most; an app that is there uses its code at once.
const CODE_TTL: TimeDelta = TimeDelta::seconds(60);

/// What a request needs next.
pub async fn need(
    core: &Core,
    client: &Client,
    request: &AuthorizationRequest,
    session: Option<&SignInSession>,
    now: DateTime<Utc>,
) -> Result<Need, Failure> {
    let Some(session) = session else { return Ok(Need::SignIn) };
    let agreement = agreement(core, client, request, session).await?;
    let subject = core.subjects.subject(client, session.user());
    let demand = demand(core, client, request);
    let factors = if session.authentication.class() < demand.least() {
        core.offered(second_factors::of_user(&core.db, session.user()).await?)
    } else {
        SecondFactors::default()
    };
    Ok(request.need(Some((session, &subject)), (&demand, &factors), &agreement, now))
}

/// What is wanted of a sign-in for a request.
#[must_use]
pub fn demand(core: &Core, client: &Client, request: &AuthorizationRequest) -> Demand {
    request.demand(core.second_factor_for(client))
}

async fn agreement(
    core: &Core,
    client: &Client,
    request: &AuthorizationRequest,
    session: &SignInSession,
) -> Result<Agreement, Failure> {
    // What a document says may be another thing than when the user agreed.
    if client.origin == Origin::Document || may_be_anybody(client, request) {
        return Ok(Agreement::Missing);
    }
    match client.party {
        Party::First => Ok(Agreement::Implied),
        Party::Third => {
            let before = consents::find(&core.db, session.user(), client).await?;
            Ok(before.map_or(Agreement::Missing, Agreement::Remembered))
        }
    }
}

/// RFC 8252 §8.6: any program may pose as a public client whose redirect URI is a port or a scheme of the user's
/// machine. Only the user can tell whether this is the program that was meant, so the user is asked each time.
fn may_be_anybody(client: &Client, request: &AuthorizationRequest) -> bool {
    matches!(client.kind, ClientKind::Public) && !redirect_uri::is_exclusive(&request.redirect_uri)
}

/// The user of `session` agrees; it is remembered beside what was agreed to before.
pub async fn agree(
    core: &Core,
    client: &Client,
    request: &AuthorizationRequest,
    session: &SignInSession,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let wanted = request.wanted();
    let before = consents::find(&core.db, session.user(), client).await?;
    let consent = match before {
        Some(before) => before.and(&wanted),
        None => wanted,
    };
    core.write(now, async |tx| {
        consents::put(tx, session.user(), client, &consent, now).await?;
        tx.record(Event::ConsentGiven { user: session.user(), client: client.id.clone() });
        Ok(Some(()))
    })
    .await?;
    Ok(())
}

/// A code for what was asked for, and the code as it is kept.
pub(super) fn new_code(
    request: &AuthorizationRequest,
    (shown, agent): (&Authentication, &UserAgentInfo),
    now: DateTime<Utc>,
) -> (OpaqueSecret, AuthorizationCode) {
    let plain = OpaqueSecret::from_random(&random::bytes());
    let stored = AuthorizationCode {
        code_hash: plain.hash(),
        client_id: request.client_id.clone(),
        redirect_uri: request.redirect_uri.clone(),
        code_challenge: request.code_challenge.clone(),
        key_thumbprint: request.key_thumbprint.clone(),
        nonce: request.nonce.clone(),
        scope: request.scope.clone(),
        audiences: request.audiences.clone(),
        authentication: shown.clone(),
        agent: agent.clone(),
        claims: request.claims.clone(),
        expires_at: now + CODE_TTL,
        family: None,
    };
    (plain, stored)
}

/// A code for the user of `session`: `None` when the session has ended meanwhile, the user's consent was withdrawn, or
/// the pushed request had its code.
pub async fn issue_code(
    core: &Core,
    request: &AuthorizationRequest,
    session: &SignInSession,
    now: DateTime<Utc>,
) -> Result<Option<OpaqueSecret>, Failure> {
    let (plain, stored) = new_code(request, (&session.authentication, &session.agent), now);
    let known = core.client(&request.client_id, now).await?.ok_or(Failure::InvalidClient)?;
    let was_asked = known.client.party == Party::Third || may_be_anybody(&known.client, request);
    if !was_asked && request.pushed.is_none() && !known_clients::wants_to_be_kept(&known) {
        let insert = async |db: &Db| {
            let inserted = authorization_codes::insert_in_session(db, &stored, session.id, now).await?;
            Ok(inserted.then_some(plain.clone()))
        };
        return Ok(core.writer.write_alone(insert).await?);
    }
    let issued = core.write(now, async |tx| {
        // Whatever ends the session takes this row's lock: no code slips through.
        if !sign_in_sessions::touch(tx, session.id, now).await? {
            return Ok(None);
        }
        // Nor does one slip past whatever withdraws the consent, or makes another client of the one agreed to.
        if was_asked && !consents::touch(tx, session.user(), &known.client).await? {
            return Ok(None);
        }
        if let Some(uri) = &request.pushed
            && !pushed_requests::spend(tx, uri).await?
        {
            return Ok(None);
        }
        authorization_codes::insert(tx, &stored).await?;
        known_clients::keep(tx, &known, now).await.map(Some)
    });
    Ok(issued.await?.map(|()| plain))
}
