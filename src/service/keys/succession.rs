//! How signing keys come in and go: each algorithm has its own succession.
//!
//! One algorithm signs where nobody asks for any: its keys are the default ones. Any other is there because somebody
//! asks for it by name. Keys follow one another by position, whatever their algorithms: so processes that make the next
//! one at once make it once.

use std::time::Duration;

use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use crate::crypto::signing_key::{self, KeyError, SigningKey};
use crate::domain::event::Event;
use crate::domain::signing_algorithm::{EdDsaName, SigningAlgorithm};
use crate::service::keys::key_set::successor;
use crate::service::keys::ring::{Keys, KeysUnreadable, context};
use crate::service::writer::Writer;
use crate::store::signing_keys::{self, StoredKey};
use crate::store::{StoreError, Tx};

/// How the next signing key comes in.
#[derive(Debug, Clone, Copy)]
pub struct Succession {
    pub algorithm: SigningAlgorithm,
    /// How long it is published before it signs.
    pub publish_ahead: Duration,
    /// The longest access-token lifetime of the settings.
    pub default_ttl: Duration,
}

/// For whom a key signs.
#[derive(Debug, Clone, Copy)]
struct KeyPurpose {
    /// For everybody who does not ask for an algorithm.
    is_default: bool,
    /// For those who ask for its own.
    is_asked_for: bool,
}

impl Keys {
    /// Makes the first signing key if there is none, notes how long tokens live, seals anew what an older master
    /// key sealed, and reads the result: what a process does before it serves.
    pub async fn prepare(
        &self,
        writer: &Writer,
        how: Succession,
        now: DateTime<Utc>,
    ) -> Result<(), KeysUnreadable> {
        let ttl = millis(how.default_ttl);
        writer.write(now, async |tx| signing_keys::allow_ttl(tx, ttl).await.map(Some)).await?;
        let stored = signing_keys::list(writer.db()).await?;
        if default_of(&stored).is_none() {
            let first = Succession { publish_ahead: Duration::ZERO, ..how };
            let purpose = KeyPurpose { is_default: true, is_asked_for: false };
            self.add_next(writer, (first, purpose), &stored, now).await?;
        }
        self.reload(writer.db()).await?;
        self.reseal(writer, now).await
    }

    /// Publishes the next default key, of whatever algorithm; it signs once every verifier has had the time to learn of
    /// it. Gives its id and from when on it signs.
    pub async fn rotate(
        &self,
        writer: &Writer,
        how: Succession,
        now: DateTime<Utc>,
    ) -> Result<(String, DateTime<Utc>), KeysUnreadable> {
        self.add(writer, how, now, |asked, _| KeyPurpose { is_default: true, is_asked_for: asked.is_some() })
            .await
    }

    /// Publishes the next key of this one algorithm, the first if there is none: the others go on as they are.
    pub async fn rotate_own(
        &self,
        writer: &Writer,
        how: Succession,
        now: DateTime<Utc>,
    ) -> Result<(String, DateTime<Utc>), KeysUnreadable> {
        let purpose = |asked: Option<&StoredKey>, default: Option<&StoredKey>| {
            let is_default = default.is_none_or(|key| key.algorithm == how.algorithm.as_str());
            KeyPurpose { is_default, is_asked_for: asked.is_some() || !is_default }
        };
        self.add(writer, how, now, purpose).await
    }

    /// Somebody asks for an algorithm by name: there is a key of it from now on. One that is made now is published
    /// before it signs.
    pub async fn ask_for(
        &self,
        writer: &Writer,
        how: Succession,
        now: DateTime<Utc>,
    ) -> Result<(), KeysUnreadable> {
        if self.with_signing_keys(|keys| keys.has(how.algorithm)) {
            return Ok(());
        }
        let _making = self.making.lock().await;
        loop {
            let stored = signing_keys::list(writer.db()).await?;
            let noted = match live(&stored, how.algorithm, now) {
                Some(key) if key.is_asked_for => true,
                Some(key) => {
                    let kid = key.kid.clone();
                    let noting = writer.write_sending(now, move |tx| {
                        let kid = kid.clone();
                        Box::pin(async move { Ok(signing_keys::ask_for(tx, &kid).await?.then_some(())) })
                    });
                    noting.await?.is_some()
                }
                None => {
                    let purpose = KeyPurpose { is_default: false, is_asked_for: true };
                    self.add_next(writer, (how, purpose), &stored, now).await?.is_some()
                }
            };
            if noted {
                return self.reload(writer.db()).await;
            }
        }
    }

