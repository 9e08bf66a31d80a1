//! What a user has beside the password, and does about it: whoever changes it was let in a moment ago, with all that
//! the user has by then.

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::crypto::totp::TotpSecret;
use crate::domain::authentication::{Authentication, AuthenticationMethod, ContextClass};
use crate::domain::event::{Event, UserChange};
use crate::domain::ids::UserId;
use crate::domain::opaque::OpaqueSecret;
use crate::domain::recovery_code::{RECOVERY_CODES, RecoveryCode};
use crate::domain::second_factor::SecondFactors;
use crate::domain::secrets::SecretHash;
use crate::domain::sign_in::SignInSession;
use crate::service::users::totp;
use crate::service::{Core, Failure};
use crate::store::{
    StoreError, Tx, passkeys, recovery_codes, second_factors, sign_in_attempts, sign_in_sessions,
    totp_secrets, users,
};

/// What a user has.
///
/// # Errors
/// [`Failure::Store`].
pub async fn of_user(core: &Core, user: UserId) -> Result<SecondFactors, Failure> {
    Ok(core.offered(second_factors::of_user(&core.db, user).await?))
}

/// Whether whoever is signed in may change what the user has: a password alone is not enough where there is more.
#[must_use]
pub fn may_change(session: &SignInSession, factors: &SecondFactors, now: DateTime<Utc>) -> bool {
    let shown = &session.authentication;
    shown.is_fresh(now) && (!factors.is_some() || shown.class() >= ContextClass::Two)
}

pub(crate) async fn still_may_change(
    tx: &mut Tx,
    session: &SignInSession,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let user = session.user();
    if !users::touch(tx, user, now).await? || !sign_in_sessions::touch(tx, session.id, now).await? {
        return Ok(false);
    }
    Ok(may_change(session, &second_factors::of_locked_user(tx, user).await?, now))
}

/// What became of an authenticator app that was to be added.
#[derive(Debug)]
pub enum Addition {
    /// It counts from now on. The browser's session goes on under this secret, and these recovery codes are new, if
    /// there were none.
    Added(OpaqueSecret, Vec<RecoveryCode>),
    /// The code is not the app's.
    WrongCode,
    /// There is one, since another tab was quicker.
    AlreadyThere,
}

/// Adds an authenticator app that shows the right code: the session counts as one with two factors from then on.
///
/// # Errors
/// [`Failure::StaleAuthentication`], [`Failure::Store`].
pub async fn add_totp(
    core: &Core,
    session: &SignInSession,
    (secret, typed): (&TotpSecret, &str),
    now: DateTime<Utc>,
) -> Result<Addition, Failure> {
    let user = session.user();
    let Some(step) = secret.step_of(typed, now) else { return Ok(Addition::WrongCode) };
    let sealed = totp::seal(&core.keys, user, secret);
    let renewed = OpaqueSecret::from_random(&random::bytes());
    let shown = session.authentication.clone().and(&[AuthenticationMethod::OneTimePassword], now);
    let added = core.write(now, async |tx| {
        if !still_may_change(tx, session, now).await? {
            return Ok(None);
        }
        let Some(codes) = insert_totp(tx, user, (&sealed, step), now).await? else { return Ok(Some(None)) };
        renew_session(tx, session, (&renewed.hash(), &shown), now).await?;
        Ok(Some(Some(codes)))
    });
    match added.await?.ok_or(Failure::StaleAuthentication)? {
        Some(codes) => Ok(Addition::Added(renewed, codes)),
        None => Ok(Addition::AlreadyThere),
    }
}

/// Adds an app in the transaction that touched its user's row, with recovery codes if none are left: `None` when there
/// is an app.
pub(crate) async fn insert_totp(
    tx: &mut Tx,
    user: UserId,
    totp: (&[u8], i64),
    now: DateTime<Utc>,
) -> Result<Option<Vec<RecoveryCode>>, StoreError> {
    if !totp_secrets::insert(tx, user, totp, now).await? {
        return Ok(None);
    }
    tx.record(Event::UserChanged { user, change: UserChange::TotpAdded });
    first_recovery_codes(tx, user).await.map(Some)
}

/// Recovery codes for who has none: to be called in the transaction that adds a factor.
pub(crate) async fn first_recovery_codes(tx: &mut Tx, user: UserId) -> Result<Vec<RecoveryCode>, StoreError> {
    let factors = second_factors::of_locked_user(tx, user).await?;
    if factors.recovery_codes > 0 { Ok(Vec::new()) } else { new_recovery_codes(tx, user).await }
}

async fn new_recovery_codes(tx: &mut Tx, user: UserId) -> Result<Vec<RecoveryCode>, StoreError> {
    let codes: Vec<_> = (0..RECOVERY_CODES).map(|_| RecoveryCode::from_random(&random::bytes())).collect();
    let hashes: Vec<SecretHash> = codes.iter().map(RecoveryCode::hash).collect();
    recovery_codes::replace(tx, user, &hashes).await?;
    Ok(codes)
}

/// Lets a session go on under another secret, as one in which more was shown.
pub(crate) async fn renew_session(
    tx: &mut Tx,
    session: &SignInSession,
    (secret, shown): (&SecretHash, &Authentication),
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sign_in_sessions::renew_with(tx, session.id, (secret, shown), now).await
}

/// Removes the user's authenticator app, and with the last factor the recovery codes. `false` when there is none.
///
/// # Errors
/// [`Failure::StaleAuthentication`], [`Failure::Store`].
pub async fn remove_totp(core: &Core, session: &SignInSession, now: DateTime<Utc>) -> Result<bool, Failure> {
    let user = session.user();
    let removed = core.write(now, async |tx| {
        if !still_may_change(tx, session, now).await? {
            return Ok(None);
        }
        let is_removed = totp_secrets::delete(tx, user).await?;
        if is_removed {
            tx.record(Event::UserChanged { user, change: UserChange::TotpRemoved });
            after_removal(tx, user).await?;
        }
        Ok(Some(is_removed))
    });
    removed.await?.ok_or(Failure::StaleAuthentication)
}

/// What else goes when a factor was removed, in the same transaction.
pub(crate) async fn after_removal(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    if !second_factors::of_locked_user(tx, user).await?.is_some() {
        recovery_codes::delete_of(tx, user).await?;
    }
    sign_in_attempts::end_of_user(tx, user).await
}

/// New recovery codes in the place of all earlier ones; `None` for who has no factor that they could stand in for.
///
/// # Errors
/// [`Failure::StaleAuthentication`], [`Failure::Store`].
pub async fn renew_recovery_codes(
    core: &Core,
    session: &SignInSession,
    now: DateTime<Utc>,
) -> Result<Option<Vec<RecoveryCode>>, Failure> {
    let user = session.user();
    let renewed = core.write(now, async |tx| {
        if !still_may_change(tx, session, now).await? {
            return Ok(None);
        }
        if !second_factors::of_locked_user(tx, user).await?.is_some() {
            return Ok(Some(None));
        }
        tx.record(Event::UserChanged { user, change: UserChange::RecoveryCodesRenewed });
        new_recovery_codes(tx, user).await.map(|codes| Some(Some(codes)))
    });
    renewed.await?.ok_or(Failure::StaleAuthentication)
}

/// Takes all second factors and passkeys from a user who has lost them, and ends what waits for one, in the
/// transaction that touched the user's row.
pub(crate) async fn reset(tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    totp_secrets::delete(tx, user).await?;
    recovery_codes::delete_of(tx, user).await?;
    passkeys::delete_of(tx, user).await?;
    sign_in_attempts::end_of_user(tx, user).await
}
