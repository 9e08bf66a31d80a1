//! A user's own change of password, by whoever is signed in and knows the present one; or, where there is none, has
//! just signed in.

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::authentication::Authentication;
use crate::domain::event::{Event, UserChange};
use crate::domain::family::UserAgentInfo;
use crate::domain::opaque::OpaqueSecret;
use crate::domain::refusal::{EndReason, Refusal};
use crate::domain::secrets::Password;
use crate::domain::sign_in::SignInSession;
use crate::service::logout::ending_many;
use crate::service::users::attempts::{Attempted, Owner};
use crate::service::users::credentials;
use crate::service::{Core, Failure};
use crate::store::ending_logins::Which;
use crate::store::users::StoredUser;
use crate::store::{sign_in_attempts, sign_in_sessions, users};

/// What is to be changed.
#[derive(Debug)]
pub struct ChangePassword {
    /// The present password: `None` when what was typed can be nobody's. It is not looked at where there is none.
    pub current: Option<Password>,
    pub new: Password,
    /// What becomes of the user's other logins.
    pub others: Others,
}

/// What becomes of the logins that are not this browser's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They end: somebody else may know the old password.
    End,
    /// They go on.
    Keep,
}

/// Changes the password of the session's user. The browser's session goes on under a new secret, which is given.
///
/// # Errors
/// [`Failure::UnfitPassword`]; [`Refusal::BadCredentials`] when the present password is wrong;
/// [`Failure::StaleAuthentication`] when there is none, and its user came in too long ago;
/// [`Failure::TooManyAttempts`], [`Failure::Busy`], [`Failure::Store`].
pub async fn change_password(
    core: &Core,
    (session, agent): (&SignInSession, &UserAgentInfo),
    request: ChangePassword,
    now: DateTime<Utc>,
) -> Result<OpaqueSecret, Failure> {
    let stored = users::find_stored(&core.db, session.user()).await?.ok_or(Refusal::BadCredentials)?;
    let user = &stored.user;
    let new = core.password_rules.accept(&request.new, user)?;
    let again = prove(core, (session, agent), &stored, request.current, now).await?;
    let hash = core.passwords.hash(new).await?;
    let secret = OpaqueSecret::from_random(&random::bytes());
    let changed = core.write(now, async |tx| {
        if !users::replace_password(tx, &stored, &hash, now).await?
            || !sign_in_sessions::renew(tx, session.id, (&secret.hash(), again.at), now).await?
        {
            return Ok(None);
        }
        tx.record(Event::UserChanged { user: user.id, change: UserChange::OwnPassword });
        match request.others {
            Others::End => {
                let others = Which::AllButOf(session.id);
                let ending = ending_many::begin(tx, user.id, others, EndReason::PasswordChanged, now).await?;
                Ok(Some(Some(ending)))
            }
            Others::Keep => {
                // What rests on the former password is good no more.
                sign_in_attempts::end_of_user(tx, user.id).await?;
                Ok(Some(None))
            }
        }
    });
    // Otherwise it was changed meanwhile, or the user was disabled, or this browser signed out.
    if let Some(ending) = changed.await?.ok_or(Refusal::BadCredentials)? {
        ending_many::finish(core, ending, now).await;
    }
    Ok(secret)
}

/// Lets the session's user change the ways in: by the present password, or, where there is none, by having just signed
/// in. Gives what the session knows of its user by then.
///
/// # Errors
/// As [`change_password`].
pub(super) async fn prove(
    core: &Core,
    (session, agent): (&SignInSession, &UserAgentInfo),
    stored: &StoredUser,
    current: Option<Password>,
    now: DateTime<Utc>,
) -> Result<Authentication, Failure> {
    let authentication = session.authentication.clone();
    if stored.password_hash.is_none() {
        let is_fresh = authentication.is_fresh(now);
        return if is_fresh { Ok(authentication) } else { Err(Failure::StaleAuthentication) };
    }
    let current = current.ok_or(Refusal::BadCredentials)?;
    let owner = Owner::SignedIn(session.id);
    let attempted = Attempted { name: Some(&stored.user.username), address: None, owner };
    let attempt = credentials::begin_attempt(core, attempted, agent, now).await?;
    credentials::verify(core, Some(stored.clone()), &current, attempt).await?;
    Ok(authentication.with_password_again(now))
}

/// Whether the session's user has a password: `None` when the user was removed since.
pub async fn has_password(core: &Core, session: &SignInSession) -> Result<Option<bool>, Failure> {
    let stored = users::find_stored(&core.db, session.user()).await?;
    Ok(stored.map(|stored| stored.password_hash.is_some()))
}
