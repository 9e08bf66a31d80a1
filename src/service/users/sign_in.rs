//! Signing in and out at this server's pages: the single sign-on session of one browser.

pub mod entering;
pub mod second;
pub mod waiting;

use chrono::{DateTime, Utc};

use crate::domain::authentication::Authentication;
use crate::domain::event::Event;
use crate::domain::opaque::OpaqueSecret;
use crate::domain::sign_in::SignInSession;
use crate::service::users::credentials::{self, Credentials, Verified};
use crate::service::users::sign_in::entering::{Door, Entered};
use crate::service::{Core, Failure};
use crate::store::{Tx, sign_in_sessions};

/// The session of a cookie's secret, if it still counts.
pub async fn current(
    core: &Core,
    secret: Option<&OpaqueSecret>,
    now: DateTime<Utc>,
) -> Result<Option<SignInSession>, Failure> {
    let Some(secret) = secret else { return Ok(None) };
    let session = sign_in_sessions::find(&core.db, &secret.hash()).await?;
    Ok(session.filter(|session| session.is_live(now, &core.sign_in)))
}

/// Signs a user in by name and password.
///
/// # Errors
/// [`crate::domain::refusal::Refusal::BadCredentials`], [`Failure::TooManyAttempts`], [`Failure::Busy`],
/// [`Failure::Store`].
pub async fn sign_in(
    core: &Core,
    credentials: &Credentials,
    door: Door<'_>,
    now: DateTime<Utc>,
) -> Result<Entered, Failure> {
    let opening = async |verified: Verified| {
        let shown = Authentication::by_password(verified.user, now);
        let confirm = async |tx: &mut Tx| Ok(verified.confirm(tx, now).await?.is_some());
        entering::enter(core, &shown, door, now, confirm).await
    };
    let entered = credentials::check(core, (credentials, door.agent), now, opening).await;
    if let Err(Failure::Refused(_)) = entered {
        let account = credentials::tried_account(core, credentials.username.as_ref()).await;
        core.tell(Event::SignInRefused { account, from: door.agent.into() });
    }
    entered
}
