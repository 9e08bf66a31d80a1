//! Subjects: the names by which clients know users (OpenID Connect Core §8).

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::domain::client::Client;
use crate::domain::ids::UserId;

/// Whether a client knows its users by names that other clients know them by, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectType {
    /// The user's id: the same for all.
    #[default]
    Public,
    /// Another name in each sector, so that clients cannot put together what each knows.
    Pairwise,
}

/// The subject types that are served.
pub const SUBJECT_TYPES: [&str; 2] = ["public", "pairwise"];

/// What pairwise names are made with: 32 random bytes, the same for as long as the database lives. Other than a master
/// key they cannot be changed without every pairwise client losing its users.
pub struct SubjectKey(hmac::Key);

impl SubjectKey {
    /// Takes 32 random bytes.
    #[must_use]
    pub fn new(material: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, material))
    }

    /// The name by which a client knows a user.
    #[must_use]
    pub fn subject(&self, client: &Client, user: UserId) -> String {
        match client.metadata.subject_type.unwrap_or_default() {
            SubjectType::Public => user.to_string(),
            SubjectType::Pairwise => self.pairwise(&sector(client), user),
        }
    }

    /// OpenID Connect Core §8.1: nobody without the key can tell the user of it, or whether two are the same.
    fn pairwise(&self, sector: &str, user: UserId) -> String {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(b"heirloom pairwise subject v1\0");
        mac.update(user.0.as_bytes());
        mac.update(sector.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.sign())
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey(…)")
    }
}

/// The clients that know a user by the same name: those of one host (OpenID Connect Core §8.1). A client that names no
/// host is a sector of its own.
fn sector(client: &Client) -> String {
    match hosts(client).as_slice() {
        [host] => host.clone(),
        _ => format!("client {}", client.id),
    }
}

fn hosts(client: &Client) -> Vec<String> {
    let host = |uri: &str| Url::parse(uri).ok()?.host_str().map(ToOwned::to_owned);
    if let Some(uri) = &client.metadata.sector_identifier_uri {
        return host(uri.as_str()).into_iter().collect();
    }
    let mut hosts: Vec<String> = client.redirect_uris.iter().filter_map(|uri| host(uri)).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// A pairwise client whose sector nobody can tell (OpenID Connect Core §8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pairwise client whose redirect URIs have several hosts needs a sector_identifier_uri")]
pub struct NoSector;

/// Checks that a client's sector is clear.
///
/// # Errors
/// [`NoSector`].
pub fn check_sector(client: &Client) -> Result<(), NoSector> {
    let pairwise = client.metadata.subject_type == Some(SubjectType::Pairwise);
    if pairwise && hosts(client).len() > 1 { Err(NoSector) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::client::{ClientKind, ClientMetadata, CodeProtection, Origin, Party};
    use crate::domain::lifetimes::LifetimeOverrides;
    use crate::domain::scope::ScopeSet;

    fn client(redirect_uris: &[&str], sector_identifier_uri: Option<&str>) -> Client {
        Client {
            id: "app".parse().unwrap(),
            kind: ClientKind::Public,
            party: Party::Third,
            redirect_uris: redirect_uris.iter().map(|uri| (*uri).to_owned()).collect(),
            grants: std::collections::BTreeSet::new(),
            scopes: ScopeSet::default(),
            audiences: Vec::new(),
            lifetimes: LifetimeOverrides::default(),
            name: None,
            post_logout_redirect_uris: Vec::new(),
            code_protection: CodeProtection::Pkce,
            metadata: ClientMetadata {
                subject_type: Some(SubjectType::Pairwise),
                sector_identifier_uri: sector_identifier_uri.map(|uri| uri.to_owned().try_into().unwrap()),
                ..ClientMetadata::default()
            },
            origin: Origin::Operator,
            created_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_sector_is_a_host_or_a_client() {
        for (uris, sector_uri, expected) in [
            (&["https://a.example/1", "https://A.example:8443/2"][..], None, "a.example"),
            (&["https://a.example", "https://b.example"], Some("https://c.example/s"), "c.example"),
            (&["com.example.app:/cb"], None, "client app"),
            (&[], None, "client app"),
        ] {
            let client = client(uris, sector_uri);
            assert_eq!(sector(&client), expected);
            assert_eq!(check_sector(&client), Ok(()), "{expected}");
        }
    }

    #[test]
    fn several_hosts_are_no_sector() {
        let mut client = client(&["https://a.example", "https://b.example"], None);
        assert_eq!(check_sector(&client), Err(NoSector), "OpenID Connect Core §8.1");
        client.metadata.subject_type = None;
        assert_eq!(check_sector(&client), Ok(()), "nobody asks for it");
    }
}