    /// Replaces the signing keys of all algorithms at once and withdraws the old ones: for keys that leaked. Access
    /// tokens that they signed are refused as soon as verifiers poll. Gives the id of the default key.
    pub async fn replace(
        &self,
        writer: &Writer,
        how: Succession,
        now: DateTime<Utc>,
    ) -> Result<String, KeysUnreadable> {
        let default = how.algorithm;
        self.replace_all(writer, how, None, now, |stored| {
            let asked = |algorithm| live(stored, algorithm, now).is_some_and(|key| key.is_asked_for);
            let others = SigningAlgorithm::ALL.into_iter().filter(|it| *it != default && asked(*it));
            let others = others.map(|it| (it, KeyPurpose { is_default: false, is_asked_for: true }));
            let first = KeyPurpose { is_default: true, is_asked_for: asked(default) };
            std::iter::once((default, first)).chain(others).collect()
        })
        .await
    }

    /// The same for the keys of one algorithm, which alone leaked.
    pub async fn replace_own(
        &self,
        writer: &Writer,
        how: Succession,
        now: DateTime<Utc>,
    ) -> Result<String, KeysUnreadable> {
        let name = how.algorithm.as_str();
        self.replace_all(writer, how, Some(name), now, |stored| {
            let is_default = default_of(stored).is_none_or(|key| key.algorithm == name);
            let is_asked_for = live(stored, how.algorithm, now).is_some_and(|key| key.is_asked_for);
            vec![(how.algorithm, KeyPurpose { is_default, is_asked_for: is_asked_for || !is_default })]
        })
        .await
    }

    /// Refuses refresh tokens under a master key that leaked, and replaces the signing keys that it may have
    /// unsealed.
    ///
    /// # Errors
    /// [`KeysUnreadable::NoMasterKey`], [`KeysUnreadable::StillActive`] and [`KeysUnreadable::Dropped`], which change
    /// nothing; the others.
    pub async fn drop_master(
        &self,
        writer: &Writer,
        key_id: &str,
        how: Succession,
        now: DateTime<Utc>,
    ) -> Result<String, KeysUnreadable> {
        let key_id = self.key_to_drop(key_id)?;
        let dropped = writer.write(now, async |tx| {
            tx.record(Event::MasterKeyDropped { key: key_id.clone() });
            signing_keys::drop_master_key(tx, &key_id, now).await.map(Some)
        });
        dropped.await?;
        self.replace(writer, how, now).await
    }

    /// Adds a key for what it is to be good for, given the key of its algorithm that is asked for and the default one.
    async fn add(
        &self,
        writer: &Writer,
        how: Succession,
        now: DateTime<Utc>,
        purpose: impl Fn(Option<&StoredKey>, Option<&StoredKey>) -> KeyPurpose,
    ) -> Result<(String, DateTime<Utc>), KeysUnreadable> {
        loop {
            let stored = signing_keys::list(writer.db()).await?;
            let asked = live(&stored, how.algorithm, now).filter(|key| key.is_asked_for);
            let purpose = purpose(asked, default_of(&stored));
            if let Some(key) = self.add_next(writer, (how, purpose), &stored, now).await? {
                self.reload(writer.db()).await?;
                return Ok((key.kid, key.signs_from));
            }
        }
    }

    /// `None` when another process was quicker.
    async fn add_next(
        &self,
        writer: &Writer,
        (how, purpose): (Succession, KeyPurpose),
        stored: &[StoredKey],
        now: DateTime<Utc>,
    ) -> Result<Option<StoredKey>, KeysUnreadable> {
        let mut key = self.new_key(how, purpose, now).await?;
        key.position = next_position(stored);
        // A succession goes on in the order in which its keys were made.
        let before = [default_of(stored).filter(|_| purpose.is_default), live(stored, how.algorithm, now)];
        let before = before.into_iter().flatten().map(|key| key.signs_from);
        key.signs_from = before.fold(key.signs_from, DateTime::max);
        let adding = key.clone();
        let added = writer.write_sending(now, move |tx| {
            let key = adding.clone();
            Box::pin(async move {
                let Some(longest_ttl_ms) = insert(tx, &key).await? else { return Ok(None) };
                tx.record(Event::KeyRotated { key: key.kid });
                Ok(Some(longest_ttl_ms))
            })
        });
        let Some(longest_ttl_ms) = added.await? else { return Ok(None) };
        Ok(Some(StoredKey { longest_ttl_ms, ..key }))
    }

