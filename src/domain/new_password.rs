//! What a new password must be (NIST SP 800-63B-4 §3.1.1.2): long enough, none that is guessed first, and no word of
//! the account's own. There is no rule about kinds of characters: such rules make people predictable.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use crate::domain::lettering::folded;
use crate::domain::secrets::Password;
use crate::domain::standard_claims::ClaimText;
use crate::domain::user::User;

/// A password that may be set, in the form that is stored.
#[derive(Clone)]
pub struct NewPassword(Password);

impl NewPassword {
    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(…)")
    }
}

/// Why a password may not be set, in a sentence that tells what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitPassword {
    #[error(
        "a password must have at least {least} characters; best are a few words that nobody else would put together"
    )]
    TooShort {
        /// How many characters it must have.
        least: u32,
    },
    #[error("a password must have at most 1,024 bytes")]
    TooLong,
    #[error(
        "this password is one of the most common and would be guessed first: choose a few words that nobody else would put \
         together"
    )]
    Common,
    #[error(
        "this password is little more than the user's own name or address, or this server's name: choose a few words that \
         nobody else would put together"
    )]
    OwnWord,
}

/// What every new password must keep to.
#[derive(Debug, Clone)]
pub struct PasswordRules {
    /// Characters: Unicode code points of the form that is stored.
    pub min_length: u32,
    /// What this server is known by: its name and its host.
    pub server_words: Vec<String>,
}

/// A word of fewer letters is a part of too many others.
const SHORTEST_PART: usize = 4;

impl PasswordRules {
    /// Judges a password for a user.
    ///
    /// # Errors
    /// [`UnfitPassword`].
    pub fn accept(&self, typed: &Password, user: &User) -> Result<NewPassword, UnfitPassword> {
        let password = typed.canonical();
        let text = password.text();
        if password.is_too_long() {
            return Err(UnfitPassword::TooLong);
        }
        if text.chars().count() < usize::try_from(self.min_length).unwrap_or(usize::MAX) {
            return Err(UnfitPassword::TooShort { least: self.min_length });
        }
        let squeezed = squeezed(text);
        let own = words_of(user);
        let mut words = own.iter().copied().chain(self.server_words.iter().map(String::as_str));
        if words.any(|word| is_little_more_than_any_of(&squeezed, word)) {
            return Err(UnfitPassword::OwnWord);
        }
        if is_common(text) {
            return Err(UnfitPassword::Common);
        }
        Ok(NewPassword(password))
    }
}

/// What a guesser who knows the account tries first.
fn words_of(user: &User) -> Vec<&str> {
    let claims = &user.claims;
    let names =
        [&claims.name, &claims.given_name, &claims.middle_name, &claims.family_name, &claims.nickname];
    let email = user.email.as_deref();
    [Some(user.username.as_str()), email, email.and_then(|email| Some(email.split_once('@')?.0))]
        .into_iter()
        .chain(names.map(|name| name.as_ref().map(ClaimText::as_str)))
        .flatten()
        .collect()
}

/// The list holds some passwords with capital letters only.
fn is_common(text: &str) -> bool {
    let lower = folded(text);
    let mut letters = lower.chars();
    let capitalized: String =
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    [text, &lower, &capitalized, &lower.to_uppercase()]
        .into_iter()
        .any(passwords::analyzer::is_common_password)
}

/// Letters and digits alone, in lower case and without accents.
fn squeezed(text: &str) -> String {
    folded(text).nfd().filter(|letter| letter.is_alphanumeric()).collect()
}

/// Whether a password is a word, or one of its longer parts, with nothing but digits around it.
fn is_little_more_than_any_of(password: &str, word: &str) -> bool {
    let parts = word.split(|letter: char| !letter.is_alphanumeric());
    let parts = parts.filter(|part| part.chars().count() >= SHORTEST_PART);
    std::iter::once(word).chain(parts).any(|word| is_little_more_than(password, &squeezed(word)))
}

