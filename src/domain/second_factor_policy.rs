//! Whether two factors are a matter of each user's own, or of the server's and its clients'.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Who signs in with two factors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondFactorPolicy {
    /// Users who have set up a second one.
    #[default]
    Optional,
    /// Everybody: who has none sets one up before going on.
    Required,
}

/// The text is no such policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be optional or required")]
pub struct InvalidSecondFactorPolicy;

impl SecondFactorPolicy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(crate) fn is_usual(&self) -> bool {
        *self == Self::Optional
    }
}

impl fmt::Display for SecondFactorPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Optional => "optional",
            Self::Required => "required",
        })
    }
}

impl FromStr for SecondFactorPolicy {
    type Err = InvalidSecondFactorPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidSecondFactorPolicy> {
        match text {
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _ => Err(InvalidSecondFactorPolicy),
        }
    }
}
