//! The keys in force: master keys from the operator, signing keys from the database, the same on every replica.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::crypto::master_key::{CannotOpen, MasterKey, MasterKeys};
use crate::crypto::proven_tokens::ProvenTokens;
use crate::crypto::signing_key::{KeyError, SigningKey};
use crate::domain::audience::Audience;
use crate::domain::event::Event;
use crate::domain::refresh_token::MacKey;
use crate::domain::signing_algorithm::{EdDsaName, SigningAlgorithm, SigningWish};
use crate::service::Failure;
use crate::service::writer::Writer;
use crate::store::signing_keys::{self, StoredKey};
use crate::store::{Db, StoreError, audiences};

use crate::service::keys::key_set::{AudiencesDiffer, KeySet, Phase, ScheduledKey, successor};

/// Master and signing keys of this process.
pub struct Keys {
    pub(super) master: Arc<MasterKeys>,
    /// What new keys of `EdDSA` are called.
    pub(super) eddsa_name: EdDsaName,
    /// Held while a key is made for the first who asks: RSA takes its time.
    pub(super) making: tokio::sync::Mutex<()>,
    current: RwLock<Arc<CurrentKeys>>,
    proven: ProvenTokens,
}

#[derive(Default)]
pub(super) struct CurrentKeys {
    pub(super) signing: KeySet,
    pub(super) dropped: Vec<String>,
}

impl Keys {
    /// Knows the master keys, and no signing key before [`Keys::reload`].
    #[must_use]
    pub fn new(master: MasterKeys) -> Self {
        Self {
            master: Arc::new(master),
            eddsa_name: EdDsaName::default(),
            making: tokio::sync::Mutex::default(),
            current: RwLock::default(),
            proven: ProvenTokens::default(),
        }
    }

