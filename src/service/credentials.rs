//! A name and a password, whichever door they come in by: the beginning of a family, or of a sign-in session.

use crate::crypto::passwords::{PasswordHash, Verdict};
use crate::domain::refusal::Refusal;
use crate::domain::secrets::Password;
use crate::domain::user::Username;
use crate::service::{Core, Failure};
use crate::store::users::{self, User};

/// How often a user may change under a login before it is asked to come back.
const TRIES: usize = 3;

/// What a user claims to know.
#[derive(Debug)]
pub struct Credentials {
    /// Who: `None` when what was sent can be nobody's name.
    pub username: Option<Username>,
    /// The password: `None` when what was sent can be nobody's password.
    pub password: Option<Password>,
}

/// A user whose password was right a moment ago.
#[derive(Debug)]
pub(crate) struct Verified {
    /// The user, as of then.
    pub user: User,
    /// The hash to store from now on.
    pub hash: PasswordHash,
}

/// Checks the password and lets `begin` write what it opens, in a transaction that touches the user's row: `None` when
/// the user was disabled or removed, or the hash changed, while the password was being checked.
///
/// # Errors
/// [`Refusal::BadCredentials`], the same and after the same time whether the user exists or not; [`Failure::Busy`]
/// when too many passwords are waiting; [`Failure::Store`]; whatever `begin` gives.
pub(crate) async fn check<T>(
    core: &Core,
    credentials: &Credentials,
    begin: impl AsyncFn(Verified) -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let Some(password) = &credentials.password else { return Err(Refusal::BadCredentials.into()) };
    for _ in 0..TRIES {
        let user = match &credentials.username {
            Some(username) => users::find_by_name(&core.db, username).await?,
            None => None,
        };
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let verdict = core.passwords.verify(password.clone(), hash).await?;
        let user = user.filter(|user| user.disabled_at.is_none());
        let (user, hash) = match (user, verdict) {
            (Some(user), Verdict::Right) => (user.clone(), user.password_hash),
            (Some(user), Verdict::RightOutdated(new)) => (user, new),
            (None, _) | (_, Verdict::Wrong) => return Err(Refusal::BadCredentials.into()),
        };
        if let Some(begun) = begin(Verified { user, hash }).await? {
            return Ok(begun);
        }
        // The user changed while the password was being checked. That may have been another login that stored a new
        // hash of the same password: only looking again can tell.
    }
    Err(Failure::Busy)
}
