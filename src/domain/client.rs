//! Clients: the applications that tokens are issued to.

mod authentication;
mod metadata;
mod profile;
mod public_keys;
mod signing;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::audience::Audience;
use crate::domain::ids::ClientId;
use crate::domain::lifetimes::LifetimeOverrides;
use crate::domain::redirect_uri;
use crate::domain::scope::ScopeSet;
use crate::domain::secrets::ClientSecret;
use crate::domain::status_list::StatusPlace;
use crate::domain::web_origin::WebOrigin;

pub use authentication::{AuthMethod, ClientKind, JwtAlgorithm};
pub use metadata::{
    AssertionAudience, ClientMetadata, Contradiction, RefreshTokenDelivery, SubjectType, TokenExchangePolicy,
    WebUri,
};
pub use profile::{InvalidProfile, SecurityProfile};
pub use public_keys::{InvalidJwks, PublicJwks, UnfitKeys};

/// A registered client.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its identifier.
    pub id: ClientId,
    /// Whether it can keep a secret (RFC 6749 §2.1).
    pub kind: ClientKind,
    /// Who runs it: only first-party clients may take a user's password.
    pub party: Party,
    /// Where it may be sent back to, compared exactly.
    pub redirect_uris: Vec<String>,
    /// The grants it may use.
    pub grants: BTreeSet<GrantType>,
    /// The scopes it may be granted.
    pub scopes: ScopeSet,
    /// The audiences it may choose with `resource` (RFC 8707), beside the issuer.
    pub audiences: Vec<Audience>,
    /// The audiences that it is itself: a resource service may look at the tokens that are meant for it (RFC 7662).
    pub serves: Vec<Audience>,
    /// The lifetimes it sets of its own.
    pub lifetimes: LifetimeOverrides,
    /// What people are told that it is called; its id if it has no name.
    pub name: Option<String>,
    /// Where it may send a browser back to after a sign-out, compared exactly.
    pub post_logout_redirect_uris: Vec<String>,
    /// The sites whose scripts are its own, beside those that its redirect URIs lead to.
    pub web_origins: Vec<WebOrigin>,
    /// How its authorization codes are protected while it is confidential.
    pub code_protection: CodeProtection,
    /// What else it said of itself.
    pub metadata: ClientMetadata,
    /// How it came to be known here.
    pub origin: Origin,
    /// Grows with every change that makes another client of it to the people who agreed to it.
    pub identity: i64,
    /// Its own entry of a status list, from the first of its own tokens on that names one.
    pub status: Option<StatusPlace>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
}

/// Who runs a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// Whoever runs this server.
    First,
    /// Somebody else.
    Third,
}

/// How a client came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An operator added it.
    Operator,
    /// It registered itself (RFC 7591).
    Registered,
    /// Its id is the URL of its metadata document.
    Document,
}

impl Origin {
    /// Whether an operator answers for such clients.
    #[must_use]
    pub fn is_vouched_for(self) -> bool {
        match self {
            Self::Operator => true,
            Self::Registered | Self::Document => false,
        }
    }
}

/// How a client keeps a stolen authorization code from being used in its name (OAuth 2.1 §7.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeProtection {
    Pkce,
    /// With PKCE or a `nonce`: for confidential clients only.
    PkceOrNonce,
    /// As it likes, for its authentication keeps the code from others (OpenID Connect Core §3.1.2.1, RFC 9700 §2.1.1):
    /// for confidential clients only.
    Optional,
}

/// The grants (RFC 6749 §1.3, RFC 8628, RFC 8693).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// A user signs in at this server's pages.
    AuthorizationCode,
    /// A family is refreshed.
    RefreshToken,
    /// The client acts for itself.
    ClientCredentials,
    /// A user signs in elsewhere for a device without a browser (RFC 8628).
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
    /// A token becomes another one, for another service (RFC 8693).
    #[serde(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
}

impl GrantType {
    /// Every grant.
    pub const ALL: [Self; 5] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::DeviceCode,
        Self::TokenExchange,
    ];

    /// The grant's name in requests and metadata.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }
}

/// The text names no grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a grant must be one of authorization_code, refresh_token, client_credentials, \
     urn:ietf:params:oauth:grant-type:device_code, urn:ietf:params:oauth:grant-type:token-exchange"
)]
pub struct InvalidGrantType;

impl FromStr for GrantType {
    type Err = InvalidGrantType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == text).ok_or(InvalidGrantType)
    }
}

impl CodeProtection {
    const ALL: [Self; 3] = [Self::Pkce, Self::PkceOrNonce, Self::Optional];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pkce => "pkce",
            Self::PkceOrNonce => "pkce-or-nonce",
            Self::Optional => "optional",
        }
    }
}

