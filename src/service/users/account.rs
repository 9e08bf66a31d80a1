//! What a signed-in browser's user does with the own account: end logins, withdraw consents.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::event::{Event, UserChange};
use crate::domain::family::Family;
use crate::domain::ids::{ClientId, FamilyId};
use crate::domain::refusal::EndReason;
use crate::domain::sign_in::{GivenConsent, SignInSession};
use crate::domain::user::User;
use crate::service::clients::known_clients::KnownClient;
use crate::service::logout::ending;
use crate::service::logout::front_channel::{self, FrontChannel};
use crate::service::users::sessions;
use crate::service::{Core, Failure};
use crate::store::families::{self, Spared};
use crate::store::{consents, sign_in_sessions, users};

/// Who is signed in: `None` when the user was removed since.
pub async fn user(core: &Core, session: &SignInSession) -> Result<Option<User>, Failure> {
    Ok(users::find(&core.db, session.user()).await?)
}

/// A part of the list of a user's logins.
#[derive(Debug)]
pub struct Logins {
    /// Live families: those of this browser first, then by last use.
    pub families: Vec<Family>,
    /// Whether others come after them.
    pub more: bool,
}

/// The user's logins, as many as `limit`: those after another one, or the first.
pub async fn logins(
    core: &Core,
    session: &SignInSession,
    after: Option<FamilyId>,
    limit: usize,
    now: DateTime<Utc>,
) -> Result<Logins, Failure> {
    // More than a page: of families that nobody ended, some are idle for too long.
    const READ: u32 = 100;
    let mut last = match after {
        Some(id) => families::find(&core.db, id).await?.filter(|family| family.user() == session.user()),
        None => None,
    };
    let mut listed = Vec::new();
    loop {
        let found = families::some_of_user(&core.db, session, last.as_ref(), READ, now).await?;
        let Some(end) = found.last().cloned() else { return Ok(Logins { families: listed, more: false }) };
        for family in found {
            let Some((session, _)) = sessions::live(core, family, now).await? else { continue };
            if listed.len() == limit {
                return Ok(Logins { families: listed, more: true });
            }
            listed.push(session.family);
        }
        last = Some(end);
    }
}

/// Ends one of the user's families. One that came from another browser's sign-in takes that along. What is not the
/// user's, or has ended, stays as it is.
pub async fn end(
    core: &Core,
    session: &SignInSession,
    id: FamilyId,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let family = families::find(&core.db, id).await?.filter(|family| family.user() == session.user());
    let Some(family) = family else { return Ok(()) };
    core.write(now, async |tx| {
        users::touch(tx, session.user(), now).await?;
        ending::end_with_way_back(tx, &family, Some(session.id), EndReason::Owner, now).await.map(Some)
    })
    .await?;
    Ok(())
}

/// Which of a user's logins go on when the others end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptLogins {
    /// This browser's sign-in, and what came from it.
    ThisBrowser,
    /// None.
    Nothing,
}

/// Ends the user's families and sign-ins, all but those that are kept. Gives what this browser has to tell apps of.
pub async fn end_all(
    core: &Core,
    session: &SignInSession,
    kept: KeptLogins,
    now: DateTime<Utc>,
) -> Result<Vec<FrontChannel>, Failure> {
    let (kept, spared) = match kept {
        KeptLogins::ThisBrowser => (Some(session.id), Spared::SignIn(session.id)),
        KeptLogins::Nothing => (None, Spared::Nothing),
    };
    let ended = core.write(now, async |tx| {
        users::touch(tx, session.user(), now).await?;
        sign_in_sessions::end_of_user(tx, session.user(), kept).await?;
        tx.record(Event::UserChanged { user: session.user(), change: UserChange::OwnLoginsEnded });
        families::end_of_user(tx, session.user(), spared, EndReason::Owner, now).await.map(Some)
    });
    let here = ended
        .await?
        .unwrap_or_default()
        .into_iter()
        .filter(|family| family.sign_in_session == Some(session.id));
    front_channel::of(core, here.map(|family| (family.client, family.id)), now).await
}

/// What the user agreed to, with whom. Clients that are there no more, or became others, have nothing any more.
pub async fn consents(
    core: &Core,
    session: &SignInSession,
    now: DateTime<Utc>,
) -> Result<Vec<(Arc<KnownClient>, GivenConsent)>, Failure> {
    let mut all = Vec::new();
    for given in consents::of_user(&core.db, session.user()).await? {
        if let Some(known) = core.client(&given.client, now).await?
            && known.client.identity == given.identity
        {
            all.push((known, given));
        }
    }
    Ok(all)
}

/// Takes a consent back, and with it every family that the client has of the user.
pub async fn withdraw(
    core: &Core,
    session: &SignInSession,
    client: &ClientId,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    core.write(now, async |tx| {
        users::touch(tx, session.user(), now).await?;
        if !consents::delete(tx, session.user(), client).await? {
            return Ok(None);
        }
        tx.record(Event::ConsentWithdrawn { user: session.user(), client: client.clone() });
        let reason = EndReason::ConsentWithdrawn;
        families::end_of_user_at(tx, session.user(), client, reason, now).await.map(Some)
    })
    .await?;
    Ok(())
}
