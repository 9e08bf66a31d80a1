//! What an operator does to clients.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::crypto::random;
use crate::domain::client::{Client, ClientKind, GrantType, Origin, Party};
use crate::domain::ids::{ClientId, FamilyId, uuid_v7};
use crate::domain::refusal::EndReason;
use crate::domain::secrets::ClientSecret;
use crate::service::admin::janitor;
use crate::service::logout::ending;
use crate::service::{Failure, audit};
use crate::store::{Db, StoreError, Tx, clients, families, signing_keys, transaction, users};

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
pub async fn ensure_built_in(db: &Db, now: DateTime<Utc>) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    clients::insert_if_new(&mut tx, &built_in(now)).await?;
    tx.commit().await
}

/// Adds a client; one that authenticates with a secret gets its first, which is given here and never again.
///
/// # Errors
/// [`StoreError::Exists`] when the id is or was taken.
pub async fn add(db: &Db, client: &Client, now: DateTime<Utc>) -> Result<Option<ClientSecret>, Failure> {
    let mut tx = db.begin().await?;
    clients::insert(&mut tx, client).await?;
    allow_ttl(&mut tx, client).await?;
    let secret = if client.has_secrets() { Some(new_secret(&mut tx, &client.id, now).await?) } else { None };
    tx.commit().await?;
    audit::client_changed(&client.id, "added");
    Ok(secret)
}

/// Stores a changed client.
///
/// # Errors
/// [`Failure::NotFound`], [`Failure::Store`].
pub async fn update(db: &Db, client: &Client) -> Result<(), Failure> {
    let mut tx = db.begin().await?;
    if !clients::update(&mut tx, client).await? {
        return Err(Failure::NotFound);
    }
    allow_ttl(&mut tx, client).await?;
    tx.commit().await?;
    audit::client_changed(&client.id, "updated");
    Ok(())
}

/// Gives a client another secret; the present ones go on for `overlap`.
///
/// # Errors
/// [`Failure::NotFound`] when there is no such client, [`Failure::UnauthorizedClient`] when it has no secrets.
pub async fn rotate_secret(
    db: &Db,
    id: &ClientId,
    overlap: Duration,
    now: DateTime<Utc>,
) -> Result<ClientSecret, Failure> {
    let client = clients::find(db, id, now).await?.ok_or(Failure::NotFound)?;
    if !client.has_secrets() {
        return Err(Failure::UnauthorizedClient);
    }
    let mut tx = db.begin().await?;
    clients::expire_secrets(&mut tx, id, now + overlap, now).await?;
    let secret = new_secret(&mut tx, id, now).await?;
    tx.commit().await?;
    audit::client_changed(id, "secret rotated");
    Ok(secret)
}

/// Removes a client. It is refused once the caches have turned over; its families, perhaps a million, are ended in
/// bounded batches: here, and again by the janitor for any that a login brought in meanwhile.
///
/// # Errors
/// [`Failure::NotFound`], [`Failure::Store`].
pub async fn remove(db: &Db, id: &ClientId, batch: i64, now: DateTime<Utc>) -> Result<u64, Failure> {
    if !clients::remove(db, id, now).await? {
        return Err(Failure::NotFound);
    }
    audit::client_changed(id, "removed");
    Ok(janitor::end_families_of_client(db, id, batch, now).await?)
}

/// Ends one family, with the sign-in that it came from.
///
/// # Errors
/// [`Failure::NotFound`] when it is gone or ended already.
pub async fn end_family(db: &Db, id: FamilyId, now: DateTime<Utc>) -> Result<(), Failure> {
    let family = families::find(db, id).await?.ok_or(Failure::NotFound)?;
    let (ended, beside) = transaction::retrying(|| async {
        let mut tx = db.begin().await?;
        users::touch(&mut tx, family.user_id, now).await?;
        let done = ending::end_with_way_back(&mut tx, &family, None, EndReason::Operator, now).await?;
        tx.commit().await?;
        Ok(done)
    })
    .await?;
    audit::families_ended(&ended, EndReason::Operator);
    audit::families_ended(&beside.ended, EndReason::Logout);
    if ended.is_empty() { Err(Failure::NotFound) } else { Ok(()) }
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
