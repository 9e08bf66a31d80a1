//! What is stored of a password: argon2id (RFC 9106), or what another system made and nobody has signed in with since.

use argon2::password_hash::phc::{Output, PasswordHash as PhcHash, Salt};
use argon2::{Algorithm, Params, Version};

use crate::crypto::foreign_cost::ForeignCost;
use crate::crypto::foreign_hash::{ForeignHash, SignerKeyId};
use crate::crypto::unfit_hash::{HashBounds, UnfitHash};

/// What an account has in the place of a hash that has no password, as in shadow(5): nothing matches it.
const NO_PASSWORD: &str = "!";

/// A password's hash as text: kind, parameters, salt and output in one.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps what was stored.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Wraps what was stored of an account, which may have no password.
    #[must_use]
    pub fn of_account(text: String) -> Option<Self> {
        (text != NO_PASSWORD).then_some(Self(text))
    }

    /// The text to store of an account, which may have no password.
    #[must_use]
    pub fn text_of_account(hash: Option<&Self>) -> &str {
        hash.map_or(NO_PASSWORD, Self::as_str)
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What argon2 cost: KiB of memory, times the passes over them. `None` for all others.
    #[must_use]
    pub fn cost(&self) -> Option<i64> {
        Some(i64::try_from(work(&self.argon2_params()?)).unwrap_or(i64::MAX))
    }

    /// What it cost where it came from. `None` for argon2, and for what takes no time or cannot be read.
    #[must_use]
    pub fn foreign_cost(&self) -> Option<ForeignCost> {
        ForeignHash::read(&self.0).ok()?.cost()
    }

    /// The key that it takes to verify it, beside the password.
    #[must_use]
    pub fn signer_key(&self) -> Option<SignerKeyId> {
        ForeignHash::read(&self.0).ok()?.signer_key()
    }

    pub(super) fn argon2_params(&self) -> Option<Params> {
        Params::try_from(&PhcHash::new(&self.0).ok()?).ok()
    }

    /// A hash that another system made, in the form that is stored. Argon2 may be as cheap or as dear as `today`'s.
    ///
    /// # Errors
    /// [`UnfitHash`].
    pub(super) fn checked(text: String, today: &Params) -> Result<Self, UnfitHash> {
        const KIND: &str = "argon2";
        let hash = Self(text);
        if !hash.0.starts_with("$argon2") {
            return ForeignHash::read(&hash.0).map(|_| hash);
        }
        let Argon2Hash { params, expected, .. } =
            Argon2Hash::read(&hash).ok_or(UnfitHash::Unreadable(KIND))?;
        let [memory, passed] = [u64::from(today.m_cost()), work(today)];
        let bytes = u64::try_from(expected.len()).unwrap_or(u64::MAX);
        HashBounds { kind: KIND, parameter: "bytes of output", least: 16, most: 64 }.check(bytes)?;
        let (least, most) = (memory.min(1 << 10), memory.max(1 << 17));
        HashBounds { kind: KIND, parameter: "KiB of memory", least, most }.check(params.m_cost().into())?;
        let (least, most) = (passed.min(1 << 12), passed.max(1 << 20));
        HashBounds { kind: KIND, parameter: "KiB to pass over", least, most }.check(work(&params))?;
        Ok(hash)
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// How a presented password fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right,
    /// It is right, and was hashed with other parameters than today's, in another form than is stored today, or by
    /// another system: here is a new hash to store.
    RightOutdated(PasswordHash),
}

/// KiB that argon2 passes over.
pub(super) fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

/// A stored hash, read.
pub(super) enum ReadHash {
    Argon2(Argon2Hash),
    Foreign(ForeignHash),
}

/// One of argon2, in whichever variant.
pub(super) struct Argon2Hash {
    pub(super) algorithm: Algorithm,
    pub(super) version: Version,
    pub(super) params: Params,
    pub(super) salt: Salt,
    pub(super) expected: Output,
}

impl ReadHash {
    pub(super) fn read(stored: &PasswordHash) -> Option<Self> {
        let argon2 = Argon2Hash::read(stored).map(Self::Argon2);
        argon2.or_else(|| ForeignHash::read(stored.as_str()).ok().map(Self::Foreign))
    }
}

impl Argon2Hash {
    fn read(stored: &PasswordHash) -> Option<Self> {
        let phc = PhcHash::new(stored.as_str()).ok()?;
        let params = Params::try_from(&phc).ok()?;
        // A text without a version is of the first.
        let version = Version::try_from(phc.version.unwrap_or(Version::V0x10.into())).ok()?;
        let algorithm = Algorithm::try_from(phc.algorithm.as_str()).ok()?;
        // What was hashed with a key or with more data cannot be verified without.
        let is_plain = params.keyid().is_empty() && params.data().is_empty();
        is_plain.then_some(Self { algorithm, version, params, salt: phc.salt?, expected: phc.hash? })
    }
}
