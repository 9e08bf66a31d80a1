//! Who somebody was found to be, and how: made where that is found, and copied as it is from a sign-in session to a
//! code or a device's approval, and from there to the family.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::ids::{SignInSessionId, UserId};

/// How far a sign-in goes: its authentication context class (OpenID Connect Core §2). Each one is also all that those
/// before it are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContextClass {
    /// One factor.
    One,
    /// Two factors.
    Two,
    /// Two factors, and nothing that a page of somebody else's could have asked for and passed on (OpenID Connect
    /// Extended Authentication Profile §2).
    PhishingResistant,
}

impl ContextClass {
    pub const ALL: [Self; 3] = [Self::One, Self::Two, Self::PhishingResistant];

    /// The class that was reached by showing these.
    #[must_use]
    pub fn of(methods: &[AuthenticationMethod]) -> Self {
        let shown = |method| methods.contains(&method);
        let by_key = shown(AuthenticationMethod::HardwareKey) || shown(AuthenticationMethod::SoftwareKey);
        match (shown(AuthenticationMethod::MultiFactor), by_key) {
            (false, _) => Self::One,
            (true, false) => Self::Two,
            (true, true) => Self::PhishingResistant,
        }
    }

    /// Its name in `acr`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
            Self::PhishingResistant => "phr",
        }
    }

    /// The class of this name: `None` when it is none of ours.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

/// How long somebody who was let in need not show it again, whatever is asked for.
pub const FRESH: Duration = Duration::from_mins(5);

/// A variant for each word of `amr` that this release writes.
macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident: $word:literal),+ $(,)?) => {
        /// What somebody showed to be let in (RFC 8176).
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum AuthenticationMethod {
            $($(#[$doc])* $variant,)+
            /// What a newer release may write.
            Other(String),
        }

        impl AuthenticationMethod {
            /// Its word in `amr`.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for AuthenticationMethod {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$variant,)+
                    _ => Self::Other(word),
                }
            }
        }
    };
}

methods! {
    Password: "pwd",
    /// A code that is good once: of an authenticator app, of a list, or mailed.
    OneTimePassword: "otp",
    /// A key that never leaves its device.
    HardwareKey: "hwk",
    /// A key that its owner may have on several devices.
    SoftwareKey: "swk",
    /// Somebody was there and touched the authenticator.
    UserPresence: "user",
    /// The word of another provider, which asked for whatever it did.
    Federated: "fed",
    /// Factors of more than one kind.
    MultiFactor: "mfa",
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
    /// What was shown at once, wherever that was.
    #[must_use]
    pub fn by(user: UserId, at: DateTime<Utc>, methods: Vec<AuthenticationMethod>) -> Self {
        let acr = Some(ContextClass::of(&methods).as_str().to_owned());
        Self { user, at, methods, acr, sign_in_session: None }
    }

    /// A name and a password that were right.
    #[must_use]
    pub fn by_password(user: UserId, at: DateTime<Utc>) -> Self {
        Self::by(user, at, vec![AuthenticationMethod::Password])
    }

    /// The same with a further factor, which was shown now.
    #[must_use]
    pub fn and(self, further: &[AuthenticationMethod], now: DateTime<Utc>) -> Self {
        let mut methods = self.methods;
        for method in further.iter().chain(&[AuthenticationMethod::MultiFactor]) {
            if !methods.contains(method) {
                methods.push(method.clone());
            }
        }
        Self { sign_in_session: self.sign_in_session, ..Self::by(self.user, now, methods) }
    }

    /// The same in a browser's sign-in.
    #[must_use]
    pub fn in_session(self, session: SignInSessionId) -> Self {
        Self { sign_in_session: Some(session), ..self }
    }

    /// How far it goes, by what was shown.
    #[must_use]
    pub fn class(&self) -> ContextClass {
        ContextClass::of(&self.methods)
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
        let both = alone.and(&[AuthenticationMethod::OneTimePassword], then);
        assert_eq!(both.with_password_again(now).at, then);
    }

    #[test]
    fn methods_of_a_newer_release_are_kept_as_they_are() {
        let stored = r#"["pwd","iris"]"#;
        let read: Vec<AuthenticationMethod> = serde_json::from_str(stored).unwrap();
        assert_eq!(read, [AuthenticationMethod::Password, AuthenticationMethod::Other("iris".to_owned())]);
        assert_eq!(serde_json::to_string(&read).unwrap(), stored);
    }

    #[test]
    fn the_class_follows_from_what_was_shown() {
        let class = |amr: &str| {
            ContextClass::of(&serde_json::from_str::<Vec<AuthenticationMethod>>(amr).unwrap()).as_str()
        };
        for (amr, reached) in [
            (r#"["pwd"]"#, "1"),
            (r#"["otp"]"#, "1"),
            (r#"["hwk","user"]"#, "1"),
            (r#"["pwd","otp","mfa"]"#, "2"),
            (r#"["swk","user","mfa"]"#, "phr"),
            (r#"["pwd","hwk","mfa"]"#, "phr"),
            (r#"["iris"]"#, "1"),
        ] {
            assert_eq!(class(amr), reached, "{amr}");
        }
        assert!(ContextClass::ALL.is_sorted());
        assert_eq!(ContextClass::named("2"), Some(ContextClass::Two));
        assert_eq!(ContextClass::named("urn:x:gold"), None);
    }

    #[test]
    fn a_further_factor_makes_two_of_one_and_is_as_old_as_itself() {
        let (then, now) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::minutes(1));
        let both = Authentication::by_password(UserId(Uuid::nil()), then)
            .and(&[AuthenticationMethod::OneTimePassword], now);
        assert_eq!(serde_json::to_string(&both.methods).unwrap(), r#"["pwd","otp","mfa"]"#);
        assert_eq!((both.at, both.acr.as_deref()), (now, Some("2")));
    }
}
