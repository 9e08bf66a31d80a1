//! What of a user has which name in SCIM.

use serde_json::{Map, Value, json};

use crate::domain::provisioned::ProvisionedAs;
use crate::domain::scim::fault::{FaultKind, ScimFault};
use crate::domain::scim::resource::UserResource;
use crate::domain::user::{User, Username};
use crate::service::admin::error::AdminError;
use crate::service::admin::user_changes::Change;
use crate::service::admin::users::UserPatch;

/// Attributes, and the claims of OpenID Connect that they are.
const CLAIMS: [(&str, &str); 5] = [
    ("displayName", "name"),
    ("nickName", "nickname"),
    ("profileUrl", "profile"),
    ("locale", "locale"),
    ("timezone", "zoneinfo"),
];
const NAME: [(&str, &str); 3] =
    [("familyName", "family_name"), ("givenName", "given_name"), ("middleName", "middle_name")];
const ADDRESS: [(&str, &str); 6] = [
    ("formatted", "formatted"),
    ("streetAddress", "street_address"),
    ("locality", "locality"),
    ("region", "region"),
    ("postalCode", "postal_code"),
    ("country", "country"),
];

/// Labels of what a user has one of.
const LABELS: [&str; 2] = ["type", "primary"];
const LABELLED: [&str; 3] = ["emails", "phoneNumbers", "addresses"];

/// A user in SCIM's words, with those of a client.
pub(super) fn resource_of(user: &User, said: Option<&ProvisionedAs>) -> UserResource {
    let mut resource = UserResource::default();
    let claims = json!(user.claims);
    let claim = |name: &str| claims.get(name).cloned().unwrap_or_default();
    resource.say("userName", json!(user.username.as_str()));
    resource.say("externalId", json!(said.and_then(|said| said.external_id.as_deref())));
    resource.say("active", json!(user.disabled_at.is_none()));
    for (attribute, name) in CLAIMS {
        resource.say(attribute, claim(name));
    }
    resource.say("name", Value::Object(renamed(&NAME, &claims)));
    let address = renamed(&ADDRESS, &claim("address"));
    let value = |value: Value| {
        if value.is_null() { Map::new() } else { Map::from_iter([("value".to_owned(), value)]) }
    };
    for (attribute, parts) in [
        ("emails", value(json!(user.email))),
        ("phoneNumbers", value(claim("phone_number"))),
        ("addresses", address),
    ] {
        if !parts.is_empty() {
            let labels = labels_of(attribute, said);
            resource.say(attribute, json!([labels.into_iter().chain(parts).collect::<Map<_, _>>()]));
        }
    }
    resource.say("roles", user.roles.iter().map(|role| json!({ "value": role })).collect());
    resource
}

/// What stands beside: as the client labelled it, or as directories look for it.
fn labels_of(attribute: &str, said: Option<&ProvisionedAs>) -> Map<String, Value> {
    let labels = said.and_then(|said| said.labels.get(attribute)).and_then(Value::as_object);
    let usual = || {
        let primary = (attribute != "addresses").then(|| ("primary".to_owned(), json!(true)));
        [("type".to_owned(), json!("work"))].into_iter().chain(primary).collect()
    };
    labels.cloned().unwrap_or_else(usual)
}

fn renamed(names: &[(&str, &str)], claims: &Value) -> Map<String, Value> {
    let told =
        names.iter().filter_map(|(part, claim)| Some(((*part).to_owned(), claims.get(*claim)?.clone())));
    told.collect()
}

/// What a client wants a user to be.
pub(super) struct WantedUser {
    pub(super) username: Option<Username>,
    pub(super) email: Option<String>,
    /// All that SCIM has a name for; null where there is nothing.
    pub(super) claims: Map<String, Value>,
    pub(super) roles: Vec<String>,
    /// If it is told.
    pub(super) is_active: Option<bool>,
    pub(super) said: ProvisionedAs,
}

impl WantedUser {
    pub(super) fn by(resource: &UserResource) -> Result<Self, ScimFault> {
        let username = resource.text("userName").map(|name| {
            name.parse().map_err(|unfit| FaultKind::InvalidValue.with(format!("userName: {unfit}.")))
        });
        let mut claims = Map::new();
        for (attribute, claim) in CLAIMS {
            claims.insert(claim.to_owned(), json!(resource.text(attribute)));
        }
        for (part, claim) in NAME {
            claims.insert(claim.to_owned(), json!(resource.part("name", part)));
        }
        claims.insert("phone_number".to_owned(), json!(resource.part("phoneNumbers", "value")));
        let address: Map<String, Value> = ADDRESS
            .iter()
            .filter_map(|(part, claim)| Some(((*claim).to_owned(), json!(resource.part("addresses", part)?))))
            .collect();
        claims.insert("address".to_owned(), if address.is_empty() { Value::Null } else { json!(address) });
        let mut labels = Map::new();
        for attribute in LABELLED {
            if let Some(parts) = resource.one(attribute) {
                let told = parts.iter().filter(|(name, _)| LABELS.contains(&name.as_str()));
                let told: Map<_, _> = told.map(|(name, value)| (name.clone(), value.clone())).collect();
                labels.insert(attribute.to_owned(), json!(told));
            }
        }
        Ok(Self {
            username: username.transpose()?,
            email: resource.part("emails", "value").map(ToOwned::to_owned),
            claims,
            roles: resource.values("roles"),
            is_active: resource.flag("active"),
            said: ProvisionedAs { external_id: resource.text("externalId").map(ToOwned::to_owned), labels },
        })
    }

    /// What of it a user is not yet.
    pub(super) fn changes_of(&self, user: &User) -> Result<Vec<Change>, AdminError> {
        let known = json!(user.claims);
        let is_other =
            |(claim, value): &(&String, &Value)| known.get(claim.as_str()).unwrap_or(&Value::Null) != *value;
        let mut claims: Map<String, Value> = self
            .claims
            .iter()
            .filter(is_other)
            .map(|(claim, value)| (claim.clone(), value.clone()))
            .collect();
        if claims.contains_key("phone_number") {
            // Of another number nobody made sure.
            claims.insert("phone_number_verified".to_owned(), Value::Null);
        }
        let patch = UserPatch {
            username: self.username.clone(),
            email: (self.email != user.email).then(|| self.email.clone()),
            email_verified: None,
            claims: (!claims.is_empty()).then_some(claims),
            roles: Some(self.roles.clone()),
            disabled: self.is_active.map(|is_active| !is_active),
        };
        patch.changes_of(user)
    }
}
