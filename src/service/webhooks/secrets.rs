//! The secrets of webhooks: each is sealed under a master key, and sealed anew when that changes.

use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use crate::crypto::master_key::CannotOpen;
use crate::domain::event::Event;
use crate::domain::ids::WebhookId;
use crate::domain::webhook::WebhookSecret;
use crate::service::Core;
use crate::service::keys::ring::{Keys, KeysUnreadable};
use crate::service::writer::Writer;
use crate::store::webhook_secrets::{self, SealedSecret};
use crate::store::{Db, StoreError};

/// A sealed secret opens only as that of its own webhook.
fn context(id: WebhookId) -> String {
    format!("heirloom webhook {id}")
}

pub(crate) fn seal(keys: &Keys, id: WebhookId, secret: &WebhookSecret) -> Vec<u8> {
    keys.master().seal(&context(id), secret.bytes())
}

/// Those of a webhook that sign now, the current one first.
pub(crate) async fn signing(
    core: &Core,
    id: WebhookId,
    now: DateTime<Utc>,
) -> Result<Vec<WebhookSecret>, KeysUnreadable> {
    let open = |sealed: &SealedSecret| {
        let opened = open(&core.keys, sealed)?;
        let bytes = opened.as_slice().try_into();
        Ok(WebhookSecret::new(bytes.map_err(|_| StoreError::corrupt("webhook_secrets", id, "sealed"))?))
    };
    webhook_secrets::signing(&core.db, id, now).await?.iter().map(open).collect()
}

/// Seals anew what is sealed under another master key than the active one.
pub async fn reseal(keys: &Keys, writer: &Writer, now: DateTime<Utc>) -> Result<(), KeysUnreadable> {
    let active = keys.master().active().id();
    for read in webhook_secrets::list(writer.db()).await? {
        if read.sealed.get(1..5) == Some(&active.0) {
            continue;
        }
        let id = read.webhook;
        let anew = keys.master().seal(&context(id), &open(keys, &read)?);
        let resealed = writer.write(now, async |tx| {
            tx.record(Event::KeyResealed { key: format!("webhook {id}") });
            Ok(webhook_secrets::reseal(tx, &read, &anew).await?.then_some(()))
        });
        resealed.await?;
    }
    Ok(())
}

/// Whether all that are stored open.
pub async fn check(keys: &Keys, db: &Db) -> Result<(), KeysUnreadable> {
    for sealed in webhook_secrets::list(db).await? {
        open(keys, &sealed)?;
    }
    Ok(())
}

fn open(keys: &Keys, it: &SealedSecret) -> Result<Zeroizing<Vec<u8>>, KeysUnreadable> {
    let opened = keys.master().open(&context(it.webhook), &it.sealed);
    opened.map_err(|cause: CannotOpen| KeysUnreadable::Secret { name: "webhook", cause })
}
