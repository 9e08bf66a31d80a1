//! What becomes of whoever comes back from a provider: a sign-in, by the link of an account; an account of their own;
//! or the offer to link one, for its owner.

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::authentication::{Authentication, AuthenticationMethod};
use crate::domain::event::{Event, UserChange, Whence};
use crate::domain::ids::{SignInSessionId, UserId, uuid_v7};
use crate::domain::opaque::OpaqueSecret;
use crate::domain::standard_claims::StandardClaims;
use crate::domain::upstream::{Provider, SecondFactor, UpstreamAttempt, UpstreamIdentity, UpstreamProblem};
use crate::domain::user::{User, Username, check_email, email_key};
use crate::service::upstream::{attempt, links};
use crate::service::users::sign_in::entering::{self, Door, Entered};
use crate::service::{Core, Failure};
use crate::store::upstream_sessions::{self, CameFrom, UpstreamSession};
use crate::store::{StoreError, Tx, families, upstream_attempts, upstream_links, users};

/// How long a logout at the provider ends what came from a sign-in, after that can have ended itself: families outlive
/// it.
const LINGERS: chrono::TimeDelta = chrono::TimeDelta::days(90);

/// What became of a sign-in.
#[derive(Debug)]
pub enum Arrived {
    In(Entered),
    /// No account here is linked to this user there.
    Unknown,
    /// One is, and nobody may sign in to it.
    Disabled,
}

/// Signs in the user of the account that is linked to this user there. Roles that the provider's claim stands for are
/// as it says from now on.
///
/// # Errors
/// [`Failure::Store`].
pub async fn sign_in(
    core: &Core,
    provider: &Provider,
    identity: &UpstreamIdentity,
    door: Door<'_>,
    now: DateTime<Utc>,
) -> Result<Arrived, Failure> {
    let Some(user) = upstream_links::user_of(&core.db, &identity.who).await? else {
        return Ok(Arrived::Unknown);
    };
    let shown = shown(provider, identity, user, now);
    let confirm = async |tx: &mut Tx| {
        let Some(locked) = users::lock_for_login(tx, user, now).await? else { return Ok(false) };
        if !upstream_links::touch(tx, user, (&identity.who, identity.label()), now).await? {
            return Ok(false);
        }
        follow_roles(tx, provider, identity, (user, &locked.roles)).await?;
        Ok(true)
    };
    match entering::enter(core, &shown, door, now, confirm).await? {
        Some(entered) => {
            note(core, identity, user, &entered, now).await?;
            Ok(Arrived::In(entered))
        }
        None => Ok(Arrived::Disabled),
    }
}

/// What the provider's word is worth here.
fn shown(
    provider: &Provider,
    identity: &UpstreamIdentity,
    user: UserId,
    now: DateTime<Utc>,
) -> Authentication {
    let mut methods = vec![AuthenticationMethod::Federated];
    let multi_factor = AuthenticationMethod::MultiFactor;
    let says_so = identity.amr.iter().any(|method| method == multi_factor.as_str());
    match provider.second_factor {
        SecondFactor::There if says_so => methods.push(multi_factor),
        SecondFactor::There | SecondFactor::Here => {}
    }
    Authentication::by(user, identity.auth_time.unwrap_or(now), methods)
}

async fn follow_roles(
    tx: &mut Tx,
    provider: &Provider,
    identity: &UpstreamIdentity,
    (user, before): (UserId, &[String]),
) -> Result<(), StoreError> {
    let (Some(mapping), Some(mapped)) = (&provider.roles, &identity.roles) else { return Ok(()) };
    let roles = mapping.applied(before, mapped);
    if roles != before {
        users::set_roles(tx, user, &roles).await?;
        families::set_roles_of_user(tx, user, &roles).await?;
        tx.record(Event::UserChanged { user, change: UserChange::Roles });
    }
    Ok(())
}

/// Notes where a sign-in came from, for a logout there.
async fn note(
    core: &Core,
    identity: &UpstreamIdentity,
    user: UserId,
    entered: &Entered,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let attempt;
    let from = match entered {
        Entered::Open(session, _) => CameFrom::SignIn(session.id),
        Entered::Wants(_, secret) => {
            attempt = secret.hash();
            CameFrom::Attempt(&attempt)
        }
    };
    let noted = UpstreamSession {
        id: uuid_v7(now, random::bytes()),
        from,
        user,
        who: &identity.who,
        sid: identity.sid.as_deref(),
        expires_at: now + core.sign_in.absolute + LINGERS,
    };
    core.write(now, async |tx| upstream_sessions::insert(tx, &noted).await.map(Some)).await?;
    Ok(())
}

/// A sign-in that wanted more has got it.
///
/// # Errors
/// [`Failure::Store`].
pub async fn settle(
    core: &Core,
    attempt: &OpaqueSecret,
    session: SignInSessionId,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let attempt = attempt.hash();
    let settled =
        async |tx: &mut Tx| Ok(upstream_sessions::settle(tx, &attempt, session).await?.then_some(()));
    core.write(now, settled).await?;
    Ok(())
}

/// Lets somebody who is not known here wait, for a page that asks what is to become of that. Gives what it waits under.
///
/// # Errors
/// [`Failure::Store`].
pub async fn keep(
    core: &Core,
    set_out: &UpstreamAttempt,
    (identity, from): (UpstreamIdentity, Whence),
    browser: &OpaqueSecret,
    now: DateTime<Utc>,
) -> Result<OpaqueSecret, Failure> {
    let secret = OpaqueSecret::from_random(&random::bytes());
    let key = attempt::key(&secret, browser);
    let expires_at = now + attempt::TTL;
    let arrived =
        UpstreamAttempt { identity: Some(identity), created_at: now, expires_at, ..set_out.clone() };
    core.write(now, async |tx| upstream_attempts::insert(tx, &key, &arrived).await.map(Some)).await?;
    if let Some(waiting) = read(core, arrived)
        && let Some(problem) = prospect(core, &waiting).await?.refused
    {
        attempt::tell(core, waiting.provider, problem, from);
    }
    Ok(secret)
}

