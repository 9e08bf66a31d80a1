//! Why a credential was not honoured.

use serde::{Deserialize, Serialize};

/// Every way in which a presented credential is refused. Outside, each is `invalid_grant`; in logs and audit
/// events it is itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Unknown user, wrong password, or a user who is disabled: told apart nowhere.
    BadCredentials,
    /// A wrong second factor, or one that was used before.
    BadSecondFactor,
    /// No login of this client waits for a second factor with this token, or not any more.
    BadMfaToken,
    /// No refresh token of ours: garbage, of a key that is not ours, or of another secret than its family's.
    Unknown,
    /// A refresh token that was issued to another client than presents it, or forged: without asking the database
    /// nobody can tell which.
    WrongClient,
    /// The family was idle for too long, reached its absolute lifetime, or its row is gone.
    Expired,
    /// A spent token came back: its family is ended by now.
    Reused,
    /// The family was ended before.
    Ended(EndReason),
    /// A genuine token is further ahead of its row than any restore we were told of explains.
    Ahead,
    /// No authorization code of this client, redirect URI and verifier, or one that expired or was used.
    BadCode,
    /// No device code of this client, or one that was used.
    BadDeviceCode,
}

/// Why a family was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// A spent token was presented: theft.
    Reuse,
    /// Its holder logged out.
    Logout,
    /// Its client revoked it (RFC 7009).
    ClientRevoked,
    /// Its owner ended it from another session.
    Owner,
    /// An operator ended it.
    Operator,
    PasswordChanged,
    UserDisabled,
    UserRemoved,
    ClientRemoved,
    /// Its client proves no longer who it is.
    ClientChanged,
    /// The authorization code that it came from was used again (RFC 6749 §4.1.2).
    CodeReused,
    /// Its user withdrew the consent that it rested on.
    ConsentWithdrawn,
    /// Its user had more logins than one may have, and this one was unused for the longest time.
    LoginLimit,
    /// What a newer release may write.
    Other,
}

impl EndReason {
    /// Every reason that this release writes.
    pub const ALL: [Self; 13] = [
        Self::Reuse,
        Self::Logout,
        Self::ClientRevoked,
        Self::Owner,
        Self::Operator,
        Self::PasswordChanged,
        Self::UserDisabled,
        Self::UserRemoved,
        Self::ClientRemoved,
        Self::ClientChanged,
        Self::CodeReused,
        Self::ConsentWithdrawn,
        Self::LoginLimit,
    ];

    /// The word that is stored and logged.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reuse => "reuse",
            Self::Logout => "logout",
            Self::ClientRevoked => "client_revoked",
            Self::Owner => "owner",
            Self::Operator => "operator",
            Self::PasswordChanged => "password_changed",
            Self::UserDisabled => "user_disabled",
            Self::UserRemoved => "user_removed",
            Self::ClientRemoved => "client_removed",
            Self::ClientChanged => "client_changed",
            Self::CodeReused => "code_reused",
            Self::ConsentWithdrawn => "consent_withdrawn",
            Self::LoginLimit => "login_limit",
            Self::Other => "other",
        }
    }

    /// Whether a client that follows logouts is told. What its own act ends it knows of, what ends with a sign-in it is
    /// told by that, and after a theft its user finds out at the next refresh.
    #[must_use]
    pub fn is_told_to_clients(self) -> bool {
        match self {
            Self::Owner
            | Self::Operator
            | Self::PasswordChanged
            | Self::UserDisabled
            | Self::UserRemoved
            | Self::ConsentWithdrawn
            | Self::LoginLimit => true,
            Self::Reuse
            | Self::CodeReused
            | Self::Logout
            | Self::ClientRevoked
            | Self::ClientRemoved
            | Self::ClientChanged
            | Self::Other => false,
        }
    }

    /// Reads a stored word; the row keeps it as it is.
    #[must_use]
    pub fn from_stored(word: &str) -> Self {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word).unwrap_or(Self::Other)
    }
}

impl Refusal {
    /// Whether the same credential is refused whenever it comes again. A token that is ahead of its row is good again
    /// once an operator says that the database was restored.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Ahead => false,
            Self::BadCredentials
            | Self::BadSecondFactor
            | Self::BadMfaToken
            | Self::Unknown
            | Self::WrongClient
            | Self::Expired
            | Self::Reused
            | Self::Ended(_)
            | Self::BadCode
            | Self::BadDeviceCode => true,
        }
    }

    /// The word for logs and audit events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadCredentials => "bad_credentials",
            Self::BadSecondFactor => "bad_second_factor",
            Self::BadMfaToken => "bad_mfa_token",
            Self::Unknown => "unknown",
            Self::WrongClient => "wrong_client",
            Self::Expired => "expired",
            Self::Reused => "reused",
            Self::Ended(reason) => reason.as_str(),
            Self::Ahead => "ahead",
            Self::BadCode => "bad_code",
            Self::BadDeviceCode => "bad_device_code",
        }
    }
}
