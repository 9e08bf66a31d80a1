//! A resource server as a file says it.

use serde::{Deserialize, Serialize};

use crate::domain::audience::Audience;
use crate::domain::resource_server::{ResourceServer, RolesInTokens};
use crate::domain::signing_algorithm::SigningAlgorithm;
use crate::service::admin::files::form_text::{AsText, Lasting, Scopes};

/// What is absent is as it is where nobody says anything of the audience.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServerEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<AsText<Scopes>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_ttl: Option<AsText<Lasting>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_algorithm: Option<SigningAlgorithm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<RolesInTokens>,
}

impl ServerEntry {
    /// What a file has to say to have it so.
    pub(super) fn of(server: &ResourceServer, algorithm: Option<SigningAlgorithm>) -> Self {
        Self {
            scope: server.scope.clone().map(|scope| AsText(Scopes(scope))),
            access_ttl: server.access_ttl.map(|ttl| AsText(Lasting(ttl))),
            signing_algorithm: algorithm,
            roles: Some(server.roles).filter(|roles| *roles != RolesInTokens::default()),
        }
    }

    /// What it means.
    pub(super) fn read(self, audience: Audience) -> (ResourceServer, Option<SigningAlgorithm>) {
        let server = ResourceServer {
            audience,
            scope: self.scope.map(|scope| scope.0.0),
            access_ttl: self.access_ttl.map(|ttl| ttl.0.0),
            roles: self.roles.unwrap_or_default(),
        };
        (server, self.signing_algorithm)
    }
}
