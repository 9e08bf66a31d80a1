//! Users whom other systems provision (SCIM, RFC 7644). What is done to a user is done by [`users`], like all that
//! operators do; here it is told in SCIM's words.

mod representation;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::crypto::random;
use crate::domain::ids::{ClientId, UserId};
use crate::domain::provisioned::ProvisionedAs;
use crate::domain::scim::fault::{FaultKind, ScimFault};
use crate::domain::scim::filter::Criterion;
use crate::domain::scim::patch::{PatchOperation, patched};
use crate::domain::scim::resource::UserResource;
use crate::domain::secrets::Password;
use crate::domain::standard_claims::StandardClaims;
use crate::domain::user::User;
use crate::service::Core;
use crate::service::admin::caller::AdminCaller;
use crate::service::admin::error::AdminError;
use crate::service::admin::provisioning::representation::{WantedUser, resource_of};
use crate::service::admin::user_changes::{Change, Edited, SeenUser};
use crate::service::admin::users;
use crate::service::admin::views::{UserView, entity_tag};
use crate::store::users as stored;
use crate::store::{StoreError, provisioned_users, statistics};

/// So many users at once, and no more.
pub const MOST: i64 = 200;

/// Why a provisioning client does not get what it wants.
#[derive(Debug, thiserror::Error)]
pub enum Unprovisioned {
    #[error(transparent)]
    Fault(#[from] ScimFault),
    #[error(transparent)]
    Order(#[from] AdminError),
}

impl From<StoreError> for Unprovisioned {
    fn from(error: StoreError) -> Self {
        Self::Order(error.into())
    }
}

/// A user, as one client sees it.
#[derive(Debug)]
pub struct ProvisionedUser {
    pub id: UserId,
    pub created_at: DateTime<Utc>,
    /// What this version is known by. When the user last signed in is no part of it.
    pub version: String,
    /// All but what the server says of every resource.
    pub attributes: Map<String, Value>,
}

/// Which users.
#[derive(Debug)]
pub struct WantedResources {
    /// Those of whom all of it holds; all users, if there is none.
    pub criteria: Option<Vec<Criterion>>,
    /// How many come before.
    pub skipped: i64,
    pub limit: i64,
}

/// A user with what a client says of it.
struct KnownUser {
    user: User,
    said: Option<ProvisionedAs>,
}

impl KnownUser {
    fn resource(&self) -> UserResource {
        resource_of(&self.user, self.said.as_ref())
    }

    fn seen(self) -> ProvisionedUser {
        let attributes = self.resource().into_object();
        let version = entity_tag(&attributes);
        ProvisionedUser { id: self.user.id, created_at: self.user.created_at, version, attributes }
    }

    fn version(&self) -> String {
        entity_tag(&self.resource().into_object())
    }
}

async fn known(core: &Core, client: &ClientId, id: UserId) -> Result<KnownUser, Unprovisioned> {
    let user = users::get(core, id).await?;
    let said = provisioned_users::find(&core.db, client, id).await?;
    Ok(KnownUser { user, said })
}

/// One user.
pub async fn show(core: &Core, caller: &AdminCaller, id: UserId) -> Result<ProvisionedUser, Unprovisioned> {
    Ok(known(core, &caller.client, id).await?.seen())
}

/// Some users, and how many there are. Without criteria they come in the order in which they were made: a part far down
/// the list costs what it skips.
pub async fn list(
    core: &Core,
    caller: &AdminCaller,
    wanted: &WantedResources,
) -> Result<(i64, Vec<ProvisionedUser>), Unprovisioned> {
    let client = &caller.client;
    let Some(criteria) = &wanted.criteria else {
        let total = statistics::users(&core.db).await?;
        let part = stored::listing::list_by_id(&core.db, wanted.skipped, wanted.limit).await?;
        let ids = part.first().zip(part.last()).map(|(first, last)| (first.id, last.id));
        let mut said = match ids {
            Some(ids) => provisioned_users::find_between(&core.db, client, ids).await?,
            None => HashMap::new(),
        };
        let seen = part.into_iter().map(|user| KnownUser { said: said.remove(&user.id), user }.seen());
        return Ok((total, seen.collect()));
    };
    let mut found = Vec::new();
    for id in candidates(core, client, criteria).await? {
        match known(core, client, id).await {
            Ok(known) if criteria.iter().all(|it| holds(it, &known)) => found.push(known.seen()),
            // It may have been removed since.
            Ok(_) | Err(Unprovisioned::Order(AdminError::NoUserId(_))) => {}
            Err(error) => return Err(error),
        }
    }
    let total = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let [skipped, limit] = [wanted.skipped, wanted.limit].map(|it| usize::try_from(it).unwrap_or(0));
    Ok((total, found.into_iter().skip(skipped).take(limit).collect()))
}

/// Those of whom one criterion holds by an index: [`MOST`] of them, if a client calls so many the same.
async fn candidates(
    core: &Core,
    client: &ClientId,
    criteria: &[Criterion],
) -> Result<Vec<UserId>, Unprovisioned> {
    let narrow = criteria.iter().find(|it| !matches!(it, Criterion::Active(_)));
    Ok(match narrow {
        None | Some(Criterion::Nobody | Criterion::Active(_)) => Vec::new(),
        Some(Criterion::Id(id)) => id.parse().into_iter().collect(),
        Some(Criterion::UserName(name)) => {
            let found = stored::find_by_name(&core.db, name).await?;
            found.into_iter().map(|user| user.id).collect()
        }
        Some(Criterion::ExternalId(id)) => provisioned_users::called(&core.db, client, id, MOST).await?,
    })
}

fn holds(criterion: &Criterion, known: &KnownUser) -> bool {
    match criterion {
        Criterion::Nobody => false,
        Criterion::Id(id) => id.parse() == Ok(known.user.id),
        Criterion::UserName(name) => name.key() == known.user.username.key(),
        Criterion::ExternalId(id) => {
            known.said.as_ref().is_some_and(|said| said.external_id.as_ref() == Some(id))
        }
        Criterion::Active(is_active) => known.user.disabled_at.is_none() == *is_active,
    }
}

/// Makes a user.
pub async fn create(
    core: &Core,
    caller: &AdminCaller,
    mut resource: UserResource,
    now: DateTime<Utc>,
) -> Result<ProvisionedUser, Unprovisioned> {
    let password = password_of(&mut resource)?;
    let WantedUser { username, email, claims, roles, is_active, said } = WantedUser::by(&resource)?;
    let username = username.ok_or_else(username_missing)?;
    let before = User {
        id: UserId::new(now, random::bytes()),
        username,
        email: None,
        email_verified: false,
        claims: StandardClaims::default(),
        roles,
        created_at: now,
        last_login_at: None,
        disabled_at: (is_active == Some(false)).then_some(now),
    };
    let details = users::Details::default()
        .changed_by(users::DetailChanges { email: Some((email, false)), claims: Some(claims) })?;
    let user = User { email: details.email, claims: details.claims, ..before };
    let added = users::add_with(core, &user, password.as_ref(), now, async |tx| {
        provisioned_users::set(tx, &caller.client, user.id, &said).await.map(Some)
    });
    added.await?;
    Ok(KnownUser { user, said: Some(said) }.seen())
}

/// Has a user be as it is told here: what is not told has no value then. Whether the user may sign in, the password and
/// the roles stay as they are if they are not told: a directory that knows nothing of them changes no rights.
pub async fn replace(
    core: &Core,
    caller: &AdminCaller,
    id: UserId,
    resource: &UserResource,
    seen: Option<&str>,
    now: DateTime<Utc>,
) -> Result<ProvisionedUser, Unprovisioned> {
    if resource.text("userName").is_none() {
        return Err(username_missing().into());
    }
    change(core, caller, (id, seen), now, |before| Ok(resource.clone().keeping(&["active", "roles"], before)))
        .await
}

/// Changes parts of a user: all of them, or none.
pub async fn patch(
    core: &Core,
    caller: &AdminCaller,
    id: UserId,
    operations: &[PatchOperation],
    seen: Option<&str>,
    now: DateTime<Utc>,
) -> Result<ProvisionedUser, Unprovisioned> {
    change(core, caller, (id, seen), now, |before| patched(before, operations)).await
}

async fn change(
    core: &Core,
    caller: &AdminCaller,
    (id, seen): (UserId, Option<&str>),
    now: DateTime<Utc>,
    edit: impl Fn(&UserResource) -> Result<UserResource, ScimFault>,
) -> Result<ProvisionedUser, Unprovisioned> {
    loop {
        let known = known(core, &caller.client, id).await?;
        if seen.is_some_and(|seen| seen != known.version()) {
            return Err(AdminError::Stale.into());
        }
        let mut after = edit(&known.resource())?;
        let password = password_of(&mut after)?;
        let wanted = WantedUser::by(&after)?;
        let mut changes = wanted.changes_of(&known.user)?;
        changes.extend(password.map(Change::Password));
        if known.said.as_ref() != Some(&wanted.said) && !wanted.says_the_usual(&known) {
            changes.push(Change::Provisioned(caller.client.clone(), wanted.said));
        }
        if changes.is_empty() {
            return Ok(known.seen());
        }
        let tag = entity_tag(&UserView::from(known.user.clone()));
        let current = SeenUser { tag: &tag, provisioned: Some((&caller.client, known.said.as_ref())) };
        // Overtaken: what was said is said of what is there now, if that is still what was seen.
        if let Edited::Done(_) = users::change_as_seen(core, &known.user, &changes, current, now).await? {
            return show(core, caller, id).await;
        }
    }
}

/// Removes a user.
pub async fn remove(
    core: &Core,
    caller: &AdminCaller,
    id: UserId,
    seen: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), Unprovisioned> {
    let Some(seen) = seen else { return Ok(users::remove(core, id, None, now).await.map(drop)?) };
    loop {
        let known = known(core, &caller.client, id).await?;
        if seen != known.version() {
            return Err(AdminError::Stale.into());
        }
        let tag = entity_tag(&UserView::from(known.user));
        match users::remove(core, id, Some(&tag), now).await {
            // It may have been a sign-in.
            Err(AdminError::Stale) => {}
            removed => return Ok(removed.map(drop)?),
        }
    }
}

fn username_missing() -> ScimFault {
    FaultKind::InvalidValue.with("userName is missing.")
}

fn password_of(resource: &mut UserResource) -> Result<Option<Password>, ScimFault> {
    let unfit = |unfit| FaultKind::InvalidValue.with(format!("password: {unfit}."));
    resource.take_text("password").map(Password::new).transpose().map_err(unfit)
}

impl WantedUser {
    /// Whether it would say of a user, of whom nothing was said, what holds anyway.
    fn says_the_usual(&self, known: &KnownUser) -> bool {
        let as_said = resource_of(&known.user, Some(&self.said));
        known.said.is_none() && json!(as_said.into_object()) == json!(known.resource().into_object())
    }
}
