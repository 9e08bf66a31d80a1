//! What this server signs with, and who wants what.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The algorithms that this server signs with (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256: small, fast to sign, understood everywhere.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519: faster still. RFC 9864 §2.2 gives it a second name, which clients may write.
    #[serde(rename = "EdDSA", alias = "Ed25519")]
    EdDsa,
    /// RSA with 2,048 bits and SHA-256: for libraries that know nothing else.
    #[serde(rename = "RS256")]
    Rs256,
}

impl SigningAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The name in settings, commands and clients' metadata; in tokens and keys, too, unless a setting gives `EdDSA`
    /// its other one.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no algorithm that we sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing algorithm must be ES256, EdDSA or RS256")]
pub struct InvalidAlgorithm;

impl FromStr for SigningAlgorithm {
    type Err = InvalidAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or(InvalidAlgorithm)
    }
}

/// How keys of `EdDSA` are called in tokens and key sets. Libraries match names literally, and few know the second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EdDsaName {
    /// RFC 8037 §3.1.
    #[default]
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RFC 9864 §2.2.
    Ed25519,
}

impl EdDsaName {
    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
        }
    }
}

/// What a client wants to be signed with, and since when it can have fetched our keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningWish {
    /// `None` takes what the server signs with where nobody says anything.
    pub algorithm: Option<SigningAlgorithm>,
    pub since: DateTime<Utc>,
}
