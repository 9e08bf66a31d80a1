//! An account's links to providers, in its owner's hands. Whoever changes the ways in has just signed in.

use chrono::{DateTime, Utc};

use crate::domain::event::{Event, UserChange};
use crate::domain::opaque::OpaqueSecret;
use crate::domain::sign_in::SignInSession;
use crate::domain::upstream::{UpstreamIdentity, UpstreamLink, UpstreamProblem, UpstreamSubject};
use crate::service::upstream::attempt;
use crate::service::users::ways_in;
use crate::service::{Core, Failure};
use crate::store::{sign_in_sessions, upstream_attempts, upstream_links, users};

/// The links of who is signed in.
///
/// # Errors
/// [`Failure::Store`].
pub async fn list(core: &Core, session: &SignInSession) -> Result<Vec<UpstreamLink>, Failure> {
    Ok(upstream_links::of_user(&core.db, session.user()).await?)
}

/// A link to be.
#[must_use]
pub(super) fn new(identity: &UpstreamIdentity, now: DateTime<Utc>) -> UpstreamLink {
    UpstreamLink {
        who: identity.who.clone(),
        label: identity.label().map(ToOwned::to_owned),
        created_at: now,
        last_used_at: Some(now),
    }
}

/// Links the account of who is signed in to whoever has just come back from a provider. What came back there before,
/// and waits under a secret, is used up with it.
///
/// # Errors
/// [`Failure::StaleAuthentication`]; [`Failure::Store`].
pub async fn link(
    core: &Core,
    session: &SignInSession,
    (identity, waiting): (&UpstreamIdentity, Option<(&OpaqueSecret, &OpaqueSecret)>),
    now: DateTime<Utc>,
) -> Result<Result<(), UpstreamProblem>, Failure> {
    if !session.authentication.is_fresh(now) {
        return Err(Failure::StaleAuthentication);
    }
    let (user, link) = (session.user(), new(identity, now));
    let waiting = waiting.map(|(secret, browser)| attempt::key(secret, browser));
    let linked = core.write(now, async |tx| {
        if users::touch_enabled(tx, user, now).await?.is_none()
            || !sign_in_sessions::touch(tx, session.id, now).await?
        {
            return Ok(None);
        }
        if let Some(key) = &waiting
            && !upstream_attempts::spend_arrived(tx, key).await?
        {
            // A second click comes when the first one has linked it.
            let own = upstream_links::touch(tx, user, (&link.who, link.label.as_deref()), now).await?;
            return Ok(own.then_some(true));
        }
        if upstream_links::insert(tx, user, &link).await? {
            tx.record(Event::UserChanged { user, change: UserChange::Linked });
            return Ok(Some(true));
        }
        // A second click is no mistake.
        let own = upstream_links::touch(tx, user, (&link.who, link.label.as_deref()), now).await?;
        Ok(Some(own))
    });
    Ok(match linked.await? {
        Some(true) => Ok(()),
        Some(false) => Err(UpstreamProblem::OthersLink),
        None => Err(UpstreamProblem::Late),
    })
}

/// What became of a wish to be linked no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlinked {
    Done,
    /// There is no such link (any more).
    NotThere,
    /// Nobody could come in any more.
    LastWayIn,
}

/// Takes a link away, unless it is the last way in.
///
/// # Errors
/// [`Failure::StaleAuthentication`]; [`Failure::Store`].
pub async fn unlink(
    core: &Core,
    session: &SignInSession,
    who: &UpstreamSubject,
    now: DateTime<Utc>,
) -> Result<Unlinked, Failure> {
    if !session.authentication.is_fresh(now) {
        return Err(Failure::StaleAuthentication);
    }
    let user = session.user();
    let unlinked = core.write(now, async |tx| {
        if !users::touch(tx, user, now).await? || !upstream_links::delete(tx, user, who).await? {
            return Ok(None);
        }
        // Looked at once it is gone: the lock of the user's row lets nobody take another way meanwhile.
        if !ways_in::is_any_left(tx, user).await? {
            return Ok(None);
        }
        tx.record(Event::UserChanged { user, change: UserChange::Unlinked });
        Ok(Some(()))
    });
    if unlinked.await?.is_some() {
        return Ok(Unlinked::Done);
    }
    let is_there = list(core, session).await?.iter().any(|link| link.who == *who);
    Ok(if is_there { Unlinked::LastWayIn } else { Unlinked::NotThere })
}
