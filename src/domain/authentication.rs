//! Who somebody was found to be, and how: made where that is found, and copied as it is from a sign-in session to a
//! code or a device's approval, and from there to the family.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::ids::{SignInSessionId, UserId};

/// The authentication context class of a sign-in with a password alone (OpenID Connect Core §2): a name of our own, as
/// there is no registered one that fits.
pub const PASSWORD_ACR: &str = "urn:heirloom:acr:password";

/// The classes that a sign-in at this server can reach.
pub const ACRS: [&str; 1] = [PASSWORD_ACR];

/// How long somebody who was let in need not show it again, whatever is asked for.
pub const FRESH: Duration = Duration::from_mins(5);

/// What somebody showed to be let in (RFC 8176).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum AuthenticationMethod {
    Password,
    /// What a newer release may write.
    Other(String),
}

impl AuthenticationMethod {
    /// Its word in `amr`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Password => "pwd",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for AuthenticationMethod {
    fn from(word: String) -> Self {
        if word == Self::Password.as_str() { Self::Password } else { Self::Other(word) }
    }
}

impl From<AuthenticationMethod> for String {
    fn from(method: AuthenticationMethod) -> Self {
        method.as_str().to_owned()
    }
}

/// A user who was found to be this user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    pub user: UserId,
    /// `auth_time`: when the last of the methods was shown.
    pub at: DateTime<Utc>,
    /// `amr`
    pub methods: Vec<AuthenticationMethod>,
    /// The authentication context class, if one was reached.
    pub acr: Option<String>,
    /// The browser's sign-in, if it was at this server's pages.
    pub sign_in_session: Option<SignInSessionId>,
}

impl Authentication {
    /// A name and a password that were right.
    #[must_use]
    pub fn by_password(user: UserId, at: DateTime<Utc>) -> Self {
        Self { user, at, methods: vec![AuthenticationMethod::Password], acr: None, sign_in_session: None }
    }

    /// The same in a browser's sign-in, where apps may ask for a class.
    #[must_use]
    pub fn in_session(self, session: SignInSessionId) -> Self {
        Self { acr: Some(PASSWORD_ACR.to_owned()), sign_in_session: Some(session), ..self }
    }

    /// The same for another device than the browser that it was in: its login goes on when that one signs out.
    #[must_use]
    pub fn elsewhere(self) -> Self {
        Self { sign_in_session: None, ..self }
    }

    /// Whether the user showed it a moment ago: who ends other logins has to (ASVS 7.5.2).
    #[must_use]
    pub fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        now < self.at + FRESH
    }

    /// The password was shown again. The age of what else was shown is not renewed by that.
    #[must_use]
    pub fn with_password_again(self, now: DateTime<Utc>) -> Self {
        let alone = self.methods.iter().all(|method| *method == AuthenticationMethod::Password);
        Self { at: if alone { now } else { self.at }, ..self }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_password_shown_again_is_younger_and_nothing_else_is() {
        let (then, now) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::hours(1));
        let alone = Authentication::by_password(UserId(Uuid::nil()), then);
        assert_eq!(alone.clone().with_password_again(now).at, now);
        let methods = vec![AuthenticationMethod::Password, "otp".to_owned().into()];
        assert_eq!(Authentication { methods, ..alone }.with_password_again(now).at, then);
    }

    #[test]
    fn methods_of_a_newer_release_are_kept_as_they_are() {
        let stored = r#"["pwd","swk"]"#;
        let read: Vec<AuthenticationMethod> = serde_json::from_str(stored).unwrap();
        assert_eq!(read, [AuthenticationMethod::Password, AuthenticationMethod::Other("swk".to_owned())]);
        assert_eq!(serde_json::to_string(&read).unwrap(), stored);
    }
}
