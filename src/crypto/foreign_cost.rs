//! What hashes of other systems cost, each kind in a unit of its own: no kind's time can be told in another's.

/// Kinds whose time is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ForeignKind {
    Bcrypt,
    Scrypt,
    Pbkdf2Sha1,
    Pbkdf2Sha256,
    Pbkdf2Sha512,
    Sha256Crypt,
    Sha512Crypt,
}

impl ForeignKind {
    pub const ALL: [Self; 7] = [
        Self::Bcrypt,
        Self::Scrypt,
        Self::Pbkdf2Sha1,
        Self::Pbkdf2Sha256,
        Self::Pbkdf2Sha512,
        Self::Sha256Crypt,
        Self::Sha512Crypt,
    ];

    /// The word that the database knows it by.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bcrypt => "bcrypt",
            Self::Scrypt => "scrypt",
            Self::Pbkdf2Sha1 => "pbkdf2-sha1",
            Self::Pbkdf2Sha256 => "pbkdf2-sha256",
            Self::Pbkdf2Sha512 => "pbkdf2-sha512",
            Self::Sha256Crypt => "sha256-crypt",
            Self::Sha512Crypt => "sha512-crypt",
        }
    }
}

/// What a hash of another system costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignCost {
    pub kind: ForeignKind,
    /// Key expansions of bcrypt, blocks that scrypt passes over, or rounds: what the time grows with.
    pub work: u64,
    /// Of scrypt: the memory that it passes over, as the power of two of KiB.
    pub(super) log_memory: u8,
}

impl ForeignCost {
    pub(super) fn of(kind: ForeignKind, work: u64) -> Self {
        Self { kind, work, log_memory: 0 }
    }
}
