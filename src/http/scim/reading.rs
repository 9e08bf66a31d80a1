//! What is sent: queries, JSON, and for which version it is meant.

use actix_web::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use actix_web::{HttpMessage as _, HttpRequest};
use serde_json::{Map, Value};

use crate::domain::json::{self, InvalidJson};
use crate::domain::scim::fault::{FaultKind, ScimFault};
use crate::domain::scim::filter::criteria;
use crate::http::body::{Body, Form};
use crate::http::scim::refusal::ScimProblem;
use crate::service::admin::provisioning::{MOST, WantedResources};

const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// RFC 7644 §3.8: both types of JSON are taken.
pub(super) fn object(request: &HttpRequest, body: Body) -> Result<Map<String, Value>, ScimProblem> {
    let content_type = request.content_type();
    if !["application/scim+json", "application/json"].iter().any(|it| content_type.eq_ignore_ascii_case(it)) {
        return Err(syntax("Send JSON, with Content-Type: application/scim+json.").into());
    }
    let text = body.text()?;
    let value = json::read(&text).map_err(|invalid| match invalid {
        InvalidJson::Malformed => syntax("The body is not well-formed JSON."),
        InvalidJson::Nul => syntax("A text holds the character U+0000."),
    })?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(syntax("Send a JSON object.").into()),
    }
}

/// Which parts of a resource are told (RFC 7644 §3.9).
#[derive(Debug, Default)]
pub(super) struct Projection {
    /// These alone, in lower case.
    pub(super) attributes: Option<Vec<String>>,
    /// All but these.
    pub(super) excluded: Vec<String>,
}

/// A list that is asked for.
pub(super) struct Query {
    pub(super) wanted: WantedResources,
    /// The place of the first, from 1.
    pub(super) start: i64,
    pub(super) projection: Projection,
}

/// Reads what stands in a query of one resource.
pub(super) fn projection(request: &HttpRequest) -> Result<Projection, ScimProblem> {
    let form = Form::of_query(request.query_string())?;
    let names = |name: &str| form.get(name).map(split);
    projected(names("attributes"), names("excludedAttributes"))
}

fn split(names: &str) -> Vec<String> {
    names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

fn projected(
    attributes: Option<Vec<String>>,
    excluded: Option<Vec<String>>,
) -> Result<Projection, ScimProblem> {
    if attributes.is_some() && excluded.is_some() {
        return Err(value("Send attributes or excludedAttributes, not both.").into());
    }
    let lower = |names: Vec<String>| names.iter().map(|name| name.to_ascii_lowercase()).collect();
    Ok(Projection { attributes: attributes.map(lower), excluded: excluded.map(lower).unwrap_or_default() })
}

/// Reads a query of a list. Sorting is not offered, and a wish for it is passed over (RFC 7644 §3.4.2.3).
pub(super) fn query(request: &HttpRequest) -> Result<Query, ScimProblem> {
    let form = Form::of_query(request.query_string())?;
    let number = |name: &str| {
        let read = form.get(name).map(|text| text.parse().map_err(|_| not_a_number(name)));
        read.transpose()
    };
    let names = |name: &str| form.get(name).map(split);
    let projection = projected(names("attributes"), names("excludedAttributes"))?;
    asked(form.get("filter"), number("startIndex")?, number("count")?, projection)
}

/// Reads the same where it is posted (RFC 7644 §3.4.3).
pub(super) fn posted_query(object: &Map<String, Value>) -> Result<Query, ScimProblem> {
    let schemas = object.get("schemas").and_then(Value::as_array).into_iter().flatten();
    if !schemas.into_iter().any(|schema| schema == SEARCH) {
        return Err(syntax(format!("schemas must have {SEARCH} in it.")).into());
    }
    let number = |name: &str| {
        let read = object.get(name).filter(|it| !it.is_null());
        read.map(|it| it.as_i64().ok_or_else(|| not_a_number(name))).transpose()
    };
    let names = |name: &str| {
        let Some(Value::Array(names)) = object.get(name) else { return None };
        Some(names.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect())
    };
    let projection = projected(names("attributes"), names("excludedAttributes"))?;
    let filter = object.get("filter").and_then(Value::as_str);
    asked(filter, number("startIndex")?, number("count")?, projection)
}

/// RFC 7644 §3.4.2.4: what is below 1 is 1, a count below 0 is 0.
fn asked(
    filter: Option<&str>,
    start: Option<i64>,
    count: Option<i64>,
    projection: Projection,
) -> Result<Query, ScimProblem> {
    let start = start.unwrap_or(1).max(1);
    let wanted = WantedResources {
        criteria: filter.map(criteria).transpose()?,
        skipped: start - 1,
        limit: count.unwrap_or(MOST).clamp(0, MOST),
    };
    Ok(Query { wanted, start, projection })
}

/// The one version that a change is meant for; `None` where it is meant for any.
pub(super) fn meant_for(request: &HttpRequest) -> Result<Option<&str>, ScimProblem> {
    let tag = tag_in(request, &IF_MATCH)?;
    Ok(tag.filter(|tag| *tag != "*"))
}

/// The version that is known already.
pub(super) fn known(request: &HttpRequest) -> Result<Option<&str>, ScimProblem> {
    tag_in(request, &IF_NONE_MATCH)
}

/// RFC 7644 §3.14 has weak tags in its examples, and some proxies make strong ones weak: they are the same here.
fn tag_in<'a>(request: &'a HttpRequest, name: &HeaderName) -> Result<Option<&'a str>, ScimProblem> {
    let Some(sent) = request.headers().get(name) else { return Ok(None) };
    let sent = sent.to_str().unwrap_or_default().trim();
    let tag = sent.strip_prefix("W/").unwrap_or(sent);
    let is_tag = tag.starts_with('"') && tag.ends_with('"') && tag.len() > 1 && !tag.contains(',');
    if is_tag || sent == "*" {
        return Ok(Some(tag));
    }
    Err(syntax("If-Match and If-None-Match are one entity tag with its quotes, or *.").into())
}

fn not_a_number(name: &str) -> ScimFault {
    value(format!("{name} is a number."))
}

fn value(detail: impl Into<String>) -> ScimFault {
    FaultKind::InvalidValue.with(detail)
}

fn syntax(detail: impl Into<String>) -> ScimFault {
    FaultKind::InvalidSyntax.with(detail)
}
