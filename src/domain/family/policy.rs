//! When a client's refresh tokens rotate.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::client::ClientKind;
use crate::domain::key_thumbprint::KeyThumbprint;
use crate::domain::lifetimes::{Lifetimes, duration_text};

/// How often a family's current token is replaced by its successor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RotationPolicy {
    /// With every refresh.
    #[default]
    Always,
    /// Once a period: for several processes that share one login without telling each other.
    Every(Duration),
    /// Never: for clients that prove themselves, or their key, each time (FAPI 2.0 §5.3.2.1, RFC 9700 §2.2.2).
    Never,
}

/// Why a rotation policy cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRotationPolicy {
    /// The text names no policy.
    #[error("the rotation policy must be always, never, or every: and a period, such as every:1h")]
    Unknown,
    /// What follows `every:` is not a duration.
    #[error("the rotation period must be a duration in whole seconds, such as 15m, 1h or 1d")]
    Period,
    /// The period is shorter or longer than the client's lifetimes allow.
    #[error(
        "the rotation period must be between {} (the access-token lifetime, one minute at least) and {} (a quarter \
         of the idle lifetime)",
        duration_text(*.shortest),
        duration_text(*.longest)
    )]
    OutOfBounds {
        /// The shortest period.
        shortest: Duration,
        /// The longest period.
        longest: Duration,
    },
    /// The client's lifetimes allow no period at all.
    #[error(
        "there is no rotation period for these lifetimes: it would have to be at least {} (the access-token \
         lifetime, one minute at least) and at most {} (a quarter of the idle lifetime)",
        duration_text(*.shortest),
        duration_text(*.longest)
    )]
    NoPeriod {
        /// What a period must not be shorter than.
        shortest: Duration,
        /// What it must not be longer than.
        longest: Duration,
    },
    /// Two tokens are good at a time, and strict mode allows one.
    #[error("a leeway of 0s (strict mode) needs the rotation policy always")]
    Strict,
}

impl RotationPolicy {
    /// Whether it need not be said.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::Always
    }

    /// The policy of a client that nobody answers for: at most what an operator lets such clients have, which is no
    /// period at all for most.
    #[must_use]
    pub fn at_most(self, longest: Duration) -> Self {
        match self {
            Self::Always => Self::Always,
            Self::Every(_) | Self::Never if longest.is_zero() => Self::Always,
            Self::Every(period) => Self::Every(period.min(longest)),
            Self::Never => Self::Every(longest),
        }
    }

    /// The policy, if it agrees with the client's lifetimes.
    ///
    /// # Errors
    /// [`InvalidRotationPolicy`], with the bounds.
    pub fn checked(self, lifetimes: &Lifetimes) -> Result<Self, InvalidRotationPolicy> {
        if self != Self::Always && lifetimes.leeway().is_zero() {
            return Err(InvalidRotationPolicy::Strict);
        }
        let Self::Every(period) = self else { return Ok(self) };
        let shortest = lifetimes.access_ttl().max(Duration::from_mins(1));
        let longest = lifetimes.idle_ttl() / 4;
        if shortest > longest {
            return Err(InvalidRotationPolicy::NoPeriod { shortest, longest });
        }
        if (shortest..=longest).contains(&period) {
            Ok(self)
        } else {
            Err(InvalidRotationPolicy::OutOfBounds { shortest, longest })
        }
    }

    /// The policy by which a family of such a client is judged. Where neither client nor key is proved, a token that
    /// never changes would be a password.
    #[must_use]
    pub fn for_family(self, kind: &ClientKind, key_thumbprint: Option<&KeyThumbprint>) -> Self {
        match (self, kind) {
            (Self::Never, ClientKind::Public) if key_thumbprint.is_none() => Self::Always,
            (
                Self::Always | Self::Every(_) | Self::Never,
                ClientKind::Public | ClientKind::Confidential(_),
            ) => self,
        }
    }
}

impl FromStr for RotationPolicy {
    type Err = InvalidRotationPolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let period = match text {
            "always" => return Ok(Self::Always),
            "never" => return Ok(Self::Never),
            other => other.strip_prefix("every:").ok_or(InvalidRotationPolicy::Unknown)?,
        };
        let period = humantime::parse_duration(period).ok().filter(|period| period.subsec_nanos() == 0);
        period.map(Self::Every).ok_or(InvalidRotationPolicy::Period)
    }
}

impl TryFrom<String> for RotationPolicy {
    type Error = InvalidRotationPolicy;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RotationPolicy> for String {
    fn from(policy: RotationPolicy) -> Self {
        policy.to_string()
    }
}

impl fmt::Display for RotationPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Every(period) => write!(f, "every:{}", duration_text(*period).replace(' ', "")),
            Self::Never => f.write_str("never"),
        }
    }
}
