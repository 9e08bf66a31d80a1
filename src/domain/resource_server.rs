//! Resource servers: what an audience says of the access tokens that are meant for it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::audience::Audience;
use crate::domain::lifetimes::{InvalidLifetimes, LONGEST_ACCESS_TTL};
use crate::domain::scope::ScopeSet;

/// What an operator says of an audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceServer {
    pub audience: Audience,
    /// The scopes that it knows; whatever is granted if it does not say.
    pub scope: Option<ScopeSet>,
    /// How long access tokens for it live at most; as long as each client has them if it does not say.
    pub access_ttl: Option<Duration>,
    pub roles: RolesInTokens,
}

/// Whether access tokens tell the roles of their users. In the order in which one outweighs those after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolesInTokens {
    Never,
    /// If the scope `roles` was granted: as it is where nobody says anything.
    #[default]
    WithScope,
    Always,
}

impl RolesInTokens {
    const ALL: [Self; 3] = [Self::Never, Self::WithScope, Self::Always];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::WithScope => "with_scope",
            Self::Always => "always",
        }
    }

    /// Whether a token tells them that is granted this.
    #[must_use]
    pub fn are_told_with(self, granted: &ScopeSet) -> bool {
        match self {
            Self::Never => false,
            Self::WithScope => granted.contains("roles"),
            Self::Always => true,
        }
    }
}

impl fmt::Display for RolesInTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not one of the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("whether tokens tell roles must be with_scope, always or never")]
pub struct InvalidRolesInTokens;

impl FromStr for RolesInTokens {
    type Err = InvalidRolesInTokens;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or(InvalidRolesInTokens)
    }
}

impl ResourceServer {
    /// One that says nothing.
    #[must_use]
    pub fn new(audience: Audience) -> Self {
        Self { audience, scope: None, access_ttl: None, roles: RolesInTokens::default() }
    }

    /// # Errors
    /// [`InvalidLifetimes`] when no access token may live so long.
    pub fn check(&self) -> Result<(), InvalidLifetimes> {
        let lasting = self.access_ttl.unwrap_or(LONGEST_ACCESS_TTL);
        let fits = (Duration::from_secs(1)..=LONGEST_ACCESS_TTL).contains(&lasting);
        if fits { Ok(()) } else { Err(InvalidLifetimes::AccessTtl) }
    }
}

/// What the audiences of one access token say of it together. One token is read by all of them, so it is what suits the
/// narrowest: RFC 9068 §3 wants no scope in it that means something to one audience and something else to another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenTerms {
    /// The scopes that each of them knows; whatever is granted if none says anything.
    known: Option<ScopeSet>,
    /// Whether this server is one of them: it knows scopes of its own.
    is_for_us: bool,
    access_ttl: Option<Duration>,
    roles: RolesInTokens,
}

/// The scopes asked for are not all known to the audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownScope;

impl TokenTerms {
    /// The terms of a token for these audiences, the issuer if there are none.
    #[must_use]
    pub fn of(
        servers: &BTreeMap<Audience, ResourceServer>,
        audiences: &[Audience],
        issuer: &Audience,
    ) -> Self {
        if servers.is_empty() {
            return Self::default();
        }
        let audiences = if audiences.is_empty() { std::slice::from_ref(issuer) } else { audiences };
        let said = || audiences.iter().filter_map(|audience| servers.get(audience));
        let scopes = said().filter_map(|server| server.scope.clone());
        let roles = audiences.iter().map(|audience| servers.get(audience).map(|server| server.roles));
        Self {
            known: scopes.reduce(|one, other| one.intersection(&other)),
            is_for_us: audiences.contains(issuer),
            access_ttl: said().filter_map(|server| server.access_ttl).min(),
            roles: roles.map(Option::unwrap_or_default).min().unwrap_or_default(),
        }
    }

    /// What of a granted scope is told: what each audience knows and, if this server is one of them, its own scopes.
    #[must_use]
    pub fn narrowed(&self, granted: ScopeSet) -> ScopeSet {
        match &self.known {
            None => granted,
            Some(known) => {
                granted.only(|scope| known.contains(scope) || (self.is_for_us && ScopeSet::is_our_own(scope)))
            }
        }
    }

