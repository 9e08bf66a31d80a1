//! What an operator sees of clients, and does to them.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use serde_json::{Value, json};

use crate::crypto::random;
use crate::domain::client::{Client, ClientKind, GrantType, Origin, Party};
use crate::domain::event::{ClientChange, Event};
use crate::domain::ids::{ClientId, uuid_v7};
use crate::domain::secrets::{ClientSecret, SecretHash};
use crate::service::admin::client_changes::{ClientChanges, check};
use crate::service::admin::error::AdminError;
use crate::service::admin::janitor;
use crate::service::admin::once::Once;
use crate::service::admin::views::{ClientView, entity_tag};
use crate::service::clients::signing;
use crate::service::writer::Writer;
use crate::service::{Core, Failure};
use crate::store::{StoreError, Tx, clients, families, signing_keys};

/// The client that is always there: public, first-party, for whoever names none.
#[must_use]
pub fn built_in(now: DateTime<Utc>) -> Client {
    Client {
        party: Party::First,
        grants: [GrantType::RefreshToken].into(),
        scopes: "openid profile email roles".parse().unwrap_or_default(),
        ..Client::new(ClientId::built_in(), ClientKind::Public, Origin::Operator, now)
    }
}

/// Adds the built-in client, unless it was added, or removed, before.
///
/// # Errors
/// [`StoreError`].
pub async fn ensure_built_in(writer: &Writer, now: DateTime<Utc>) -> Result<(), StoreError> {
    writer.write(now, async |tx| clients::insert_if_new(tx, &built_in(now)).await.map(Some)).await?;
    Ok(())
}

/// Up to `limit` clients that were not removed, by id: those after another one, or the first.
pub async fn list(core: &Core, after: Option<&ClientId>, limit: i64) -> Result<Vec<ClientView>, AdminError> {
    let clients = clients::list_some(&core.db, after, limit).await?;
    Ok(clients.into_iter().map(|client| ClientView::of(client, None)).collect())
}

/// The same of those whose ids begin so.
pub async fn list_beginning(
    core: &Core,
    beginning: &str,
    after: Option<&ClientId>,
    limit: i64,
) -> Result<Vec<ClientView>, AdminError> {
    let clients = clients::list_beginning(&core.db, beginning, after, limit).await?;
    Ok(clients.into_iter().map(|client| ClientView::of(client, None)).collect())
}

/// One client.
pub async fn show(core: &Core, id: &ClientId, now: DateTime<Utc>) -> Result<ClientView, AdminError> {
    Ok(ClientView::of(find(core, id, now).await?, None))
}

/// Registers a client; one that authenticates with a secret gets its first, which is shown here and never again.
pub async fn register(
    core: &Core,
    id: ClientId,
    kind: ClientKind,
    said: ClientChanges,
    now: DateTime<Utc>,
) -> Result<ClientView, AdminError> {
    register_once(core, (id, kind), said, &Once::unclaimed(), now).await
}

/// The same by a request that may come again.
pub async fn register_once(
    core: &Core,
    (id, kind): (ClientId, ClientKind),
    said: ClientChanges,
    once: &Once<'_, ClientView>,
    now: DateTime<Utc>,
) -> Result<ClientView, AdminError> {
    add_once(core, &made(id, kind, said, now)?, once, now).await
}

/// A new client as an operator says it.
pub(super) fn made(
    id: ClientId,
    kind: ClientKind,
    said: ClientChanges,
    now: DateTime<Utc>,
) -> Result<Client, AdminError> {
    let mut client = Client::new(id, kind, Origin::Operator, now);
    let is_named = said.grants.is_some();
    said.apply_to(&mut client)?;
    if !is_named {
        client.grants = usual_grants(&client);
    }
    Ok(client)
}

/// A client that users are sent back to takes part in the code flow; a confidential one without is a service.
fn usual_grants(client: &Client) -> BTreeSet<GrantType> {
    match client.kind {
        _ if !client.redirect_uris.is_empty() => {
            [GrantType::AuthorizationCode, GrantType::RefreshToken].into()
        }
        ClientKind::Public => [GrantType::RefreshToken].into(),
        ClientKind::Confidential(_) => [GrantType::ClientCredentials].into(),
    }
}

