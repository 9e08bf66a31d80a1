//! What an operator does to clients.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::client::{Client, ClientKind, GrantType, Origin, Party};
use crate::domain::event::{ClientChange, Event};
use crate::domain::ids::{ClientId, uuid_v7};
use crate::domain::secrets::ClientSecret;
use crate::service::admin::janitor;
use crate::service::writer::Writer;
use crate::service::{Core, Failure};
use crate::store::{StoreError, Tx, clients, signing_keys};

/// The client that is always there: public, first-party, for whoever names none.
#[must_use]
pub fn built_in(now: DateTime<Utc>) -> Client {
    Client {
        party: Party::First,
        grants: [GrantType::RefreshToken].into(),
        scopes: "openid profile email".parse().unwrap_or_default(),
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

/// Adds a client; one that authenticates with a secret gets its first, which is given here and never again.
///
/// # Errors
/// [`StoreError::Exists`] when the id is or was taken.
pub async fn add(core: &Core, client: &Client, now: DateTime<Utc>) -> Result<Option<ClientSecret>, Failure> {
    let added = core.write(now, async |tx| {
        clients::insert(tx, client).await?;
        allow_ttl(tx, client).await?;
        changed(tx, &client.id, ClientChange::Added);
        let needs_secret = client.has_secrets();
        Ok(Some(if needs_secret { Some(new_secret(tx, &client.id, now).await?) } else { None }))
    });
    Ok(added.await?.flatten())
}

/// Stores a changed client.
///
/// # Errors
/// [`Failure::NotFound`], [`Failure::Store`].
pub async fn update(core: &Core, client: &Client, now: DateTime<Utc>) -> Result<(), Failure> {
    let updated = core.write(now, async |tx| {
        if !clients::update(tx, client).await? {
            return Ok(None);
        }
        allow_ttl(tx, client).await?;
        changed(tx, &client.id, ClientChange::Updated);
        Ok(Some(()))
    });
    updated.await?.ok_or(Failure::NotFound)
}

/// Gives a client another secret; the present ones go on for `overlap`.
///
/// # Errors
/// [`Failure::NotFound`] when there is no such client, [`Failure::UnauthorizedClient`] when it has no secrets.
pub async fn rotate_secret(
    core: &Core,
    id: &ClientId,
    overlap: Duration,
    now: DateTime<Utc>,
) -> Result<ClientSecret, Failure> {
    let client = clients::find(&core.db, id, now).await?.ok_or(Failure::NotFound)?;
    if !client.has_secrets() {
        return Err(Failure::UnauthorizedClient);
    }
    let rotated = core.write(now, async |tx| {
        clients::expire_secrets(tx, id, now + overlap, now).await?;
        changed(tx, id, ClientChange::SecretRotated);
        new_secret(tx, id, now).await.map(Some)
    });
    rotated.await?.ok_or(Failure::NotFound)
}

/// Removes a client. It is refused once the caches have turned over; its families, perhaps a million, are ended in
/// bounded batches: here, and again by the janitor for any that a login brought in meanwhile.
///
/// # Errors
/// [`Failure::NotFound`], [`Failure::Store`].
pub async fn remove(core: &Core, id: &ClientId, batch: i64, now: DateTime<Utc>) -> Result<u64, Failure> {
    let removed = core.write(now, async |tx| {
        if !clients::remove(tx, id, now).await? {
            return Ok(None);
        }
        changed(tx, id, ClientChange::Removed);
        Ok(Some(()))
    });
    removed.await?.ok_or(Failure::NotFound)?;
    Ok(janitor::end_families_of_client(core, id, batch, now).await?)
}

fn changed(tx: &mut Tx, client: &ClientId, change: ClientChange) {
    tx.record(Event::ClientChanged { client: client.clone(), change });
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
    clients::add_secret(tx, uuid_v7(now, random::bytes()), id, &secret.hash(), now).await?;
    Ok(secret)
}

/// A signing key stays published until the last token that it signed has expired, so it must know how long that is.
async fn allow_ttl(tx: &mut Tx, client: &Client) -> Result<(), StoreError> {
    let Some(ttl) = client.lifetimes.access_ttl else { return Ok(()) };
    signing_keys::allow_ttl(tx, i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)).await
}
