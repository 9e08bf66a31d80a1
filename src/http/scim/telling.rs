//! A user as SCIM clients read it.

use actix_web::http::header::{ETAG, LOCATION};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::{Map, Value, json};

use crate::domain::scim::schema::USER;
use crate::http::scim::reading::Projection;
use crate::http::scim::refusal::SCIM_JSON;
use crate::service::admin::provisioning::ProvisionedUser;
use crate::service::admin::views::time;

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// A user at `users`, the URL of all. Nothing here notes when one was last changed: `meta` does not tell it.
pub(super) fn resource(user: &ProvisionedUser, users: &str, projection: &Projection) -> Map<String, Value> {
    let mut told = projection.of(&user.attributes);
    let meta = json!({
        "resourceType": "User",
        "created": time(user.created_at),
        "location": location(user, users),
        "version": user.version,
    });
    told.extend(projection.of(&Map::from_iter([("meta".to_owned(), meta)])));
    // RFC 7643 §3.1, §7: these are always told.
    told.insert("schemas".to_owned(), json!([USER]));
    told.insert("id".to_owned(), json!(user.id));
    told
}

fn location(user: &ProvisionedUser, users: &str) -> String {
    format!("{users}/{}", user.id)
}

impl Projection {
    fn of(&self, attributes: &Map<String, Value>) -> Map<String, Value> {
        let told =
            attributes.iter().filter_map(|(name, value)| Some((name.clone(), self.part_of(name, value)?)));
        told.collect()
    }

    /// What is told of an attribute; `None` for nothing.
    fn part_of(&self, name: &str, value: &Value) -> Option<Value> {
        let path = |part: Option<&str>| {
            let whole = part.map_or_else(|| name.to_owned(), |part| format!("{name}.{part}"));
            whole.to_ascii_lowercase()
        };
        let is_named = |names: &[String], part: Option<&str>| {
            let path = path(part);
            names.iter().any(|it| it.rsplit_once(':').map_or(it.as_str(), |(_, own)| own) == path)
        };
        let is_told = |part: &str| match &self.attributes {
            Some(names) => is_named(names, Some(part)),
            None => !is_named(&self.excluded, Some(part)),
        };
        match &self.attributes {
            Some(names) if is_named(names, None) => return Some(value.clone()),
            None if is_named(&self.excluded, None) => return None,
            Some(_) | None => {}
        }
        let some_of = |parts: &Map<String, Value>| {
            let told: Map<_, _> = parts
                .iter()
                .filter(|(part, _)| is_told(part))
                .map(|(part, it)| (part.clone(), it.clone()))
                .collect();
            (!told.is_empty()).then_some(Value::Object(told))
        };
        match value {
            Value::Object(parts) => some_of(parts),
            Value::Array(elements) => {
                let told: Vec<_> = elements.iter().filter_map(Value::as_object).filter_map(some_of).collect();
                (!told.is_empty()).then(|| json!(told))
            }
            other => self.attributes.is_none().then(|| other.clone()),
        }
    }
}

/// Answers with a user.
pub(super) fn with_user(
    mut response: HttpResponseBuilder,
    user: &ProvisionedUser,
    users: &str,
    projection: &Projection,
) -> HttpResponse {
    response.insert_header((ETAG, user.version.as_str()));
    // RFC 7644 §3.1: where it is.
    response.insert_header((LOCATION, location(user, users)));
    let told = Value::Object(resource(user, users, projection));
    response.content_type(SCIM_JSON).body(told.to_string())
}

/// Answers with a list (RFC 7644 §3.4.2).
pub(super) fn with_list(total: i64, start: i64, resources: &[Value]) -> HttpResponse {
    let list = json!({
        "schemas": [LIST],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    });
    with_object(&list)
}

pub(super) fn with_object(object: &Value) -> HttpResponse {
    HttpResponse::Ok().content_type(SCIM_JSON).body(object.to_string())
}
