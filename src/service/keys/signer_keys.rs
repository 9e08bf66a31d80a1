//! The signer keys of Firebase projects whose users' hashes were imported: kept sealed, and sealed anew when the master
//! key changes.

use chrono::{DateTime, Utc};

use crate::crypto::foreign_hash::{SignerKey, SignerKeyId};
use crate::crypto::passwords::Passwords;
use crate::domain::event::Event;
use crate::service::keys::ring::{Keys, KeysUnreadable};
use crate::service::writer::Writer;
use crate::store::{Db, StoreError, server_secrets};

/// What their names begin with, before their ids.
const PREFIX: &str = "firebase signer key ";

/// A sealed key opens only under its own name.
fn context(name: &str) -> String {
    format!("heirloom {name}")
}

/// Keeps a key, if it is not kept yet.
pub async fn keep(keys: &Keys, db: &Db, key: &SignerKey) -> Result<(), StoreError> {
    let name = format!("{PREFIX}{}", key.id());
    let sealed = keys.master().seal(&context(&name), key.expose());
    server_secrets::get_or_put(db, &name, &sealed).await.map(drop)
}

/// Reads all of them, seals anew what is sealed under another master key than the active one, and lets passwords be
/// verified with them.
pub async fn load_all(
    keys: &Keys,
    writer: &Writer,
    passwords: &Passwords,
    now: DateTime<Utc>,
) -> Result<(), KeysUnreadable> {
    let active = keys.master().active().id();
    for name in &server_secrets::names(writer.db(), PREFIX).await? {
        let Some((key, sealed)) = open(keys, writer.db(), name).await? else { continue };
        if sealed.get(1..5) != Some(&active.0) {
            let anew = keys.master().seal(&context(name), key.expose());
            let resealed = writer.write(now, async |tx| {
                tx.record(Event::KeyResealed { key: name.clone() });
                Ok(server_secrets::reseal(tx, name, &sealed, &anew).await?.then_some(()))
            });
            resealed.await?;
        }
        passwords.learn(key);
    }
    Ok(())
}

/// Reads one that was kept since.
pub async fn find(keys: &Keys, db: &Db, id: SignerKeyId) -> Result<Option<SignerKey>, KeysUnreadable> {
    Ok(open(keys, db, &format!("{PREFIX}{id}")).await?.map(|(key, _)| key))
}

/// Whether all that are stored open.
pub async fn check(keys: &Keys, db: &Db) -> Result<(), KeysUnreadable> {
    for name in &server_secrets::names(db, PREFIX).await? {
        open(keys, db, name).await?;
    }
    Ok(())
}

async fn open(keys: &Keys, db: &Db, name: &str) -> Result<Option<(SignerKey, Vec<u8>)>, KeysUnreadable> {
    let Some(sealed) = server_secrets::get(db, name).await? else { return Ok(None) };
    let opened = keys.master().open(&context(name), &sealed);
    let opened = opened.map_err(|cause| KeysUnreadable::Secret { name: "Firebase signer key", cause })?;
    let key = SignerKey::new(opened.to_vec());
    let key = key.ok_or_else(|| StoreError::corrupt("server_secrets", name, "length"))?;
    Ok(Some((key, sealed)))
}
