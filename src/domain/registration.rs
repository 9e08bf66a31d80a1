//! What a client says of itself when it registers (RFC 7591 §2, OpenID Connect Dynamic Client Registration 1.0 §2):
//! read, checked, and cut down to what this server honours.

mod algorithms;
pub mod document;
mod invalid;
mod members;
mod uris;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::domain::client::{AuthMethod, Client, ClientKind, ClientMetadata, Contradiction, GrantType};
use crate::domain::redirect_rule::{PrivateSchemes, RedirectScheme, UnfitUri};
use crate::domain::registration::members::Members;
use crate::domain::scope::{OFFLINE_ACCESS, ScopeSet};
use crate::domain::subject::check_sector_of_stranger;

pub use algorithms::check_algorithms;
pub use invalid::InvalidRegistration;
pub use members::known_members;

/// Who may register a client without an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nobody.
    Off,
    /// Who presents an initial access token that an operator made (RFC 7591 §1.2).
    InitialAccessToken,
    /// Everybody, within bounds.
    Open,
}

impl Mode {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::InitialAccessToken => "initial_access_token",
            Self::Open => "open",
        }
    }
}

/// The text names no mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("registration must be off, initial_access_token or open")]
pub struct InvalidMode;

impl FromStr for Mode {
    type Err = InvalidMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Off, Self::InitialAccessToken, Self::Open];
        all.into_iter().find(|mode| mode.as_str() == text).ok_or(InvalidMode)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The grants that a client may give itself. To act for itself alone is an operator's to allow.
pub const GRANTS: [GrantType; 3] =
    [GrantType::AuthorizationCode, GrantType::DeviceCode, GrantType::RefreshToken];

/// What clients that nobody answers for may have.
#[derive(Debug, Clone)]
pub struct Allowed {
    pub scopes: ScopeSet,
    /// How they may authenticate.
    pub auth_methods: Vec<AuthMethod>,
    /// The private schemes of redirect URIs that they may have beside domain names in reverse.
    pub redirect_schemes: Vec<RedirectScheme>,
    /// How long the period of their rotation may be; zero for those that rotate with every refresh.
    pub longest_rotation_period: Duration,
}

impl Allowed {
    /// Whether the server sees clients' certificates.
    #[must_use]
    pub fn sees_certificates(&self) -> bool {
        self.auth_methods.contains(&AuthMethod::SelfSignedTlsClientAuth)
    }
}

/// A registration that was read.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Where users may be sent back to.
    pub redirect_uris: Vec<String>,
    /// Where they may be sent after a sign-out.
    pub post_logout_redirect_uris: Vec<String>,
    pub grants: BTreeSet<GrantType>,
    /// The scopes, as far as they may be had.
    pub scopes: ScopeSet,
    /// What people are told that it is called.
    pub name: Option<String>,
    /// How it authenticates.
    pub auth: AuthMethod,
    /// What else this server honours.
    pub metadata: ClientMetadata,
    /// What it is told that it registered, beside what its [`Client`] says.
    pub told: Map<String, Value>,
}

