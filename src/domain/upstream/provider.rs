//! A provider, as an operator describes it.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use crate::domain::upstream::{domain_of, texts_of};

/// Where users may sign in instead.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name in addresses and events.
    pub id: String,
    /// What people know it by.
    pub name: String,
    pub kind: ProviderKind,
    /// Its issuer identifier, as it writes it.
    pub issuer: String,
    pub client_id: String,
    /// `None` for a public client, which PKCE alone protects.
    pub client_secret: Option<ProviderSecret>,
    pub scopes: Vec<String>,
    /// Whether somebody without an account here gets one.
    pub creates_accounts: bool,
    /// The domains whose addresses may get one; all if there are none.
    pub mail_domains: Vec<String>,
    /// The domains whose people always sign in there.
    pub home_domains: Vec<String>,
    pub roles: Option<RoleMapping>,
    /// Whether a browser that nobody is signed in at is sent there at once, to see whether somebody is there.
    pub hands_over: bool,
    pub second_factor: SecondFactor,
}

/// How one talks to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderKind {
    /// OpenID Connect, with discovery.
    OpenId,
    /// GitHub: OAuth 2.0 alone, and a user that is asked for by its API, which is here.
    GitHub { api: Url },
}

/// Where a second factor is asked for that is wanted here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactor {
    /// Here, whatever the provider did.
    Here,
    /// There: what it says of several factors (`mfa` in `amr`, RFC 8176) counts.
    There,
}

/// Roles that follow a claim of the provider's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleMapping {
    pub claim: String,
    /// The roles that a value of it stands for.
    pub roles: BTreeMap<String, Vec<String>>,
}

/// What this server shows the provider to be itself.
#[derive(Clone)]
pub struct ProviderSecret(Zeroizing<String>);

impl ProviderSecret {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the provider only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ProviderSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProviderSecret(…)")
    }
}

impl Provider {
    /// Whether an address may get an account here by this provider.
    #[must_use]
    pub fn lets_in(&self, email: &str) -> bool {
        self.mail_domains.is_empty() || is_in(&self.mail_domains, email)
    }

    /// Whether people with such an address always sign in there.
    #[must_use]
    pub fn is_home_of(&self, email: &str) -> bool {
        is_in(&self.home_domains, email)
    }
}

fn is_in(domains: &[String], email: &str) -> bool {
    domain_of(email).is_some_and(|domain| domains.contains(&domain))
}

impl RoleMapping {
    /// The roles that these claims stand for.
    #[must_use]
    pub fn of(&self, claims: &Map<String, Value>) -> Vec<String> {
        let values = texts_of(claims, &self.claim);
        let stood_for = self.roles.iter().filter(|(value, _)| values.contains(&value.as_str()));
        let mut roles: Vec<String> = stood_for.flat_map(|(_, roles)| roles.clone()).collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// A user's roles once the mapped ones are these: roles that no value stands for stay as they are.
    #[must_use]
    pub fn applied(&self, before: &[String], mapped: &[String]) -> Vec<String> {
        let is_mapped = |role: &String| self.roles.values().any(|roles| roles.contains(role));
        let kept = before.iter().filter(|role| !is_mapped(role) || mapped.contains(role));
        let mut roles: Vec<String> = kept.cloned().collect();
        roles.extend(mapped.iter().filter(|role| !before.contains(role)).cloned());
        roles
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn roles_follow_the_claim_and_others_stay() {
        let list = |roles: &[&str]| roles.iter().map(|role| (*role).to_owned()).collect::<Vec<_>>();
        let roles = [("staff", list(&["editor"])), ("chiefs", list(&["admin", "editor"]))];
        let mapping = RoleMapping {
            claim: "groups".to_owned(),
            roles: roles.map(|(value, roles)| (value.to_owned(), roles)).into(),
        };
        let mapped = |claims: Value| mapping.of(claims.as_object().unwrap());
        assert_eq!(mapped(json!({ "groups": ["staff", "chiefs", "others"] })), ["admin", "editor"]);
        assert_eq!(mapped(json!({ "groups": "staff" })), ["editor"]);
        for nothing in [json!({}), json!({ "groups": 7 }), json!({ "groups": [null, {}] })] {
            assert!(mapped(nothing).is_empty());
        }
        let before = list(&["own", "admin"]);
        assert_eq!(
            mapping.applied(&before, &list(&["editor"])),
            ["own", "editor"],
            "the mapped one is taken"
        );
        assert_eq!(mapping.applied(&before, &list(&["admin"])), before);
    }
}
