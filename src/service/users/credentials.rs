//! A name and a password, whichever door they come in by: the beginning of a family, or of a sign-in session.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use crate::crypto::passwords::{PasswordHash, Verdict};
use crate::domain::event::Event;
use crate::domain::ids::UserId;
use crate::domain::refusal::Refusal;
use crate::domain::secrets::Password;
use crate::domain::user::Username;
use crate::service::limit::network_of;
use crate::service::users::attempts::{AttemptSource, Owner};
use crate::service::{Core, Failure};
use crate::store::users::{self, StoredUser};
use crate::store::{StoreError, Tx, families};

/// How often a user may change under a login before it is asked to come back.
const TRIES: usize = 3;

/// What a user claims to know.
#[derive(Debug)]
pub struct Credentials {
    /// Who: `None` when what was sent can be nobody's name.
    pub username: Option<Username>,
    /// The password: `None` when what was sent can be nobody's password.
    pub password: Option<Password>,
    /// Where this was typed.
    pub place: AttemptSource,
}

/// A user whose password was right a moment ago.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) user: UserId,
    /// What the password was held against.
    hash: PasswordHash,
    /// What is to be stored in its place, if its parameters are not those of today.
    rehashed: Option<PasswordHash>,
}

impl Verified {
    /// Takes the lock of the user's row for a login, if the password is still this one. `None` when it changed since,
    /// or the user was disabled or removed. Gives the user's roles as of now.
    pub(crate) async fn confirm(
        &self,
        tx: &mut Tx,
        now: DateTime<Utc>,
    ) -> Result<Option<Vec<String>>, StoreError> {
        let Some(locked) = users::lock_for_login(tx, self.user, now).await? else { return Ok(None) };
        if locked.password_hash.as_str() != self.hash.as_str() {
            return Ok(None);
        }
        if let Some(hash) = &self.rehashed {
            users::set_password(tx, self.user, hash).await?;
        }
        Ok(Some(locked.roles))
    }
}

/// Checks the password and lets `begin` write what it opens, in a transaction that touches the user's row: `None` when
/// the user was disabled or removed, or the hash changed, while the password was being checked.
///
/// # Errors
/// [`Refusal::BadCredentials`], the same and after the same time whether the user exists or not;
/// [`Failure::TooManyAttempts`]; [`Failure::Busy`] when too many passwords are waiting; [`Failure::Store`]; whatever
/// `begin` gives.
pub(crate) async fn check<T>(
    core: &Core,
    credentials: &Credentials,
    now: DateTime<Utc>,
    begin: impl AsyncFn(Verified) -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let Some(password) = &credentials.password else { return Err(Refusal::BadCredentials.into()) };
    let tried = async {
        for _ in 0..TRIES {
            let user = match &credentials.username {
                Some(username) => users::find_stored_by_name(&core.db, username).await?,
                None => None,
            };
            if let Some(begun) = begin(verify(core, user, password).await?).await? {
                return Ok(begun);
            }
            // The user changed while the password was being checked. That may have been another login that stored a
            // new hash of the same password: only looking again can tell.
        }
        Err(Failure::Busy)
    };
    let owner = owner(core, credentials).await?;
    limited(core, credentials.username.as_ref(), credentials.place.address, owner, now, tried).await
}

/// Who is signed in as somebody else is not known as this user.
async fn owner(core: &Core, credentials: &Credentials) -> Result<Owner, Failure> {
    let Some((session, user)) = credentials.place.session else { return Ok(Owner::Unknown) };
    let signed_in = users::find(&core.db, user).await?.map(|user| user.username.key());
    let same = signed_in.is_some() && signed_in == credentials.username.as_ref().map(Username::key);
    Ok(if same { Owner::SignedIn(session) } else { Owner::Unknown })
}

/// Counts an attempt, unless its password was right or could not be looked at.
///
/// # Errors
/// [`Failure::TooManyAttempts`]; what `attempt` gives.
pub(crate) async fn limited<T>(
    core: &Core,
    name: Option<&Username>,
    address: Option<IpAddr>,
    owner: Owner,
    now: DateTime<Utc>,
    attempt: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let begun = match core.attempts.begin(name, address, owner, now) {
        Err(too_many) if too_many.of_account_only && is_known(core, name, address, now).await? => {
            core.attempts.begin(name, address, Owner::Known, now)
        }
        begun => begun,
    };
    let begun = begun.map_err(|too_many| {
        core.tell(Event::AttemptsLimited);
        Failure::TooManyAttempts(too_many.retry_after)
    })?;
    let attempted = attempt.await;
    if !matches!(attempted, Err(Failure::Refused(_))) {
        begun.forget();
    }
    attempted
}

/// Whether one of the user's logins came from this address and still lives.
async fn is_known(
    core: &Core,
    name: Option<&Username>,
    address: Option<IpAddr>,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    let (Some(name), Some(address)) = (name, address) else { return Ok(false) };
    let Some(user) = users::find_by_name(&core.db, name).await? else { return Ok(false) };
    let known = families::addresses_of_user(&core.db, user.id, now).await?;
    let here = network_of(address);
    Ok(known.iter().filter_map(|known| known.parse().ok()).any(|known: IpAddr| network_of(known) == here))
}

/// # Errors
/// [`Refusal::BadCredentials`], the same and after the same time whether there is a user or not; [`Failure::Busy`].
pub(crate) async fn verify(
    core: &Core,
    stored: Option<StoredUser>,
    password: &Password,
) -> Result<Verified, Failure> {
    let hash = stored.as_ref().map(|stored| stored.password_hash.clone());
    let verdict = core.passwords.verify(password.clone(), hash).await?;
    let stored = stored.filter(|stored| stored.user.disabled_at.is_none());
    let (stored, rehashed) = match (stored, verdict) {
        (Some(stored), Verdict::Right) => (stored, None),
        (Some(stored), Verdict::RightOutdated(new)) => (stored, Some(new)),
        (None, _) | (_, Verdict::Wrong) => return Err(Refusal::BadCredentials.into()),
    };
    Ok(Verified { user: stored.user.id, hash: stored.password_hash, rehashed })
}
