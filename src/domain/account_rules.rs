//! What an operator lets people do with their accounts by mail.

use std::fmt;
use std::str::FromStr;

/// What is on, as long as there is mail.
#[derive(Debug, Clone)]
pub struct AccountRules {
    /// Whoever forgot the password gets a link for a new one.
    pub forgotten_password: bool,
    pub mailed_sign_in: MailedSignIn,
    pub sign_up: SignUp,
    /// The domains of mail that [`SignUp::Domains`] means, in small letters.
    pub sign_up_domains: Vec<String>,
}

/// A variant for each word of a setting.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident, $error:ident, $expected:literal { $($(#[$of:meta])* $variant:ident: $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$of])* $variant),+ }

        /// The text is none of the words.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error($expected)]
        pub struct $error;

        impl FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text { $($word => Ok(Self::$variant),)+ _ => Err($error) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }
    };
}

choices! {
    /// How somebody signs in by mail, without the password.
    MailedSignIn, InvalidMailedSignIn, "must be off, link or code" {
        Off: "off",
        /// By a link, on whichever device it is opened.
        Link: "link",
        /// By six digits, in the browser that asked.
        Code: "code",
    }
}

choices! {
    /// Who may make an account at the pages.
    SignUp, InvalidSignUp, "must be off, open, invitation or domains" {
        Off: "off",
        Open: "open",
        /// Whom an operator invites.
        Invitation: "invitation",
        /// Whoever has mail in one of some domains; and whom an operator invites.
        Domains: "domains",
    }
}

impl AccountRules {
    /// Whether whoever has this address may sign up without being invited.
    #[must_use]
    pub fn may_sign_up(&self, address: &str) -> bool {
        match self.sign_up {
            SignUp::Off | SignUp::Invitation => false,
            SignUp::Open => true,
            SignUp::Domains => {
                let domain = address.trim().rsplit_once('@').map_or("", |(_, domain)| domain).to_lowercase();
                self.sign_up_domains.contains(&domain)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_sign_up_is_the_operators_to_say() {
        let rules = |sign_up, domains: &[&str]| AccountRules {
            forgotten_password: true,
            mailed_sign_in: MailedSignIn::Off,
            sign_up,
            sign_up_domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        };
        assert!(rules(SignUp::Open, &[]).may_sign_up("ana@example.com"));
        for sign_up in [SignUp::Off, SignUp::Invitation] {
            assert!(!rules(sign_up, &["example.com"]).may_sign_up("ana@example.com"));
        }
        let domains = rules(SignUp::Domains, &["example.com"]);
        assert!(domains.may_sign_up("ana@Example.com"));
        for other in ["ana@sub.example.com", "ana@example.com.evil.example", "example.com", "ana@example.co"]
        {
            assert!(!domains.may_sign_up(other), "{other}");
        }
    }
}