/// The text names no protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the protection of codes must be pkce, pkce-or-nonce or optional")]
pub struct InvalidCodeProtection;

impl FromStr for CodeProtection {
    type Err = InvalidCodeProtection;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or(InvalidCodeProtection)
    }
}

impl fmt::Display for CodeProtection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Client {
    /// A client that may nothing yet: a third party's, without grants, scopes or redirect URIs.
    #[must_use]
    pub fn new(id: ClientId, kind: ClientKind, origin: Origin, created_at: DateTime<Utc>) -> Self {
        Self {
            id,
            kind,
            party: Party::Third,
            redirect_uris: Vec::new(),
            grants: BTreeSet::new(),
            scopes: ScopeSet::default(),
            audiences: Vec::new(),
            serves: Vec::new(),
            lifetimes: LifetimeOverrides::default(),
            name: None,
            post_logout_redirect_uris: Vec::new(),
            web_origins: Vec::new(),
            code_protection: CodeProtection::Pkce,
            metadata: ClientMetadata::default(),
            origin,
            identity: 0,
            status: None,
            created_at,
        }
    }

    /// What people are told that it is called.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or(self.id.as_str())
    }

    /// Whether it has become another client than `before` to the people who agreed to that one, by its own hand: it has
    /// another name, goes to other places, proves itself in another way, or knows people by other names.
    #[must_use]
    pub fn is_another_than(&self, before: &Self) -> bool {
        self.known_by() != before.known_by()
    }

    fn known_by(&self) -> impl PartialEq + '_ {
        let places: BTreeSet<&String> = self.redirect_uris.iter().collect();
        let said = &self.metadata;
        let proof = (
            matches!(self.kind, ClientKind::Public),
            said.token_endpoint_auth_method,
            &said.jwks,
            &said.jwks_uri,
            said.certificate_names().collect::<Vec<_>>(),
        );
        (&self.name, places, proof, said.subject_type, &said.sector_identifier_uri)
    }

    /// Whether an operator's change makes another client of `before` to the people who agreed to that one, as they are
    /// shown its name and the place that they go to: it has another name, or goes where nothing of it was.
    #[must_use]
    pub fn leads_elsewhere_than(&self, before: &Self) -> bool {
        let places: Vec<_> = before.redirect_uris.iter().map(|uri| redirect_uri::source_of(uri)).collect();
        let is_new = |uri: &String| !places.contains(&redirect_uri::source_of(uri));
        self.name != before.name || self.redirect_uris.iter().any(is_new)
    }

    /// Whether the scripts of a site are its own, by the site's origin as a browser writes it. Where the port of a
    /// redirect URI is free, that of the site is, too (RFC 8252 §7.3).
    #[must_use]
    pub fn has_site(&self, origin: &str) -> bool {
        let sites: Vec<String> =
            self.redirect_uris.iter().filter_map(|uri| redirect_uri::source_of(uri)).collect();
        redirect_uri::is_registered(origin, &sites) || self.web_origins.iter().any(|it| it.as_str() == origin)
    }

    /// What its authorization requests must carry. A public client has no choice.
    #[must_use]
    pub fn code_protection(&self) -> CodeProtection {
        match self.kind {
            ClientKind::Public => CodeProtection::Pkce,
            ClientKind::Confidential(_) => self.code_protection,
        }
    }

    /// Whether it may use the simple face: only a public first-party client takes passwords there.
    #[must_use]
    pub fn may_use_simple_face(&self) -> bool {
        matches!(self.kind, ClientKind::Public) && self.party == Party::First
    }

    /// Whether it may authenticate so. One that did not register a method has a secret, sent as it likes, or is public.
    #[must_use]
    pub fn authenticates_by(&self, method: AuthMethod) -> bool {
        match self.metadata.token_endpoint_auth_method {
            Some(registered) => registered == method,
            None => match self.kind {
                ClientKind::Public => method == AuthMethod::None,
                ClientKind::Confidential(_) => method.has_secret(),
            },
        }
    }

    /// Whether it can prove who it is, and so did where it was authenticated.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        matches!(self.kind, ClientKind::Confidential(_))
    }

    /// Whether it is given secrets.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        self.authenticates_by(AuthMethod::ClientSecretBasic)
            || self.authenticates_by(AuthMethod::ClientSecretPost)
    }

    /// Whether `presented` is one of its secrets.
    #[must_use]
    pub fn is_authenticated_by(&self, presented: &ClientSecret) -> bool {
        match &self.kind {
            ClientKind::Public => false,
            ClientKind::Confidential(secrets) => {
                let presented = presented.hash();
                // Every stored hash is compared, so that the time tells nothing.
                secrets.iter().fold(false, |found, stored| stored.matches(&presented) | found)
            }
        }
    }
}
