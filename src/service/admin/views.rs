//! What an operator is shown, whichever the face: one JSON object for each thing. Times are RFC 3339 texts in UTC.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::audience::Audience;
use crate::domain::client::{Client, ClientKind, ClientMetadata, GrantType, Party};
use crate::domain::family::Family;
use crate::domain::ids::{ClientId, FamilyId, UserId, WebhookId};
use crate::domain::scope::ScopeSet;
use crate::domain::secrets::ClientSecret;
use crate::domain::sign_in::{Consent, GivenConsent};
use crate::domain::standard_claims::StandardClaims;
use crate::domain::user::{User, Username};
use crate::domain::web_origin::WebOrigin;
use crate::domain::webhook::Webhook;
use crate::service::keys::key_set::{Phase, ScheduledKey};
use crate::store::registration_tokens::RegistrationToken;
use crate::store::webhook_deliveries::WebhookDelivery;

#[derive(Debug, Serialize, ToSchema)]
pub struct ClientView {
    #[schema(value_type = String)]
    pub client_id: ClientId,
    /// Only when it is new.
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = Option<String>)]
    pub client_secret: Option<ClientSecret>,
    pub kind: &'static str,
    pub first_party: bool,
    pub name: Option<String>,
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    #[schema(value_type = Vec<String>)]
    pub origins: Vec<WebOrigin>,
    pub code_protection: &'static str,
    #[schema(value_type = Vec<String>)]
    pub grants: BTreeSet<GrantType>,
    #[schema(value_type = String)]
    pub scope: ScopeSet,
    #[schema(value_type = Vec<String>)]
    pub audiences: Vec<Audience>,
    #[schema(value_type = Vec<String>)]
    pub serves: Vec<Audience>,
    #[schema(value_type = Object)]
    pub metadata: ClientMetadata,
    pub access_ttl: Option<String>,
    pub idle_ttl: Option<String>,
    pub absolute_ttl: Option<String>,
    pub leeway: Option<String>,
    pub created_at: String,
}

