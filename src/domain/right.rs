//! What opens the administration: scopes of ordinary access tokens that are meant for this server.

use std::fmt;

use crate::domain::scope::{ScopeSet, USERINFO_SCOPES};

/// What the names of all these scopes begin with.
const PREFIX: &str = "heirloom:";

/// A part of the administration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    Users,
    Clients,
    Families,
    Keys,
    Events,
    Settings,
}

impl Area {
    fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Clients => "clients",
            Self::Families => "families",
            Self::Keys => "keys",
            Self::Events => "events",
            Self::Settings => "settings",
        }
    }
}

/// The right to look at a part of the administration, or to change it. Neither has the other in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    Read(Area),
    Write(Area),
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(area) => write!(f, "{PREFIX}{}.read", area.as_str()),
            Self::Write(area) => write!(f, "{PREFIX}{}.write", area.as_str()),
        }
    }
}

impl ScopeSet {
    /// Whether there are rights of the administration in it.
    #[must_use]
    pub fn has_rights(&self) -> bool {
        self.iter().any(|scope| scope.starts_with(PREFIX))
    }

    /// Whether this server itself gives the scope its meaning: it is a right of the administration, or opens what is
    /// told of users.
    #[must_use]
    pub fn is_our_own(scope: &str) -> bool {
        USERINFO_SCOPES.contains(&scope) || scope.starts_with(PREFIX)
    }

    /// The same without all rights of the administration.
    #[must_use]
    pub fn without_rights(&self) -> Self {
        self.only(|scope| !scope.starts_with(PREFIX))
    }
}
