//! Scopes (RFC 6749 §3.3).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The scope of logins that go on while their users are away (OpenID Connect Core §11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// The scopes that open what this server tells of its users; a client gets only those that it is registered for.
pub const USERINFO_SCOPES: [&str; 7] =
    ["openid", "profile", "email", "phone", "address", "roles", OFFLINE_ACCESS];

/// A set of scope tokens. Written with single spaces, in order, so that equal sets are equal text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet(BTreeSet<String>);

/// A character that no scope token may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope must be made of visible ASCII characters other than \" and \\, with spaces between scopes")]
pub struct InvalidScope;

/// What a person typed names no scopes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MistypedScopes {
    #[error(transparent)]
    Invalid(#[from] InvalidScope),
    #[error("scopes have spaces between them: \"{0}\"")]
    Commas(String),
}

impl ScopeSet {
    /// Reads what a person typed. A comma may stand in a scope, but whoever types one means two scopes.
    ///
    /// # Errors
    /// [`MistypedScopes`], with what was meant.
    pub fn typed(text: &str) -> Result<Self, MistypedScopes> {
        if text.contains(',') {
            let meant: Vec<&str> = text.split([',', ' ']).filter(|scope| !scope.is_empty()).collect();
            return Err(MistypedScopes::Commas(meant.join(" ")));
        }
        Ok(text.parse()?)
    }

    /// Whether every scope of `self` is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// The scopes that are in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// Whether this scope is in it.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Whether there is no scope at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// All but one.
    #[must_use]
    pub fn without(&self, scope: &str) -> Self {
        self.only(|it| it != scope)
    }

    /// Those that are `wanted`.
    pub(super) fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|scope| wanted(scope)).cloned().collect())
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl FromStr for ScopeSet {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
        let valid = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        let tokens = text.split(' ').filter(|token| !token.is_empty());
        tokens
            .map(|token| if token.bytes().all(valid) { Ok(token.to_owned()) } else { Err(InvalidScope) })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope)?;
        }
        Ok(())
    }
}

impl serde::Serialize for ScopeSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_are_equal_text() {
        let scope: ScopeSet = "write  read write".parse().unwrap();
        assert_eq!(scope.to_string(), "read write");
    }

    #[test]
    fn characters_outside_the_grammar_are_refused() {
        for text in ["a\"b", "a\\b", "a\tb", "é", "a\0"] {
            assert_eq!(text.parse::<ScopeSet>(), Err(InvalidScope), "{text:?}");
        }
    }
}
