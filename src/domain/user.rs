//! Users and their names.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use unicode_normalization::UnicodeNormalization as _;

use crate::domain::ids::UserId;
use crate::domain::standard_claims::StandardClaims;

/// A user's account. What its user signs in with stands apart from it.
#[derive(Debug, Clone)]
pub struct User {
    /// Its id: `sub` in tokens.
    pub id: UserId,
    /// The name as its owner writes it.
    pub username: Username,
    /// Where to reach the user.
    pub email: Option<String>,
    /// Whether somebody made sure that this address is the user's.
    pub email_verified: bool,
    /// What else apps may be told of the user.
    pub claims: StandardClaims,
    /// What the user may do, as resource services understand it.
    pub roles: Vec<String>,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When its owner last signed in.
    pub last_login_at: Option<DateTime<Utc>>,
    /// Since when it is disabled, if it is.
    pub disabled_at: Option<DateTime<Utc>>,
}

/// A username as its owner writes it: 1 to 255 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

/// The text can be no username.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a username must have 1 to 255 bytes and must not have control characters")]
pub struct InvalidUsername;

impl Username {
    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What names are compared by: equal for names that differ only in case or in how accents are encoded.
    #[must_use]
    pub fn key(&self) -> String {
        // Upper case first folds what lower case alone leaves apart: ß and SS, σ and ς.
        self.0.nfkc().collect::<String>().to_uppercase().to_lowercase().nfc().collect()
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Username {
    type Err = InvalidUsername;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=255).contains(&text.len()) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidUsername) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_encoding_make_no_other_name() {
        let key = |name: &str| name.parse::<Username>().unwrap().key();
        for (one, other) in
            [("Ana", "aNA"), ("STRASSE", "straße"), ("ΣΑΣ", "σας"), ("é", "e\u{301}"), ("ｂ", "B")]
        {
            assert_eq!(key(one), key(other), "{one} {other}");
        }
        assert_ne!(key("ana"), key("anna"));
    }

    #[test]
    fn impossible_names_are_refused() {
        for name in ["", "a\0", "a\nb", "\u{7f}", &"x".repeat(256)] {
            assert_eq!(name.parse::<Username>(), Err(InvalidUsername), "{name:?}");
        }
    }
}
