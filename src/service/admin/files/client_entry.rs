//! A client as a file says it: with the names that the admin API has for it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::domain::audience::Audience;
use crate::domain::client::{Client, ClientKind, CodeProtection, GrantType, Party, SecurityProfile};
use crate::domain::ids::ClientId;
use crate::domain::lifetimes::LifetimeOverrides;
use crate::domain::web_origin::WebOrigin;
use crate::service::admin::client_changes::ClientChanges;
use crate::service::admin::clients;
use crate::service::admin::error::AdminError;
use crate::service::admin::files::form_text::{AsText, Lasting, Scopes};

/// What is absent is as it is in a new client.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ClientEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<ClientKindWord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<SecurityProfile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    first_party: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    redirect_uris: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    post_logout_redirect_uris: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    origins: Vec<WebOrigin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_protection: Option<AsText<CodeProtection>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grants: Option<Vec<GrantType>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<AsText<Scopes>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    audiences: Vec<AsText<Audience>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    serves: Vec<AsText<Audience>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_ttl: Option<AsText<Lasting>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_ttl: Option<AsText<Lasting>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    absolute_ttl: Option<AsText<Lasting>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leeway: Option<AsText<Lasting>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<SecretReference>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
}

/// RFC 6749 §2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ClientKindWord {
    Public,
    Confidential,
}

/// Where a secret is: it is never in the file itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretReference {
    /// In an environment variable.
    Env(String),
    /// In a file of its own.
    File(String),
}

impl ClientKindWord {
    fn of(kind: &ClientKind) -> Self {
        match kind {
            ClientKind::Public => Self::Public,
            ClientKind::Confidential(_) => Self::Confidential,
        }
    }
}

impl ClientEntry {
    /// What a file has to say to have a client so, without its secrets: of those only hashes are known.
    pub(super) fn of(client: &Client) -> Self {
        let lasting = |duration: Option<_>| duration.map(|duration| AsText(Lasting(duration)));
        let said = &client.lifetimes;
        Self {
            kind: Some(ClientKindWord::of(&client.kind)),
            profile: None,
            name: client.name.clone(),
            first_party: client.party == Party::First,
            redirect_uris: client.redirect_uris.clone(),
            post_logout_redirect_uris: client.post_logout_redirect_uris.clone(),
            origins: client.web_origins.clone(),
            code_protection: Some(client.code_protection)
                .filter(|protection| *protection != CodeProtection::Pkce)
                .map(AsText),
            grants: Some(client.grants.iter().copied().collect()),
            scope: Some(client.scopes.clone())
                .filter(|scope| !scope.is_empty())
                .map(|scope| AsText(Scopes(scope))),
            audiences: client.audiences.iter().cloned().map(AsText).collect(),
            serves: client.serves.iter().cloned().map(AsText).collect(),
            access_ttl: lasting(said.access_ttl),
            idle_ttl: lasting(said.idle_ttl),
            absolute_ttl: lasting(said.absolute_ttl),
            leeway: lasting(said.leeway),
            secret: None,
            metadata: match json!(client.metadata) {
                Value::Object(members) => members,
                _ => Map::new(),
            },
        }
    }

    /// A new client that is so.
    pub(super) fn read(
        self,
        id: ClientId,
        kind: ClientKindWord,
        now: DateTime<Utc>,
    ) -> Result<Client, AdminError> {
        let kind = match kind {
            ClientKindWord::Public => ClientKind::Public,
            ClientKindWord::Confidential => ClientKind::Confidential(Vec::new()),
        };
        let lasting = |said: Option<AsText<Lasting>>| said.map(|said| said.0.0);
        let texts = |said: Vec<AsText<Audience>>| Some(said.into_iter().map(|it| it.0).collect());
        let said = ClientChanges {
            profile: self.profile,
            party: self.first_party.then_some(Party::First),
            redirect_uris: Some(self.redirect_uris),
            name: self.name,
            post_logout_redirect_uris: Some(self.post_logout_redirect_uris),
            web_origins: Some(self.origins),
            code_protection: self.code_protection.map(|it| it.0),
            metadata: Some(self.metadata).filter(|members| !members.is_empty()),
            grants: self.grants,
            scopes: self.scope.map(|scope| scope.0.0),
            audiences: texts(self.audiences),
            serves: texts(self.serves),
            lifetimes: LifetimeOverrides {
                access_ttl: lasting(self.access_ttl),
                idle_ttl: lasting(self.idle_ttl),
                absolute_ttl: lasting(self.absolute_ttl),
                leeway: lasting(self.leeway),
            },
            ..ClientChanges::default()
        };
        clients::made(id, kind, said, now)
    }
}
