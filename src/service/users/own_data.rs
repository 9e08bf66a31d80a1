//! What is kept of a user, for that user to take along: no hash, token or secret is among it.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::audience::Audience;
use crate::domain::family::{Family, Place};
use crate::domain::ids::{ClientId, FamilyId, PasskeyId, SignInSessionId};
use crate::domain::passkey::Passkey;
use crate::domain::scope::ScopeSet;
use crate::domain::sign_in::{GivenConsent, SignInSession};
use crate::domain::upstream::UpstreamLink;
use crate::service::admin::views::{EventView, UserView, time};
use crate::service::users::activity;
use crate::service::users::sessions::READ;
use crate::service::{Core, Failure};
use crate::store::{
    consents, families, passkeys, provisioned_users, sign_in_sessions, upstream_links, users,
};

/// The most of each kind that is told: what more a user could have is told to be there.
const MOST: usize = 10_000;

/// All of it.
#[derive(Debug, Serialize)]
pub struct OwnData {
    /// By whom it is kept.
    pub issuer: Audience,
    /// As of when.
    pub at: String,
    pub profile: UserView,
    /// What nobody ended, the newest first.
    pub logins: Vec<OwnLogin>,
    pub sign_ins: Vec<OwnSignIn>,
    pub passkeys: Vec<OwnPasskey>,
    pub consents: Vec<OwnConsent>,
    /// Who the user is at other providers.
    pub upstream_links: Vec<OwnLink>,
    /// What systems call the user that provision users here.
    pub provisioned_by: Vec<OwnExternalId>,
    /// The newest first.
    pub events: Vec<EventView>,
    /// Whether there may be more of something than stands here.
    pub is_shortened: bool,
}

/// A login on one device with one app.
#[derive(Debug, Serialize)]
pub struct OwnLogin {
    pub id: FamilyId,
    pub client_id: ClientId,
    pub scope: ScopeSet,
    pub device: Option<String>,
    pub user_agent: Option<String>,
    pub address: Option<String>,
    pub created_at: String,
    pub last_used_at: String,
    pub expires_at: String,
}

/// A browser that was signed in at the pages.
#[derive(Debug, Serialize)]
pub struct OwnSignIn {
    pub id: SignInSessionId,
    pub user_agent: Option<String>,
    pub address: Option<String>,
    pub created_at: String,
    pub last_used_at: String,
    pub expires_at: String,
}

/// What the user signs in with instead of the password.
#[derive(Debug, Serialize)]
pub struct OwnPasskey {
    pub id: PasskeyId,
    pub name: String,
    pub is_backed_up: bool,
    pub created_at: String,
    pub last_used_at: Option<String>,
}

/// What the user agreed that an app may have.
#[derive(Debug, Serialize)]
pub struct OwnConsent {
    pub client_id: ClientId,
    pub scope: ScopeSet,
    pub audiences: Vec<Audience>,
    pub given_at: String,
}

/// Who the user is at a provider.
#[derive(Debug, Serialize)]
pub struct OwnLink {
    pub issuer: String,
    pub subject: String,
    pub label: Option<String>,
    pub linked_at: String,
    pub last_used_at: Option<String>,
}

/// What a system that provisions users calls this one.
#[derive(Debug, Serialize)]
pub struct OwnExternalId {
    pub client_id: String,
    pub external_id: Option<String>,
}

impl From<UpstreamLink> for OwnLink {
    fn from(link: UpstreamLink) -> Self {
        Self {
            issuer: link.who.issuer,
            subject: link.who.subject,
            label: link.label,
            linked_at: time(link.created_at),
            last_used_at: link.last_used_at.map(time),
        }
    }
}