/// `None` when its provider is not among those of the settings any more.
fn read(core: &Core, arrived: UpstreamAttempt) -> Option<ArrivedStranger<'_>> {
    let provider = core.providers.find(&arrived.provider)?;
    Some(ArrivedStranger { provider, identity: arrived.identity?, query: arrived.query })
}

/// Somebody who waits.
#[derive(Debug)]
pub struct ArrivedStranger<'a> {
    pub provider: &'a Provider,
    pub identity: UpstreamIdentity,
    /// The query of the sign-in page that it all began at.
    pub query: String,
}

/// Who waits under a secret in this browser.
///
/// # Errors
/// [`Failure::Store`].
pub async fn waiting<'a>(
    core: &'a Core,
    (secret, browser): (&OpaqueSecret, &OpaqueSecret),
    now: DateTime<Utc>,
) -> Result<Option<ArrivedStranger<'a>>, Failure> {
    let found = upstream_attempts::find_arrived(&core.db, &attempt::key(secret, browser)).await?;
    let Some(found) = found.filter(|found| now < found.expires_at) else { return Ok(None) };
    Ok(read(core, found))
}

/// What may become of somebody who waits.
#[derive(Debug, Clone, Copy)]
pub struct Prospect {
    /// An account has the same address, which both sides made sure of: its owner may link it.
    pub has_account: bool,
    /// Why there is no account of their own.
    pub refused: Option<UpstreamProblem>,
}

/// What may become of somebody who waits.
///
/// # Errors
/// [`Failure::Store`].
pub async fn prospect(core: &Core, waiting: &ArrivedStranger<'_>) -> Result<Prospect, Failure> {
    let ArrivedStranger { provider, identity, .. } = waiting;
    let has_account = match identity.verified_email() {
        Some(email) => users::find_stored_by_email(&core.db, &email_key(email)).await?.is_some(),
        None => false,
    };
    let refused = match identity.verified_email() {
        _ if !provider.creates_accounts => Some(UpstreamProblem::NoAccount),
        None if !provider.mail_domains.is_empty() => Some(UpstreamProblem::Domain),
        Some(email) if !provider.lets_in(email) => Some(UpstreamProblem::Domain),
        Some(_) | None => None,
    };
    Ok(Prospect { has_account, refused })
}

/// What became of the wish for an account.
#[derive(Debug)]
pub enum Created {
    In(Entered),
    NameTaken,
    UnfitName,
    /// Not for this user, or somebody has the address by now.
    NotAllowed,
    /// It took too long, or was done.
    Over,
}

/// Makes an account for somebody who waits, and signs its user in.
///
/// # Errors
/// [`Failure::Store`].
pub async fn create(
    core: &Core,
    waiting: &ArrivedStranger<'_>,
    (secret, browser): (&OpaqueSecret, &OpaqueSecret),
    username: Username,
    door: Door<'_>,
    now: DateTime<Utc>,
) -> Result<Created, Failure> {
    let prospect = prospect(core, waiting).await?;
    if prospect.has_account || prospect.refused.is_some() {
        return Ok(Created::NotAllowed);
    }
    if username.check_new().is_err() {
        return Ok(Created::UnfitName);
    }
    let ArrivedStranger { provider, identity, .. } = waiting;
    let user = new_user(identity, username, now);
    let key = attempt::key(secret, browser);
    let link = links::new(identity, now);
    let shown = shown(provider, identity, user.id, now);
    let confirm = async |tx: &mut Tx| {
        if !upstream_attempts::spend_arrived(tx, &key).await? {
            return Ok(false);
        }
        users::insert(tx, &user, None).await?;
        if !upstream_links::insert(tx, user.id, &link).await? {
            return Ok(false);
        }
        tx.record(Event::UserChanged { user: user.id, change: UserChange::Added });
        tx.record(Event::UserChanged { user: user.id, change: UserChange::Linked });
        Ok(users::lock_for_login(tx, user.id, now).await?.is_some())
    };
    match entering::enter(core, &shown, door, now, confirm).await {
        Ok(Some(entered)) => {
            note(core, identity, user.id, &entered, now).await?;
            Ok(Created::In(entered))
        }
        Ok(None) => Ok(Created::Over),
        Err(Failure::Store(StoreError::Exists)) => Ok(Created::NameTaken),
        Err(failure) => Err(failure),
    }
}

fn new_user(identity: &UpstreamIdentity, username: Username, now: DateTime<Utc>) -> User {
    let email = identity.email.clone().filter(|email| check_email(email).is_ok());
    let name = identity.name.clone().and_then(|name| name.try_into().ok());
    User {
        id: UserId::new(now, random::bytes()),
        username,
        email_verified: email.is_some() && identity.email_verified,
        email,
        claims: StandardClaims { name, ..StandardClaims::default() },
        roles: identity.roles.clone().unwrap_or_default(),
        created_at: now,
        last_login_at: None,
        disabled_at: None,
    }
}

/// Writes down that nobody was let in to an account that is there.
#[must_use]
pub fn refused(core: &Core, provider: &Provider, from: Whence) -> UpstreamProblem {
    let problem = UpstreamProblem::NoAccount;
    attempt::tell(core, provider, problem, from);
    problem
}