/// Adds a client as it is; gives its secret as [`register`] does.
pub async fn add(
    core: &Core,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<Option<ClientSecret>, AdminError> {
    Ok(add_once(core, client, &Once::unclaimed(), now).await?.client_secret)
}

async fn add_once(
    core: &Core,
    client: &Client,
    once: &Once<'_, ClientView>,
    now: DateTime<Utc>,
) -> Result<ClientView, AdminError> {
    check(core, client)?;
    signing::want(core, &client.metadata, now).await.map_err(Failure::from)?;
    let secret = client.has_secrets().then(|| ClientSecret::from_random(&random::bytes()));
    let view = ClientView::of(client.clone(), secret);
    let added = core.write(now, async |tx| {
        clients::insert(tx, client).await?;
        added(tx, client).await?;
        if let Some(secret) = &view.client_secret {
            put_secret(tx, &client.id, &secret.hash(), now).await?;
        }
        once.answer(core, tx, &view).await
    });
    match added.await {
        Err(StoreError::Exists) => Err(AdminError::ClientIdTaken(client.id.clone())),
        added => added?.map(|()| view).ok_or(AdminError::ClaimLost),
    }
}

/// What goes with a client that was added, in the same transaction.
pub(super) async fn added(tx: &mut Tx, client: &Client) -> Result<(), StoreError> {
    allow_ttl(tx, client).await?;
    changed(tx, &client.id, ClientChange::Added);
    Ok(())
}

/// Changes what an operator says of a client.
pub async fn change(
    core: &Core,
    id: &ClientId,
    changes: ClientChanges,
    now: DateTime<Utc>,
) -> Result<ClientView, AdminError> {
    change_seen(core, id, changes, None, now).await
}

/// The same, if it is still what the operator has seen: that of `seen` ([`entity_tag`]), where that is told.
pub async fn change_seen(
    core: &Core,
    id: &ClientId,
    changes: ClientChanges,
    seen: Option<&str>,
    now: DateTime<Utc>,
) -> Result<ClientView, AdminError> {
    loop {
        let mut client = find(core, id, now).await?;
        let current = tag_of(&client);
        if seen.is_some_and(|seen| seen != current) {
            return Err(AdminError::Stale);
        }
        let (before, changes) = (client.clone(), changes.clone());
        let confirmed = changes.confirmed;
        changes.apply_to(&mut client)?;
        if !confirmed {
            must_not_end_logins(core, &before, &client, now).await?;
        }
        match update_as_seen(core, &client, Some(&current), now).await {
            // Somebody else was faster: what was said is said of what is there now.
            Err(AdminError::Stale) if seen.is_none() => {}
            done => return done.map(|()| ClientView::of(client, None)),
        }
    }
}

/// Programs that share a login do not survive that its tokens rotate.
///
/// # Errors
/// [`AdminError::Unconfirmed`].
pub(super) async fn must_not_end_logins(
    core: &Core,
    before: &Client,
    after: &Client,
    now: DateTime<Utc>,
) -> Result<(), AdminError> {
    let rotates = |client: &Client| client.metadata.refresh_token_rotation.is_usual();
    if rotates(after) && !rotates(before) {
        let live = families::count_live_of_client(&core.db, &after.id, now).await?;
        if live > 0 {
            return Err(AdminError::Unconfirmed { client: after.id.clone(), live });
        }
    }
    Ok(())
}

pub(super) fn tag_of(client: &Client) -> String {
    entity_tag(&ClientView::of(client.clone(), None))
}

/// What the version of a client is known by whose secret is shown now, and never again.
#[must_use]
pub fn tag_of_new(view: &ClientView) -> String {
    let mut later = json!(view);
    if let Some(secret) = later.get_mut("client_secret") {
        *secret = Value::Null;
    }
    entity_tag(&later)
}

pub(super) async fn find(core: &Core, id: &ClientId, now: DateTime<Utc>) -> Result<Client, AdminError> {
    match clients::find(&core.db, id, now).await? {
        Some(client) => Ok(client),
        None => Err(no_client(core, id).await?),
    }
}

/// What there is to say of an id that no client has.
async fn no_client(core: &Core, id: &ClientId) -> Result<AdminError, StoreError> {
    let was_one = clients::is_removed(&core.db, id).await?;
    Ok(if was_one { AdminError::ClientRemoved(id.clone()) } else { AdminError::NoClient(id.clone()) })
}

/// Stores a changed client.
pub async fn update(core: &Core, client: &Client, now: DateTime<Utc>) -> Result<(), AdminError> {
    update_as_seen(core, client, None, now).await
}

async fn update_as_seen(
    core: &Core,
    client: &Client,
    tag: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), AdminError> {
    check(core, client)?;
    signing::want(core, &client.metadata, now).await.map_err(Failure::from)?;
    let updated = core.write(now, async |tx| update_within(tx, client, tag).await);
    match updated.await? {
        Some(done) => done,
        None => Err(no_client(core, &client.id).await?),
    }
}

/// Stores a changed client, if it is still what was seen. People agree anew to one that has another name or goes to
/// another place. `None` when there is none (any more).
pub(super) async fn update_within(
    tx: &mut Tx,
    client: &Client,
    tag: Option<&str>,
) -> Result<Option<Result<(), AdminError>>, StoreError> {
    let Some(before) = clients::lock(tx, &client.id).await? else { return Ok(None) };
    if tag.is_some_and(|tag| tag != tag_of(&before)) {
        return Ok(Some(Err(AdminError::Stale)));
    }
    clients::update(tx, client).await?;
    allow_ttl(tx, client).await?;
    changed(tx, &client.id, ClientChange::Updated);
    if client.leads_elsewhere_than(&before) {
        forget_consents(tx, &client.id).await?;
    }
    Ok(Some(Ok(())))
}

/// Gives a client another secret; the present ones go on for `overlap`.
pub async fn rotate_secret(
    core: &Core,
    id: &ClientId,
    overlap: Duration,
    now: DateTime<Utc>,
) -> Result<ClientSecret, AdminError> {
    rotate_secret_once(core, id, overlap, &Once::unclaimed(), now).await
}

/// The same by a request that may come again.
pub async fn rotate_secret_once(
    core: &Core,
    id: &ClientId,
    overlap: Duration,
    once: &Once<'_, ClientSecret>,
    now: DateTime<Utc>,
) -> Result<ClientSecret, AdminError> {
    if !find(core, id, now).await?.has_secrets() {
        return Err(AdminError::NoSecrets(id.clone()));
    }
    let secret = ClientSecret::from_random(&random::bytes());
    let rotated = core.write(now, async |tx| {
        clients::expire_secrets(tx, id, now + overlap, now).await?;
        changed(tx, id, ClientChange::SecretRotated);
        put_secret(tx, id, &secret.hash(), now).await?;
        once.answer(core, tx, &secret).await
    });
    rotated.await?.map(|()| secret).ok_or(AdminError::ClaimLost)
}

/// Removes a client.
pub async fn remove(core: &Core, id: &ClientId, batch: i64, now: DateTime<Utc>) -> Result<u64, AdminError> {
    remove_seen(core, id, None, batch, now).await
}

/// The same, if it is still what the operator has seen. It is refused once the caches have turned over; its families,
/// perhaps a million, are ended in bounded batches: here, and again by the janitor for any that a login brought in
/// meanwhile.
pub async fn remove_seen(
    core: &Core,
    id: &ClientId,
    seen: Option<&str>,
    batch: i64,
    now: DateTime<Utc>,
) -> Result<u64, AdminError> {
    let removed = core.write(now, async |tx| remove_within(tx, id, seen, now).await);
    match removed.await? {
        Some(done) => done?,
        None => return Err(no_client(core, id).await?),
    }
    Ok(janitor::end_families_of_client(core, id, batch, now).await?)
}

pub(super) fn changed(tx: &mut Tx, client: &ClientId, change: ClientChange) {
    tx.record(Event::ClientChanged { client: client.clone(), change });
}

/// What people agreed to of a client that has become another one counts no more.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn forget_consents(tx: &mut Tx, id: &ClientId) -> Result<(), StoreError> {
    clients::forget_consents(tx, id).await?;
    changed(tx, id, ClientChange::ConsentsForgotten);
    Ok(())
}

