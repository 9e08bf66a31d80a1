//! What this server has of SCIM (RFC 7643 §5–§7, RFC 7644 §4). It says nothing that is not public, and whoever sets a
//! client up has no token yet (RFC 7643 §5).

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use crate::domain::scim::schema::{ATTRIBUTES, AttributeKind, Plurality, ScimAttribute, USER};
use crate::http::Web;
use crate::http::body::Form;
use crate::http::scim::refusal::ScimProblem;
use crate::http::scim::telling::{with_list, with_object};
use crate::service::admin::provisioning::MOST;

/// A request for a description.
pub(super) struct DescriptionAsked {
    web: web::Data<Web>,
    query: String,
}

impl FromRequest for DescriptionAsked {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let web = web::Data::from_request(request, payload).into_inner();
        ready(web.map(|web| Self { web, query: request.query_string().to_owned() }))
    }
}

impl DescriptionAsked {
    /// RFC 7644 §4: a filter is answered with 403.
    fn answered(self, describe: impl FnOnce(&Web) -> Option<HttpResponse>) -> Ready<HttpResponse> {
        let is_filtered = Form::of_query(&self.query).map(|query| query.get("filter").is_some());
        ready(match is_filtered {
            Ok(false) => describe(&self.web).unwrap_or_else(|| ScimProblem::NoPlace.into_response()),
            Ok(true) => ScimProblem::Unfilterable.into_response(),
            Err(problem) => ScimProblem::from(problem).into_response(),
        })
    }
}

pub(super) fn provider(asked: DescriptionAsked) -> Ready<HttpResponse> {
    asked.answered(|web| Some(with_object(&provider_config(web))))
}

pub(super) fn schemas(asked: DescriptionAsked) -> Ready<HttpResponse> {
    asked.answered(|web| Some(with_list(1, 1, &[user_schema(web)])))
}

pub(super) fn schema(asked: DescriptionAsked, id: web::Path<String>) -> Ready<HttpResponse> {
    let id = id.into_inner();
    asked.answered(|web| id.eq_ignore_ascii_case(USER).then(|| with_object(&user_schema(web))))
}

pub(super) fn resource_types(asked: DescriptionAsked) -> Ready<HttpResponse> {
    asked.answered(|web| Some(with_list(1, 1, &[user_type(web)])))
}

pub(super) fn resource_type(asked: DescriptionAsked, id: web::Path<String>) -> Ready<HttpResponse> {
    let id = id.into_inner();
    asked.answered(|web| (id == "User").then(|| with_object(&user_type(web))))
}

fn meta(web: &Web, kind: &str, place: &str) -> Value {
    json!({ "resourceType": kind, "location": format!("{}/scim/v2/{place}", web.url) })
}

fn provider_config(web: &Web) -> Value {
    let no = json!({ "supported": false });
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": MOST },
        "changePassword": { "supported": true },
        "sort": no,
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "OAuth 2.0",
            "description": "Access tokens of this server, for itself, with the scopes heirloom:users.read and heirloom:users.write",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
            "primary": true,
        }],
        "meta": meta(web, "ServiceProviderConfig", "ServiceProviderConfig"),
    })
}

fn user_type(web: &Web) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": "User",
        "name": "User",
        "endpoint": "/Users",
        "description": "Users of this server",
        "schema": USER,
        "meta": meta(web, "ResourceType", "ResourceTypes/User"),
    })
}

fn user_schema(web: &Web) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": USER,
        "name": "User",
        "description": "Users of this server",
        "attributes": ATTRIBUTES.iter().map(described).collect::<Vec<_>>(),
        "meta": meta(web, "Schema", &format!("Schemas/{USER}")),
    })
}

/// RFC 7643 §7.
fn described(attribute: &ScimAttribute) -> Value {
    let kind = match attribute.kind {
        AttributeKind::Text => "string",
        AttributeKind::Boolean => "boolean",
        AttributeKind::Reference => "reference",
        AttributeKind::Complex(_) => "complex",
    };
    let mut told = json!({
        "name": attribute.name,
        "type": kind,
        "multiValued": attribute.plurality != Plurality::One,
        "description": attribute.description,
        "required": attribute.is_required,
        "caseExact": attribute.is_case_exact,
        "mutability": if attribute.is_secret { "writeOnly" } else { "readWrite" },
        "returned": if attribute.is_secret { "never" } else { "default" },
        "uniqueness": if attribute.name == "userName" { "server" } else { "none" },
    });
    let parts: Vec<Value> = attribute.parts().iter().map(described).collect();
    if let (false, Some(members)) = (parts.is_empty(), told.as_object_mut()) {
        members.insert("subAttributes".to_owned(), json!(parts));
    }
    if let (AttributeKind::Reference, Some(members)) = (attribute.kind, told.as_object_mut()) {
        members.insert("referenceTypes".to_owned(), json!(["external"]));
    }
    told
}
