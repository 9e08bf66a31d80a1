//! What an operator does to users. Whatever ends a user's families does so in the transaction that changes the user.

use chrono::{DateTime, Utc};

use crate::crypto::passwords::Passwords;
use crate::crypto::random;
use crate::domain::ids::{FamilyId, UserId};
use crate::domain::refusal::EndReason;
use crate::domain::secrets::Password;
use crate::domain::standard_claims::StandardClaims;
use crate::domain::user::Username;
use crate::service::logout::ending;
use crate::service::{Failure, audit};
use crate::store::families::Spared;
use crate::store::users::{self, User};
use crate::store::{Db, families, sign_in_sessions, transaction};

/// A user to be added.
#[derive(Debug)]
pub struct NewUser {
    /// The name, free in whatever case.
    pub username: Username,
    /// The password.
    pub password: Password,
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
#[derive(Debug, Clone)]
pub struct Details {
    /// Where to reach the user.
    pub email: Option<String>,
    /// Whether somebody made sure that this address is the user's.
    pub email_verified: bool,
    /// Everything else.
    pub claims: StandardClaims,
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
    /// No more logins; ends every family.
    Disable,
    /// Logins again.
    Enable,
    /// No such user any more; ends every family.
    Remove,
}

/// Adds a user.
///
/// # Errors
/// [`crate::store::StoreError::Exists`] when the name is taken; [`Failure::Busy`].
pub async fn add(db: &Db, passwords: &Passwords, new: NewUser, now: DateTime<Utc>) -> Result<User, Failure> {
    let user = User {
        id: UserId::new(now, random::bytes()),
        username: new.username,
        email: new.email,
        email_verified: new.email_verified,
        claims: new.claims,
        password_hash: passwords.hash(new.password).await?,
        roles: new.roles,
        created_at: now,
        last_login_at: None,
        disabled_at: None,
    };
    users::insert(db, &user).await?;
    audit::user_changed(user.id, "added");
    Ok(user)
}

/// Changes a user and gives the families that were ended by it.
///
/// # Errors
/// [`Failure::NotFound`], [`Failure::Busy`], [`Failure::Store`].
pub async fn change(
    db: &Db,
    passwords: &Passwords,
    user: UserId,
    change: Change,
    now: DateTime<Utc>,
) -> Result<Vec<FamilyId>, Failure> {
    // Hashing takes long: it must not happen while the row is locked.
    let hash = match &change {
        Change::Password(password) => Some(passwords.hash(password.clone()).await?),
        Change::Roles(_) | Change::Details(_) | Change::Disable | Change::Enable | Change::Remove => None,
    };
    let ended = transaction::retrying(|| async {
        let mut tx = db.begin().await?;
        if !users::touch(&mut tx, user, now).await? {
            return Ok(None);
        }
        match &change {
            Change::Password(_) => {
                if let Some(hash) = &hash {
                    users::set_password(&mut tx, user, hash).await?;
                }
            }
            Change::Roles(roles) => {
                users::set_roles(&mut tx, user, roles).await?;
                families::set_roles_of_user(&mut tx, user, roles).await?;
            }
            Change::Details(details) => {
                let claims = StandardClaims { updated_at: Some(now.timestamp()), ..details.claims.clone() };
                let email = (details.email.as_deref(), details.email_verified);
                users::set_details(&mut tx, user, email, &claims).await?;
            }
            Change::Disable => users::set_disabled(&mut tx, user, Some(now)).await?,
            Change::Enable => users::set_disabled(&mut tx, user, None).await?,
            Change::Remove => users::delete(&mut tx, user).await?,
        }
        let ended = match change.ends_families() {
            Some(reason) => {
                sign_in_sessions::end_of_user(&mut tx, user, None).await?;
                let ended = families::end_of_user(&mut tx, user, Spared::Nothing, reason, now).await?;
                ending::tell(&mut tx, &ended, now).await?
            }
            None => Vec::new(),
        };
        tx.commit().await?;
        Ok(Some(ended))
    })
    .await?
    .ok_or(Failure::NotFound)?;
    audit::user_changed(user, change.as_str());
    if let Some(reason) = change.ends_families() {
        audit::families_ended(&ended, reason);
    }
    Ok(ended)
}

/// Ends every live family and every sign-in session of a user.
///
/// # Errors
/// [`Failure::Store`].
pub async fn end_families(db: &Db, user: UserId, now: DateTime<Utc>) -> Result<Vec<FamilyId>, Failure> {
    let ended = transaction::retrying(|| async {
        let mut tx = db.begin().await?;
        users::touch(&mut tx, user, now).await?;
        sign_in_sessions::end_of_user(&mut tx, user, None).await?;
        let ended = families::end_of_user(&mut tx, user, Spared::Nothing, EndReason::Operator, now).await?;
        let ended = ending::tell(&mut tx, &ended, now).await?;
        tx.commit().await?;
        Ok(ended)
    })
    .await?;
    audit::families_ended(&ended, EndReason::Operator);
    Ok(ended)
}

impl Change {
    fn ends_families(&self) -> Option<EndReason> {
        match self {
            Self::Password(_) => Some(EndReason::PasswordChanged),
            Self::Disable => Some(EndReason::UserDisabled),
            Self::Remove => Some(EndReason::UserRemoved),
            Self::Roles(_) | Self::Details(_) | Self::Enable => None,
        }
    }

    fn as_str(&self) -> &'static str {
        match self {
            Self::Password(_) => "password changed",
            Self::Roles(_) => "roles changed",
            Self::Details(_) => "details changed",
            Self::Disable => "disabled",
            Self::Enable => "enabled",
            Self::Remove => "removed",
        }
    }
}
