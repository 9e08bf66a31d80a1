//! A user's own view of the families: list them, end one, end all others.

use chrono::{DateTime, Utc};

use crate::domain::authentication::Authentication;
use crate::domain::client::Party;
use crate::domain::family::{Family, Place, UserAgentInfo};
use crate::domain::ids::{FamilyId, UserId};
use crate::domain::refusal::{EndReason, Refusal};
use crate::domain::secrets::Password;
use crate::service::logout::{ending, ending_many};
use crate::service::tokens::access_token::{self, ShownToken, Standing};
use crate::service::users::attempts::{Attempted, Owner};
use crate::service::users::credentials;
use crate::service::{Core, Failure};
use crate::store::ending_logins::Which;
use crate::store::{families, users};

/// How many rows are read at once for a part of a list, and how often: of families that nobody ended, some are idle for
/// too long.
pub(super) const READ: u32 = 100;
pub(super) const READS: u32 = 5;

/// Who asks: the user, and the family of the access token that proves it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The user, and when and how that user came in.
    authentication: Authentication,
    /// The family that the caller uses.
    pub family: FamilyId,
}

impl Caller {
    #[must_use]
    pub fn user(&self) -> UserId {
        self.authentication.user
    }

    fn must_be_fresh(&self, now: DateTime<Utc>) -> Result<(), Failure> {
        if self.authentication.is_fresh(now) { Ok(()) } else { Err(Failure::StaleAuthentication) }
    }
}

/// A live family and when it ends if it is not refreshed.
#[derive(Debug)]
pub struct Session {
    pub family: Family,
    /// When it ends if it is not refreshed before.
    pub ends_at: DateTime<Utc>,
}

/// Recognises a first-party access token for this server itself, whose family still lives.
///
/// # Errors
/// [`Failure::InvalidToken`], whatever is wrong with it; [`Failure::KeyProof`]; [`Failure::Store`].
pub async fn authenticate(core: &Core, shown: ShownToken<'_>, now: DateTime<Utc>) -> Result<Caller, Failure> {
    let token = access_token::verify_shown(core, shown, now)?;
    // A token made for another service opens nothing here.
    if !token.aud.contains(&core.issuer) {
        return Err(Failure::InvalidToken);
    }
    let Standing::Family(family) = access_token::standing(core, &token, now).await? else {
        return Err(Failure::InvalidToken);
    };
    // Nor does one that another client was given in exchange (RFC 8693).
    if token.client_id != family.client_id.as_str() {
        return Err(Failure::InvalidToken);
    }
    let known = core.client(&family.client_id, now).await?.ok_or(Failure::InvalidToken)?;
    match known.client.party {
        Party::First => Ok(Caller { authentication: family.authentication, family: family.id }),
        Party::Third => Err(Failure::InvalidToken),
    }
}

/// A part of the list of a user's live families.
#[derive(Debug)]
pub struct Sessions {
    pub sessions: Vec<Session>,
    /// The place after which the list goes on, if it does.
    pub next: Option<Place>,
}

/// A user's live families, newest first, as many as `limit`: those that come after a place. There are fewer where many
/// that nobody ended have been idle for too long: only so many rows are read.
pub async fn list(
    core: &Core,
    user: UserId,
    mut after: Place,
    limit: usize,
    now: DateTime<Utc>,
) -> Result<Sessions, Failure> {
    let mut sessions = Vec::new();
    for _ in 0..READS {
        let part = families::live_of_user(&core.db, user, after, READ).await?;
        let is_last = part.len() < READ as usize;
        for family in part {
            let place = family.place();
            let Some((session, _)) = live(core, family, now).await? else {
                after = place;
                continue;
            };
            if sessions.len() == limit {
                return Ok(Sessions { sessions, next: Some(after) });
            }
            after = place;
            sessions.push(session);
        }
        if is_last {
            return Ok(Sessions { sessions, next: None });
        }
    }
    Ok(Sessions { sessions, next: Some(after) })
}

/// Lets a caller end other logins who knows the user's password.
///
/// # Errors
/// [`Refusal::BadCredentials`] when it is not the right one; [`Failure::TooManyAttempts`], [`Failure::Busy`],
/// [`Failure::Store`].
pub async fn prove(
    core: &Core,
    caller: Caller,
    password: Option<Password>,
    agent: &UserAgentInfo,
    now: DateTime<Utc>,
) -> Result<Caller, Failure> {
    let password = password.ok_or(Refusal::BadCredentials)?;
    let stored = users::find_stored(&core.db, caller.user()).await?.ok_or(Refusal::BadCredentials)?;
    let name = stored.user.username.clone();
    let attempted = Attempted { name: Some(&name), address: None, owner: Owner::LoggedIn(caller.family) };
    let attempt = credentials::begin_attempt(core, attempted, agent, now).await?;
    credentials::verify(core, Some(stored), &password, attempt).await?;
    Ok(Caller { authentication: Authentication { at: now, ..caller.authentication }, ..caller })
}

/// Ends one of the caller's live families, with the sign-in that it came from if that is not the caller's own.
///
/// # Errors
/// [`Failure::StaleAuthentication`] when it is not the one in use, and its user came in too long ago;
/// [`Failure::NotFound`] when it is not the caller's or not live; [`Failure::Store`].
pub async fn end(core: &Core, caller: &Caller, id: FamilyId, now: DateTime<Utc>) -> Result<(), Failure> {
    // It may log out, too.
    if id != caller.family {
        caller.must_be_fresh(now)?;
    }
    let user = caller.user();
    let family = families::find(&core.db, id).await?.filter(|family| family.user() == user);
    let live = live(core, family.ok_or(Failure::NotFound)?, now).await?;
    let (Session { family, .. }, _) = live.ok_or(Failure::NotFound)?;
    let ended = core.write(now, async |tx| {
        users::touch(tx, user, now).await?;
        let kept = caller.authentication.sign_in_session;
        ending::end_with_way_back(tx, &family, kept, EndReason::Owner, now).await.map(Some)
    });
    if ended.await? == Some(true) { Ok(()) } else { Err(Failure::NotFound) }
}

/// Ends all of the caller's families but the one in use, and all sign-ins but the one that it came from.
///
/// # Errors
/// [`Failure::StaleAuthentication`]; [`Failure::Store`].
pub async fn end_others(core: &Core, caller: &Caller, now: DateTime<Utc>) -> Result<(), Failure> {
    caller.must_be_fresh(now)?;
    let user = caller.user();
    let ending = core.write(now, async |tx| {
        users::touch(tx, user, now).await?;
        let others = Which::AllBut(caller.family, caller.authentication.sign_in_session);
        ending_many::begin(tx, user, others, EndReason::Owner, now).await.map(Some)
    });
    if let Some(ending) = ending.await? {
        ending_many::finish(core, ending, now).await;
    }
    Ok(())
}

/// A family with its client's party, if it is live.
pub(super) async fn live(
    core: &Core,
    family: Family,
    now: DateTime<Utc>,
) -> Result<Option<(Session, Party)>, Failure> {
    let Some(known) = core.client(&family.client_id, now).await? else { return Ok(None) };
    if !family.is_live(now, &known.lifetimes) {
        return Ok(None);
    }
    let ends_at = family.ends_at(&known.lifetimes);
    Ok(Some((Session { family, ends_at }, known.client.party)))
}
