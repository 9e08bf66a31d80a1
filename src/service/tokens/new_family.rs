//! A new family: the same row whichever way its user came in, and the same transaction for all that came in by a code.

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::audience::Audience;
use crate::domain::authentication::Authentication;
use crate::domain::claims::Confirmation;
use crate::domain::claims_request::ClaimsRequest;
use crate::domain::client::ClientKind;
use crate::domain::event::Event;
use crate::domain::family::{Family, State, UserAgentInfo};
use crate::domain::ids::FamilyId;
use crate::domain::key_thumbprint::KeyThumbprint;
use crate::domain::refresh_token::Generation;
use crate::domain::scope::{OFFLINE_ACCESS, ScopeSet};
use crate::domain::secrets::FamilySecret;
use crate::service::clients::known_clients::KnownClient;
use crate::service::tokens::grant::{self, Wanted};
use crate::service::tokens::id_token::IdTokenContent;
use crate::service::tokens::issued::Issued;
use crate::service::{Core, Failure};
use crate::store::{StoreError, Tx, families, sign_in_sessions, users};

/// What a family is made of.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// Whose it is, and how that user came in.
    pub authentication: Authentication,
    /// What is granted.
    pub scope: ScopeSet,
    /// For which services.
    pub audiences: Vec<Audience>,
    /// What its client would like to know claim by claim.
    pub claims: ClaimsRequest,
    /// What its client's access tokens are bound to.
    pub binding: Option<Confirmation>,
    /// What its owner will know it by.
    pub agent: UserAgentInfo,
}

/// Makes a family of a client, without roles: those come from the user's row when that is touched.
///
/// # Errors
/// [`Failure::Store`], [`Failure::Busy`].
pub(crate) async fn begin(
    core: &Core,
    it: Beginning,
    known: &KnownClient,
    now: DateTime<Utc>,
) -> Result<(Family, FamilySecret), Failure> {
    let secret = FamilySecret::new(random::bytes());
    let family = Family {
        id: FamilyId::new(now, random::bytes()),
        subject: core.subjects.subject(&known.client, it.authentication.user),
        authentication: it.authentication,
        client_id: known.client.id.clone(),
        scope: it.scope,
        audiences: it.audiences,
        roles: Vec::new(),
        key_thumbprint: bound_to(it.binding, known),
        secret_hash: secret.hash(),
        generation: Generation::FIRST,
        base: None,
        rotated_at: now,
        claims: it.claims,
        agent: it.agent,
        created_at: now,
        expires_at: now + known.lifetimes.absolute_ttl(),
        status: Some(core.status_places.take(&core.writer, now).await?),
        state: State::Live,
    };
    Ok((family, secret))
}

/// RFC 9449 §5: a public client's refresh tokens are bound to its key. One that authenticates proves each time who it
/// is, and may have another key by then.
fn bound_to(binding: Option<Confirmation>, known: &KnownClient) -> Option<KeyThumbprint> {
    match known.client.kind {
        ClientKind::Public => binding.and_then(|binding| binding.jkt),
        ClientKind::Confidential(_) => None,
    }
}

/// A family with the roles that its user has now. Who is no administrator gets no rights of one, whatever the client
/// may have.
pub(crate) fn of_user_with(core: &Core, family: &Family, roles: Vec<String>) -> Family {
    let scope =
        if roles.contains(&core.admin_role) { family.scope.clone() } else { family.scope.without_rights() };
    Family { scope, roles, ..family.clone() }
}

/// Adds a family, in the transaction that touched its user's row: somebody logged in.
pub(crate) async fn insert(tx: &mut Tx, family: Family) -> Result<(), StoreError> {
    families::insert(tx, &family).await?;
    let (user, from) = (family.user(), (&family.agent).into());
    let session = family.authentication.sign_in_session;
    tx.record(Event::LoginSucceeded { family: family.id, user, client: family.client_id, session, from });
    Ok(())
}

/// Makes a family of a code that `spend` uses in the same transaction, and hands out its tokens. `None` when the user
/// was disabled or removed meanwhile, or `spend` says that the code was used meanwhile.
///
/// # Errors
/// [`Failure::InvalidScope`], [`Failure::InvalidTarget`] for what should have been checked before; [`Failure::Store`].
pub(crate) async fn open_family(
    core: &Core,
    beginning: Beginning,
    (known, wanted): (&KnownClient, &Wanted),
    told: &IdTokenContent,
    now: DateTime<Utc>,
    spend: impl AsyncFn(&mut Tx, FamilyId) -> Result<bool, StoreError>,
) -> Result<Option<Issued>, Failure> {
    let refreshable = known.gets_refresh_tokens(&beginning.scope);
    let binding = beginning.binding.clone();
    let (mut family, secret) = begin(core, beginning, known, now).await?;
    if !refreshable && !known.client.metadata.follows_logouts() {
        // Nobody can make it last longer than its one access token, and nobody wants to know when it ends.
        family.expires_at = family.expires_at.min(now + known.lifetimes.access_ttl());
    }
    let begun = core.write(now, async |tx| {
        let touched = users::touch_enabled(tx, family.user(), now).await?;
        let Some(roles) = touched else { return Ok(None) };
        if !spend(tx, family.id).await? {
            return Ok(None);
        }
        let expires_at = end_of(tx, core, &family, known).await?;
        let begun = Family { expires_at, ..of_user_with(core, &family, roles) };
        insert(tx, begun.clone()).await?;
        Ok(Some(begun))
    });
    let Some(family) = begun.await? else { return Ok(None) };
    let mut issued =
        grant::issue(core, &family.into(), &secret, (known, wanted), binding.as_ref(), Some(told), now)?;
    if !refreshable {
        issued.refresh = None;
    }
    Ok(Some(issued))
}

/// RFC 10017 §6.3.2.3: where its client wants it so, a login does not outlast the sign-in that it came from.
async fn end_of(
    tx: &mut Tx,
    core: &Core,
    family: &Family,
    known: &KnownClient,
) -> Result<DateTime<Utc>, StoreError> {
    let ends_with_it =
        known.client.metadata.refresh_tokens_end_with_session && !family.scope.contains(OFFLINE_ACCESS);
    let Some(session) = family.authentication.sign_in_session.filter(|_| ends_with_it) else {
        return Ok(family.expires_at);
    };
    // The session may go on under another id.
    let latest = family.authentication.at + core.sign_in.absolute;
    let end = sign_in_sessions::expires_at(tx, session).await?.unwrap_or(latest);
    Ok(family.expires_at.min(end))
}
