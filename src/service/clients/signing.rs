//! Keys for what clients want to be signed with.

use chrono::{DateTime, Utc};

use crate::domain::client::ClientMetadata;
use crate::domain::signing_algorithm::{SigningAlgorithm, SigningWish};
use crate::service::keys::ring::KeysUnreadable;
use crate::service::keys::succession::Succession;
use crate::service::{Core, Failure};

/// A client says what it wants: from now on there are keys for that.
///
/// # Errors
/// [`KeysUnreadable`].
pub(crate) async fn want(
    core: &Core,
    metadata: &ClientMetadata,
    now: DateTime<Utc>,
) -> Result<(), KeysUnreadable> {
    for algorithm in metadata.signing_algorithms() {
        ask_for(core, algorithm, now).await?;
    }
    Ok(())
}

/// Somebody asks for an algorithm: from now on there is a key of it.
///
/// # Errors
/// [`KeysUnreadable`].
pub async fn ask_for(
    core: &Core,
    algorithm: SigningAlgorithm,
    now: DateTime<Utc>,
) -> Result<(), KeysUnreadable> {
    core.keys.ask_for(&core.writer, Succession { algorithm, ..core.succession }, now).await
}

/// Something is about to be signed for a client: another process may have made its key a moment ago, and what a
/// client's metadata document wants nobody has asked for before.
pub(crate) async fn ready(core: &Core, wish: SigningWish, now: DateTime<Utc>) -> Result<(), Failure> {
    let Some(algorithm) = wish.algorithm else { return Ok(()) };
    Ok(ask_for(core, algorithm, now).await?)
}
