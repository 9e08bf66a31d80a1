//! The one way into a browser's sign-in: whatever was shown first, it opens a session, or an attempt that wants more.

use chrono::{DateTime, TimeDelta, Utc};

use crate::crypto::random;
use crate::domain::authentication::{Authentication, AuthenticationMethod};
use crate::domain::event::Event;
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::SignInSessionId;
use crate::domain::opaque::OpaqueSecret;
use crate::domain::second_factor::{Demand, Missing, SignInAttempt};
use crate::domain::sign_in::SignInSession;
use crate::service::logout::{ending, ending_many};
use crate::service::{Core, Failure};
use crate::store::{StoreError, Tx, second_factors, sign_in_attempts, sign_in_sessions, users};

/// Browsers in which one user is signed in: as many as end in one transaction with a new password.
const MOST_SESSIONS: u32 = ending_many::PART;

/// How long somebody has for what is missing.
pub const ATTEMPT_TTL: TimeDelta = TimeDelta::minutes(10);

/// How often it may be wrong: a guesser goes back to the first factor, which is limited too.
const MOST_TRIES: i64 = 10;

/// Where somebody comes in.
#[derive(Debug, Clone, Copy)]
pub struct Door<'a> {
    pub agent: &'a UserAgentInfo,
    /// The browser's session until now: it goes on under a new secret when it is the same user's, and ends otherwise.
    pub before: Option<&'a SignInSession>,
    /// What is wanted here.
    pub demand: Demand,
}

/// How far somebody came, with the secret for the browser's cookie.
#[derive(Debug)]
pub enum Entered {
    /// In.
    Open(Box<SignInSession>, OpaqueSecret),
    /// As far as this is missing. The secret is the attempt's.
    Wants(Missing, OpaqueSecret),
}

/// Takes what somebody showed first. `confirm` makes sure within the transaction that it still counts, and takes the
/// lock of the user's row with that: where it gives `false`, nothing has happened, and `None` is given.
///
/// # Errors
/// [`Failure::Store`].
pub(crate) async fn enter(
    core: &Core,
    shown: &Authentication,
    door: Door<'_>,
    now: DateTime<Utc>,
    confirm: impl AsyncFn(&mut Tx) -> Result<bool, StoreError>,
) -> Result<Option<Entered>, Failure> {
    let entered = core.write(now, async |tx| {
        if !confirm(tx).await? {
            return Ok(None);
        }
        let factors = core.offered(second_factors::of_locked_user(tx, shown.user).await?);
        match door.demand.missing_at_first(shown.class(), &factors) {
            None => open(tx, core, shown, door, now).await.map(Some),
            Some(missing) => {
                let secret = begin_attempt(tx, shown, door.agent, now).await?;
                Ok(Some(Entered::Wants(missing, secret)))
            }
        }
    });
    Ok(entered.await?)
}

/// Asks who is signed in for no more than what is missing.
///
/// # Errors
/// [`Failure::Store`].
pub async fn step_up(
    core: &Core,
    session: &SignInSession,
    agent: &UserAgentInfo,
    now: DateTime<Utc>,
) -> Result<Option<OpaqueSecret>, Failure> {
    let begun = core.write(now, async |tx| {
        // Whatever ends the session takes this row's lock: no attempt outlives it.
        if !sign_in_sessions::touch(tx, session.id, now).await? {
            return Ok(None);
        }
        begin_attempt(tx, &session.authentication, agent, now).await.map(Some)
    });
    Ok(begun.await?)
}

/// The live attempt of a browser's secret.
///
/// # Errors
/// [`Failure::Store`].
pub async fn attempt(
    core: &Core,
    secret: Option<&OpaqueSecret>,
    now: DateTime<Utc>,
) -> Result<Option<SignInAttempt>, Failure> {
    let Some(secret) = secret else { return Ok(None) };
    let found = sign_in_attempts::find_live(&core.db, &secret.hash(), MOST_TRIES, now).await?;
    Ok(found.filter(|attempt| attempt.login.is_none()))
}

/// The live attempt of an app's `mfa_token`.
///
/// # Errors
/// [`Failure::Store`].
pub(crate) async fn waiting_login(
    core: &Core,
    token: &OpaqueSecret,
    now: DateTime<Utc>,
) -> Result<Option<SignInAttempt>, Failure> {
    let found = sign_in_attempts::find_live(&core.db, &token.hash(), MOST_TRIES, now).await?;
    Ok(found.filter(|attempt| attempt.login.is_some()))
}

/// Takes the further factor of an attempt, which is used up. `confirm` makes sure within the transaction that what was
/// shown counts, once. `None` when it does not, or the attempt is over: nothing has happened then.
///
/// # Errors
/// [`Failure::Store`].
pub(crate) async fn complete(
    core: &Core,
    (attempt, further): (&SignInAttempt, &[AuthenticationMethod]),
    door: Door<'_>,
    now: DateTime<Utc>,
    confirm: impl AsyncFn(&mut Tx) -> Result<bool, StoreError>,
) -> Result<Option<Entered>, Failure> {
    let Some(before) = &attempt.shown else { return Ok(None) };
    let shown = before.clone().and(further, now);
    let entered = core.write(now, async |tx| {
        if users::lock_for_login(tx, shown.user, now).await?.is_none()
            || !sign_in_attempts::spend(tx, &attempt.secret_hash, now).await?
            || !goes_on(tx, &shown, now).await?
            || !confirm(tx).await?
        {
            return Ok(None);
        }
        open(tx, core, &shown, door, now).await.map(Some)
    });
    Ok(entered.await?)
}

/// Whether the sign-in that is taken further has not ended meanwhile.
async fn goes_on(tx: &mut Tx, shown: &Authentication, now: DateTime<Utc>) -> Result<bool, StoreError> {
    match shown.sign_in_session {
        Some(session) => sign_in_sessions::touch(tx, session, now).await,
        None => Ok(true),
    }
}

async fn begin_attempt(
    tx: &mut Tx,
    shown: &Authentication,
    agent: &UserAgentInfo,
    now: DateTime<Utc>,
) -> Result<OpaqueSecret, StoreError> {
    let secret = OpaqueSecret::from_random(&random::bytes());
    let attempt = SignInAttempt {
        secret_hash: secret.hash(),
        shown: Some(shown.clone()),
        agent: agent.clone(),
        login: None,
        ceremony: None,
        expires_at: now + ATTEMPT_TTL,
    };
    sign_in_attempts::insert(tx, &attempt, now).await?;
    Ok(secret)
}

/// Opens the browser's session. The secret is a new one each time, so that nobody can plant one in a browser
/// beforehand.
async fn open(
    tx: &mut Tx,
    core: &Core,
    shown: &Authentication,
    door: Door<'_>,
    now: DateTime<Utc>,
) -> Result<Entered, StoreError> {
    let secret = OpaqueSecret::from_random(&random::bytes());
    let same_user = door.before.filter(|before| before.user() == shown.user);
    let id = same_user.map_or_else(|| SignInSessionId::new(now, random::bytes()), |before| before.id);
    let session = SignInSession {
        id,
        authentication: shown.clone().in_session(id),
        agent: door.agent.clone(),
        created_at: same_user.map_or(now, |before| before.created_at),
        last_used_at: now,
        expires_at: now + core.sign_in.absolute,
    };
    if let Some(before) = door.before {
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
    Ok(Entered::Open(Box::new(session), secret))
}
