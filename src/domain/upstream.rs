//! Sign-in elsewhere: the providers that users may come from, and what one of them says of a user.

mod logout_token;
mod problem;
mod provider;

use crate::domain::ids::SignInSessionId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use logout_token::{LogoutToken, UnfitLogoutToken};
pub use problem::{UpstreamFault, UpstreamProblem};
pub use provider::{Provider, ProviderKind, ProviderSecret, RoleMapping, SecondFactor};

/// Who somebody is at a provider: the only thing that an account is linked by (OpenID Connect Core §5.7).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UpstreamSubject {
    pub issuer: String,
    pub subject: String,
}

/// What a provider says of somebody who has just signed in there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamIdentity {
    pub who: UpstreamSubject,
    pub email: Option<String>,
    /// Whether the provider made sure of the address.
    pub email_verified: bool,
    /// `preferred_username`, or a login name.
    pub username: Option<String>,
    pub name: Option<String>,
    /// When the user was asked there, if it is told.
    pub auth_time: Option<DateTime<Utc>>,
    /// The provider's name for its session with the user's browser.
    pub sid: Option<String>,
    pub amr: Vec<String>,
    /// The roles here that the provider's claim stands for, where the settings map one.
    pub roles: Option<Vec<String>>,
}

/// A browser on its way to a provider and back: what it set out with.
#[derive(Debug, Clone)]
pub struct UpstreamAttempt {
    pub provider: String,
    /// What was asked of the provider, in a word of the service's.
    pub asked: String,
    /// The query of the sign-in page that it began at.
    pub query: String,
    /// The sign-in whose user wants to be linked.
    pub session: Option<SignInSessionId>,
    /// Who came back, where nobody here is known by that.
    pub identity: Option<UpstreamIdentity>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// An account's link to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamLink {
    pub who: UpstreamSubject,
    /// What its owner knows it by there: an address or a name.
    pub label: Option<String>,
    pub created_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
}

impl UpstreamIdentity {
    /// The address, if the provider made sure of it.
    #[must_use]
    pub fn verified_email(&self) -> Option<&str> {
        self.email.as_deref().filter(|_| self.email_verified)
    }

    /// What its owner knows it by there.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.email.as_deref().or(self.username.as_deref()).or(self.name.as_deref())
    }

    /// A name for the account here, to begin with.
    #[must_use]
    pub fn suggested_username(&self) -> Option<&str> {
        let local = self.email.as_deref().and_then(|email| email.split_once('@')).map(|(local, _)| local);
        self.username.as_deref().or(local)
    }
}

/// The domain of a mail address, in lower case.
#[must_use]
pub fn domain_of(email: &str) -> Option<String> {
    email.rsplit_once('@').map(|(_, domain)| domain.to_lowercase())
}

/// The texts of a claim that is a text or a list of them; what else is in it is nobody's role.
#[must_use]
pub fn texts_of<'a>(claims: &'a Map<String, Value>, name: &str) -> Vec<&'a str> {
    match claims.get(name) {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
