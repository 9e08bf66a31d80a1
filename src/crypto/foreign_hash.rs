//! Hashes of passwords that other systems made: each is verified once, in the form in which it is stored, and then
//! replaced by argon2id.
//!
//! Whatever is read here keeps to bounds, also when it comes out of the database: a hash must not become a way to stop
//! the server.

mod blowfish;
mod digests;
mod memory_hard;
mod parts;

use crate::crypto::foreign_cost::{ForeignCost, ForeignKind};
use crate::crypto::unfit_hash::UnfitHash;

use blowfish::Bcrypt;
use digests::{Pbkdf2, Salted, ShaCrypt};
use memory_hard::{Firebase, Scrypt};

pub(crate) use blowfish::DJANGO_BCRYPT;
pub use memory_hard::{SignerKey, SignerKeyId};

/// Does this much work, to no avail.
pub(super) fn spend(cost: ForeignCost, password: &[u8]) {
    let ForeignCost { kind, work, log_memory } = cost;
    match kind {
        ForeignKind::Bcrypt => blowfish::spend(work, password),
        ForeignKind::Scrypt => memory_hard::spend(work, log_memory, password),
        ForeignKind::Pbkdf2Sha1
        | ForeignKind::Pbkdf2Sha256
        | ForeignKind::Pbkdf2Sha512
        | ForeignKind::Sha256Crypt
        | ForeignKind::Sha512Crypt => digests::spend(kind, work, password),
    }
}

/// A stored hash of another system, read.
#[derive(Debug)]
pub(super) enum ForeignHash {
    Bcrypt(Bcrypt),
    Scrypt(Scrypt),
    Firebase(Firebase),
    Pbkdf2(Pbkdf2),
    ShaCrypt(ShaCrypt),
    Salted(Salted),
}

impl ForeignHash {
    /// Reads the form that is stored.
    ///
    /// # Errors
    /// [`UnfitHash`].
    pub(super) fn read(text: &str) -> Result<Self, UnfitHash> {
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| text.starts_with(prefix));
        if begins(&["$2a$", "$2b$", "$2y$", DJANGO_BCRYPT]) {
            Bcrypt::read(text).map(Self::Bcrypt)
        } else if let Some(rest) = text.strip_prefix("$scrypt$") {
            Scrypt::read(rest).map(Self::Scrypt)
        } else if let Some(rest) = text.strip_prefix("$firebase-scrypt$") {
            Firebase::read(rest).map(Self::Firebase)
        } else if begins(&["$pbkdf2-"]) {
            Pbkdf2::read(text).map(Self::Pbkdf2)
        } else if begins(&["$5$", "$6$"]) {
            ShaCrypt::read(text).map(Self::ShaCrypt)
        } else if begins(&["{SSHA"]) {
            Salted::read(text).map(Self::Salted)
        } else {
            Err(UnfitHash::UnknownKind)
        }
    }

    /// `None` for what takes no longer than anything else in a request.
    pub(super) fn cost(&self) -> Option<ForeignCost> {
        match self {
            Self::Bcrypt(hash) => Some(hash.cost()),
            Self::Scrypt(hash) => Some(hash.cost()),
            Self::Firebase(hash) => Some(hash.scrypt.cost()),
            Self::Pbkdf2(hash) => Some(hash.cost()),
            Self::ShaCrypt(hash) => Some(hash.cost()),
            Self::Salted(_) => None,
        }
    }

    /// The key that it takes beside the password.
    pub(super) fn signer_key(&self) -> Option<SignerKeyId> {
        match self {
            Self::Firebase(hash) => Some(hash.key),
            Self::Bcrypt(_) | Self::Scrypt(_) | Self::Pbkdf2(_) | Self::ShaCrypt(_) | Self::Salted(_) => None,
        }
    }

    /// Holds a password against it. One that takes a key matches nothing without, after the same time.
    pub(super) fn matches(&self, password: &[u8], key: Option<&SignerKey>) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.matches(password),
            Self::Scrypt(hash) => hash.matches(password),
            Self::Firebase(hash) => hash.matches(password, key),
            Self::Pbkdf2(hash) => hash.matches(password),
            Self::ShaCrypt(hash) => hash.matches(password),
            Self::Salted(hash) => hash.matches(password),
        }
    }
}
