//! What an operator sees of users, and does to them. Whatever ends a user's families does so in the transaction that
//! changes the user.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::crypto::random;
use crate::domain::event::{Event, UserChange};
use crate::domain::ids::UserId;
use crate::domain::lettering::folded;
use crate::domain::secrets::Password;
use crate::domain::standard_claims::StandardClaims;
use crate::domain::user::{User, Username, check_role};
use crate::service::admin::error::AdminError;
use crate::service::admin::once::Once;
use crate::service::admin::user_changes::{Edited, SeenUser, apply};
use crate::service::admin::views::{UserView, entity_tag};
use crate::service::{Core, Failure};
use crate::store::{StoreError, Tx, users};

pub use crate::service::admin::user_changes::{Change, DetailChanges, Details};

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

/// Which users are listed.
#[derive(Debug, Default)]
pub struct WantedUsers {
    /// Those after this one.
    pub after: Option<String>,
    /// Those whose names begin so, and whose verified address it is, in whatever case.
    pub beginning: Option<String>,
}

/// Up to `limit` users, by what their names are compared by.
pub async fn list(core: &Core, wanted: &WantedUsers, limit: i64) -> Result<Vec<UserView>, AdminError> {
    let listed = match &wanted.beginning {
        None => users::list(&core.db, wanted.after.as_deref(), limit).await?,
        Some(beginning) => {
            users::listing::list_beginning(&core.db, &folded(beginning), wanted.after.as_deref(), limit)
                .await?
        }
    };
    Ok(listed.into_iter().map(UserView::from).collect())
}

pub async fn get(core: &Core, id: UserId) -> Result<User, AdminError> {
    users::find(&core.db, id).await?.ok_or(AdminError::NoUserId(id))
}

pub async fn find(core: &Core, name: &Username) -> Result<User, AdminError> {
    users::find_by_name(&core.db, name).await?.ok_or_else(|| AdminError::NoUser(name.clone()))
}

pub async fn add(core: &Core, new: NewUser, now: DateTime<Utc>) -> Result<UserView, AdminError> {
    add_once(core, new, &Once::unclaimed(), now).await
}

/// The same by a request that may come again.
pub async fn add_once(
    core: &Core,
    new: NewUser,
    once: &Once<'_, UserView>,
    now: DateTime<Utc>,
) -> Result<UserView, AdminError> {
    let user = new.as_user(now);
    let added = add_with(core, &user, new.password.as_ref(), now, async |tx| {
        once.answer(core, tx, &UserView::from(user.clone())).await
    });
    added.await?.map(|()| user.into()).ok_or(AdminError::ClaimLost)
}

impl NewUser {
    fn as_user(&self, now: DateTime<Utc>) -> User {
        User {
            id: UserId::new(now, random::bytes()),
            username: self.username.clone(),
            email: self.email.clone(),
            email_verified: self.email_verified,
            claims: self.claims.clone(),
            roles: self.roles.clone(),
            created_at: now,
            last_login_at: None,
            disabled_at: None,
        }
    }
}

/// Adds a user, with what else belongs into the same transaction; `None` from that undoes all.
pub(super) async fn add_with(
    core: &Core,
    user: &User,
    password: Option<&Password>,
    now: DateTime<Utc>,
    more: impl AsyncFn(&mut Tx) -> Result<Option<()>, StoreError>,
) -> Result<Option<()>, AdminError> {
    user.username.check_new()?;
    user.roles.iter().try_for_each(|role| check_role(role))?;
    if let Some(key) = user.username.as_email_key()
        && users::find_stored_by_email(&core.db, &key).await?.is_some()
    {
        return Err(AdminError::UsernameIsEmail(user.username.clone()));
    }
    let hash = match password {
        Some(password) => {
            let password = core.password_rules.accept(password, user).map_err(Failure::from)?;
            Some(core.passwords.hash(password).await.map_err(Failure::from)?)
        }
        None => None,
    };
    let added = core.write(now, async |tx| {
        users::insert(tx, user, hash.as_ref()).await?;
        tx.record(Event::UserChanged { user: user.id, change: UserChange::Added });
        more(tx).await
    });
    match added.await {
        Err(StoreError::Exists) => Err(what_is_taken(core, user).await?),
        added => Ok(added?),
    }
}

async fn what_is_taken(core: &Core, user: &User) -> Result<AdminError, StoreError> {
    Ok(match &user.email {
        Some(email) if is_free(core, &user.username).await? => AdminError::EmailTaken(email.clone()),
        _ => AdminError::UsernameTaken(user.username.clone()),
    })
}

async fn is_free(core: &Core, name: &Username) -> Result<bool, StoreError> {
    let named = users::find_by_name(&core.db, name).await?;
    Ok(named.is_none_or(|known| known.username.key() != name.key()))
}

/// Changes some of what apps may be told of a user.
pub async fn change_details(
    core: &Core,
    name: &Username,
    DetailChanges { email, claims }: DetailChanges,
    now: DateTime<Utc>,
) -> Result<(), AdminError> {
    let (email, email_verified) = email.unzip();
    let said = UserPatch { email, email_verified, claims, ..UserPatch::default() };
    let id = find(core, name).await?.id;
    patch(core, id, &said, None, now).await.map(drop)
}

