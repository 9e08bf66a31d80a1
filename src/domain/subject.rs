//! Subjects: the names by which clients know users (OpenID Connect Core §8).

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::{Host, Url};

use crate::domain::client::{Client, GrantType, SubjectType};
use crate::domain::ids::UserId;
use crate::domain::user::Username;

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

    /// A name that nobody has here, for the log: the same for the same name, and nobody without the key can try names.
    #[must_use]
    pub fn hash_of_name(&self, name: &Username) -> String {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(b"heirloom unknown name v1\0");
        mac.update(name.meant_key().as_bytes());
        let tag = mac.sign();
        let (hash, _) = tag.as_ref().split_at(12);
        URL_SAFE_NO_PAD.encode(hash)
    }

    /// A number for what is counted of somebody: the same in all processes, and nobody without the key can try names.
    #[must_use]
    pub fn number_of_count(&self, limiter: &str, whose: &str) -> i64 {
        let mut mac = hmac::Context::with_key(&self.0);
        for part in ["heirloom count v1", limiter, whose] {
            mac.update(part.as_bytes());
            mac.update(b"\0");
        }
        let tag = mac.sign();
        let first = tag.as_ref().first_chunk().copied().unwrap_or_default();
        i64::from_be_bytes(first)
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
/// host, or only the user's own machine, is a sector of its own.
fn sector(client: &Client) -> String {
    match hosts(client).as_slice() {
        [host] => host.clone(),
        _ => format!("client {}", client.id),
    }
}

fn hosts(client: &Client) -> Vec<String> {
    if let Some(uri) = &client.metadata.sector_identifier_uri {
        // It was asked, or an operator vouches for it: it is somebody, wherever it is.
        return uri.url().and_then(|url| url.host_str().map(ToOwned::to_owned)).into_iter().collect();
    }
    let mut hosts: Vec<String> = client.redirect_uris.iter().filter_map(|uri| host_of(uri)).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// Any program may have a port of the user's machine, or a scheme: neither says who it is.
fn host_of(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
    let is_somebody = match url.host()? {
        Host::Domain(name) => name != "localhost",
        Host::Ipv4(address) => !address.is_loopback(),
        Host::Ipv6(address) => !address.is_loopback(),
    };
    url.host_str().filter(|_| is_somebody).map(ToOwned::to_owned)
}

/// A pairwise client whose sector nobody can tell (OpenID Connect Core §8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSector {
    /// Its redirect URIs are at several places.
    #[error("a pairwise client whose redirect URIs have several hosts needs a sector_identifier_uri")]
    SeveralHosts,
    /// It gets its tokens elsewhere than at the host that it names.
    #[error("a pairwise client with the device grant does not name a host: what it learns is not sent there")]
    Device,
}

/// Checks that a client's sector is clear.
///
/// # Errors
/// [`NoSector`].
pub fn check_sector(client: &Client) -> Result<(), NoSector> {
    if is_pairwise(client) && hosts(client).len() > 1 { Err(NoSector::SeveralHosts) } else { Ok(()) }
}

/// The same for a client that nobody vouches for. It may learn the names of a host's sector only there: one that
/// receives them on the user's machine, too, or on a device, could take any host's name.
///
/// # Errors
/// [`NoSector`].
pub fn check_sector_of_stranger(client: &Client) -> Result<(), NoSector> {
    check_sector(client)?;
    if !is_pairwise(client) || hosts(client).is_empty() {
        return Ok(());
    }
    if client.grants.contains(&GrantType::DeviceCode) {
        return Err(NoSector::Device);
    }
    let is_there = client.metadata.sector_identifier_uri.is_some()
        || client.redirect_uris.iter().all(|uri| host_of(uri).is_some());
    if is_there { Ok(()) } else { Err(NoSector::SeveralHosts) }
}

fn is_pairwise(client: &Client) -> bool {
    client.metadata.subject_type == Some(SubjectType::Pairwise)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::client::{ClientKind, ClientMetadata, Origin};

    fn client(redirect_uris: &[&str], sector_identifier_uri: Option<&str>) -> Client {
        let id = "app".parse().unwrap();
        let new = Client::new(id, ClientKind::Public, Origin::Operator, chrono::DateTime::UNIX_EPOCH);
        Client {
            redirect_uris: redirect_uris.iter().map(|uri| (*uri).to_owned()).collect(),
            metadata: ClientMetadata {
                subject_type: Some(SubjectType::Pairwise),
                sector_identifier_uri: sector_identifier_uri.map(|uri| uri.to_owned().try_into().unwrap()),
                ..ClientMetadata::default()
            },
            ..new
        }
    }

    #[test]
    fn a_sector_is_a_host_or_a_client() {
        for (uris, sector_uri, expected) in [
            (&["https://a.example/1", "https://A.example:8443/2"][..], None, "a.example"),
            (&["https://a.example", "https://b.example"], Some("https://c.example/s"), "c.example"),
            (&["com.example.app:/cb"], None, "client app"),
            (&["com.example.app://a.example/cb"], None, "client app"),
            (&["http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost/cb"], None, "client app"),
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
        assert_eq!(check_sector(&client), Err(NoSector::SeveralHosts), "OpenID Connect Core §8.1");
        client.metadata.subject_type = None;
        assert_eq!(check_sector(&client), Ok(()), "nobody asks for it");
        assert_eq!(check_sector_of_stranger(&client), Ok(()), "nobody asks for it");
    }

    #[test]
    fn a_stranger_learns_the_names_of_a_host_only_there() {
        const SECTOR: Option<&str> = Some("https://a.example/s");
        let (at_code, device) = (GrantType::AuthorizationCode, GrantType::DeviceCode);
        for (uris, sector_uri, grant, expected) in [
            (&["https://a.example/1"][..], None, at_code, Ok(())),
            (&["https://a.example/1", "http://127.0.0.1/cb"], None, at_code, Err(NoSector::SeveralHosts)),
            (&["https://a.example/1", "com.example.app:/cb"], None, at_code, Err(NoSector::SeveralHosts)),
            (&["https://a.example/1", "https://b.example/1"], None, at_code, Err(NoSector::SeveralHosts)),
            (&["https://b.example/1", "http://127.0.0.1/cb"], SECTOR, at_code, Ok(())),
            (&["http://127.0.0.1/cb", "com.example.app:/cb"], None, at_code, Ok(())),
            (&[], None, device, Ok(())),
            (&["http://127.0.0.1/cb"], None, device, Ok(())),
            (&[], SECTOR, device, Err(NoSector::Device)),
            (&["https://a.example/1"], None, device, Err(NoSector::Device)),
        ] {
            let mut client = client(uris, sector_uri);
            client.grants = [grant].into();
            assert_eq!(check_sector_of_stranger(&client), expected, "{uris:?} {sector_uri:?} {grant:?}");
        }
    }
}
