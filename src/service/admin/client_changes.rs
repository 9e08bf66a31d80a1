//! What an operator says of a client, and what a client may be.

use serde_json::{Map, Value};

use crate::domain::audience::Audience;
use crate::domain::client::{Client, ClientKind, CodeProtection, GrantType, Party, SecurityProfile};
use crate::domain::family::RotationPolicy;
use crate::domain::lettering::is_label;
use crate::domain::lifetimes::LifetimeOverrides;
use crate::domain::redirect_rule::{PrivateSchemes, check_redirect_uri};
use crate::domain::scope::ScopeSet;
use crate::domain::subject::check_sector;
use crate::domain::web_origin::WebOrigin;
use crate::service::Core;
use crate::service::admin::error::AdminError;
use crate::service::admin::fapi2;
use crate::service::admin::members::merged;

/// What an operator says of a client: it replaces what was, and what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClientChanges {
    /// What a new client is, before all else that is said of it.
    pub profile: Option<SecurityProfile>,
    pub party: Option<Party>,
    pub redirect_uris: Option<Vec<String>>,
    pub name: Option<String>,
    pub post_logout_redirect_uris: Option<Vec<String>>,
    pub web_origins: Option<Vec<WebOrigin>>,
    pub code_protection: Option<CodeProtection>,
    /// The members of its metadata that change; null takes one away (RFC 7396).
    pub metadata: Option<Map<String, Value>>,
    pub grants: Option<Vec<GrantType>>,
    pub scopes: Option<ScopeSet>,
    pub audiences: Option<Vec<Audience>>,
    pub serves: Option<Vec<Audience>>,
    pub lifetimes: LifetimeOverrides,
    pub rotation: Option<RotationPolicy>,
    /// Whether it gets no token that is not bound to a key.
    pub dpop_bound_access_tokens: Option<bool>,
    /// Whether it gets no access token that is not bound to its certificate.
    pub tls_client_certificate_bound_access_tokens: Option<bool>,
    /// Whether the operator knows that the change may end logins.
    pub confirmed: bool,
}

impl ClientChanges {
    pub(super) fn apply_to(self, client: &mut Client) -> Result<(), AdminError> {
        // Only what is new: a client that was registered under another rule can still be changed otherwise.
        for uri in [&self.redirect_uris, &self.post_logout_redirect_uris].into_iter().flatten().flatten() {
            check_redirect_uri(uri, PrivateSchemes::Any)
                .map_err(|why| AdminError::UnfitRedirectUri(uri.clone(), why))?;
        }
        if self.name.as_deref().is_some_and(|name| name.is_empty() || !is_label(name)) {
            return Err(AdminError::UnfitClientName);
        }
        let binds_to_certificate = self.tls_client_certificate_bound_access_tokens == Some(true);
        let is_bound_to_one = self.dpop_bound_access_tokens.is_none() && binds_to_certificate;
        if let Some(SecurityProfile::Fapi2) = self.profile {
            fapi2::begin(client);
            client.metadata.dpop_bound_access_tokens = !is_bound_to_one;
        }
        replace(&mut client.party, self.party);
        replace(&mut client.redirect_uris, self.redirect_uris);
        replace(&mut client.name, self.name.map(Some));
        replace(&mut client.post_logout_redirect_uris, self.post_logout_redirect_uris);
        replace(&mut client.web_origins, self.web_origins);
        replace(&mut client.code_protection, self.code_protection);
        if let Some(changes) = self.metadata {
            let before = std::mem::take(&mut client.metadata);
            client.metadata = merged("metadata", &before, changes)?;
            if client.metadata.jwks != before.jwks {
                client.metadata.check_keys()?;
            }
        }
        if self.profile.is_some() && !client.metadata.has_keys() {
            // Who has no keys signs no request.
            client.metadata.require_single_use_request_object = false;
        }
        replace(&mut client.metadata.refresh_token_rotation, self.rotation);
        replace(&mut client.metadata.dpop_bound_access_tokens, self.dpop_bound_access_tokens);
        replace(
            &mut client.metadata.tls_client_certificate_bound_access_tokens,
            self.tls_client_certificate_bound_access_tokens,
        );
        replace(&mut client.grants, self.grants.map(|grants| grants.into_iter().collect()));
        replace(&mut client.scopes, self.scopes);
        replace(&mut client.audiences, self.audiences);
        replace(&mut client.serves, self.serves);
        let (own, new) = (&mut client.lifetimes, self.lifetimes);
        own.access_ttl = new.access_ttl.or(own.access_ttl);
        own.idle_ttl = new.idle_ttl.or(own.idle_ttl);
        own.absolute_ttl = new.absolute_ttl.or(own.absolute_ttl);
        own.leeway = new.leeway.or(own.leeway);
        Ok(())
    }
}

fn replace<T>(old: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *old = new;
    }
}

/// Whether an operator may have a client be so.
pub(super) fn check(core: &Core, client: &Client) -> Result<(), AdminError> {
    // RFC 6749 §4.4: only confidential clients may use it; nor may anybody exchange tokens who cannot prove to be who
    // the policy is for.
    for grant in [GrantType::ClientCredentials, GrantType::TokenExchange] {
        if matches!(client.kind, ClientKind::Public) && client.grants.contains(&grant) {
            return Err(AdminError::NotForPublicClients(grant));
        }
    }
    // First: what it says of a method is what an operator who named it looks for.
    if let Some(SecurityProfile::Fapi2) = client.metadata.security_profile {
        fapi2::check(client)?;
    }
    client.metadata.check(&client.kind)?;
    client.metadata.refresh_token_rotation.checked(&core.clients.lifetimes_of(client)?)?;
    Ok(check_sector(client)?)
}
