//! Passkeys (Web Authentication Level 3): what a user signs in with instead of a password, and what can be wrong with
//! one.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::domain::ids::{PasskeyId, UserId};
use crate::domain::lettering::is_label;

/// As many as one account may have. Browsers are told of all of them at once.
pub const MOST_PASSKEYS: usize = 20;

/// One passkey of a user.
#[derive(Debug, Clone)]
pub struct Passkey {
    pub id: PasskeyId,
    pub user: UserId,
    /// By which a browser names it.
    pub credential_id: Vec<u8>,
    /// What its owner calls it.
    pub name: PasskeyName,
    pub created_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub state: PasskeyState,
}

/// What a passkey says of itself, each time that it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasskeyState {
    /// How often it was used; one that is on several devices says zero for good.
    pub sign_count: u32,
    /// Whether it may be on other devices too: no hardware keeps its key in then.
    pub backup_eligible: bool,
    /// Whether it is.
    pub backed_up: bool,
}

/// What a user calls a passkey: 1 to 64 characters that can be seen, without blanks at the ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyName(String);

const LONGEST_NAME: usize = 64;

impl PasskeyName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What fits of a text, for where nobody chose a name.
    #[must_use]
    pub fn cut(text: &str) -> Option<Self> {
        text.chars().take(LONGEST_NAME).collect::<String>().parse().ok()
    }
}

impl FromStr for PasskeyName {
    type Err = UnfitPasskey;

    fn from_str(text: &str) -> Result<Self, UnfitPasskey> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= LONGEST_NAME && is_label(text);
        if fits { Ok(Self(text.to_owned())) } else { Err(UnfitPasskey::Name) }
    }
}

impl fmt::Display for PasskeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What became of a passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasskeyChange {
    Added,
    Renamed,
    Removed,
    /// Its user was let in.
    Used,
    /// Its counter has gone back: somebody has a copy, and nobody was let in.
    Copied,
}

/// Why a passkey was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitPasskey {
    /// It is not what a browser answers.
    #[error("the browser's answer cannot be read")]
    Malformed,
    /// The challenge is older than it may be, was answered before, or is another browser's or another user's.
    #[error("the challenge has expired, was answered before, or is somebody else's")]
    Stale,
    /// It answers another challenge than the one that belongs to its page.
    #[error("it answers another challenge")]
    OtherChallenge,
    /// It was made for, or at, another site.
    #[error("it was used at another site")]
    OtherSite,
    /// The device did not make sure who uses it.
    #[error("the device did not verify its user")]
    NotVerified,
    /// Its signature is wrong, or what was signed makes no sense.
    #[error("its signature is wrong")]
    BadSignature,
    /// Nobody here has it, or not who it says: it was removed, or is of another server.
    #[error("nobody has this passkey")]
    Unknown,
    /// It is of another account than it says, or than the one that is signed in to.
    #[error("it is of another account")]
    OtherAccount,
    /// It counts how often it was used, and has gone back: a copy of it is in use.
    #[error("its counter has gone back: there may be a copy of it")]
    Copied,
    /// A device cannot find it without being told of it.
    #[error("the device cannot find it by itself")]
    NotDiscoverable,
    /// Somebody has it already.
    #[error("somebody has this passkey already")]
    Taken,
    /// There are [`MOST_PASSKEYS`].
    #[error("the account has too many passkeys")]
    TooMany,
    /// Nobody could come in to the account any more.
    #[error("it is the only way in to the account")]
    LastWayIn,
    /// The name does not fit.
    #[error("a name must have 1 to 64 characters that can be seen")]
    Name,
    /// The account is disabled.
    #[error("the account is disabled")]
    AccountDisabled,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_can_be_seen() {
        assert_eq!(" My phone ".parse::<PasskeyName>().unwrap().as_str(), "My phone");
        assert_eq!("ü".repeat(64).parse::<PasskeyName>().unwrap().as_str().chars().count(), 64);
        for text in ["", "  ", "a\u{200b}b", "a\nb", &"ü".repeat(65)] {
            assert_eq!(text.parse::<PasskeyName>(), Err(UnfitPasskey::Name), "{text:?}");
        }
        assert_eq!(PasskeyName::cut(&"x".repeat(100)).unwrap().as_str().len(), 64);
        assert_eq!(PasskeyName::cut(""), None);
    }
}