/// What of a user is to be otherwise; what is absent stays as it is.
#[derive(Debug, Default)]
pub struct UserPatch {
    pub username: Option<Username>,
    pub email: Option<Option<String>>,
    /// Of an address that changes, it is not known to be the user's unless that is told.
    pub email_verified: Option<bool>,
    /// The claims that change; null takes one away (RFC 7396).
    pub claims: Option<Map<String, Value>>,
    pub roles: Option<Vec<String>>,
    pub disabled: Option<bool>,
}

impl UserPatch {
    pub(super) fn changes_of(&self, user: &User) -> Result<Vec<Change>, AdminError> {
        let mut changes = Vec::new();
        if let Some(name) = self.username.as_ref().filter(|name| **name != user.username) {
            name.check_new()?;
            changes.push(Change::Username(name.clone()));
        }
        if self.email.is_some() || self.email_verified.is_some() || self.claims.is_some() {
            let before = Details {
                email: user.email.clone(),
                email_verified: user.email_verified,
                claims: user.claims.clone(),
            };
            let details = before.changed_by(self.details_of(user))?;
            changes.push(Change::Details(Box::new(details)));
        }
        if let Some(roles) = self.roles.as_ref().filter(|roles| **roles != user.roles) {
            roles.iter().try_for_each(|role| check_role(role))?;
            changes.push(Change::Roles(roles.clone()));
        }
        match self.disabled {
            Some(true) if user.disabled_at.is_none() => changes.push(Change::Disable),
            Some(false) if user.disabled_at.is_some() => changes.push(Change::Enable),
            Some(_) | None => {}
        }
        Ok(changes)
    }

    fn details_of(&self, user: &User) -> DetailChanges {
        let email = self.email.clone().unwrap_or_else(|| user.email.clone());
        let usual = user.email_verified && email == user.email;
        let is_verified = self.email_verified.unwrap_or(usual) && email.is_some();
        DetailChanges { email: Some((email, is_verified)), claims: self.claims.clone() }
    }
}

/// Changes a user as a whole, if it is still what whoever changes it has seen: that of `seen` ([`entity_tag`]), where
/// that is told. Gives the user, and how many families were ended by it.
pub async fn patch(
    core: &Core,
    id: UserId,
    patch: &UserPatch,
    seen: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(UserView, usize), AdminError> {
    loop {
        let user = get(core, id).await?;
        let changes = patch.changes_of(&user)?;
        let tag = entity_tag(&UserView::from(user.clone()));
        if seen.is_some_and(|seen| seen != tag) {
            return Err(AdminError::Stale);
        }
        if changes.is_empty() {
            return Ok((user.into(), 0));
        }
        let current = SeenUser { tag: &tag, provisioned: None };
        match change_as_seen(core, &user, &changes, current, now).await? {
            Edited::Done(ended) => return Ok((get(core, id).await?.into(), ended)),
            Edited::Overtaken if seen.is_some() => return Err(AdminError::Stale),
            // Somebody else was faster: what was said is said of what is there now.
            Edited::Overtaken => {}
        }
    }
}

/// Makes changes to a user who is still what was seen.
pub(super) async fn change_as_seen(
    core: &Core,
    user: &User,
    changes: &[Change],
    seen: SeenUser<'_>,
    now: DateTime<Utc>,
) -> Result<Edited, AdminError> {
    let name =
        changes.iter().find_map(|change| if let Change::Username(name) = change { Some(name) } else { None });
    if let Some(name) = name
        && let Some(key) = name.as_email_key()
        && users::find_stored_by_email(&core.db, &key).await?.is_some_and(|it| it.user.id != user.id)
    {
        return Err(AdminError::UsernameIsEmail(name.clone()));
    }
    match apply(core, user.id, changes, Some(seen), now).await {
        Ok(edited) => Ok(edited),
        Err(Failure::NotFound) => Err(AdminError::NoUserId(user.id)),
        Err(Failure::Store(StoreError::Exists)) => Err(match name {
            Some(name) if !is_free(core, name).await? => AdminError::UsernameTaken(name.clone()),
            _ => AdminError::EmailTaken(email_after(user, changes)),
        }),
        Err(failure) => Err(failure.into()),
    }
}

fn email_after(user: &User, changes: &[Change]) -> String {
    let details = changes
        .iter()
        .find_map(|change| if let Change::Details(details) = change { Some(details) } else { None });
    details.and_then(|details| details.email.clone()).or_else(|| user.email.clone()).unwrap_or_default()
}

/// Changes a user and gives how many families were ended by it.
///
/// # Errors
/// [`Failure::NotFound`], [`Failure::UnfitPassword`], [`Failure::Busy`], [`Failure::Store`].
pub async fn change(core: &Core, user: UserId, change: Change, now: DateTime<Utc>) -> Result<usize, Failure> {
    match apply(core, user, &[change], None, now).await? {
        Edited::Done(ended) => Ok(ended),
        Edited::Overtaken => Err(Failure::Overtaken),
    }
}

/// Removes a user, if it is still what whoever removes it has seen; gives how many families were ended by it.
pub async fn remove(
    core: &Core,
    id: UserId,
    seen: Option<&str>,
    now: DateTime<Utc>,
) -> Result<usize, AdminError> {
    let seen = seen.map(|tag| SeenUser { tag, provisioned: None });
    match apply(core, id, &[Change::Remove], seen, now).await {
        Ok(Edited::Done(ended)) => Ok(ended),
        Ok(Edited::Overtaken) => Err(AdminError::Stale),
        Err(Failure::NotFound) => Err(AdminError::NoUserId(id)),
        Err(failure) => Err(failure.into()),
    }
}
