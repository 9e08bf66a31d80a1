//! What an operator sees of users, and does to them. Whatever ends a user's families does so in the transaction that
//! changes the user.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::crypto::random;
use crate::domain::event::{Event, UserChange};
use crate::domain::ids::UserId;
use crate::domain::refusal::EndReason;
use crate::domain::secrets::Password;
use crate::domain::standard_claims::StandardClaims;
use crate::domain::user::{User, Username, check_email, check_role};
use crate::service::admin::error::AdminError;
use crate::service::admin::members::merged;
use crate::service::admin::views::UserView;
use crate::service::logout::ending_many;
use crate::service::users::factors;
use crate::service::{Core, Failure};
use crate::store::ending_logins::Which;
use crate::store::{StoreError, families, users};

/// A user to be added.
#[derive(Debug)]
pub struct NewUser {
    /// The name, free in whatever case.
    pub username: Username,
    /// The password; without one nobody signs in with a password until it is set.
    pub password: Option<Password>,
    /// Where to reach the user.
    pub email: Option<String>,
    /// Whether somebody made sure that this address is the user's.
    pub email_verified: bool,
    /// What else apps may be told of the user.
    pub claims: StandardClaims,
    /// What the user may do.
    pub roles: Vec<String>,
}

/// What apps may be told of a user, all of it.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// Where to reach the user.
    pub email: Option<String>,
    /// Whether somebody made sure that this address is the user's.
    pub email_verified: bool,
    /// Everything else.
    pub claims: StandardClaims,
}

/// What of it changes; what is absent stays as it is.
#[derive(Debug, Default, PartialEq)]
pub struct DetailChanges {
    /// Where to reach the user, if anywhere, and whether somebody made sure of it.
    pub email: Option<(Option<String>, bool)>,
    /// The claims that change; null takes one away (RFC 7396).
    pub claims: Option<Map<String, Value>>,
}

impl Details {
    pub fn changed_by(self, changes: DetailChanges) -> Result<Self, AdminError> {
        let claims = match changes.claims {
            Some(changes) => merged("claims", &self.claims, changes)?,
            None => self.claims,
        };
        if let Some((Some(email), _)) = &changes.email {
            check_email(email)?;
        }
        let (email, email_verified) = changes.email.unwrap_or((self.email, self.email_verified));
        Ok(Self { email, email_verified, claims })
    }
}

/// A change to a user.
#[derive(Debug)]
pub enum Change {
    /// A new password; ends every family.
    Password(Password),
    /// New roles; live families carry them from the next refresh on.
    Roles(Vec<String>),
    /// What apps may be told from now on.
    Details(Box<Details>),
    /// No second factors: their owner has lost them.
    ResetFactors,
    /// No more logins; ends every family.
    Disable,
    /// Logins again.
    Enable,
    /// No such user any more; ends every family.
    Remove,
}

/// Up to `limit` users, by name: those after another one, or the first.
pub async fn list(core: &Core, after: Option<&Username>, limit: i64) -> Result<Vec<UserView>, AdminError> {
    let listed = users::list(&core.db, after, limit).await?;
    Ok(listed.into_iter().map(UserView::from).collect())
}

pub async fn find(core: &Core, name: &Username) -> Result<User, AdminError> {
    users::find_by_name(&core.db, name).await?.ok_or_else(|| AdminError::NoUser(name.clone()))
}

pub async fn add(core: &Core, new: NewUser, now: DateTime<Utc>) -> Result<UserView, AdminError> {
    new.username.check_new()?;
    new.roles.iter().try_for_each(|role| check_role(role))?;
    if let Some(key) = new.username.as_email_key()
        && users::find_stored_by_email(&core.db, &key).await?.is_some()
    {
        return Err(AdminError::UsernameIsEmail(new.username));
    }
    let user = User {
        id: UserId::new(now, random::bytes()),
        username: new.username,
        email: new.email,
        email_verified: new.email_verified,
        claims: new.claims,
        roles: new.roles,
        created_at: now,
        last_login_at: None,
        disabled_at: None,
    };
    let hash = match &new.password {
        Some(password) => {
            let password = core.password_rules.accept(password, &user).map_err(Failure::from)?;
            Some(core.passwords.hash(password).await.map_err(Failure::from)?)
        }
        None => None,
    };
    let added = core.write(now, async |tx| {
        users::insert(tx, &user, hash.as_ref()).await?;
        tx.record(Event::UserChanged { user: user.id, change: UserChange::Added });
        Ok(Some(()))
    });
    match added.await {
        Err(StoreError::Exists) => Err(what_is_taken(core, user).await?),
        added => Ok(added.map(|_| user.into())?),
    }
}

