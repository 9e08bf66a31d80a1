//! What can be changed of a user, and how: as a whole, in one transaction, which ends the user's families if that is
//! what a change brings.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::crypto::password_hash::PasswordHash;
use crate::domain::event::{Event, UserChange};
use crate::domain::ids::{ClientId, UserId};
use crate::domain::provisioned::ProvisionedAs;
use crate::domain::refusal::EndReason;
use crate::domain::secrets::Password;
use crate::domain::standard_claims::StandardClaims;
use crate::domain::user::{Username, check_email};
use crate::service::admin::error::AdminError;
use crate::service::admin::members::merged;
use crate::service::admin::views::{UserView, entity_tag};
use crate::service::logout::ending_many;
use crate::service::users::factors;
use crate::service::{Core, Failure};
use crate::store::ending_logins::Which;
use crate::store::{StoreError, Tx, families, provisioned_users, users};

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
#[derive(Debug, Clone, Default, PartialEq)]
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
    /// Another name; logins go on.
    Username(Username),
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
    /// What a client that provisions users says of this one.
    Provisioned(ClientId, ProvisionedAs),
    /// No such user any more; ends every family.
    Remove,
}

/// What changes are meant for: they are made only if it is still so.
pub(super) struct SeenUser<'a> {
    /// The user ([`entity_tag`]).
    pub(super) tag: &'a str,
    /// What a client says of the user, where it matters.
    pub(super) provisioned: Option<(&'a ClientId, Option<&'a ProvisionedAs>)>,
}

impl SeenUser<'_> {
    async fn is_still_so(&self, tx: &mut Tx, user: UserId) -> Result<bool, StoreError> {
        let current = users::find_within(tx, user).await?;
        if current.is_none_or(|user| entity_tag(&UserView::from(user)) != self.tag) {
            return Ok(false);
        }
        let Some((client, said)) = self.provisioned else { return Ok(true) };
        Ok(provisioned_users::find_within(tx, client, user).await?.as_ref() == said)
    }
}

/// What became of changes.
pub(super) enum Edited {
    /// So many families were ended by them.
    Done(usize),
    /// The user is not what it was any more: nothing was changed.
    Overtaken,
}

/// Changes a user in one transaction, if it is still what was seen.
pub(super) async fn apply(
    core: &Core,
    user: UserId,
    changes: &[Change],
    seen: Option<SeenUser<'_>>,
    now: DateTime<Utc>,
) -> Result<Edited, Failure> {
    // Hashing takes long: it must not happen while the row is locked.
    let hash = match changes.iter().find_map(Change::password) {
        Some(password) => {
            let known = users::find(&core.db, user).await?.ok_or(Failure::NotFound)?;
            let password = core.password_rules.accept(password, &known)?;
            Some(core.passwords.hash(password).await?)
        }
        None => None,
    };
    let ending = core.write(now, async |tx| {
        if !users::touch(tx, user, now).await? {
            return Ok(None);
        }
        if let Some(seen) = &seen
            && !seen.is_still_so(tx, user).await?
        {
            return Ok(Some(None));
        }
        let mut told = Vec::new();
        for change in changes {
            change.store(tx, user, hash.as_ref(), now).await?;
            let what = change.as_event();
            if !told.contains(&what) {
                told.push(what);
                tx.record(Event::UserChanged { user, change: what });
            }
        }
        let Some(reason) = changes.iter().find_map(Change::ends_families) else {
            return Ok(Some(Some(None)));
        };
        let ending = ending_many::begin(tx, user, Which::All, reason, now).await?;
        Ok(Some(Some(Some(ending))))
    });
    Ok(match ending.await?.ok_or(Failure::NotFound)? {
        Some(Some(ending)) => Edited::Done(ending_many::finish(core, ending, now).await),
        Some(None) => Edited::Done(0),
        None => Edited::Overtaken,
    })
}

impl Change {
    fn password(&self) -> Option<&Password> {
        match self {
            Self::Password(password) => Some(password),
            Self::Username(_)
            | Self::Roles(_)
            | Self::Details(_)
            | Self::ResetFactors
            | Self::Disable
            | Self::Enable
            | Self::Provisioned(..)
            | Self::Remove => None,
        }
    }

    async fn store(
        &self,
        tx: &mut Tx,
        user: UserId,
        hash: Option<&PasswordHash>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Password(_) => match hash {
                Some(hash) => users::set_password(tx, user, hash).await,
                None => Ok(()),
            },
            Self::Username(name) => users::rename(tx, user, name).await,
            Self::Roles(roles) => {
                users::set_roles(tx, user, roles).await?;
                families::set_roles_of_user(tx, user, roles).await
            }
            Self::Details(details) => {
                let claims = StandardClaims { updated_at: Some(now.timestamp()), ..details.claims.clone() };
                let email = (details.email.as_deref(), details.email_verified);
                users::set_details(tx, user, email, &claims).await
            }
            Self::ResetFactors => factors::reset(tx, user).await,
            Self::Disable => users::set_disabled(tx, user, Some(now)).await,
            Self::Enable => users::set_disabled(tx, user, None).await,
            Self::Provisioned(client, said) => provisioned_users::set(tx, client, user, said).await,
            Self::Remove => users::delete(tx, user).await,
        }
    }

    fn ends_families(&self) -> Option<EndReason> {
        match self {
            Self::Password(_) => Some(EndReason::PasswordChanged),
            Self::Disable => Some(EndReason::UserDisabled),
            Self::Remove => Some(EndReason::UserRemoved),
            Self::Username(_)
            | Self::Roles(_)
            | Self::Details(_)
            | Self::ResetFactors
            | Self::Provisioned(..)
            | Self::Enable => None,
        }
    }

    fn as_event(&self) -> UserChange {
        match self {
            Self::Password(_) => UserChange::Password,
            Self::Roles(_) => UserChange::Roles,
            // Names are details, too, and so is what others call a user.
            Self::Username(_) | Self::Details(_) | Self::Provisioned(..) => UserChange::Details,
            Self::ResetFactors => UserChange::FactorsReset,
            Self::Disable => UserChange::Disabled,
            Self::Enable => UserChange::Enabled,
            Self::Remove => UserChange::Removed,
        }
    }
}
