//! The secrets of webhooks: each is sealed under a master key, and sealed anew when that changes.

use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use crate::crypto::master_key::CannotOpen;
use crate::domain::event::Event;
use crate::domain::ids::WebhookId;
use crate::domain::webhook::WebhookSecret;
use crate::service::keys::ring::{Keys, KeysUnreadable};
use crate::service::writer::Writer;
use crate::store::webhooks::{self, SealedSecrets};
use crate::store::{Db, StoreError};

/// A sealed secret opens only as that of its own webhook.
fn context(id: WebhookId) -> String {
    format!("heirloom webhook {id}")
}

pub(crate) fn seal(keys: &Keys, id: WebhookId, secret: &WebhookSecret) -> Vec<u8> {
    keys.master().seal(&context(id), secret.bytes())
}

/// Those that sign now, the current one first.
pub(crate) fn open_all(
    keys: &Keys,
    id: WebhookId,
    sealed: &SealedSecrets,
    now: DateTime<Utc>,
) -> Result<Vec<WebhookSecret>, KeysUnreadable> {
    let former = sealed.former.as_ref().filter(|(_, until)| now < *until).map(|(sealed, _)| sealed);
    let open = |sealed: &Vec<u8>| {
        let opened = open(keys, id, sealed)?;
        let bytes =
            opened.as_slice().try_into().map_err(|_| StoreError::corrupt("webhooks", id, "secret"))?;
        Ok(WebhookSecret::new(bytes))
    };
    std::iter::once(&sealed.current).chain(former).map(open).collect()
}

/// Seals anew what is sealed under another master key than the active one.
pub async fn reseal(keys: &Keys, writer: &Writer, now: DateTime<Utc>) -> Result<(), KeysUnreadable> {
    let active = keys.master().active().id();
    for (id, read) in webhooks::all_secrets(writer.db()).await? {
        let all = std::iter::once(&read.current).chain(read.former.as_ref().map(|(sealed, _)| sealed));
        if all.clone().all(|sealed| sealed.get(1..5) == Some(&active.0)) {
            continue;
        }
        let anew = all.map(|sealed| Ok(keys.master().seal(&context(id), &open(keys, id, sealed)?)));
        let anew: Vec<Vec<u8>> = anew.collect::<Result<_, KeysUnreadable>>()?;
        let [current, former @ ..] = &anew[..] else { continue };
        let resealed = writer.write(now, async |tx| {
            tx.record(Event::KeyResealed { key: format!("webhook {id}") });
            let former = former.first().map(Vec::as_slice);
            Ok(webhooks::reseal(tx, (id, &read), current, former).await?.then_some(()))
        });
        resealed.await?;
    }
    Ok(())
}

/// Whether all that are stored open.
pub async fn check(keys: &Keys, db: &Db) -> Result<(), KeysUnreadable> {
    for (id, sealed) in webhooks::all_secrets(db).await? {
        open(keys, id, &sealed.current)?;
    }
    Ok(())
}

fn open(keys: &Keys, id: WebhookId, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeysUnreadable> {
    let opened = keys.master().open(&context(id), sealed);
    opened.map_err(|cause: CannotOpen| KeysUnreadable::Secret { name: "webhook", cause })
}