/// Reads what a client says of itself. Members that this server does not know are passed over (RFC 7591 §2). `default`
/// is how it authenticates when it says nothing of it.
pub fn read_registration(
    members: &Map<String, Value>,
    default: AuthMethod,
    allowed: &Allowed,
) -> Result<Registration, InvalidRegistration> {
    let members = Members(members);
    let auth = match members.text("token_endpoint_auth_method")? {
        None => default,
        Some(name) => allowed.auth_methods.iter().copied().find(|method| method.as_str() == name).ok_or(
            InvalidRegistration::Metadata(
                "The token_endpoint_auth_method is not among those in the server's metadata.",
            ),
        )?,
    };
    let grants = grants(&members)?;
    let schemes = PrivateSchemes::ReverseDomainOr(&allowed.redirect_schemes);
    let (redirect_uris, application) = redirect_uris(&members, &grants, schemes)?;
    if members.get("jwks").is_some() && members.get("jwks_uri").is_some() {
        // RFC 7591 §2: they must not both be there.
        return Err(InvalidRegistration::Metadata("Send jwks or jwks_uri, not both."));
    }
    let mut metadata = members.honoured()?;
    if metadata.sector_identifier_uri.as_ref().is_some_and(|uri| !uri.is_https()) {
        // OpenID Connect Dynamic Client Registration §2.
        return Err(InvalidRegistration::Metadata("The sector_identifier_uri is not an https URL."));
    }
    if metadata.tls_client_certificate_bound_access_tokens && !allowed.sees_certificates() {
        return Err(InvalidRegistration::Metadata(
            "This server does not see clients' certificates, so it cannot bind tokens to them.",
        ));
    }
    let checked = metadata.check(&kind_of(auth)).and_then(|()| metadata.check_keys());
    checked.map_err(|Contradiction(what)| InvalidRegistration::Metadata(what))?;
    let mut told = members.told()?;
    if !metadata.refresh_token_rotation.is_usual() {
        // RFC 7591 §3.2.1: what the server put in its place is told.
        metadata.refresh_token_rotation =
            metadata.refresh_token_rotation.at_most(allowed.longest_rotation_period);
        told.insert("refresh_token_rotation".to_owned(), json!(metadata.refresh_token_rotation));
    }
    told.insert("application_type".to_owned(), json!(application.as_str()));
    told.insert("token_endpoint_auth_method".to_owned(), json!(auth.as_str()));
    Ok(Registration {
        post_logout_redirect_uris: post_logout_redirect_uris(&members, schemes)?,
        scopes: scopes_of(&members, &allowed.scopes)?,
        name: members.name("client_name")?,
        redirect_uris,
        grants,
        auth,
        metadata,
        told,
    })
}

/// RFC 7591 §2.1: `authorization_code` and `code` stand or fall together. A user has to be let in somehow, or there is
/// nothing to refresh.
fn grants(members: &Members<'_>) -> Result<BTreeSet<GrantType>, InvalidRegistration> {
    const MISFIT: InvalidRegistration =
        InvalidRegistration::Metadata("The grant_types and the response_types do not fit each other.");
    let asked = match members.texts("grant_types")? {
        None => [GrantType::AuthorizationCode].into(),
        Some(names) => names
            .iter()
            .map(|name| name.parse().ok().filter(|grant| GRANTS.contains(grant)))
            .collect::<Option<BTreeSet<GrantType>>>()
            .ok_or(InvalidRegistration::Metadata(
                "The grant_types must be authorization_code, that of device codes, or both, and may have refresh_token beside them.",
            ))?,
    };
    let has_code = asked.contains(&GrantType::AuthorizationCode);
    let types = members.texts("response_types")?;
    let fits = match types.as_deref() {
        Some([code]) => code == "code" && has_code,
        Some([]) => !has_code,
        Some(_) => false,
        None => true,
    };
    if fits && (has_code || asked.contains(&GrantType::DeviceCode)) { Ok(asked) } else { Err(MISFIT) }
}

fn redirect_uris(
    members: &Members<'_>,
    grants: &BTreeSet<GrantType>,
    schemes: PrivateSchemes<'_>,
) -> Result<(Vec<String>, uris::Application), InvalidRegistration> {
    let uris = members
        .texts("redirect_uris")
        .map_err(|_| InvalidRegistration::RedirectUri("The redirect_uris must be a list of texts."))?
        .unwrap_or_default();
    if uris.is_empty() && grants.contains(&GrantType::AuthorizationCode) {
        return Err(InvalidRegistration::RedirectUri("The redirect_uris are missing."));
    }
    let application = match members.text("application_type")? {
        None => uris::Application::of_uris(&uris),
        Some("web") => uris::Application::Web,
        Some("native") => uris::Application::Native,
        Some(_) => {
            return Err(InvalidRegistration::Metadata("The application_type must be web or native."));
        }
    };
    let unfit = |UnfitUri(why)| InvalidRegistration::RedirectUri(why);
    uris.iter().try_for_each(|uri| application.check(uri, schemes)).map_err(unfit)?;
    Ok((uris, application))
}

