//! The second factor of a sign-in that has begun, or a new one where it is required and there is none.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use crate::crypto::totp::TotpSecret;
use crate::domain::authentication::AuthenticationMethod;
use crate::domain::event::{Event, TriedAccount};
use crate::domain::ids::UserId;
use crate::domain::recovery_code::RecoveryCode;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::{Missing, SignInAttempt};
use crate::service::users::attempts::{Attempted, Owner};
use crate::service::users::sign_in::entering::{self, Door, Entered};
use crate::service::users::totp::RightCode;
use crate::service::users::{credentials, factors, totp};
use crate::service::{Core, Failure};
use crate::store::{StoreError, Tx, recovery_codes, second_factors, sign_in_attempts, users};

/// What a user shows as the second factor.
#[derive(Debug)]
pub enum SecondProof<'a> {
    /// What the authenticator app shows.
    Code(&'a str),
    RecoveryCode(&'a str),
}

/// A proof that was looked at, and is right if it is used for the first time.
#[derive(Debug)]
pub(crate) enum RightProof {
    Code(RightCode),
    RecoveryCode(UserId, RecoveryCode),
}

/// Looks at what a user shows, within the limits that wrong passwords have.
///
/// # Errors
/// [`Refusal::BadSecondFactor`] when `confirm` does not take it; [`Failure::TooManyAttempts`], [`Failure::Busy`],
/// [`Failure::Store`].
pub(crate) async fn show<T>(
    core: &Core,
    attempt: &SignInAttempt,
    proof: &SecondProof<'_>,
    (door, address): (Door<'_>, Option<IpAddr>),
    now: DateTime<Utc>,
    confirm: impl AsyncFn(RightProof) -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let user = attempt.shown.as_ref().map(|it| it.user).ok_or(Refusal::BadSecondFactor)?;
    let name = users::find(&core.db, user).await?.ok_or(Refusal::BadSecondFactor)?.username;
    let here = door.before.filter(|before| before.user() == user);
    let owner = here.map_or(Owner::Unknown, |before| Owner::SignedIn(before.id));
    let attempted = Attempted { name: Some(&name), address, owner };
    let tried = credentials::begin_attempt(core, attempted, door.agent, now).await?;
    let right = match proof {
        SecondProof::Code(typed) => totp::look(core, user, typed, now).await?.map(RightProof::Code),
        SecondProof::RecoveryCode(typed) => {
            RecoveryCode::typed(typed).map(|code| RightProof::RecoveryCode(user, code))
        }
    };
    if let Some(right) = right
        && let Some(taken) = confirm(right).await?
    {
        return Ok(taken);
    }
    tried.was_wrong();
    sign_in_attempts::count_try(&core.db, &attempt.secret_hash).await?;
    Err(Refusal::BadSecondFactor.into())
}

impl RightProof {
    /// Uses it up, in the transaction that has the lock of the user's row.
    pub(crate) async fn confirm(&self, tx: &mut Tx, door: Door<'_>) -> Result<bool, StoreError> {
        match self {
            Self::Code(code) => code.confirm(tx).await,
            Self::RecoveryCode(user, code) => {
                // Without a factor that it stands in for, it is worth nothing.
                let counts = second_factors::of_locked_user(tx, *user).await?.is_some()
                    && recovery_codes::spend(tx, *user, &code.hash()).await?;
                if counts {
                    tx.record(Event::RecoveryCodeUsed { user: *user, from: door.agent.into() });
                }
                Ok(counts)
            }
        }
    }
}

/// What an app or a recovery code is in `amr`.
pub(crate) const SHOWN: [AuthenticationMethod; 1] = [AuthenticationMethod::OneTimePassword];

/// Ends an attempt at the pages with the user's second factor; `None` when the attempt is over.
///
/// # Errors
/// [`Refusal::BadSecondFactor`]; [`Failure::TooManyAttempts`], [`Failure::Busy`], [`Failure::Store`].
pub async fn finish(
    core: &Core,
    attempt: &SignInAttempt,
    proof: &SecondProof<'_>,
    (door, address): (Door<'_>, Option<IpAddr>),
    now: DateTime<Utc>,
) -> Result<Option<Entered>, Failure> {
    let confirm = async |right: RightProof| {
        let confirm = async |tx: &mut Tx| right.confirm(tx, door).await;
        entering::complete(core, (attempt, &SHOWN), door, now, confirm).await
    };
    let finished = show(core, attempt, proof, (door, address), now, confirm).await;
    if let (Err(Failure::Refused(_)), Some(shown)) = (&finished, &attempt.shown) {
        core.tell(Event::SignInRefused { account: TriedAccount::Known(shown.user), from: door.agent.into() });
    }
    finished.map(Some)
}

/// What an attempt wants by now; `None` when it needs nothing but to be begun anew.
///
/// # Errors
/// [`Failure::Store`].
pub async fn missing(
    core: &Core,
    attempt: &SignInAttempt,
    door: Door<'_>,
) -> Result<Option<(UserId, Missing)>, Failure> {
    let Some(shown) = &attempt.shown else { return Ok(None) };
    let factors = factors::of_user(core, shown.user).await?;
    let missing = door.demand.missing_at_first(shown.class(), &factors);
    Ok(missing.map(|missing| (shown.user, missing)))
}

/// What became of a factor that was to be set up before going on.
#[derive(Debug)]
pub enum Enrolled {
    /// The user is in, and has these recovery codes.
    In(Entered, Vec<RecoveryCode>),
    /// The code is not the app's.
    WrongCode,
    /// The attempt is over, or the user has a factor by now.
    Over,
}

/// Sets up the first second factor of a user who has shown the first one only.
///
/// # Errors
/// [`Failure::Store`].
pub async fn enrol(
    core: &Core,
    attempt: &SignInAttempt,
    (secret, typed): (&TotpSecret, &str),
    door: Door<'_>,
    now: DateTime<Utc>,
) -> Result<Enrolled, Failure> {
    let Some(user) = attempt.shown.as_ref().map(|shown| shown.user) else { return Ok(Enrolled::Over) };
    let Some(step) = secret.step_of(typed, now) else {
        sign_in_attempts::count_try(&core.db, &attempt.secret_hash).await?;
        return Ok(Enrolled::WrongCode);
    };
    let sealed = totp::seal(&core.keys, user, secret);
    let codes = std::cell::RefCell::new(Vec::new());
    let confirm = async |tx: &mut Tx| {
        // Who knows a password must not get past the second factor by another one.
        if second_factors::of_locked_user(tx, user).await?.is_some() {
            return Ok(false);
        }
        let added = factors::insert_totp(tx, user, (&sealed, step), now).await?;
        let is_added = added.is_some();
        codes.replace(added.unwrap_or_default());
        Ok(is_added)
    };
    let entered = entering::complete(core, (attempt, &SHOWN), door, now, confirm).await?;
    Ok(entered.map_or(Enrolled::Over, |entered| Enrolled::In(entered, codes.into_inner())))
}
