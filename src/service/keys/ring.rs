//! The keys in force: master keys from the operator, signing keys from the database, the same on every replica.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::crypto::master_key::{CannotOpen, MasterKey, MasterKeys};
use crate::crypto::signing_key::{self, KeyError, SigningAlgorithm, SigningKey};
use crate::domain::event::Event;
use crate::domain::refresh_token::MacKey;
use crate::service::Failure;
use crate::service::writer::Writer;
use crate::store::signing_keys::{self, StoredKey};
use crate::store::{Db, StoreError};

use crate::service::keys::key_set::{KeySet, Phase, ScheduledKey};

/// Master and signing keys of this process.
pub struct Keys {
    master: MasterKeys,
    current: RwLock<Arc<CurrentKeys>>,
}

#[derive(Default)]
struct CurrentKeys {
    signing: KeySet,
    dropped: Vec<String>,
}

/// How the next signing key comes in.
#[derive(Debug, Clone, Copy)]
pub struct Succession {
    pub algorithm: SigningAlgorithm,
    /// How long it is published before it signs.
    pub publish_ahead: Duration,
    /// The longest access-token lifetime of the settings.
    pub default_ttl: Duration,
}

impl Keys {
    /// Knows the master keys, and no signing key before [`Keys::reload`].
    #[must_use]
    pub fn new(master: MasterKeys) -> Self {
        Self { master, current: RwLock::default() }
    }

    /// The MAC key for new refresh tokens.
    #[must_use]
    pub fn mac(&self) -> &MacKey {
        self.master.active().mac()
    }

    /// The master keys, for what else is sealed under them.
    pub(crate) fn master(&self) -> &MasterKeys {
        &self.master
    }

    /// Gives every MAC key that still opens refresh tokens to `open`.
    pub fn with_mac_keys<T>(&self, open: impl FnOnce(&mut dyn Iterator<Item = &MacKey>) -> T) -> T {
        let current = self.current();
        let kept = |key: &&MacKey| current.dropped.iter().all(|dropped| *dropped != key.id().to_string());
        open(&mut self.master.iter().map(MasterKey::mac).filter(kept))
    }

    /// Uses the signing keys as they stand.
    pub fn with_signing_keys<T>(&self, use_them: impl FnOnce(&KeySet) -> T) -> T {
        use_them(&self.current().signing)
    }

    /// An access token of these claims.
    pub fn sign(&self, claims: &str, now: DateTime<Utc>) -> Result<String, Failure> {
        let current = self.current();
        let signer = current.signing.signer(now).ok_or(Failure::NoSigningKey)?;
        Ok(signer.sign(claims)?)
    }

    /// An ID token of the claims that `make` gives for the algorithm that signs.
    pub fn sign_id_token(
        &self,
        make: impl FnOnce(SigningAlgorithm) -> String,
        now: DateTime<Utc>,
    ) -> Result<String, Failure> {
        let current = self.current();
        let signer = current.signing.signer(now).ok_or(Failure::NoSigningKey)?;
        Ok(signer.sign_id_token(&make(signer.algorithm()))?)
    }

    /// A token of any other `typ` with these claims.
    pub fn sign_as(&self, typ: &str, claims: &str, now: DateTime<Utc>) -> Result<String, Failure> {
        let current = self.current();
        let signer = current.signing.signer(now).ok_or(Failure::NoSigningKey)?;
        Ok(signer.sign_as(typ, claims)?)
    }

    /// The id of the key that signs.
    pub fn signer_id(&self, now: DateTime<Utc>) -> Result<String, Failure> {
        let current = self.current();
        current.signing.signer(now).map(|key| key.kid().to_owned()).ok_or(Failure::NoSigningKey)
    }

    /// The longest lifetime of an access token that anybody may have been given.
    #[must_use]
    pub fn longest_ttl(&self) -> Duration {
        let current = self.current();
        let longest = current.signing.keys.iter().map(|it| it.stored.longest_ttl_ms).max();
        Duration::from_millis(longest.and_then(|millis| millis.try_into().ok()).unwrap_or_default())
    }

