//! A user's own passkeys. Who adds, renames or removes one was let in a moment ago, by all that there is (ASVS 7.5.2):
//! a browser that was left open is not enough.

use std::cell::Cell;

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::crypto::relying_party::{NewCredential, PasskeyOwner, RelyingParty};
use crate::domain::authentication::FRESH;
use crate::domain::event::Event;
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::PasskeyId;
use crate::domain::passkey::{MOST_PASSKEYS, Passkey, PasskeyChange, PasskeyName, UnfitPasskey};
use crate::domain::sign_in::SignInSession;
use crate::domain::standard_claims::ClaimText;
use crate::domain::user::User;
use crate::service::users::passkey_challenges::{self, ChallengeFor, PasskeyChallenge};
use crate::service::users::{factors, ways_in};
use crate::service::{Core, Failure};
use crate::store::passkeys::StoredPasskey;
use crate::store::{StoreError, passkeys};

/// Those of who is signed in, the oldest first.
pub async fn list(core: &Core, session: &SignInSession) -> Result<Vec<Passkey>, Failure> {
    Ok(passkeys::of_user(&core.db, session.user()).await?)
}

/// What devices call a user beside the username.
#[must_use]
pub fn display_name(user: &User) -> &str {
    user.claims.name.as_ref().map_or(user.username.as_str(), ClaimText::as_str)
}

/// Asks who may change what there is for a new passkey, for as long as the sign-in is fresh.
///
/// # Errors
/// [`Failure::Passkey`].
pub fn begin(
    core: &Core,
    party: &RelyingParty,
    (session, user): (&SignInSession, &User),
    known: &[Passkey],
) -> Result<PasskeyChallenge, Failure> {
    let owner =
        PasskeyOwner { user: user.id, name: user.username.as_str(), display_name: display_name(user) };
    let known = known.iter().map(|passkey| passkey.credential_id.clone()).collect();
    let begun = party.begin_registration(&owner, known)?;
    let whom = ChallengeFor::Registration(user.id, session.id);
    Ok(passkey_challenges::seal(core, whom, begun, session.authentication.at + FRESH))
}

/// What a browser answered, and what the passkey is to be called.
#[derive(Debug)]
pub struct NewPasskey<'a> {
    pub answer: &'a str,
    /// What came with the challenge.
    pub sealed: &'a str,
    pub name: PasskeyName,
}

/// Adds a passkey to the account of who is signed in.
///
/// # Errors
/// [`Failure::Passkey`], [`Failure::StaleAuthentication`], [`Failure::Store`].
pub async fn add(
    core: &Core,
    party: &RelyingParty,
    (session, agent): (&SignInSession, &UserAgentInfo),
    new: NewPasskey<'_>,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    if !session.authentication.is_fresh(now) {
        return Err(Failure::StaleAuthentication);
    }
    let user = session.user();
    let whom = ChallengeFor::Registration(user, session.id);
    let state = passkey_challenges::take(core, whom, new.sealed, now).await?;
    let NewCredential { id: credential_id, credential, state } =
        party.finish_registration(new.answer, &state)?;
    let passkey = Passkey {
        id: PasskeyId::new(now, random::bytes()),
        user,
        credential_id,
        name: new.name,
        created_at: now,
        last_used_at: None,
        state,
    };
    let stored = StoredPasskey { passkey, credential };
    let added = core.write(now, async |tx| {
        if !factors::still_may_change(tx, session, now).await? {
            return Ok(None);
        }
        if passkeys::count_of_user(tx, user).await? >= MOST_PASSKEYS {
            return Ok(Some(false));
        }
        passkeys::insert(tx, &stored).await?;
        tx.record(changed(session, stored.passkey.id, PasskeyChange::Added, agent));
        Ok(Some(true))
    });
    match added.await {
        Ok(Some(true)) => Ok(()),
        Ok(Some(false)) => Err(UnfitPasskey::TooMany.into()),
        Ok(None) => Err(Failure::StaleAuthentication),
        Err(StoreError::Exists) => Err(UnfitPasskey::Taken.into()),
        Err(error) => Err(error.into()),
    }
}

/// Gives one of the passkeys of who is signed in another name. One that is gone is nothing to do.
///
/// # Errors
/// [`Failure::StaleAuthentication`], [`Failure::Store`].
pub async fn rename(
    core: &Core,
    (session, agent): (&SignInSession, &UserAgentInfo),
    (id, name): (PasskeyId, &PasskeyName),
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let renamed = core.write(now, async |tx| {
        if !factors::still_may_change(tx, session, now).await? {
            return Ok(None);
        }
        if passkeys::rename(tx, (session.user(), id), name).await? {
            tx.record(changed(session, id, PasskeyChange::Renamed, agent));
        }
        Ok(Some(()))
    });
    renamed.await?.ok_or(Failure::StaleAuthentication)
}

/// Removes one of the passkeys of who is signed in: it opens nothing any more. One that is gone is nothing to do.
///
/// # Errors
/// [`UnfitPasskey::LastWayIn`], [`Failure::StaleAuthentication`], [`Failure::Store`].
pub async fn remove(
    core: &Core,
    (session, agent): (&SignInSession, &UserAgentInfo),
    id: PasskeyId,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let is_last = Cell::new(false);
    let removed = core.write(now, async |tx| {
        if !factors::still_may_change(tx, session, now).await? {
            return Ok(None);
        }
        if passkeys::delete(tx, session.user(), id).await? {
            // Looked at once it is gone: the lock of the user's row lets nobody take another way meanwhile.
            if !ways_in::is_any_left(tx, session.user()).await? {
                is_last.set(true);
                return Ok(None);
            }
            tx.record(changed(session, id, PasskeyChange::Removed, agent));
        }
        Ok(Some(()))
    });
    match removed.await? {
        Some(()) => Ok(()),
        None if is_last.get() => Err(UnfitPasskey::LastWayIn.into()),
        None => Err(Failure::StaleAuthentication),
    }
}

fn changed(
    session: &SignInSession,
    passkey: PasskeyId,
    change: PasskeyChange,
    agent: &UserAgentInfo,
) -> Event {
    Event::PasskeyChanged { user: session.user(), passkey, change, from: agent.into() }
}
