//! What this server writes to people.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One letter, with what only it says. Its words are in templates, in the languages that there are.
///
/// What comes from strangers, such as a name that somebody signs up with, has no place in a letter: else they could
/// send their words to anybody in our name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Letter {
    /// Whoever reads this has the address.
    VerifyAddress {
        link: String,
    },
    /// To be signed in by it.
    SignInCode {
        code: String,
        link: String,
    },
    /// The same.
    SignInLink {
        link: String,
    },
    /// A new password can be set there.
    ForgottenPassword {
        link: String,
    },
    /// An account can be made there.
    SignUp {
        link: String,
    },
    /// The same, for whom an operator invited.
    Invitation {
        link: String,
    },
    /// Somebody wanted to sign up with an address that has an account.
    AddressTaken {
        link: String,
    },
    /// To the former address: the account has another one now.
    AddressChanged,
    /// Somebody signed in with what the account's owner was not seen with before, or from elsewhere.
    NewDevice {
        at: DateTime<Utc>,
        program: Option<String>,
        system: Option<String>,
        address: Option<String>,
    },
    PasswordChanged {
        at: DateTime<Utc>,
    },
    /// A second factor, or a passkey.
    FactorAdded {
        at: DateTime<Utc>,
    },
    FactorRemoved {
        at: DateTime<Utc>,
    },
    /// A sign-in elsewhere opens the account from now on.
    ProviderLinked {
        at: DateTime<Utc>,
    },
    ProviderUnlinked {
        at: DateTime<Utc>,
    },
    RecoveryCodesRenewed {
        at: DateTime<Utc>,
    },
    /// One recovery code is spent.
    RecoveryCodeUsed {
        at: DateTime<Utc>,
    },
    /// A login was ended: its token came twice, so somebody else has it too.
    LoginReused {
        at: DateTime<Utc>,
    },
}

impl Letter {
    /// One of each, as they are when templates are tried.
    #[must_use]
    pub fn samples() -> Vec<Self> {
        let link = || "https://id.example.com/a?token=b".to_owned();
        vec![
            Self::VerifyAddress { link: link() },
            Self::SignInCode { code: "123456".to_owned(), link: link() },
            Self::SignInLink { link: link() },
            Self::ForgottenPassword { link: link() },
            Self::SignUp { link: link() },
            Self::Invitation { link: link() },
            Self::AddressTaken { link: link() },
            Self::AddressChanged,
            Self::NewDevice {
                at: DateTime::UNIX_EPOCH,
                program: Some("Firefox".to_owned()),
                system: Some("Linux".to_owned()),
                address: Some("192.0.2.1".to_owned()),
            },
            Self::PasswordChanged { at: DateTime::UNIX_EPOCH },
            Self::FactorAdded { at: DateTime::UNIX_EPOCH },
            Self::FactorRemoved { at: DateTime::UNIX_EPOCH },
            Self::ProviderLinked { at: DateTime::UNIX_EPOCH },
            Self::ProviderUnlinked { at: DateTime::UNIX_EPOCH },
            Self::RecoveryCodesRenewed { at: DateTime::UNIX_EPOCH },
            Self::RecoveryCodeUsed { at: DateTime::UNIX_EPOCH },
            Self::LoginReused { at: DateTime::UNIX_EPOCH },
        ]
    }

    /// What it is for, by name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::VerifyAddress { .. } => "verify_address",
            Self::SignInCode { .. } => "sign_in_code",
            Self::SignInLink { .. } => "sign_in_link",
            Self::ForgottenPassword { .. } => "forgotten_password",
            Self::SignUp { .. } => "sign_up",
            Self::Invitation { .. } => "invitation",
            Self::AddressTaken { .. } => "address_taken",
            Self::AddressChanged => "address_changed",
            Self::NewDevice { .. } => "new_device",
            Self::PasswordChanged { .. } => "password_changed",
            Self::FactorAdded { .. } => "factor_added",
            Self::FactorRemoved { .. } => "factor_removed",
            Self::ProviderLinked { .. } => "provider_linked",
            Self::ProviderUnlinked { .. } => "provider_unlinked",
            Self::RecoveryCodesRenewed { .. } => "recovery_codes_renewed",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::LoginReused { .. } => "login_reused",
        }
    }

    /// Whether it tells of what has happened. Nobody can ask for such a letter, so what is asked for must not use up
    /// what may be told.
    #[must_use]
    pub fn is_notice(&self) -> bool {
        match self {
            Self::VerifyAddress { .. }
            | Self::SignInCode { .. }
            | Self::SignInLink { .. }
            | Self::ForgottenPassword { .. }
            | Self::SignUp { .. }
            | Self::Invitation { .. }
            | Self::AddressTaken { .. } => false,
            Self::AddressChanged
            | Self::NewDevice { .. }
            | Self::PasswordChanged { .. }
            | Self::FactorAdded { .. }
            | Self::FactorRemoved { .. }
            | Self::ProviderLinked { .. }
            | Self::ProviderUnlinked { .. }
            | Self::RecoveryCodesRenewed { .. }
            | Self::RecoveryCodeUsed { .. }
            | Self::LoginReused { .. } => true,
        }
    }
}

/// Its links and codes are secrets.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter({})", self.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_stored_by_the_name_of_its_kind() {
        for letter in Letter::samples() {
            let stored = serde_json::to_value(&letter).unwrap();
            assert_eq!(stored["kind"], letter.kind());
            assert_eq!(serde_json::from_value::<Letter>(stored).unwrap(), letter);
        }
    }

    #[test]
    fn what_is_secret_in_a_letter_is_not_shown() {
        let letter = Letter::SignInCode { code: "123456".to_owned(), link: "https://x/?token=y".to_owned() };
        assert_eq!(format!("{letter:?}"), "Letter(sign_in_code)");
    }
}