    fn current(&self) -> Arc<CurrentKeys> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the keys again: how replicas agree without a restart. Keeps what it had when it fails.
    pub async fn reload(&self, db: &Db) -> Result<(), KeysUnreadable> {
        let stored = signing_keys::list(db).await?;
        let dropped = signing_keys::dropped_master_keys(db).await?;
        let known = self.current();
        let mut keys: Vec<Arc<ScheduledKey>> = Vec::with_capacity(stored.len());
        for (index, row) in stored.iter().enumerate() {
            let mut later = stored.iter().skip(index + 1).filter(|it| it.withdrawn_at.is_none());
            let longest = TimeDelta::milliseconds(row.longest_ttl_ms);
            let retired_at = later.next().map(|next| next.signs_from + longest);
            let same =
                known.signing.keys.iter().find(|it| it.key.kid() == row.kid && it.retired_at == retired_at);
            let unchanged = |it: &&Arc<ScheduledKey>| {
                (it.stored.withdrawn_at, it.stored.longest_ttl_ms) == (row.withdrawn_at, row.longest_ttl_ms)
            };
            keys.push(match same.filter(unchanged) {
                Some(same) => Arc::clone(same),
                None => Arc::new(ScheduledKey { key: self.unseal(row)?, stored: row.clone(), retired_at }),
            });
        }
        let current = Arc::new(CurrentKeys { signing: KeySet { keys }, dropped });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        Ok(())
    }

    /// Makes the first signing key if there is none, notes how long tokens live, seals anew what an older master
    /// key sealed, and reads the result: what a process does before it serves.
    pub async fn prepare(
        &self,
        writer: &Writer,
        how: Succession,
        now: DateTime<Utc>,
    ) -> Result<(), KeysUnreadable> {
        let db = writer.db();
        let ttl = millis(how.default_ttl);
        writer.write(now, async |tx| signing_keys::allow_ttl(tx, ttl).await.map(Some)).await?;
        if signing_keys::list(db).await?.is_empty() {
            let first = Succession { publish_ahead: Duration::ZERO, ..how };
            self.add_next(writer, first, &[], now).await?;
        }
        self.reload(db).await?;
        self.reseal(writer, now).await
    }

    /// Publishes the next key; it signs once every verifier has had the time to learn of it. Gives its id and from
    /// when on it signs.
    pub async fn rotate(
        &self,
        writer: &Writer,
        how: Succession,
        now: DateTime<Utc>,
    ) -> Result<(String, DateTime<Utc>), KeysUnreadable> {
        loop {
            let stored = signing_keys::list(writer.db()).await?;
            if let Some(key) = self.add_next(writer, how, &stored, now).await? {
                self.reload(writer.db()).await?;
                return Ok((key.kid, key.signs_from));
            }
        }
    }

