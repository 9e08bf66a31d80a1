//! What an operator sees of families, and does to them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::event::{Event, UserChange};
use crate::domain::family::{Family, Place, State};
use crate::domain::ids::{ClientId, FamilyId, UserId};
use crate::domain::lifetimes::Lifetimes;
use crate::domain::refusal::EndReason;
use crate::domain::registration::document;
use crate::service::admin::error::AdminError;
use crate::service::admin::views::FamilyView;
use crate::service::admin::{self, janitor};
use crate::service::logout::{ending, ending_many};
use crate::service::{Core, Failure};
use crate::store::ending_logins::Which;
use crate::store::families::OfClient;
use crate::store::{StoreError, clients, families, users};

/// Whose families are listed.
#[derive(Debug, Default)]
pub struct WantedFamilies {
    pub user: Option<UserId>,
    /// Of a client's, those that have not ended.
    pub client: Option<ClientId>,
    /// Those after this one.
    pub after: Option<FamilyId>,
}

/// Up to `limit` families of a user, of a client, of a user's with a client, or of all, the newest first.
pub async fn list(
    core: &Core,
    wanted: &WantedFamilies,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<FamilyView>, AdminError> {
    let after = wanted.after.unwrap_or(Place::NEWEST.id);
    let listed = match (wanted.user, &wanted.client) {
        (Some(user), None) => families::newest_of_user(&core.db, user, after, limit).await?,
        (Some(user), Some(client)) => {
            families::newest_of_both(&core.db, (user, client), after, limit).await?
        }
        (None, Some(client)) => families::newest_of_client(&core.db, client, after, limit).await?,
        (None, None) => families::newest(&core.db, after, limit).await?,
    };
    let names = match (wanted, listed.first(), listed.last()) {
        (WantedFamilies { user: Some(id), .. }, ..) => users::find(&core.db, *id)
            .await?
            .map(|user| (*id, user.username.to_string()))
            .into_iter()
            .collect(),
        (WantedFamilies { client: Some(_), .. }, ..) => names_of(core, &listed).await?,
        (_, Some(newest), Some(oldest)) => users::names_by_families(&core.db, (oldest.id, newest.id)).await?,
        (..) => HashMap::new(),
    };
    shown(core, listed, &names, now).await
}

/// One by one: those of a client's families may be anywhere among all others.
async fn names_of(core: &Core, families: &[Family]) -> Result<HashMap<UserId, String>, StoreError> {
    let mut names = HashMap::new();
    for family in families {
        if let Entry::Vacant(place) = names.entry(family.user())
            && let Some(user) = users::find(&core.db, family.user()).await?
        {
            place.insert(user.username.to_string());
        }
    }
    Ok(names)
}

/// One family.
pub async fn show(core: &Core, id: FamilyId, now: DateTime<Utc>) -> Result<Option<FamilyView>, AdminError> {
    let Some(family) = families::find(&core.db, id).await? else { return Ok(None) };
    let names = names_of(core, std::slice::from_ref(&family)).await?;
    Ok(shown(core, vec![family], &names, now).await?.pop())
}

async fn shown(
    core: &Core,
    families: Vec<Family>,
    names: &HashMap<UserId, String>,
    now: DateTime<Utc>,
) -> Result<Vec<FamilyView>, AdminError> {
    let mut known = HashMap::new();
    for family in &families {
        if !known.contains_key(&family.client_id) {
            known.insert(family.client_id.clone(), lifetimes(core, &family.client_id, now).await?);
        }
    }
    let view = |family: Family| {
        let lifetimes = known.get(&family.client_id).and_then(Option::as_ref);
        let state = state(&family, lifetimes, now);
        let username = names.get(&family.user()).cloned();
        FamilyView::of(family, username, state)
    };
    Ok(families.into_iter().map(view).collect())
}

/// A client's lifetimes; `None` when it was removed. What its document says is the server's to fetch.
async fn lifetimes(
    core: &Core,
    client: &ClientId,
    now: DateTime<Utc>,
) -> Result<Option<Lifetimes>, AdminError> {
    match clients::find(&core.db, client, now).await? {
        Some(client) => Ok(Some(core.clients.lifetimes_of(&client)?)),
        None => Ok(document::url_of(client).map(|_| *core.clients.defaults())),
    }
}

fn state(family: &Family, lifetimes: Option<&Lifetimes>, now: DateTime<Utc>) -> String {
    match (family.state, lifetimes) {
        (State::Ended { reason, .. }, _) => format!("ended: {}", reason.as_str()),
        (State::Live, None) => "ended: client_removed".to_owned(),
        (State::Live, Some(lifetimes)) if family.is_live(now, lifetimes) => "live".to_owned(),
        (State::Live, Some(_)) => "expired".to_owned(),
    }
}

/// Ends one family, with the sign-in that it came from.
pub async fn end(core: &Core, id: FamilyId, now: DateTime<Utc>) -> Result<(), AdminError> {
    let family = families::find(&core.db, id).await?.ok_or(AdminError::NoLiveFamily(id))?;
    let ended = core.write(now, async |tx| {
        users::touch(tx, family.user(), now).await?;
        ending::end_with_way_back(tx, &family, None, EndReason::Operator, now).await.map(Some)
    });
    if ended.await? == Some(true) { Ok(()) } else { Err(AdminError::NoLiveFamily(id)) }
}

/// Ends every live family and every sign-in session of a user; gives how many families.
pub async fn end_of_user(core: &Core, user: UserId, now: DateTime<Utc>) -> Result<usize, Failure> {
    let ending = core.write(now, async |tx| {
        users::touch(tx, user, now).await?;
        tx.record(Event::UserChanged { user, change: UserChange::LoginsEnded });
        ending_many::begin(tx, user, Which::All, EndReason::Operator, now).await.map(Some)
    });
    match ending.await? {
        Some(ending) => Ok(ending_many::finish(core, ending, now).await),
        None => Ok(0),
    }
}

/// Ends every live family of a client, `batch` in a transaction; gives how many. What a sign-in of its users lets in
/// again it lets in: it is the client that lost something, not the browsers.
pub async fn end_of_client(
    core: &Core,
    id: &ClientId,
    batch: i64,
    now: DateTime<Utc>,
) -> Result<u64, AdminError> {
    // What its document says is the server's to fetch; that it has one is enough.
    if document::url_of(id).is_none() {
        admin::clients::find(core, id, now).await?;
    }
    let which = OfClient { client: id.clone(), reason: EndReason::Operator, until: now };
    Ok(janitor::end_families(core, &which, batch, now).await?)
}

/// Ends every live family and every sign-in session there is, user by user; gives how many families.
pub async fn end_all(core: &Core, batch: i64, now: DateTime<Utc>) -> Result<usize, Failure> {
    let (mut after, mut ended) = (UserId(Uuid::nil()), 0);
    loop {
        let users = users::logged_in(&core.db, after, batch).await?;
        let Some(last) = users.last() else { return Ok(ended) };
        after = *last;
        for user in users {
            ended += end_of_user(core, user, now).await?;
        }
    }
}