async fn what_is_taken(core: &Core, user: User) -> Result<AdminError, StoreError> {
    let is_named = users::find_by_name(&core.db, &user.username).await?;
    let is_same = |known: User| known.username.key() == user.username.key();
    Ok(match user.email {
        Some(email) if !is_named.is_some_and(is_same) => AdminError::EmailTaken(email),
        _ => AdminError::UsernameTaken(user.username),
    })
}

/// Changes some of what apps may be told of a user.
pub async fn change_details(
    core: &Core,
    name: &Username,
    changes: DetailChanges,
    now: DateTime<Utc>,
) -> Result<(), AdminError> {
    let User { id, email, email_verified, claims, .. } = find(core, name).await?;
    let details = Details { email, email_verified, claims }.changed_by(changes)?;
    let address = details.email.clone();
    match (change(core, id, Change::Details(Box::new(details)), now).await, address) {
        (Err(Failure::Store(StoreError::Exists)), Some(address)) => Err(AdminError::EmailTaken(address)),
        (done, _) => Ok(done.map(drop)?),
    }
}

/// Changes a user and gives how many families were ended by it.
///
/// # Errors
/// [`Failure::NotFound`], [`Failure::UnfitPassword`], [`Failure::Busy`], [`Failure::Store`].
pub async fn change(core: &Core, user: UserId, change: Change, now: DateTime<Utc>) -> Result<usize, Failure> {
    // Hashing takes long: it must not happen while the row is locked.
    let hash = match &change {
        Change::Password(password) => {
            let known = users::find(&core.db, user).await?.ok_or(Failure::NotFound)?;
            let password = core.password_rules.accept(password, &known)?;
            Some(core.passwords.hash(password).await?)
        }
        Change::Roles(_)
        | Change::Details(_)
        | Change::ResetFactors
        | Change::Disable
        | Change::Enable
        | Change::Remove => None,
    };
    let ending = core.write(now, async |tx| {
        if !users::touch(tx, user, now).await? {
            return Ok(None);
        }
        match &change {
            Change::Password(_) => {
                if let Some(hash) = &hash {
                    users::set_password(tx, user, hash).await?;
                }
            }
            Change::Roles(roles) => {
                users::set_roles(tx, user, roles).await?;
                families::set_roles_of_user(tx, user, roles).await?;
            }
            Change::Details(details) => {
                let claims = StandardClaims { updated_at: Some(now.timestamp()), ..details.claims.clone() };
                let email = (details.email.as_deref(), details.email_verified);
                users::set_details(tx, user, email, &claims).await?;
            }
            Change::ResetFactors => factors::reset(tx, user).await?,
            Change::Disable => users::set_disabled(tx, user, Some(now)).await?,
            Change::Enable => users::set_disabled(tx, user, None).await?,
            Change::Remove => users::delete(tx, user).await?,
        }
        tx.record(Event::UserChanged { user, change: change.as_event() });
        let Some(reason) = change.ends_families() else { return Ok(Some(None)) };
        ending_many::begin(tx, user, Which::All, reason, now).await.map(|ending| Some(Some(ending)))
    });
    match ending.await?.ok_or(Failure::NotFound)? {
        Some(ending) => Ok(ending_many::finish(core, ending, now).await),
        None => Ok(0),
    }
}

impl Change {
    fn ends_families(&self) -> Option<EndReason> {
        match self {
            Self::Password(_) => Some(EndReason::PasswordChanged),
            Self::Disable => Some(EndReason::UserDisabled),
            Self::Remove => Some(EndReason::UserRemoved),
            Self::Roles(_) | Self::Details(_) | Self::ResetFactors | Self::Enable => None,
        }
    }

    fn as_event(&self) -> UserChange {
        match self {
            Self::Password(_) => UserChange::Password,
            Self::Roles(_) => UserChange::Roles,
            Self::Details(_) => UserChange::Details,
            Self::ResetFactors => UserChange::FactorsReset,
            Self::Disable => UserChange::Disabled,
            Self::Enable => UserChange::Enabled,
            Self::Remove => UserChange::Removed,
        }
    }
}