/// Removes a client, if it is still what was seen; its families are not ended yet. `None` when there is none (any
/// more).
pub(super) async fn remove_within(
    tx: &mut Tx,
    id: &ClientId,
    seen: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Option<Result<(), AdminError>>, StoreError> {
    let Some(client) = clients::lock(tx, id).await? else { return Ok(None) };
    if seen.is_some_and(|seen| seen != tag_of(&client)) {
        return Ok(Some(Err(AdminError::Stale)));
    }
    clients::remove(tx, id, now).await?;
    changed(tx, id, ClientChange::Removed);
    Ok(Some(Ok(())))
}

/// Gives a client another secret.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn new_secret(
    tx: &mut Tx,
    id: &ClientId,
    now: DateTime<Utc>,
) -> Result<ClientSecret, StoreError> {
    let secret = ClientSecret::from_random(&random::bytes());
    put_secret(tx, id, &secret.hash(), now).await?;
    Ok(secret)
}

/// Gives a client this secret beside those that it has.
pub(super) async fn put_secret(
    tx: &mut Tx,
    id: &ClientId,
    secret: &SecretHash,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    clients::add_secret(tx, uuid_v7(now, random::bytes()), id, secret, now).await
}

/// A signing key stays published until the last token that it signed has expired, so it must know how long that is.
async fn allow_ttl(tx: &mut Tx, client: &Client) -> Result<(), StoreError> {
    let Some(ttl) = client.lifetimes.access_ttl else { return Ok(()) };
    signing_keys::allow_ttl(tx, i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)).await
}
