//! What a signed-in browser's user does with the own account: end logins, withdraw consents.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::event::{Event, UserChange};
use crate::domain::family::{EndedFamily, Family, Place};
use crate::domain::ids::{ClientId, FamilyId, UserId};
use crate::domain::refusal::EndReason;
use crate::domain::sign_in::{GivenConsent, SignInSession};
use crate::domain::user::User;
use crate::service::clients::known_clients::KnownClient;
use crate::service::logout::front_channel::{self, FrontChannel};
use crate::service::logout::{ending, ending_many};
use crate::service::users::sessions::{self, READ, READS};
use crate::service::{Core, Failure};
use crate::store::ending_logins::Which;
use crate::store::{consents, families, users};

/// Who is signed in: `None` when the user was removed since.
pub async fn user(core: &Core, session: &SignInSession) -> Result<Option<User>, Failure> {
    Ok(users::find(&core.db, session.user()).await?)
}

/// What a user is called; `None` when the user was removed since.
pub async fn name_of(core: &Core, user: UserId) -> Result<Option<String>, Failure> {
    Ok(users::find(&core.db, user).await?.map(|user| user.username.to_string()))
}

/// A part of the list of a user's logins.
#[derive(Debug)]
pub struct Logins {
    /// Live families: those of this browser first, the newest first.
    pub families: Vec<Family>,
    /// The one after which the list goes on, if it does.
    pub next: Option<FamilyId>,
}

/// Which part of the list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartOfList {
    ThisBrowser,
    Elsewhere,
}

/// The user's logins, as many as `limit`: those after another one, or the first. There are fewer where many that nobody
/// ended have been idle for too long: only so many rows are read.
pub async fn logins(
    core: &Core,
    session: &SignInSession,
    after: Option<FamilyId>,
    limit: usize,
    now: DateTime<Utc>,
) -> Result<Logins, Failure> {
    let user = session.user();
    let is_here = |family: &Family| family.authentication.sign_in_session == Some(session.id);
    let last = match after {
        Some(id) => families::find(&core.db, id).await?.filter(|family| family.user() == user),
        None => None,
    };
    let mut place = last.as_ref().map_or(Place::NEWEST, Family::place);
    let begins_here = last.is_none_or(|last| is_here(&last));
    let mut from = if begins_here { PartOfList::ThisBrowser } else { PartOfList::Elsewhere };
    let (mut listed, mut next) = (Vec::new(), None);
    for _ in 0..READS {
        let part = match from {
            PartOfList::ThisBrowser => {
                families::live_of_sign_in(&core.db, (user, session.id), place, READ).await?
            }
            PartOfList::Elsewhere => families::live_of_user(&core.db, user, place, READ).await?,
        };
        let is_last = part.len() < READ as usize;
        for family in part {
            place = family.place();
            // It stood at the top, and is no place to go on from in the rest.
            if from == PartOfList::Elsewhere && is_here(&family) {
                continue;
            }
            let known = next.replace(family.id);
            let Some((session, _)) = sessions::live(core, family, now).await? else { continue };
            if listed.len() == limit {
                return Ok(Logins { families: listed, next: known });
            }
            listed.push(session.family);
        }
        match from {
            PartOfList::ThisBrowser if is_last => (from, place) = (PartOfList::Elsewhere, Place::NEWEST),
            PartOfList::Elsewhere if is_last => return Ok(Logins { families: listed, next: None }),
            PartOfList::ThisBrowser | PartOfList::Elsewhere => {}
        }
    }
    Ok(Logins { families: listed, next })
}

/// Whether a family is the user's and did not come from this sign-in.
pub async fn is_elsewhere(core: &Core, session: &SignInSession, id: FamilyId) -> Result<bool, Failure> {
    let family = families::find(&core.db, id).await?.filter(|family| family.user() == session.user());
    Ok(family.is_some_and(|family| family.authentication.sign_in_session != Some(session.id)))
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
    let user = session.user();
    let which = match kept {
        KeptLogins::ThisBrowser => Which::AllButOf(session.id),
        KeptLogins::Nothing => Which::All,
    };
    let ending = core.write(now, async |tx| {
        users::touch(tx, user, now).await?;
        tx.record(Event::UserChanged { user, change: UserChange::OwnLoginsEnded });
        ending_many::begin(tx, user, which.clone(), EndReason::Owner, now).await.map(Some)
    });
    let Some(ending) = ending.await? else { return Ok(Vec::new()) };
    let is_here = |family: &&EndedFamily| family.sign_in_session == Some(session.id);
    let here: Vec<_> = ending.ended.iter().filter(is_here).map(|it| (it.client.clone(), it.id)).collect();
    ending_many::finish(core, ending, now).await;
    front_channel::of(core, here.into_iter(), now).await
}

/// A part of the list of what a user agreed to, with whom.
#[derive(Debug)]
pub struct Consents {
    pub given: Vec<(Arc<KnownClient>, GivenConsent)>,
    /// The client after which the list goes on, if it does.
    pub next: Option<ClientId>,
}

/// What the user agreed to, as much as `limit`: with clients after another one, or the first. Those that are there no
/// more, or became others, have nothing any more.
pub async fn consents(
    core: &Core,
    session: &SignInSession,
    mut after: Option<ClientId>,
    limit: usize,
    now: DateTime<Utc>,
) -> Result<Consents, Failure> {
    let mut all = Vec::new();
    for _ in 0..READS {
        let part = consents::of_user(&core.db, session.user(), after.as_ref(), READ).await?;
        let is_last = part.len() < READ as usize;
        for given in part {
            let client = given.client.clone();
            if let Some(known) = core.client(&client, now).await?
                && known.client.identity == given.identity
            {
                if all.len() == limit {
                    return Ok(Consents { given: all, next: after });
                }
                all.push((known, given));
            }
            after = Some(client);
        }
        if is_last {
            return Ok(Consents { given: all, next: None });
        }
    }
    Ok(Consents { given: all, next: after })
}

/// Takes a consent back, and with it every family that the client has of the user; `false` when there is none.
pub async fn withdraw(
    core: &Core,
    user: UserId,
    client: &ClientId,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    let ending = core.write(now, async |tx| {
        users::touch(tx, user, now).await?;
        if !consents::delete(tx, user, client).await? {
            return Ok(None);
        }
        tx.record(Event::ConsentWithdrawn { user, client: client.clone() });
        let (which, reason) = (Which::OfClient(client.clone()), EndReason::ConsentWithdrawn);
        ending_many::begin(tx, user, which, reason, now).await.map(Some)
    });
    let Some(ending) = ending.await? else { return Ok(false) };
    ending_many::finish(core, ending, now).await;
    Ok(true)
}
