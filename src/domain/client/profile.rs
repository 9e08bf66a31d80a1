//! Profiles: many members of a client's registration in one word.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::client::authentication::JwtAlgorithm;

/// What a client keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecurityProfile {
    /// FAPI 2.0 Security Profile.
    Fapi2,
}

/// The text names no profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the profile must be fapi2")]
pub struct InvalidProfile;

impl FromStr for SecurityProfile {
    type Err = InvalidProfile;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "fapi2" { Ok(Self::Fapi2) } else { Err(InvalidProfile) }
    }
}

impl SecurityProfile {
    /// Whether clients may sign so what they send (FAPI 2.0 Security Profile §5.4.1).
    #[must_use]
    pub fn allows(self, algorithm: JwtAlgorithm) -> bool {
        let Self::Fapi2 = self;
        match algorithm {
            JwtAlgorithm::Es256 | JwtAlgorithm::EdDsa | JwtAlgorithm::Ps256 => true,
            JwtAlgorithm::Rs256 => false,
        }
    }
}
