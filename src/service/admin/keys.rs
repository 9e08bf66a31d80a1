//! What an operator does to keys.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::signing_algorithm::SigningAlgorithm;
use crate::service::admin::views::{KeysView, SigningKeyView};
use crate::service::keys::ring::KeysUnreadable;
use crate::service::keys::succession::Succession;
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
pub fn jwks(core: &Core, now: DateTime<Utc>) -> Value {
    core.keys.with_signing_keys(|keys| keys.jwks(now))
}

/// The public half of the key that signs with this algorithm, or where nobody asks for one.
pub fn public_pem(
    core: &Core,
    algorithm: Option<SigningAlgorithm>,
    now: DateTime<Utc>,
) -> Result<String, Failure> {
    core.keys.with_signing_keys(|keys| {
        let signer = match algorithm {
            None => keys.signer(now),
            Some(algorithm) => keys.signer_of(algorithm, now),
        };
        Ok(signer.ok_or(Failure::NoSigningKey)?.public_pem()?)
    })
}

/// Publishes the next key of an algorithm, or the next where nobody asks for one. Gives its id and from when it signs.
pub async fn rotate(
    core: &Core,
    algorithm: Option<SigningAlgorithm>,
    after: Option<Duration>,
    now: DateTime<Utc>,
) -> Result<(String, DateTime<Utc>), KeysUnreadable> {
    let usual = core.succession;
    let how = Succession { publish_ahead: after.unwrap_or(usual.publish_ahead), ..usual };
    match algorithm {
        None => core.keys.rotate(&core.writer, how, now).await,
        Some(algorithm) => core.keys.rotate_own(&core.writer, Succession { algorithm, ..how }, now).await,
    }
}

/// Signs with new keys at once and withdraws all others, because one leaked; or does so for one algorithm. Gives the id
/// of the new key.
pub async fn replace(
    core: &Core,
    algorithm: Option<SigningAlgorithm>,
    now: DateTime<Utc>,
) -> Result<String, KeysUnreadable> {
    match algorithm {
        None => core.keys.replace(&core.writer, core.succession, now).await,
        Some(algorithm) => {
            let how = Succession { algorithm, ..core.succession };
            core.keys.replace_own(&core.writer, how, now).await
        }
    }
}

/// Refuses refresh tokens under a master key that leaked; gives the id of the signing key that replaces all others.
pub async fn drop_master(core: &Core, id: &str, now: DateTime<Utc>) -> Result<String, KeysUnreadable> {
    core.keys.drop_master(&core.writer, id, core.succession, now).await
}
