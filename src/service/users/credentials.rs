//! A name, or a verified address, and a password, whichever door they come in by: the beginning of a family, or of a
//! sign-in session.

use chrono::{DateTime, Utc};

use crate::crypto::foreign_hash::SignerKeyId;
use crate::crypto::password_hash::{PasswordHash, Verdict};
use crate::domain::event::{Event, TriedAccount};
use crate::domain::family::UserAgentInfo;
use crate::domain::ids::UserId;
use crate::domain::refusal::Refusal;
use crate::domain::secrets::Password;
use crate::domain::user::Username;
use crate::service::clients::client_request::ClientRequest;
use crate::service::keys::signer_keys;
use crate::service::network::Network;
use crate::service::users::attempts::{Attempt, AttemptSource, Attempted, HeldBack, Owner};
use crate::service::{Core, Failure};
use crate::store::users::{self, StoredUser};
use crate::store::{StoreError, Tx, families};

/// How often a user may change under a login before it is asked to come back.
const TRIES: usize = 3;

/// How many of a user's logins are looked at for whether somebody is known at an address.
const NEWEST: u32 = 1000;

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
    /// What is to be stored in its place, if its parameters or the password's form are not those of today.
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
        if locked.password_hash.as_ref() != Some(&self.hash) {
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
    (credentials, agent): (&Credentials, &UserAgentInfo),
    now: DateTime<Utc>,
    begin: impl AsyncFn(Verified) -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let Some(password) = &credentials.password else { return Err(Refusal::BadCredentials.into()) };
    let named = meant_name(core, credentials.username.as_ref()).await?;
    let (name, address) = (named.as_ref(), credentials.place.address);
    let attempted = Attempted { name, address, owner: owner(core, credentials, name).await? };
    for _ in 0..TRIES {
        let attempt = begin_attempt(core, attempted, agent, now).await?;
        let user = match name {
            Some(name) => users::find_stored_by_name(&core.db, name).await?,
            None => None,
        };
        if let Some(begun) = begin(verify(core, user, password, attempt).await?).await? {
            return Ok(begun);
        }
        // The user changed while the password was being checked. That may have been another login that stored a new
        // hash of the same password: only looking again can tell.
    }
    Err(Failure::Busy)
}

/// The same for an app that has no pages; what is refused is told of it.
///
/// # Errors
/// Those of [`check`].
pub(crate) async fn check_for_client<T>(
    core: &Core,
    (credentials, request): (&Credentials, &ClientRequest),
    now: DateTime<Utc>,
    begin: impl AsyncFn(Verified) -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let checked = check(core, (credentials, &request.agent), now, begin).await;
    if let Err(Failure::Refused(_)) = checked {
        let account = tried_account(core, credentials.username.as_ref()).await;
        let (client, from) = (request.client_id().clone(), (&request.agent).into());
        core.tell(Event::LoginRefused { client, account, from });
    }
    checked
}

/// The name of the account that is meant: of what is typed, as far as anybody knows, or of the account that has it as
/// its verified address. All ways to name an account share its tries.
async fn meant_name(core: &Core, typed: Option<&Username>) -> Result<Option<Username>, Failure> {
    let Some(typed) = typed else { return Ok(None) };
    if typed.as_email_key().is_none() {
        return Ok(Some(typed.clone()));
    }
    let known = users::find_stored_by_login(&core.db, typed).await?;
    Ok(Some(known.map_or_else(|| typed.clone(), |known| known.user.username)))
}

/// Who is signed in as somebody else is not known as this user.
async fn owner(core: &Core, credentials: &Credentials, name: Option<&Username>) -> Result<Owner, Failure> {
    let Some((session, user)) = credentials.place.session else { return Ok(Owner::Unknown) };
    let signed_in = users::find(&core.db, user).await?.map(|user| user.username.meant_key());
    let same = signed_in.is_some() && signed_in == name.map(Username::meant_key);
    Ok(if same { Owner::SignedIn(session) } else { Owner::Unknown })
}