    /// Replaces the signing keys at once and withdraws the old ones: for keys that leaked. Access tokens that they
    /// signed are refused as soon as verifiers poll.
    pub async fn replace(
        &self,
        writer: &Writer,
        how: Succession,
        now: DateTime<Utc>,
    ) -> Result<String, KeysUnreadable> {
        let (kid, _) = self.rotate(writer, Succession { publish_ahead: Duration::ZERO, ..how }, now).await?;
        let stored = signing_keys::list(writer.db()).await?;
        let position = stored.iter().find(|key| key.kid == kid).map_or(0, |key| key.position - 1);
        let withdrawn = writer.write(now, async |tx| {
            tx.record(Event::KeysReplaced { key: kid.clone() });
            signing_keys::withdraw_up_to(tx, position, now).await.map(Some)
        });
        withdrawn.await?;
        self.reload(writer.db()).await?;
        Ok(kid)
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

    /// The id of a master key that can be dropped.
    fn key_to_drop(&self, named: &str) -> Result<String, KeysUnreadable> {
        let Some(id) = self.master_key_ids().find(|id| id == named) else {
            let known = self.master_key_ids().collect::<Vec<_>>().join(", ");
            return Err(KeysUnreadable::NoMasterKey { id: named.to_owned(), known });
        };
        if self.master.active().id().to_string() == id {
            return Err(KeysUnreadable::StillActive(id));
        }
        if self.current().dropped.contains(&id) {
            return Err(KeysUnreadable::Dropped(id));
        }
        Ok(id)
    }

    /// The master keys' ids, the active one first.
    pub fn master_key_ids(&self) -> impl Iterator<Item = String> {
        self.master.iter().map(|key| key.id().to_string())
    }

    /// Forgets the keys that nobody needs any more.
    pub async fn forget_retired(&self, db: &Db, now: DateTime<Utc>) -> Result<(), StoreError> {
        let current = self.current();
        let long_ago = now - TimeDelta::days(1);
        for (key, phase) in current.signing.phases(long_ago) {
            let withdrawn = key.stored.withdrawn_at.is_some_and(|at| at <= long_ago);
            if phase == Phase::Retired || withdrawn {
                signing_keys::delete(db, key.key.kid()).await?;
            }
        }
        Ok(())
    }

    async fn add_next(
        &self,
        writer: &Writer,
        how: Succession,
        stored: &[StoredKey],
        now: DateTime<Utc>,
    ) -> Result<Option<StoredKey>, KeysUnreadable> {
        let private = signing_key::generate(how.algorithm)?;
        let kid = SigningKey::from_pkcs8(how.algorithm, &private)?.kid().to_owned();
        let last = stored.last();
        let due = now + how.publish_ahead;
        let mut key = StoredKey {
            position: last.map_or(1, |last| last.position + 1),
            algorithm: how.algorithm.as_str().to_owned(),
            private_sealed: self.master.seal(&context(&kid), &private),
            created_at: now,
            signs_from: last
                .filter(|last| last.withdrawn_at.is_none())
                .map_or(due, |last| last.signs_from.max(due)),
            longest_ttl_ms: millis(how.default_ttl),
            withdrawn_at: None,
            kid,
        };
        let added = writer.write(now, async |tx| {
            let longest_client = signing_keys::longest_client_ttl_ms(tx).await?.unwrap_or(0);
            let longest_ttl_ms = longest_client.max(key.longest_ttl_ms);
            if !signing_keys::insert_if_next(tx, &StoredKey { longest_ttl_ms, ..key.clone() }).await? {
                return Ok(None);
            }
            tx.record(Event::KeyRotated { key: key.kid.clone() });
            Ok(Some(longest_ttl_ms))
        });
        let Some(longest_ttl_ms) = added.await? else { return Ok(None) };
        key.longest_ttl_ms = longest_ttl_ms;
        Ok(Some(key))
    }

    async fn reseal(&self, writer: &Writer, now: DateTime<Utc>) -> Result<(), KeysUnreadable> {
        for row in signing_keys::list(writer.db()).await? {
            let active = self.master.active().id();
            if row.private_sealed.get(1..5) != Some(&active.0) {
                let private = self.open_key(&row)?;
                let sealed = self.master.seal(&context(&row.kid), &private);
                let resealed = writer.write(now, async |tx| {
                    tx.record(Event::KeyResealed { key: row.kid.clone() });
                    signing_keys::reseal(tx, &row, &sealed).await.map(Some)
                });
                resealed.await?;
            }
        }
        Ok(())
    }

    fn unseal(&self, row: &StoredKey) -> Result<SigningKey, KeysUnreadable> {
        let algorithm: SigningAlgorithm =
            row.algorithm.parse().map_err(|_| StoreError::corrupt("signing_keys", &row.kid, "algorithm"))?;
        let key = SigningKey::from_pkcs8(algorithm, &self.open_key(row)?)?;
        if key.kid() == row.kid {
            Ok(key)
        } else {
            Err(StoreError::corrupt("signing_keys", &row.kid, "kid").into())
        }
    }

    fn open_key(&self, row: &StoredKey) -> Result<zeroize::Zeroizing<Vec<u8>>, KeysUnreadable> {
        let opened = self.master.open(&context(&row.kid), &row.private_sealed);
        opened.map_err(|cause| KeysUnreadable::Sealed { kid: row.kid.clone(), cause })
    }
}

/// A sealed key opens only as itself.
fn context(kid: &str) -> String {
    format!("heirloom signing key {kid}")
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The keys could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysUnreadable {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A private half does not open under the master keys given.
    #[error("signing key {kid}: {cause}")]
    Sealed {
        /// The signing key's id.
        kid: String,
        cause: CannotOpen,
    },
    /// Another secret of the server's does not open under the master keys given.
    #[error("{name}: {cause}")]
    Secret { name: &'static str, cause: CannotOpen },
    /// The bytes are no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The master key to be dropped still makes tokens.
    #[error("master key {0} is the active one: put another in front of it first, on every replica")]
    StillActive(String),
    /// There is nothing to drop.
    #[error(
        "there is no master key {id}; there are {known}. One that is not given any more opens no token: if it leaked, \
         `heirloom keys rotate --compromised` replaces the signing keys"
    )]
    NoMasterKey {
        id: String,
        /// Those that are given.
        known: String,
    },
    #[error(
        "master key {0} was dropped before; `heirloom keys rotate --compromised` replaces the signing keys once more"
    )]
    Dropped(String),
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("master", &self.master)
            .field("signing", &self.current().signing)
            .finish_non_exhaustive()
    }
}
