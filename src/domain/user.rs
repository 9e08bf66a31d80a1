//! Users and their names.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::domain::ids::UserId;
use crate::domain::lettering::{folded, is_hidden, is_label};
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

impl User {
    /// What the address is compared by, if it is known to be the user's: no two users have the same.
    #[must_use]
    pub fn verified_email_key(&self) -> Option<String> {
        self.email.as_deref().filter(|_| self.email_verified).map(email_key)
    }
}

/// A username as its owner writes it: 1 to 255 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

/// The text can be no username.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a username must have 1 to 255 bytes and must not have control characters")]
pub struct InvalidUsername;

impl Username {
    /// What somebody types to sign in: a blank at an end may have come along from a clipboard.
    ///
    /// # Errors
    /// [`InvalidUsername`] when it is nobody's name, with or without blanks.
    pub fn typed(text: &str) -> Result<Self, InvalidUsername> {
        text.parse().or_else(|_| text.trim().parse())
    }

    /// What the same text is compared by where it is a mail address: `None` when it is no such text.
    #[must_use]
    pub fn as_email_key(&self) -> Option<String> {
        check_email(self.0.trim()).is_ok().then(|| email_key(&self.0))
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What names are compared by: equal for names that differ only in case or in how accents are encoded.
    #[must_use]
    pub fn key(&self) -> String {
        folded(&self.0)
    }

    /// The same without blanks at the ends: what somebody means who types them. Names that were given out long ago may
    /// have some, and are still found by them.
    #[must_use]
    pub fn meant_key(&self) -> String {
        self.key().trim().to_owned()
    }

    /// Whether it may be given out: RFC 8265 §3.3 wants no more than letters, digits and what stands between them, and
    /// two names that look alike are two accounts of which one poses as the other.
    ///
    /// # Errors
    /// [`UnfitUsername`].
    pub fn check_new(&self) -> Result<(), UnfitUsername> {
        if let Some(hidden) = self.0.chars().find(|letter| is_hidden(*letter)) {
            return Err(UnfitUsername::Hidden(hidden));
        }
        if self.0.trim() == self.0 && self.meant_key() == self.key() {
            Ok(())
        } else {
            Err(UnfitUsername::Blanks)
        }
    }
}

/// A name that is not given out any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitUsername {
    #[error("a username must not begin or end with a blank")]
    Blanks,
    #[error("a username must not have characters that cannot be seen, such as U+{:04X}", u32::from(*.0))]
    Hidden(char),
}

/// The text can be no mail address (RFC 5321 §4.1.2, §4.5.3.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a mail address must be like ana@example.com, with 254 bytes at most")]
pub struct UnfitEmail;

/// Whether a text can be a mail address: whether mail comes through to it, only mail can tell.
///
/// # Errors
/// [`UnfitEmail`].
pub fn check_email(text: &str) -> Result<(), UnfitEmail> {
    let has_parts =
        text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    let is_plain =
        text.len() <= 254 && !text.chars().any(|letter| letter.is_whitespace() || is_hidden(letter));
    if has_parts && is_plain { Ok(()) } else { Err(UnfitEmail) }
}

/// What mail addresses are compared by. The part before the `@` may differ in case (RFC 5321 §2.4), and nobody gives
/// two such addresses to two people.
#[must_use]
pub fn email_key(address: &str) -> String {
    folded(address.trim())
}

/// The text can be no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role must have 1 to 255 bytes, no blanks at its ends and no characters that cannot be seen")]
pub struct UnfitRole;

/// Whether a text can be a role.
///
/// # Errors
/// [`UnfitRole`].
pub fn check_role(text: &str) -> Result<(), UnfitRole> {
    if (1..=255).contains(&text.len()) && is_label(text) { Ok(()) } else { Err(UnfitRole) }
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

    #[test]
    fn a_new_name_shows_all_of_itself() {
        let check = |name: &str| name.parse::<Username>().unwrap().check_new();
        for name in ["ana", "Ana María", "ana@example.com", "אנה", "安娜", "o'neil", "🦀"] {
            assert_eq!(check(name), Ok(()), "{name:?}");
        }
        for name in [" ana", "ana ", "ana\u{a0}", "\u{3000}ana", " ", "\u{b4}ana"] {
            assert_eq!(check(name), Err(UnfitUsername::Blanks), "{name:?}");
        }
        for hidden in [
            '\u{200b}', '\u{200d}', '\u{202e}', '\u{2067}', '\u{ad}', '\u{feff}', '\u{3164}', '\u{e000}',
            '\u{378}',
        ] {
            assert_eq!(check(&format!("a{hidden}na")), Err(UnfitUsername::Hidden(hidden)), "{hidden:?}");
        }
    }

    #[test]
    fn a_mail_address_has_two_parts_and_no_blanks() {
        for fit in ["ana@example.com", "ana+x@localhost", "\"a@b\"@example.com", "añа@exämple.at"] {
            assert_eq!(check_email(fit), Ok(()), "{fit}");
        }
        let long = format!("{}@example.com", "a".repeat(243));
        for unfit in
            ["", "ana", "@example.com", "ana@", "a na@example.com", " ana@example.com", "a\0@b", &long]
        {
            assert_eq!(check_email(unfit), Err(UnfitEmail), "{unfit}");
        }
    }

    #[test]
    fn a_role_can_be_seen() {
        for fit in ["admin", "Domain Admins", "a:b/c"] {
            assert_eq!(check_role(fit), Ok(()), "{fit}");
        }
        for unfit in ["", " ", "admin ", "a\nb", "a\u{200b}b", &"x".repeat(256)] {
            assert_eq!(check_role(unfit), Err(UnfitRole), "{unfit}");
        }
    }

    #[test]
    fn blanks_at_the_ends_of_what_is_typed_mean_nothing() {
        for typed in ["ana", " ana", "ana  ", "ana\u{a0}", "\u{2003}Ana", "\tana\r\n"] {
            assert_eq!(Username::typed(typed).unwrap().meant_key(), "ana", "{typed:?}");
        }
        assert_eq!(Username::typed("ana ").unwrap().key(), "ana ", "somebody may be called so");
        assert_eq!(Username::typed("\t"), Err(InvalidUsername));
    }
}