/// What is kept of who is signed in; `None` when the user was removed meanwhile.
pub async fn collect(
    core: &Core,
    session: &SignInSession,
    now: DateTime<Utc>,
) -> Result<Option<OwnData>, Failure> {
    let Some(user) = users::find(&core.db, session.user()).await? else { return Ok(None) };
    let (logins, more_logins) = logins(core, session).await?;
    let (consents, more_consents) = given_consents(core, session).await?;
    let most = u32::try_from(MOST).unwrap_or(u32::MAX);
    let sign_ins = sign_in_sessions::of_user(&core.db, session.user(), most).await?;
    let passkeys = passkeys::of_user(&core.db, session.user()).await?;
    let (events, more_events) = events(core, session).await?;
    let links = upstream_links::of_user(&core.db, session.user()).await?;
    let provisioned_by = provisioned_users::of_user(&core.db, session.user()).await?;
    let external_id = |(client_id, external_id)| OwnExternalId { client_id, external_id };
    Ok(Some(OwnData {
        issuer: core.issuer.clone(),
        at: time(now),
        profile: user.into(),
        is_shortened: more_logins || more_consents || more_events || sign_ins.len() == MOST,
        logins,
        sign_ins: sign_ins.into_iter().map(OwnSignIn::from).collect(),
        passkeys: passkeys.into_iter().map(OwnPasskey::from).collect(),
        consents,
        upstream_links: links.into_iter().map(OwnLink::from).collect(),
        provisioned_by: provisioned_by.into_iter().map(external_id).collect(),
        events,
    }))
}

/// With whether there may be more.
type UpToMost<T> = Result<(Vec<T>, bool), Failure>;

async fn logins(core: &Core, session: &SignInSession) -> UpToMost<OwnLogin> {
    let (mut all, mut place) = (Vec::new(), Place::NEWEST);
    while all.len() < MOST {
        let part = families::live_of_user(&core.db, session.user(), place, READ).await?;
        let Some(last) = part.last() else { return Ok((all, false)) };
        place = last.place();
        all.extend(part.into_iter().map(OwnLogin::from));
    }
    Ok((all, true))
}

async fn given_consents(core: &Core, session: &SignInSession) -> UpToMost<OwnConsent> {
    let (mut all, mut after) = (Vec::new(), None);
    while all.len() < MOST {
        let part = consents::of_user(&core.db, session.user(), after.as_ref(), READ).await?;
        let Some(last) = part.last() else { return Ok((all, false)) };
        after = Some(last.client.clone());
        all.extend(part.into_iter().map(OwnConsent::from));
    }
    Ok((all, true))
}

async fn events(core: &Core, session: &SignInSession) -> UpToMost<EventView> {
    let (mut all, mut before) = (Vec::new(), None);
    while all.len() < MOST {
        let part = activity::part(core, session, before, 1000).await?;
        all.extend(part.events);
        if part.next.is_none() {
            return Ok((all, false));
        }
        before = part.next;
    }
    Ok((all, true))
}

impl From<Family> for OwnLogin {
    fn from(family: Family) -> Self {
        Self {
            id: family.id,
            client_id: family.client_id,
            scope: family.scope,
            device: family.agent.name,
            user_agent: family.agent.user_agent,
            address: family.agent.address,
            created_at: time(family.created_at),
            last_used_at: time(family.rotated_at),
            expires_at: time(family.expires_at),
        }
    }
}

impl From<SignInSession> for OwnSignIn {
    fn from(session: SignInSession) -> Self {
        Self {
            id: session.id,
            user_agent: session.agent.user_agent,
            address: session.agent.address,
            created_at: time(session.created_at),
            last_used_at: time(session.last_used_at),
            expires_at: time(session.expires_at),
        }
    }
}

impl From<Passkey> for OwnPasskey {
    fn from(passkey: Passkey) -> Self {
        Self {
            id: passkey.id,
            name: passkey.name.to_string(),
            is_backed_up: passkey.state.backed_up,
            created_at: time(passkey.created_at),
            last_used_at: passkey.last_used_at.map(time),
        }
    }
}

impl From<GivenConsent> for OwnConsent {
    fn from(given: GivenConsent) -> Self {
        Self {
            client_id: given.client,
            scope: given.consent.scope,
            audiences: given.consent.audiences,
            given_at: time(given.at),
        }
    }
}
