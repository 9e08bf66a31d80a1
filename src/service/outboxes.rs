//! How much is on its way to other people's servers.

use crate::domain::outbox::Outbox;
use crate::service::Core;
use crate::store::{StoreError, outbox};

/// How many deliveries of each kind are still under way.
///
/// # Errors
/// [`StoreError`].
pub async fn pending(core: &Core) -> Result<Vec<(Outbox, i64)>, StoreError> {
    let mut pending = Vec::new();
    for kind in [Outbox::Logouts, Outbox::Webhooks, Outbox::Mails] {
        pending.push((kind, outbox::pending(&core.db, kind).await?));
    }
    Ok(pending)
}