    /// Calls new keys of `EdDSA` so. Those that there are keep their name.
    #[must_use]
    pub fn calling_eddsa(self, eddsa_name: EdDsaName) -> Self {
        Self { eddsa_name, ..self }
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

    /// The same for who keeps them.
    pub(crate) fn shared_master(&self) -> Arc<MasterKeys> {
        Arc::clone(&self.master)
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

    /// Tokens that a key of ours signed, as far as is remembered.
    pub(crate) fn proven(&self) -> &ProvenTokens {
        &self.proven
    }

    /// An access token of these claims for these audiences.
    ///
    /// # Errors
    /// [`Failure::InvalidTarget`] when the audiences differ in what they are to be signed with;
    /// [`Failure::NoSigningKey`], [`Failure::Key`].
    pub fn sign(&self, audiences: &[Audience], claims: &str, now: DateTime<Utc>) -> Result<String, Failure> {
        let current = self.current();
        let signer = current.signing.signer_for_audiences(audiences, now);
        let signer = signer.map_err(|AudiencesDiffer| Failure::InvalidTarget)?;
        Ok(signer.ok_or(Failure::NoSigningKey)?.sign(claims)?)
    }

    /// Whether one key signs for all of these audiences.
    ///
    /// # Errors
    /// [`Failure::InvalidTarget`] when none does.
    pub fn agree(&self, audiences: &[Audience], now: DateTime<Utc>) -> Result<(), Failure> {
        let signer = self.current().signing.signer_for_audiences(audiences, now).map(drop);
        signer.map_err(|AudiencesDiffer| Failure::InvalidTarget)
    }

    /// Whether a client's audiences, and the issuer, may be signed for with different keys.
    #[must_use]
    pub fn may_disagree(&self, audiences: &[Audience], issuer: &Audience, now: DateTime<Utc>) -> bool {
        let all = audiences.iter().chain([issuer]);
        !audiences.is_empty() && self.current().signing.signer_for_audiences(all, now).is_err()
    }

    /// An ID token of the claims that `make` gives for the algorithm that signs for this client.
    pub fn sign_id_token(
        &self,
        wish: SigningWish,
        make: impl FnOnce(SigningAlgorithm) -> String,
        now: DateTime<Utc>,
    ) -> Result<String, Failure> {
        let current = self.current();
        let signer = current.signing.signer_for(wish, now).ok_or(Failure::NoSigningKey)?;
        Ok(signer.sign_id_token(&make(signer.algorithm()))?)
    }

    /// A token of any other `typ` with these claims, for one client.
    pub fn sign_for(
        &self,
        wish: SigningWish,
        typ: &str,
        claims: &str,
        now: DateTime<Utc>,
    ) -> Result<String, Failure> {
        let current = self.current();
        let signer = current.signing.signer_for(wish, now).ok_or(Failure::NoSigningKey)?;
        Ok(signer.sign_as(typ, claims)?)
    }

    /// A token of any other `typ` with these claims, for everybody.
    pub fn sign_as(&self, typ: &str, claims: &str, now: DateTime<Utc>) -> Result<String, Failure> {
        let current = self.current();
        let signer = current.signing.signer(now).ok_or(Failure::NoSigningKey)?;
        Ok(signer.sign_as(typ, claims)?)
    }

    /// What the algorithms that anybody may have are called in tokens: there is a key of each when it is asked for.
    #[must_use]
    pub fn names(&self, now: DateTime<Utc>) -> Vec<&'static str> {
        let current = self.current();
        let to_come =
            [SigningAlgorithm::Es256.as_str(), self.eddsa_name.as_str(), SigningAlgorithm::Rs256.as_str()];
        let mut names: Vec<&str> = current.signing.published(now).map(SigningKey::algorithm_name).collect();
        names.extend(to_come);
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What an algorithm is called in what is signed for a client.
    #[must_use]
    pub fn name_for(&self, wish: SigningWish, now: DateTime<Utc>) -> Option<&'static str> {
        let current = self.current();
        let signer = current.signing.signer_for(wish, now)?;
        match wish.algorithm {
            // Its first key is yet to sign.
            Some(algorithm) if algorithm != signer.algorithm() => Some(match algorithm {
                SigningAlgorithm::EdDsa => self.eddsa_name.as_str(),
                SigningAlgorithm::Es256 | SigningAlgorithm::Rs256 => algorithm.as_str(),
            }),
            Some(_) | None => Some(signer.algorithm_name()),
        }
    }

    /// The id of the key that signs.
    pub fn signer_id(&self, wish: SigningWish, now: DateTime<Utc>) -> Result<String, Failure> {
        let current = self.current();
        current.signing.signer_for(wish, now).map(|key| key.kid().to_owned()).ok_or(Failure::NoSigningKey)
    }

    /// The longest lifetime of an access token that anybody may have been given.
    #[must_use]
    pub fn longest_ttl(&self) -> Duration {
        let current = self.current();
        let longest = current.signing.keys.iter().map(|it| it.stored.longest_ttl_ms).max();
        Duration::from_millis(longest.and_then(|millis| millis.try_into().ok()).unwrap_or_default())
    }

    pub(super) fn current(&self) -> Arc<CurrentKeys> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the keys again: how replicas agree without a restart. Keeps what it had when it fails.
    pub async fn reload(&self, db: &Db) -> Result<(), KeysUnreadable> {
        let stored = signing_keys::list(db).await?;
        let dropped = signing_keys::dropped_master_keys(db).await?;
        let audiences = audiences::list(db).await?;
        let known = self.current();
        let mut keys: Vec<Arc<ScheduledKey>> = Vec::with_capacity(stored.len());
        for (index, row) in stored.iter().enumerate() {
            let later = stored.get(index + 1..).unwrap_or_default();
            let signs_until = successor(row, later).map(|next| next.signs_from);
            let same =
                known.signing.keys.iter().find(|it| it.key.kid() == row.kid && it.signs_until == signs_until);
            let unchanged = |it: &&Arc<ScheduledKey>| {
                (it.stored.withdrawn_at, it.stored.longest_ttl_ms, it.stored.is_asked_for)
                    == (row.withdrawn_at, row.longest_ttl_ms, row.is_asked_for)
            };
            keys.push(match same.filter(unchanged) {
                Some(same) => Arc::clone(same),
                None => Arc::new(ScheduledKey { key: self.unseal(row)?, stored: row.clone(), signs_until }),
            });
        }
        let current = Arc::new(CurrentKeys { signing: KeySet { keys, audiences }, dropped });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        Ok(())
    }

    /// The id of a master key that can be dropped.
    pub(super) fn key_to_drop(&self, named: &str) -> Result<String, KeysUnreadable> {
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

    pub(super) async fn reseal(&self, writer: &Writer, now: DateTime<Utc>) -> Result<(), KeysUnreadable> {
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
        let name = match row.algorithm_name.as_deref() {
            None => EdDsaName::EdDsa,
            Some(name) if name == EdDsaName::Ed25519.as_str() => EdDsaName::Ed25519,
            Some(_) => return Err(StoreError::corrupt("signing_keys", &row.kid, "algorithm_name").into()),
        };
        let key = SigningKey::from_pkcs8_called(name, algorithm, &self.open_key(row)?)?;
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
pub(super) fn context(kid: &str) -> String {
    format!("heirloom signing key {kid}")
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

impl From<KeysUnreadable> for Failure {
    fn from(error: KeysUnreadable) -> Self {
        match error {
            KeysUnreadable::Store(error) => error.into(),
            KeysUnreadable::Key(error) => error.into(),
            KeysUnreadable::Sealed { .. }
            | KeysUnreadable::Secret { .. }
            | KeysUnreadable::StillActive(_)
            | KeysUnreadable::NoMasterKey { .. }
            | KeysUnreadable::Dropped(_) => Self::NoSigningKey,
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("master", &self.master)
            .field("signing", &self.current().signing)
            .finish_non_exhaustive()
    }
}
