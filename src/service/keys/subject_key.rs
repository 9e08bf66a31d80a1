//! The key of pairwise subjects: made once, kept sealed, and sealed anew when the master key changes. It does not come
//! out of a master key itself, because those are rotated and users' names are not.

use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use crate::crypto::random;
use crate::domain::event::Event;
use crate::domain::subject::SubjectKey;
use crate::service::keys::ring::{Keys, KeysUnreadable};
use crate::service::writer::Writer;
use crate::store::{Db, StoreError, server_secrets};

const NAME: &str = "pairwise subjects";
/// A sealed secret opens only as itself.
const CONTEXT: &str = "heirloom pairwise subjects";

/// Reads the key; makes it when there is none yet.
pub async fn load(keys: &Keys, writer: &Writer, now: DateTime<Utc>) -> Result<SubjectKey, KeysUnreadable> {
    let master = keys.master();
    let candidate = master.seal(CONTEXT, &random::bytes::<32>());
    let sealed = server_secrets::get_or_put(writer.db(), NAME, &candidate).await?;
    let opened = open(keys, &sealed)?;
    let material: &[u8; 32] =
        opened.as_slice().try_into().map_err(|_| StoreError::corrupt("server_secrets", NAME, "length"))?;
    let active = master.active().id();
    if sealed.get(1..5) != Some(&active.0) {
        let anew = master.seal(CONTEXT, material);
        let resealed = writer.write(now, async |tx| {
            tx.record(Event::KeyResealed { key: NAME.to_owned() });
            Ok(server_secrets::reseal(tx, NAME, &sealed, &anew).await?.then_some(()))
        });
        resealed.await?;
    }
    Ok(SubjectKey::new(material))
}

/// Whether the key that is stored, if it is, opens.
pub async fn check(keys: &Keys, db: &Db) -> Result<(), KeysUnreadable> {
    let Some(sealed) = server_secrets::get(db, NAME).await? else { return Ok(()) };
    open(keys, &sealed).map(drop)
}

fn open(keys: &Keys, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeysUnreadable> {
    let opened = keys.master().open(CONTEXT, sealed);
    opened.map_err(|cause| KeysUnreadable::Secret { name: NAME, cause })
}