    /// Gives the id of the first of the keys that `wanted` wants.
    async fn replace_all(
        &self,
        writer: &Writer,
        how: Succession,
        withdrawn: Option<&str>,
        now: DateTime<Utc>,
        wanted: impl Fn(&[StoredKey]) -> Vec<(SigningAlgorithm, KeyPurpose)>,
    ) -> Result<String, KeysUnreadable> {
        loop {
            let stored = signing_keys::list(writer.db()).await?;
            let first = next_position(&stored);
            let mut keys = Vec::new();
            for (position, (algorithm, purpose)) in (first..).zip(wanted(&stored)) {
                let how = Succession { algorithm, publish_ahead: Duration::ZERO, ..how };
                keys.push(StoredKey { position, ..self.new_key(how, purpose, now).await? });
            }
            let replaced = writer.write(now, async |tx| {
                for key in &keys {
                    if insert(tx, key).await?.is_none() {
                        return Ok(None);
                    }
                    tx.record(Event::KeyRotated { key: key.kid.clone() });
                    tx.record(Event::KeysReplaced { key: key.kid.clone() });
                }
                signing_keys::withdraw_before(tx, first, withdrawn, now).await.map(Some)
            });
            if replaced.await?.is_some() {
                self.reload(writer.db()).await?;
                return Ok(keys.into_iter().next().map(|key| key.kid).unwrap_or_default());
            }
        }
    }

    /// A key that has no place in a succession yet.
    async fn new_key(
        &self,
        how: Succession,
        purpose: KeyPurpose,
        now: DateTime<Utc>,
    ) -> Result<StoredKey, KeysUnreadable> {
        let (kid, private) = generate(how.algorithm).await?;
        let is_renamed = how.algorithm == SigningAlgorithm::EdDsa && self.eddsa_name != EdDsaName::EdDsa;
        Ok(StoredKey {
            position: 0,
            algorithm: how.algorithm.as_str().to_owned(),
            private_sealed: self.master.seal(&context(&kid), &private),
            created_at: now,
            signs_from: now + how.publish_ahead,
            longest_ttl_ms: millis(how.default_ttl),
            withdrawn_at: None,
            is_default: purpose.is_default,
            is_asked_for: purpose.is_asked_for,
            algorithm_name: is_renamed.then(|| self.eddsa_name.as_str().to_owned()),
            kid,
        })
    }
}

/// On a thread of its own: RSA takes a tenth of a second, and nobody else waits for it.
async fn generate(algorithm: SigningAlgorithm) -> Result<(String, Zeroizing<Vec<u8>>), KeysUnreadable> {
    let made = tokio::task::spawn_blocking(move || {
        let private = signing_key::generate(algorithm)?;
        Ok((SigningKey::from_pkcs8(algorithm, &private)?.kid().to_owned(), private))
    });
    let made: Result<_, KeyError> = made.await.map_err(KeyError::new)?;
    Ok(made?)
}

/// Stores a key with how long it is needed; `None` when its position is taken.
async fn insert(tx: &mut Tx, key: &StoredKey) -> Result<Option<i64>, StoreError> {
    let longest_client = signing_keys::longest_client_ttl_ms(tx).await?.unwrap_or(0);
    let longest_ttl_ms = longest_client.max(key.longest_ttl_ms);
    let inserted = signing_keys::insert_if_next(tx, &StoredKey { longest_ttl_ms, ..key.clone() }).await?;
    Ok(inserted.then_some(longest_ttl_ms))
}

fn next_position(stored: &[StoredKey]) -> i64 {
    stored.last().map_or(1, |last| last.position + 1)
}

/// The last of the default keys.
fn default_of(stored: &[StoredKey]) -> Option<&StoredKey> {
    stored.iter().rfind(|key| key.is_default && key.withdrawn_at.is_none())
}

/// The last key of an algorithm, unless one of another algorithm has taken its place.
fn live(stored: &[StoredKey], algorithm: SigningAlgorithm, now: DateTime<Utc>) -> Option<&StoredKey> {
    let is_of = |key: &StoredKey| key.algorithm == algorithm.as_str() && key.withdrawn_at.is_none();
    let index = stored.iter().rposition(is_of)?;
    let later = stored.get(index + 1..).unwrap_or_default();
    stored.get(index).filter(|key| successor(key, later).is_none_or(|next| now < next.signs_from))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
