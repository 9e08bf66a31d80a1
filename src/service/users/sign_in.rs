//! Signing in and out at this server's pages: the single sign-on session of one browser.

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::authentication::Authentication;
use crate::domain::event::Event;
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::SignInSessionId;
use crate::domain::opaque::OpaqueSecret;
use crate::domain::sign_in::SignInSession;
use crate::service::logout::{ending, ending_many};
use crate::service::users::credentials::{self, Credentials, Verified};
use crate::service::{Core, Failure};
use crate::store::sign_in_sessions;

/// Browsers in which one user is signed in: as many as end in one transaction with a new password.
const MOST_SESSIONS: u32 = ending_many::PART;

/// A request to sign in.
#[derive(Debug)]
pub struct SignIn {
    pub credentials: Credentials,
    pub agent: UserAgentInfo,
    /// The browser's session until now: it goes on under a new secret when it is the same user's, and ends otherwise.
    pub before: Option<SignInSession>,
}

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

/// Signs a user in. The secret is a new one each time, so that nobody can plant one in a browser beforehand.
///
/// # Errors
/// [`crate::domain::refusal::Refusal::BadCredentials`], [`Failure::TooManyAttempts`], [`Failure::Busy`],
/// [`Failure::Store`].
pub async fn sign_in(
    core: &Core,
    request: SignIn,
    now: DateTime<Utc>,
) -> Result<(SignInSession, OpaqueSecret), Failure> {
    let opening = async |verified: Verified| begin_session(core, &request, &verified, now).await;
    let begun = credentials::check(core, (&request.credentials, &request.agent), now, opening).await;
    if let Err(Failure::Refused(_)) = begun {
        let account = credentials::tried_account(core, request.credentials.username.as_ref()).await;
        core.tell(Event::SignInRefused { account, from: (&request.agent).into() });
    }
    begun
}

async fn begin_session(
    core: &Core,
    request: &SignIn,
    verified: &Verified,
    now: DateTime<Utc>,
) -> Result<Option<(SignInSession, OpaqueSecret)>, Failure> {
    let secret = OpaqueSecret::from_random(&random::bytes());
    let same_user = request.before.as_ref().filter(|before| before.user() == verified.user);
    let id = same_user.map_or_else(|| SignInSessionId::new(now, random::bytes()), |before| before.id);
    let session = SignInSession {
        id,
        authentication: Authentication::by_password(verified.user, now).in_session(id),
        agent: request.agent.clone(),
        created_at: same_user.map_or(now, |before| before.created_at),
        last_used_at: now,
        expires_at: now + core.sign_in.absolute,
    };
    let begun = core.write(now, async |tx| {
        if verified.confirm(tx, now).await?.is_none() {
            return Ok(None);
        }
        if let Some(before) = &request.before {
            if same_user.is_some() {
                sign_in_sessions::delete(tx, before.id).await?;
            } else {
                ending::end_sign_in(tx, before.user(), before.id, now).await?;
            }
        }
        sign_in_sessions::insert(tx, &session, &secret.hash()).await?;
        sign_in_sessions::end_beyond(tx, session.user(), MOST_SESSIONS).await?;
        let from = (&session.agent).into();
        tx.record(Event::SignInSucceeded { session: session.id, user: session.user(), from });
        Ok(Some(()))
    });
    Ok(begun.await?.map(|()| (session, secret)))
}