/// Lets a password be tried.
///
/// # Errors
/// [`Failure::TooManyAttempts`]; [`Failure::Busy`]; [`Failure::Store`].
pub(crate) async fn begin_attempt(
    core: &Core,
    attempted: Attempted<'_>,
    agent: &UserAgentInfo,
    now: DateTime<Utc>,
) -> Result<Attempt, Failure> {
    let begun = match core.attempts.begin(attempted, now).await {
        Err(HeldBack::TooMany { unless_known: true, .. }) if is_known(core, attempted, now).await? => {
            core.attempts.begin(Attempted { owner: Owner::Known, ..attempted }, now).await
        }
        begun => begun,
    };
    match begun {
        Ok(attempt) => Ok(attempt),
        Err(HeldBack::TooMany { retry_after, .. }) => {
            let account = tried_account(core, attempted.name).await;
            core.tell(Event::AttemptsLimited { account, from: agent.into() });
            Err(Failure::TooManyAttempts(retry_after))
        }
        Err(HeldBack::UnderWay) => Err(Failure::Busy),
    }
}

/// Whose password was tried, for the log.
pub(crate) async fn tried_account(core: &Core, name: Option<&Username>) -> TriedAccount {
    let Some(name) = name else { return TriedAccount::Nobody };
    match users::find_stored_by_login(&core.db, name).await {
        Ok(Some(known)) => TriedAccount::Known(known.user.id),
        Ok(None) => TriedAccount::Unknown(core.subjects.hash_of_name(name)),
        Err(_) => TriedAccount::Nobody,
    }
}

/// Whether one of the user's newest logins came from this address and still lives.
async fn is_known(
    core: &Core,
    Attempted { name, address, owner }: Attempted<'_>,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    let (Owner::Unknown, Some(name), Some(_)) = (owner, name, address) else { return Ok(false) };
    let Some(user) = users::find_by_name(&core.db, name).await? else { return Ok(false) };
    let known = families::addresses_of_user(&core.db, user.id, NEWEST, now).await?;
    let here = Network::of(address);
    Ok(known.iter().filter_map(|known| known.parse().ok()).any(|known| Network::of(Some(known)) == here))
}

/// Gives the password threads a key that was kept since the server began. Without it the password is wrong, as with
/// every other account.
async fn learn(core: &Core, id: SignerKeyId) {
    match signer_keys::find(&core.keys, &core.db, id).await {
        Ok(Some(key)) => core.passwords.learn(key),
        Ok(None) => tracing::error!(%id, "there is no such signer key: users from Firebase cannot sign in"),
        Err(error) => {
            tracing::error!(%id, %error, "cannot read a signer key: users from Firebase cannot sign in");
        }
    }
}

/// Holds a password against a user's, and lets the verdict end the attempt, even if nobody waits for it any more.
///
/// # Errors
/// [`Refusal::BadCredentials`], the same and after the same time whether there is a user or not; [`Failure::Busy`].
pub(crate) async fn verify(
    core: &Core,
    stored: Option<StoredUser>,
    password: &Password,
    attempt: Attempt,
) -> Result<Verified, Failure> {
    let stored = stored.filter(|stored| stored.user.disabled_at.is_none());
    // Whoever has no password is as good as nobody: the answer is the same, and takes as long.
    let known = stored.and_then(|stored| Some((stored.user.id, stored.password_hash?)));
    let hash = known.as_ref().map(|(_, hash)| hash.clone());
    if let Some(id) = hash.as_ref().and_then(|hash| core.passwords.lacks(hash)) {
        learn(core, id).await;
    }
    let settle = |verdict: &Verdict| match verdict {
        Verdict::Wrong => attempt.was_wrong(),
        Verdict::Right | Verdict::RightOutdated(_) => drop(attempt),
    };
    let verdict = core.passwords.verify(password.clone(), hash, settle).await?;
    match (known, verdict) {
        (Some((user, hash)), Verdict::Right) => Ok(Verified { user, hash, rehashed: None }),
        (Some((user, hash)), Verdict::RightOutdated(new)) => Ok(Verified { user, hash, rehashed: Some(new) }),
        (None, _) | (_, Verdict::Wrong) => Err(Refusal::BadCredentials.into()),
    }
}
