//! What is mailed to open one door, once: links, and codes beside them.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::UserId;
use crate::domain::secrets::SecretHash;
use crate::domain::user::User;

/// What a mailed token is good for, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailedPurpose {
    /// To show that the account's address is its owner's.
    VerifyAddress,
    /// To give the account another address.
    ChangeAddress,
    /// To set a new password in the place of a forgotten one.
    NewPassword,
    /// To come in without the password.
    SignIn,
    /// To make an account.
    SignUp,
    /// The same, for whom an operator invited.
    Invitation,
}

impl MailedPurpose {
    pub const ALL: [Self; 6] = [
        Self::VerifyAddress,
        Self::ChangeAddress,
        Self::NewPassword,
        Self::SignIn,
        Self::SignUp,
        Self::Invitation,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VerifyAddress => "verify_address",
            Self::ChangeAddress => "change_address",
            Self::NewPassword => "new_password",
            Self::SignIn => "sign_in",
            Self::SignUp => "sign_up",
            Self::Invitation => "invitation",
        }
    }

    /// The purpose of this name: `None` when it is none of this release's.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == name)
    }

    /// Where its link leads, below the issuer's path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::VerifyAddress | Self::ChangeAddress => "/verify",
            Self::NewPassword => "/forgot/new",
            Self::SignIn => "/sign-in/link",
            Self::SignUp | Self::Invitation => "/sign-up/finish",
        }
    }

    /// What it guards of an account, as a digest. Whatever of that changes makes it useless.
    #[must_use]
    pub fn guarded(self, user: &User, password_hash: &str) -> SecretHash {
        let (address, is_verified) = (user.email.as_deref().unwrap_or_default(), user.email_verified);
        let text = match self {
            Self::VerifyAddress | Self::ChangeAddress | Self::SignUp | Self::Invitation => {
                format!("{is_verified} {address}")
            }
            Self::NewPassword | Self::SignIn => format!("{is_verified} {address}\0{password_hash}"),
        };
        SecretHash::of(format!("heirloom guarded v1\0{}\0{text}", user.id).as_bytes())
    }

    /// How long it is good for.
    #[must_use]
    pub fn lifetime(self) -> TimeDelta {
        match self {
            Self::VerifyAddress | Self::ChangeAddress | Self::SignUp => TimeDelta::hours(2),
            Self::NewPassword => TimeDelta::minutes(30),
            Self::SignIn => TimeDelta::minutes(10),
            Self::Invitation => TimeDelta::days(7),
        }
    }
}

/// One that was mailed.
#[derive(Debug, Clone)]
pub struct MailedToken {
    pub secret_hash: SecretHash,
    pub purpose: MailedPurpose,
    /// Whose account it is about, if there is one.
    pub user: Option<UserId>,
    /// What it guards, as that was.
    pub guarded: Option<SecretHash>,
    /// Whom it was mailed to.
    pub address: Option<String>,
    /// The browser that asked: its code is good there alone.
    pub browser: Option<SecretHash>,
    /// [`code_hash`]
    pub code_hash: Option<SecretHash>,
    /// The query of the sign-in page that it was asked for at.
    pub destination: Option<String>,
    pub expires_at: DateTime<Utc>,
    /// When it was used, if it was.
    pub used_at: Option<DateTime<Utc>>,
}

impl MailedToken {
    /// Whether it is good at `now`, as far as it knows itself.
    #[must_use]
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.used_at.is_none() && now < self.expires_at
    }
}

/// What the database keeps of a code. It is short, and worth nothing in any other browser: whoever reads the database
/// and tries all codes still lacks the browser's cookie.
#[must_use]
pub fn code_hash(browser: &SecretHash, code: &str) -> SecretHash {
    SecretHash::of(&[b"heirloom mailed code v1\0", browser.as_bytes(), code.as_bytes()].concat())
}

/// Where an invitation stands in the list of all: by when it was made.
#[derive(Debug, Clone)]
pub struct InvitationPlace {
    pub created_at: DateTime<Utc>,
    pub secret_hash: SecretHash,
}

/// A wish for a mail by somebody who is not signed in.
#[derive(Debug, Clone)]
pub struct MailRequest {
    pub purpose: MailedPurpose,
    /// What was typed: an address, or a name.
    pub typed: String,
    /// Where a code is to be good alone.
    pub browser: Option<SecretHash>,
    /// The query of the sign-in page.
    pub destination: Option<String>,
    pub language: String,
    pub user_agent: Option<String>,
    pub address: Option<String>,
    pub requested_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_has_a_name_of_its_own_and_a_short_life() {
        for purpose in MailedPurpose::ALL {
            assert_eq!(MailedPurpose::named(purpose.as_str()), Some(purpose));
            assert!(purpose.lifetime() <= TimeDelta::days(7));
        }
        assert_eq!(MailedPurpose::named("anything"), None);
    }
}