    /// Whether a scope that is asked for can be told. This server's own scopes are passed over: clients name `openid`
    /// and `offline_access` wherever they go (OpenID Connect Core §3.1.2.1).
    ///
    /// # Errors
    /// [`UnknownScope`].
    pub fn must_know(&self, asked: Option<&ScopeSet>) -> Result<(), UnknownScope> {
        let (Some(known), Some(asked)) = (&self.known, asked) else { return Ok(()) };
        let is_known = |scope: &str| known.contains(scope) || ScopeSet::is_our_own(scope);
        if asked.iter().all(is_known) { Ok(()) } else { Err(UnknownScope) }
    }

    /// How long the token lives at most.
    #[must_use]
    pub fn access_ttl(&self) -> Option<Duration> {
        self.access_ttl
    }

    /// Whether it tells its user's roles.
    #[must_use]
    pub fn roles(&self) -> RolesInTokens {
        self.roles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience(name: &str) -> Audience {
        name.parse().unwrap()
    }

    fn scope(text: &str) -> ScopeSet {
        text.parse().unwrap()
    }

    fn terms(audiences: &[&str]) -> TokenTerms {
        let servers = [
            ("orders", Some("read orders:write"), Some(300), RolesInTokens::Always),
            ("stock", Some("read stock:write"), Some(60), RolesInTokens::Always),
            ("silent", None, None, RolesInTokens::Never),
        ];
        let servers = servers.map(|(name, known, seconds, roles)| {
            let server = ResourceServer {
                audience: audience(name),
                scope: known.map(scope),
                access_ttl: seconds.map(Duration::from_secs),
                roles,
            };
            (server.audience.clone(), server)
        });
        let audiences: Vec<Audience> = audiences.iter().map(|name| audience(name)).collect();
        TokenTerms::of(&servers.into(), &audiences, &audience("issuer"))
    }

    #[test]
    fn several_audiences_get_what_suits_the_narrowest() {
        let granted = scope("openid read orders:write stock:write roles other heirloom:users.read");
        let all = granted.to_string();
        for (audiences, told, seconds, roles) in [
            (&["orders"][..], "orders:write read", Some(300), RolesInTokens::Always),
            (&["orders", "stock"], "read", Some(60), RolesInTokens::Always),
            (&["orders", "nobody"], "orders:write read", Some(300), RolesInTokens::WithScope),
            (&["orders", "silent"], "orders:write read", Some(300), RolesInTokens::Never),
            (
                &["orders", "issuer"],
                "heirloom:users.read openid orders:write read roles",
                Some(300),
                RolesInTokens::WithScope,
            ),
            (&["silent"], &all, None, RolesInTokens::Never),
            (&["nobody"], &all, None, RolesInTokens::WithScope),
            (&[], &all, None, RolesInTokens::WithScope),
        ] {
            let terms = terms(audiences);
            assert_eq!(terms.narrowed(granted.clone()).to_string(), told, "{audiences:?}");
            assert_eq!(terms.access_ttl(), seconds.map(Duration::from_secs), "{audiences:?}");
            assert_eq!(terms.roles(), roles, "{audiences:?}");
        }
    }

    #[test]
    fn who_asks_for_a_scope_that_an_audience_does_not_know_is_told_so() {
        for (asked, told) in [
            ("read", Ok(())),
            ("read openid offline_access", Ok(())),
            ("read stock:write", Err(UnknownScope)),
            ("other", Err(UnknownScope)),
        ] {
            assert_eq!(terms(&["orders"]).must_know(Some(&scope(asked))), told, "{asked}");
        }
        assert_eq!(terms(&["orders", "stock"]).must_know(Some(&scope("orders:write"))), Err(UnknownScope));
        assert_eq!(terms(&["orders"]).must_know(None), Ok(()));
        assert_eq!(terms(&["silent"]).must_know(Some(&scope("other"))), Ok(()));
    }

    #[test]
    fn an_access_token_lives_a_second_to_a_day() {
        let lasting = |seconds| {
            let server = ResourceServer::new(audience("orders"));
            ResourceServer { access_ttl: Some(Duration::from_secs(seconds)), ..server }.check()
        };
        assert_eq!(
            [0, 1, 86_400, 86_401].map(|seconds| lasting(seconds).is_ok()),
            [false, true, true, false]
        );
        assert_eq!(ResourceServer::new(audience("orders")).check(), Ok(()));
    }
}