fn is_little_more_than(password: &str, word: &str) -> bool {
    // A name of digits alone is within too many others.
    if !word.chars().any(char::is_alphabetic) {
        return !word.is_empty() && password == word;
    }
    password.match_indices(word).any(|(start, _)| {
        let (before, rest) = password.split_at(start);
        let after = rest.strip_prefix(word).unwrap_or_default();
        !before.chars().chain(after.chars()).any(char::is_alphabetic)
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::UserId;
    use crate::domain::standard_claims::StandardClaims;

    fn user(name: &str) -> User {
        let claims = StandardClaims {
            name: Some("Ana María Ortega".to_owned().try_into().unwrap()),
            ..StandardClaims::default()
        };
        User {
            id: UserId(Uuid::nil()),
            username: name.parse().unwrap(),
            email: Some("ortega.m@post.example".to_owned()),
            email_verified: false,
            claims,
            roles: Vec::new(),
            created_at: DateTime::UNIX_EPOCH,
            last_login_at: None,
            disabled_at: None,
        }
    }

    fn judged(name: &str, password: &str) -> Result<(), UnfitPassword> {
        let server_words = vec!["Northwind Traders".to_owned(), "login.northwind.example".to_owned()];
        let rules = PasswordRules { min_length: 8, server_words };
        rules.accept(&Password::new(password.to_owned()).unwrap(), &user(name)).map(drop)
    }

    #[test]
    fn characters_count_and_not_bytes() {
        let short = Err(UnfitPassword::TooShort { least: 8 });
        for password in ["", "€€€", "🦀🦀", "ääääää7", "e\u{301}".repeat(7).as_str()] {
            assert_eq!(judged("bob", password), short, "{password}");
        }
        for password in [
            "ähmäöüß7",
            "🦀🐙🦑🦞🐡🐠🐟🐬",
            "e\u{301}".repeat(8).as_str(),
            &"ü".repeat(512),
            &"u\u{308}".repeat(512),
        ] {
            assert_eq!(judged("bob", password), Ok(()), "{password}");
        }
        assert_eq!(judged("bob", &"ü".repeat(513)), Err(UnfitPassword::TooLong));
    }

    #[test]
    fn what_everybody_takes_is_refused_in_whatever_case() {
        for password in [
            "password",
            "PASSWORD",
            "pAssWord",
            "12345678",
            "Qwertyuiop",
            "iloveyou",
            "ｐａｓｓｗｏｒｄ",
            "Trustno1",
        ] {
            assert_eq!(judged("bob", password), Err(UnfitPassword::Common), "{password}");
        }
        assert_eq!(judged("bob", "password of the day"), Ok(()));
    }

    #[test]
    fn the_accounts_own_words_are_refused_with_a_little_around_them() {
        for (name, password) in [
            ("maximilian", "maximilian"),
            ("maximilian", "!Maximilian1984!"),
            ("max.ortner", "max-ortner"),
            ("max.ortner", "2024ORTNER!"),
            ("ana", "Ana19840512"),
            ("48151623", "4815-1623!"),
            ("bob", "ortega.m1"),
            ("bob", "Ortega.M@Post.Example"),
            ("bob", "anamaría ortega"),
            ("bob", "maria-2025"),
            ("bob", "María-2025"),
            ("bob", "northwind1"),
            ("bob", "Login.Northwind.Example"),
            ("bob", "northwind traders 7"),
            ("straße7", "STRASSE7!!"),
        ] {
            assert_eq!(judged(name, password), Err(UnfitPassword::OwnWord), "{name} {password}");
        }
        for (name, password) in [
            ("ana", "banana1984"),
            ("bob", "maria and the traders"),
            ("48151623", "481516234"),
            ("7", "84629571030"),
            ("!!!", "84629571030"),
            ("max.ortner", "max likes ortner"),
        ] {
            assert_eq!(judged(name, password), Ok(()), "{name} {password}");
        }
    }
}