impl ClientView {
    pub(super) fn of(client: Client, client_secret: Option<ClientSecret>) -> Self {
        Self {
            client_id: client.id,
            client_secret,
            kind: match client.kind {
                ClientKind::Public => "public",
                ClientKind::Confidential(_) => "confidential",
            },
            first_party: client.party == Party::First,
            name: client.name,
            redirect_uris: client.redirect_uris,
            post_logout_redirect_uris: client.post_logout_redirect_uris,
            origins: client.web_origins,
            code_protection: client.code_protection.as_str(),
            grants: client.grants,
            scope: client.scopes,
            audiences: client.audiences,
            serves: client.serves,
            metadata: client.metadata,
            access_ttl: client.lifetimes.access_ttl.map(duration),
            idle_ttl: client.lifetimes.idle_ttl.map(duration),
            absolute_ttl: client.lifetimes.absolute_ttl.map(duration),
            leeway: client.lifetimes.leeway.map(duration),
            created_at: time(client.created_at),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UserView {
    #[schema(value_type = Uuid)]
    pub id: UserId,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub username: Username,
    pub email: Option<String>,
    pub email_verified: bool,
    #[schema(value_type = Object)]
    pub claims: StandardClaims,
    pub roles: Vec<String>,
    pub created_at: String,
    pub last_login_at: Option<String>,
    pub disabled_at: Option<String>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            email: user.email,
            email_verified: user.email_verified,
            claims: user.claims,
            roles: user.roles,
            created_at: time(user.created_at),
            last_login_at: user.last_login_at.map(time),
            disabled_at: user.disabled_at.map(time),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct FamilyView {
    #[schema(value_type = Uuid)]
    pub id: FamilyId,
    #[schema(value_type = Uuid)]
    pub user_id: UserId,
    /// Unless the user was removed.
    pub username: Option<String>,
    #[schema(value_type = String)]
    pub client_id: ClientId,
    #[schema(value_type = String)]
    pub scope: ScopeSet,
    pub generation: i64,
    pub device: Option<String>,
    pub user_agent: Option<String>,
    pub address: Option<String>,
    /// Whether its refresh tokens are bound to a key.
    pub bound: bool,
    pub created_at: String,
    pub last_used_at: String,
    pub expires_at: String,
    /// `live`, `expired`, or `ended:` and why.
    pub state: String,
}

impl FamilyView {
    pub(super) fn of(family: Family, username: Option<String>, state: String) -> Self {
        Self {
            id: family.id,
            user_id: family.user(),
            username,
            client_id: family.client_id,
            scope: family.scope,
            generation: family.generation.number(),
            device: family.agent.name,
            user_agent: family.agent.user_agent,
            address: family.agent.address,
            bound: family.key_thumbprint.is_some(),
            created_at: time(family.created_at),
            last_used_at: time(family.rotated_at),
            expires_at: time(family.expires_at),
            state,
        }
    }
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RegistrationTokenView {
    pub id: Uuid,
    pub uses_left: i64,
    pub created_at: String,
    pub expires_at: String,
}

impl From<&RegistrationToken> for RegistrationTokenView {
    fn from(token: &RegistrationToken) -> Self {
        Self {
            id: token.id,
            uses_left: token.uses_left,
            created_at: time(token.created_at),
            expires_at: time(token.expires_at),
        }
    }
}

/// What a user agreed to.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentView {
    #[schema(value_type = String)]
    pub client_id: ClientId,
    #[schema(value_type = String)]
    pub scope: ScopeSet,
    #[schema(value_type = Vec<String>)]
    pub audiences: Vec<Audience>,
    pub granted_at: String,
}

impl From<GivenConsent> for ConsentView {
    fn from(given: GivenConsent) -> Self {
        let Consent { scope, audiences } = given.consent;
        Self { client_id: given.client, scope, audiences, granted_at: time(given.at) }
    }
}

/// What happened, with what is told of it beside.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventView {
    /// The version of this form.
    pub v: u32,
    pub id: Uuid,
    pub at: String,
    pub event: String,
    /// How often, in that minute, if it is one of those that are counted.
    pub times: i64,
    /// What else is told of it, as members beside these.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub fields: Map<String, Value>,
}

#[derive(Debug, Serialize)]
pub struct WebhookView {
    pub id: WebhookId,
    pub url: String,
    pub events: Vec<String>,
    pub created_at: String,
    pub disabled_at: Option<String>,
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id,
            url: webhook.url.to_string(),
            events: webhook.events.iter().map(ToString::to_string).collect(),
            created_at: time(webhook.created_at),
            disabled_at: webhook.disabled_at.map(time),
        }
    }
}

/// What a webhook is told.
#[derive(Debug, Serialize)]
pub struct DeliveryView {
    pub id: Uuid,
    pub webhook_id: WebhookId,
    pub event: String,
    /// `pending`, `delivered` or `dead`.
    pub state: String,
    pub attempts: i64,
    pub created_at: String,
    pub next_attempt_at: Option<String>,
    pub failure: Option<String>,
}

impl From<WebhookDelivery> for DeliveryView {
    fn from(delivery: WebhookDelivery) -> Self {
        let is_pending = delivery.state == "pending";
        Self {
            id: delivery.id,
            webhook_id: delivery.webhook,
            event: delivery.event,
            state: if delivery.state == "given_up" { "dead".to_owned() } else { delivery.state },
            attempts: delivery.attempts,
            created_at: time(delivery.created_at),
            next_attempt_at: is_pending.then(|| time(delivery.due_at)),
            failure: delivery.failure,
        }
    }
}

#[derive(Debug, Serialize)]
pub struct KeysView {
    pub signing_keys: Vec<SigningKeyView>,
    /// The ids of the master keys, the active one first.
    pub master_keys: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SigningKeyView {
    pub kid: String,
    pub algorithm: &'static str,
    #[schema(value_type = String)]
    pub phase: Phase,
    pub created_at: String,
    pub signs_from: String,
    pub published_until: Option<String>,
}

impl SigningKeyView {
    pub(super) fn of(key: &ScheduledKey, phase: Phase) -> Self {
        Self {
            kid: key.key.kid().to_owned(),
            algorithm: key.key.algorithm_name(),
            phase,
            created_at: time(key.stored.created_at),
            signs_from: time(key.stored.signs_from),
            published_until: key.retired_at().map(time),
        }
    }
}

/// What one version of a view is known by (RFC 9110 §8.8.3): a strong one, quotes and all.
pub fn entity_tag(view: &impl Serialize) -> String {
    let hash = digest::digest(&digest::SHA256, json!(view).to_string().as_bytes());
    let (tag, _) = hash.as_ref().split_at(16);
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(tag))
}

#[must_use]
pub fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn exposed<S: Serializer>(secret: &Option<ClientSecret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(ClientSecret::expose).serialize(serializer)
}

fn as_text<S: Serializer>(name: &Username, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}
