//! What an operator does to keys.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::JwkSet;

use crate::crypto::signing_key::SigningAlgorithm;
use crate::service::admin::views::{KeysView, SigningKeyView};
use crate::service::keys::ring::{KeysUnreadable, Succession};
use crate::service::{Core, Failure};

#[must_use]
pub fn list(core: &Core, now: DateTime<Utc>) -> KeysView {
    let signing_keys = core.keys.with_signing_keys(|keys| {
        keys.phases(now).map(|(key, phase)| SigningKeyView::of(key, phase)).collect()
    });
    KeysView { signing_keys, master_keys: core.keys.master_key_ids().collect() }
}

/// The published public halves.
#[must_use]
pub fn jwks(core: &Core, now: DateTime<Utc>) -> JwkSet {
    core.keys.with_signing_keys(|keys| keys.jwks(now))
}

/// The public half of the key that signs.
pub fn public_pem(core: &Core, now: DateTime<Utc>) -> Result<String, Failure> {
    core.keys.with_signing_keys(|keys| Ok(keys.signer(now).ok_or(Failure::NoSigningKey)?.public_pem()?))
}

/// Publishes the next signing key; what is not named is as the settings have it. Gives its id and from when it signs.
pub async fn rotate(
    core: &Core,
    algorithm: Option<SigningAlgorithm>,
    after: Option<Duration>,
    now: DateTime<Utc>,
) -> Result<(String, DateTime<Utc>), KeysUnreadable> {
    let how = succession(core, algorithm);
    let how = Succession { publish_ahead: after.unwrap_or(how.publish_ahead), ..how };
    core.keys.rotate(&core.writer, how, now).await
}

/// Signs with a new key at once and withdraws all others, because one leaked; gives its id.
pub async fn replace(
    core: &Core,
    algorithm: Option<SigningAlgorithm>,
    now: DateTime<Utc>,
) -> Result<String, KeysUnreadable> {
    core.keys.replace(&core.writer, succession(core, algorithm), now).await
}

/// Refuses refresh tokens under a master key that leaked; gives the id of the signing key that replaces all others.
pub async fn drop_master(core: &Core, id: &str, now: DateTime<Utc>) -> Result<String, KeysUnreadable> {
    core.keys.drop_master(&core.writer, id, core.succession, now).await
}

fn succession(core: &Core, algorithm: Option<SigningAlgorithm>) -> Succession {
    Succession { algorithm: algorithm.unwrap_or(core.succession.algorithm), ..core.succession }
}