/// OpenID Connect RP-Initiated Logout §3.1: the same rules as for other places that a browser is sent to.
fn post_logout_redirect_uris(
    members: &Members<'_>,
    schemes: PrivateSchemes<'_>,
) -> Result<Vec<String>, InvalidRegistration> {
    let uris = members.texts("post_logout_redirect_uris")?.unwrap_or_default();
    let unfit = |UnfitUri(why)| InvalidRegistration::Metadata(why);
    uris.iter().try_for_each(|uri| uris::Application::Native.check(uri, schemes)).map_err(unfit)?;
    Ok(uris)
}

/// RFC 7591 §2: a client that names no scope gets what is usual, one that names more than it may have gets the rest.
/// `offline_access` has to be named: whoever has it registered gets refresh tokens only by asking for it.
fn scopes_of(members: &Members<'_>, allowed: &ScopeSet) -> Result<ScopeSet, InvalidRegistration> {
    let Some(text) = members.text("scope")?.filter(|text| !text.is_empty()) else {
        return Ok(allowed.without(OFFLINE_ACCESS));
    };
    let asked: ScopeSet =
        text.parse().map_err(|_| InvalidRegistration::Metadata("The scope is malformed."))?;
    let had = asked.intersection(allowed);
    if had.is_empty() {
        return Err(InvalidRegistration::Metadata(
            "A client that registers itself may not have any of these scopes.",
        ));
    }
    Ok(had)
}

fn kind_of(method: AuthMethod) -> ClientKind {
    match method {
        AuthMethod::None => ClientKind::Public,
        AuthMethod::ClientSecretBasic
        | AuthMethod::ClientSecretPost
        | AuthMethod::PrivateKeyJwt
        | AuthMethod::SelfSignedTlsClientAuth
        | AuthMethod::TlsClientAuth => ClientKind::Confidential(Vec::new()),
    }
}

impl Registration {
    /// The same with the algorithms that a client gets which registers itself, and was there `before` or not.
    #[must_use]
    pub fn with_usual_algorithms(mut self, before: Option<&Client>) -> Self {
        algorithms::fill_in(&mut self.metadata, self.auth, before.map(|client| &client.metadata));
        self
    }

    /// Puts what was registered in the place of what `client` had.
    ///
    /// # Errors
    /// [`InvalidRegistration`] when it asks for pairwise subjects and is of no one sector.
    pub fn apply(self, client: &mut Client) -> Result<(), InvalidRegistration> {
        client.redirect_uris = self.redirect_uris;
        client.post_logout_redirect_uris = self.post_logout_redirect_uris;
        client.grants = self.grants;
        client.scopes = self.scopes;
        client.name = self.name;
        client.metadata = self.metadata;
        client.kind = match (&client.kind, kind_of(self.auth)) {
            (ClientKind::Confidential(secrets), ClientKind::Confidential(_)) => {
                ClientKind::Confidential(secrets.clone())
            }
            (_, kind) => kind,
        };
        Ok(check_sector_of_stranger(client)?)
    }
}

/// A client's metadata as it is answered (RFC 7591 §3.2.1): `told` under what holds now.
#[must_use]
pub fn registered_members(client: &Client, told: &Map<String, Value>) -> Map<String, Value> {
    let mut members = told.clone();
    if let Ok(Value::Object(honoured)) = serde_json::to_value(&client.metadata) {
        members.extend(honoured);
    }
    let has_code = client.grants.contains(&GrantType::AuthorizationCode);
    let response_types: &[&str] = if has_code { &["code"] } else { &[] };
    for (name, value) in [
        ("redirect_uris", json!(client.redirect_uris)),
        ("grant_types", json!(client.grants)),
        ("response_types", json!(response_types)),
        ("scope", json!(client.scopes)),
    ] {
        members.insert(name.to_owned(), value);
    }
    if let Some(name) = &client.name {
        members.insert("client_name".to_owned(), json!(name));
    }
    if !client.post_logout_redirect_uris.is_empty() {
        let uris = json!(client.post_logout_redirect_uris);
        members.insert("post_logout_redirect_uris".to_owned(), uris);
    }
    members
}

#[cfg(test)]
mod tests;
