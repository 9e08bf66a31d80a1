//! A user's own removal of the account, by whoever is signed in and knows its password; or, where there is none, has
//! just signed in.

use chrono::{DateTime, Utc};

use crate::domain::event::{Event, UserChange};
use crate::domain::family::{EndedFamily, UserAgentInfo};
use crate::domain::ids::UserId;
use crate::domain::refusal::{EndReason, Refusal};
use crate::domain::secrets::Password;
use crate::domain::sign_in::SignInSession;
use crate::service::logout::ending_many;
use crate::service::logout::front_channel::{self, FrontChannel};
use crate::service::users::change_password;
use crate::service::{Core, Failure};
use crate::store::ending_logins::Which;
use crate::store::{sign_in_sessions, users};

/// Whether there is no such user (any more).
pub async fn is_removed(core: &Core, user: UserId) -> Result<bool, Failure> {
    Ok(users::find(&core.db, user).await?.is_none())
}

/// Removes the session's user, and ends all logins and sign-ins in the same transaction. Gives what this browser has to
/// tell apps of: nothing where the user was removed before, by a second click or in another tab.
///
/// # Errors
/// [`Refusal::BadCredentials`] when the password is wrong; [`Failure::StaleAuthentication`] when there is none, and the
/// user came in too long ago; [`Failure::TooManyAttempts`], [`Failure::Busy`], [`Failure::Store`].
pub async fn remove_own(
    core: &Core,
    (session, agent): (&SignInSession, &UserAgentInfo),
    password: Option<Password>,
    now: DateTime<Utc>,
) -> Result<Vec<FrontChannel>, Failure> {
    let user = session.user();
    let Some(stored) = users::find_stored(&core.db, user).await? else { return Ok(Vec::new()) };
    change_password::prove(core, (session, agent), &stored, password, now).await?;
    let ending = core.write(now, async |tx| {
        let is_as_proven = users::lock_for_login(tx, user, now)
            .await?
            .is_some_and(|locked| locked.password_hash == stored.password_hash);
        if !is_as_proven || !sign_in_sessions::touch(tx, session.id, now).await? {
            return Ok(None);
        }
        tx.record(Event::UserChanged { user, change: UserChange::OwnRemoval });
        // The sign-ins first: they go with the user's row, and nobody would be told of them.
        let ending = ending_many::begin(tx, user, Which::All, EndReason::UserRemoved, now).await?;
        users::delete(tx, user).await?;
        Ok(Some(ending))
    });
    let Some(ending) = ending.await? else {
        // It was removed meanwhile; or its password was changed, it was disabled, or this browser signed out.
        return if is_removed(core, user).await? {
            Ok(Vec::new())
        } else {
            Err(Refusal::BadCredentials.into())
        };
    };
    let is_here = |family: &&EndedFamily| family.sign_in_session == Some(session.id);
    let here: Vec<_> = ending.ended.iter().filter(is_here).map(|it| (it.client.clone(), it.id)).collect();
    ending_many::finish(core, ending, now).await;
    front_channel::of(core, here.into_iter(), now).await
}
